# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves written in bulk hold what they were given. How long that takes is measured by `scripts/bench.py`."""

from __future__ import annotations

import bpy
import numpy as np

from retake.addon import compat
from retake.addon.scene.curve_writer import write_edit
from retake.addon.scene.edit import Window, edit_curve
from retake.addon.scene.key_table import empty

from .helpers import Stage


def test_300_frames_of_60_channels_come_back(empty_scene: bpy.types.Scene) -> None:
    mesh = bpy.data.meshes.new("Mesh")
    mesh.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    obj = bpy.data.objects.new("Object", mesh)
    empty_scene.collection.objects.link(obj)
    for number in range(61):
        obj.shape_key_add(name=f"Key {number}")
    curves, _ = compat.ensure_fcurves(mesh.shape_keys, "Many")
    paths = [f'key_blocks["Key {number}"].value' for number in range(1, 61)]
    fcurves = [compat.new_fcurve(mesh.shape_keys, curves, path, 0, "") for path in paths]
    frames, values = np.arange(1.0, 301.0), np.random.default_rng(0).uniform(0, 1, (300, 60))
    for fcurve, column in zip(fcurves, values.T, strict=True):
        edit = edit_curve(empty(), np.zeros(0, bool), [Window(1.0, 300.0, frames, column)], lambda _: 0.0, False, ())
        write_edit(fcurve, edit)
    for fcurve, column in zip(fcurves, values.T, strict=True):
        found = np.array([fcurve.evaluate(frame) for frame in range(2, 300)])
        assert np.abs(found - column[1:-1]).max() < 1e-6
        assert {point.type for point in fcurve.keyframe_points} == {"GENERATED"}


def test_switching_there_and_back_leaves_the_same_keys(stage: Stage) -> None:
    stage.generate(count=2)
    bpy.ops.retake.show_take(take=1)
    before = {name: stage.table(name).tobytes() for name in ("jawOpen", "mouthClose", "browInnerUp")}
    bpy.ops.retake.show_take(take=2)
    assert stage.table("jawOpen").tobytes() != before["jawOpen"]
    bpy.ops.retake.show_take(take=1)
    assert {name: stage.table(name).tobytes() for name in before} == before
