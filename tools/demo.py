# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's command: makes the environments, then runs the demo's two halves, each in its own. Standard library only.

The first half, `demo_scene`, works in Blender with the extension's operators and a real backend, and leaves what it
read there in a file; the second, `demo_report`, measures that and draws the contact sheet in the backend's environment.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from ..addon.core.interpreters import InterpreterError
from .environments import BACKEND, ROOT, Environment, EnvironmentMakeError, demo_blender, ensure

SAMPLE = ROOT / "backend" / "assets" / "sample.flac"
_HALVES = {"scene": "demo_scene", "report": "demo_report"}


def main(arguments: Sequence[str]) -> int:
    """Run the demo.

    Args:
        arguments: Those of the command line.

    Returns:
        Exit code: 0 when every file was made.
    """
    options = _parser().parse_args(arguments)
    if options.half:
        half = importlib.import_module(f".{_HALVES[options.half]}", __package__)
        if options.half == "scene":
            return int(half.main(options.audio, options.out, options.measured, options.head))
        return int(half.main(options.audio, options.out, options.measured))
    if not options.audio.is_file():
        print(f"There is no recording at '{options.audio}': name an audio file that exists.", file=sys.stderr)
        return 2
    if options.head and not options.head.is_file():
        print(f"There is no head at '{options.head}': name a file that exists.", file=sys.stderr)
        return 2
    started = time.monotonic()
    try:
        blender = demo_blender()
        pythons = {"scene": ensure(blender), "report": ensure(BACKEND)}
    except (EnvironmentMakeError, InterpreterError) as error:
        print(error, file=sys.stderr)
        return 1
    return _run_halves(options, blender, pythons, time.monotonic() - started)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="demo.py",
        description="Adds a head in real Blender, imports a recording, generates three takes, keys poses, "
        "updates, switches takes, saves; leaves demo.blend, a video of each take, sheet.png and report.json.",
    )
    parser.add_argument("audio", nargs="?", type=Path, default=SAMPLE, metavar="AUDIO", help="default: the sample")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), metavar="FOLDER", help="default: out/demo")
    parser.add_argument("--head", type=Path, metavar="FILE", help="a FLAME model, or a head of tools/arrays_head.py")
    parser.add_argument("--half", choices=tuple(_HALVES), help=argparse.SUPPRESS)  # how it re-runs itself
    parser.add_argument("--measured", type=Path, help=argparse.SUPPRESS)
    return parser


def _run_halves(options: argparse.Namespace, blender: Environment, pythons: dict[str, Path], seconds: float) -> int:
    """Run both halves, the second if the first succeeded."""
    options.out.mkdir(parents=True, exist_ok=True)
    variables = {**os.environ, "RETAKE_BACKEND_PYTHON": str(pythons["report"]), "PYTHONDONTWRITEBYTECODE": "1"}
    print(f"Blender is {blender.name}, the recording {options.audio.name}.", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for half, python in pythons.items():
            command = [str(python), str(ROOT / "scripts" / "demo.py"), str(options.audio.resolve())]
            command += ["--out", str(options.out.resolve()), "--half", half, "--measured", str(Path(folder) / "scene")]
            if options.head:
                command += ["--head", str(options.head.resolve())]
            environment_seconds = {"RETAKE_DEMO_SECONDS_ENVIRONMENTS": f"{seconds:.3f}"}
            code = subprocess.run(command, env={**variables, **environment_seconds}).returncode
            if code != 0:
                return code
    return 0
