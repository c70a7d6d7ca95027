# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's command: real Blender and a real backend process, timed. Standard library only.

Every figure is the median of several runs; NAME_min and NAME_max beside it are the extremes. Nothing else should be
running.

* regenerate_4x5s_seconds: warm; from a changed key to curves written and evaluated, 4 takes of 5 s of audio and the
  second of silence on both sides, face and head
* cold_start_seconds: from starting the backend's process to its first answer, its model loaded
* backend_peak_mib: largest resident memory of that backend after all of these generations
* write_300_frames_ms: a take of 300 frames written into curves, the animator's keys kept, and the scene evaluated; the
  time for the channels there are, scaled to 60
* show_take_300_frames_ms: switching to that take by the operator, i.e. reading, comparing, rendering and writing
* seconds_per_second_one_take: from audio to channels, features included, over the seconds of audio; one take, one core

With `--window VERSION`, a windowed Blender instead, found as `scripts/test.py --gui` finds it:

* longest_callback_ms_NAME: longest call of ours by Blender (modal, draw, poll, timer) while two takes are generated
* switch_ms_NAME, undo_ms_NAME, redo_ms_NAME: until another take's curves are written, with the undo step; NAME is
  300_frames or five_minutes; switch_first_ms_NAME is the first switch, before anything is remembered
* sparse_on_ms_NAME, sparse_switch_first_ms_NAME, sparse_switch_ms_NAME: until Sparse Keys is on; then the first
  switches to each take, and those after them
* playback_fps_retake, playback_fps_bare: three heads, five minutes, sound, solid view, 24 fps asked; bare is without
  the extension
* scrub_ms_retake, scrub_ms_bare: going to a frame and drawing the window
* ours_ms_per_played_frame, frame_handlers_of_ours: what our functions take of a played frame, how many are handlers
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..addon.core.interpreters import InterpreterError
from .environments import BACKEND, ROOT, EnvironmentMakeError, demo_blender, ensure
from .suite import find_window

_PARTS = {"clips": "bench_backend", "backend": "bench_backend", "scene": "bench_scene"}
_WINDOW = ("--window-geometry", "0", "0", "1600", "900", "--python-exit-code", "1")
_SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"
LEAST_RUNS = 5
ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark.

    Args:
        arguments: Those of the command line.

    Returns:
        Exit code.
    """
    options = _parser().parse_args(arguments)
    if options.part:
        part = importlib.import_module(f".{_PARTS[options.part]}", __package__)
        return int(part.main(options.part, options.folder, options.runs))
    if options.blender and not options.window:
        print("--blender goes with --window VERSION", file=sys.stderr)
        return 2
    if options.runs < LEAST_RUNS:
        print(f"{options.runs} runs are too few for a median: use {LEAST_RUNS} or more.", file=sys.stderr)
        return 2
    try:
        pythons = {"scene": ensure(demo_blender()), "backend": ensure(BACKEND)}
    except (EnvironmentMakeError, InterpreterError) as error:
        print(error, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        if options.window:
            samples = _run_window(options.window, options.blender, pythons["backend"], Path(name), options.runs)
        else:
            samples = _run_parts(pythons, Path(name), options.runs)
    if samples is None:
        return 1
    figures = summarise(samples)
    print(json.dumps(figures) if options.json else json.dumps(figures, indent=2))
    return 0


def summarise(samples: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Median, smallest and largest of each figure's samples, four digits."""
    figures = {}
    for name, values in samples.items():
        figures[name] = statistics.median(values)
        if len(values) > 1:
            figures |= {f"{name}_min": min(values), f"{name}_max": max(values)}
    return {name: float(f"{value:.4g}") for name, value in figures.items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.py", description="Measures times and memory; takes a minute or two.")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object on the last line")
    parser.add_argument("--runs", type=int, default=7, help=f"runs a figure, at least {LEAST_RUNS}; default 7")
    parser.add_argument("--window", metavar="VERSION", help="measure in a windowed Blender instead, e.g. 5.2")
    parser.add_argument("--blender", metavar="PATH", help="the Blender program for --window")
    parser.add_argument("--part", choices=tuple(_PARTS), help=argparse.SUPPRESS)  # how it re-runs itself
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser


def _run_window(
    version: str, blender: str | None, backend: Path, folder: Path, runs: int
) -> dict[str, list[float]] | None:
    """Run the window's part in a windowed Blender; None where there is none or it failed."""
    try:
        found = find_window(version, blender)
    except EnvironmentMakeError as error:
        print(error, file=sys.stderr)
        return None
    script = [str(ROOT / "scripts" / "bench.py"), "--part", "clips", "--folder", str(folder), "--runs", str(runs)]
    subprocess.run([str(backend), *script], check=True, stdout=sys.stderr)
    (folder / "user").mkdir()  # Blender takes no settings folder that is not there
    arguments = ["--python", str(ROOT / "tools" / "bench_window.py"), "--", str(folder), str(runs)]
    variables = {**os.environ, "BLENDER_USER_RESOURCES": str(folder / "user"), "RETAKE_BACKEND_PYTHON": str(backend)}
    if "RETAKE_GUI_LAUNCHER" in found:  # its Blender lives in a root of its own, and starts this computer's Pythons so
        starter = folder / "backend-python"
        starter.write_text(f'#!/bin/sh\nHOST_PYTHON="{backend}" exec /usr/local/bin/host-python "$@"\n')
        starter.chmod(0o755)
        variables["RETAKE_BACKEND_PYTHON"] = str(starter)
        launcher = [found["RETAKE_GUI_LAUNCHER"]]
        subprocess.run([*launcher, "run", version, "--", "--version"], cwd=ROOT, check=True, stdout=sys.stderr)
        # Its Blender runs on its own root's Python, which other Pythons on the PATH would hide.
        command = [*launcher, "exec", version, "--", "env", f"PATH={_SYSTEM}", "blender", *_WINDOW, *arguments]
    else:
        command = [found["RETAKE_GUI_BLENDER"], *_WINDOW, *arguments]
    subprocess.run(command, cwd=ROOT, env=variables, stdout=sys.stderr)
    result = folder / "window.json"
    return json.loads(result.read_text(encoding="utf-8")) if result.is_file() else None


def _run_parts(pythons: Mapping[str, Path], folder: Path, runs: int) -> dict[str, list[float]] | None:
    """Run each part in its environment; None where one failed."""
    samples: dict[str, list[float]] = {}
    for part in _PARTS:
        python = pythons.get(part, pythons["backend"])
        one_core = ONE_CORE if part == "backend" else {}
        variables = {**os.environ, **one_core, "RETAKE_BACKEND_PYTHON": str(pythons["backend"])}
        command = [str(python), str(ROOT / "scripts" / "bench.py"), "--part", part]
        command += ["--folder", str(folder), "--runs", str(runs)]
        if subprocess.run(command, env=variables, stdout=sys.stderr).returncode != 0:
            return None
        result = folder / f"{part}.json"
        samples |= json.loads(result.read_text(encoding="utf-8")) if result.is_file() else {}
    return samples
