# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's part in Blender: regenerating, writing, and the backend's start and memory."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import bpy

from ..addon.core.render import render
from ..addon.core.steps import finish
from ..addon.operators import direct, session
from ..addon.scene import rig
from ..addon.scene.shot import find_head, open_shot, recording_of
from ..addon.scene.writer import write_plans
from .demo_backend import describe_backend, start_backend

_FPS = 30
_TAKES = 4
_CHANNELS = 60  # what a figure is scaled to
_KEY, _KEY_FRAME = "mouthSmileLeft", 60

Samples = dict[str, list[float]]


def main(part: str, folder: Path, runs: int) -> int:
    """Measure and leave scene.json in the folder.

    Args:
        part: "scene".
        folder: Where the clips lie and the result goes.
        runs: Samples to take.

    Returns:
        Exit code.
    """
    root = sys.modules["retake"]
    samples: Samples = {}
    bpy.ops.wm.read_factory_settings(use_empty=True)
    root.register()
    try:
        samples["cold_start_seconds"] = measure_start(runs)
        samples["regenerate_4x5s_seconds"] = measure_regenerate(folder / "five.wav", runs)
        samples |= measure_write(folder / "eight.wav", runs)
        samples["backend_peak_mib"] = [float(describe_backend()["peak_mib"])]
    finally:
        root.unregister()
    (folder / f"{part}.json").write_text(json.dumps(samples), encoding="utf-8")
    return 0


def measure_start(runs: int) -> list[float]:
    """Seconds from starting the backend's process to its first answer, its model loaded; the last is left running."""
    samples = []
    for _ in range(runs):
        session.close()
        started = time.perf_counter()
        start_backend()
        describe_backend()
        samples.append(time.perf_counter() - started)
    return samples


def new_shot(clip: Path) -> None:
    """An empty scene with the built-in head and a recording."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.context.scene.render.fps = _FPS
    bpy.ops.retake.add_head()
    bpy.ops.retake.import_audio(filepath=str(clip), frame=1)


def measure_regenerate(clip: Path, runs: int) -> list[float]:
    """Seconds from a changed key to all takes updated and the shown one written and evaluated; warm."""
    new_shot(clip)
    bpy.ops.retake.new_takes(count=_TAKES, seed=0)
    block = find_head(bpy.context).data.shape_keys.key_blocks[_KEY]
    samples = []
    for run in range(runs + 1):
        started = time.perf_counter()
        block.value = 0.3 + 0.6 * run / runs
        block.keyframe_insert("value", frame=_KEY_FRAME)
        bpy.ops.retake.update_take(all_takes=True)
        bpy.context.view_layer.update()
        samples.append(time.perf_counter() - started)
    return samples[1:]


def measure_write(clip: Path, runs: int) -> Samples:
    """Milliseconds to write a take of 300 frames, and to switch to it by the operator."""
    new_shot(clip)
    bpy.ops.retake.new_takes(count=2, seed=0)
    written, shown = [], []
    for run in range(runs + 1):
        take = 1 + run % 2
        written.append(_write_ms(take))
        started = time.perf_counter()
        bpy.ops.retake.show_take(take=3 - take)
        bpy.context.view_layer.update()
        shown.append((time.perf_counter() - started) * 1000.0)
    return {"write_300_frames_ms": written[1:], "show_take_300_frames_ms": shown[1:]}


def _write_ms(take: int) -> float:
    """Milliseconds to write one take's plans and evaluate the scene, scaled to 60 channels."""
    shot = open_shot(bpy.context.scene, find_head(bpy.context))
    recording = recording_of(shot)
    span = direct.state.load_library(shot.record).take(take).span
    frames = recording.clock.frame_span(span)
    reading = finish(direct.read(shot, direct.Options(), frames, recording))
    library = reading.books.library
    library.show(take)
    plans = render(library, recording.clock, reading.given, rig.lip_model(shot), library.take(take).parts, frames)
    lengths = {len(plan.frames) for plan in plans.values() if len(plan.frames)}
    if max(lengths) < 300:
        raise RuntimeError(f"The take has {max(lengths)} frames, not 300.")
    started = time.perf_counter()
    finish(write_plans(reading.snapshot, reading.keys, plans, reading.books))
    bpy.context.view_layer.update()
    milliseconds = (time.perf_counter() - started) * 1000.0
    direct.save(shot, reading.books)
    return milliseconds * _CHANNELS / len(plans)
