# SPDX-License-Identifier: GPL-3.0-or-later
"""How long writing takes, and that a write happens in bulk."""

from __future__ import annotations

import time

import bpy
import numpy as np

from retake.addon import compat
from retake.addon.scene.edit import Window, edit_curve
from retake.addon.scene.key_table import empty
from retake.addon.scene.writer import write_edit

from .helpers import Stage


def write_once(fcurves: list, values: np.ndarray) -> float:
    """Seconds of this process to write 300 frames of every curve."""
    frames = np.arange(1.0, 301.0)
    started = time.process_time()
    for fcurve, column in zip(fcurves, values.T, strict=True):
        window = Window(1.0, 300.0, frames, column)
        edit = edit_curve(empty(), np.zeros(0, bool), [window], lambda _: 0.0, False, ())
        write_edit(fcurve, edit)
    return time.process_time() - started


def test_300_frames_of_60_channels_under_50_ms(empty_scene: bpy.types.Scene) -> None:
    mesh = bpy.data.meshes.new("Mesh")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    obj = bpy.data.objects.new("Object", mesh)
    empty_scene.collection.objects.link(obj)
    for number in range(61):
        obj.shape_key_add(name=f"Key {number}")
    curves, _ = compat.ensure_fcurves(mesh.shape_keys, "Speed")
    paths = [f'key_blocks["Key {number}"].value' for number in range(1, 61)]
    fcurves = [compat.new_fcurve(mesh.shape_keys, curves, path, 0, "") for path in paths]
    values = np.random.default_rng(0).uniform(0, 1, (300, 60))
    seconds = min(write_once(fcurves, values) for _ in range(5))
    print(f"300 frames x 60 channels: {1000 * seconds:.1f} ms")
    assert seconds < 0.05
    assert np.abs(np.array([fcurves[7].evaluate(frame) for frame in range(2, 300)]) - values[1:-1, 7]).max() < 1e-6


def test_switching_is_quick(stage: Stage) -> None:
    stage.generate(count=2)
    seconds = []
    for number in range(6):
        started = time.process_time()
        bpy.ops.retake.show_take(take=1 + number % 2)
        seconds.append(time.process_time() - started)
    print(f"switching takes: {1000 * min(seconds):.1f} ms")
    assert min(seconds) < 0.25
