# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a character whose table, bones or other meshes change between takes."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
import pytest

from .helpers import Stage
from .test_character import FRAMES, add_mesh, first_row, values_of


def add_property_row(channel: str, thing: bpy.types.Object, path: str, gain: float = 1.0) -> Any:
    """A row of the first head's table on a property."""
    bpy.ops.retake.add_row(channel=channel)
    row = bpy.context.scene.retake.heads[0].rows[-1]
    row.kind, row.thing, row.path, row.gain = "PROPERTY", thing, path, gain
    return row


def test_a_row_that_goes_elsewhere_leaves_no_value_of_the_former_property(stage: Stage) -> None:
    stage.rig["a"], stage.rig["b"] = 0.25, 0.75
    add_property_row("jawOpen", stage.rig, '["a"]')
    stage.generate(count=1)
    bpy.ops.retake.show_original()
    assert stage.rig["a"] == pytest.approx(0.25)
    first_row().path = '["b"]'
    bpy.ops.retake.show_take(take=1)
    bpy.ops.retake.show_original()
    assert (stage.rig["a"], stage.rig["b"]) == (pytest.approx(0.25), pytest.approx(0.75))
    assert not Stage.all_keys_of(stage.rig)


def test_another_bone_gets_its_own_rotation_back(stage: Stage) -> None:
    stage.generate(count=1)
    bpy.ops.retake.show_original()
    root = stage.rig.pose.bones["root"]
    root.rotation_mode, root.rotation_quaternion = "QUATERNION", (0.8, 0.6, 0.0, 0.0)
    stage.record.turned_by, stage.record.turn_bone = "BONE", "root"
    bpy.ops.retake.show_take(take=1)
    bpy.ops.retake.show_original()
    assert np.allclose(root.rotation_quaternion, (0.8, 0.6, 0.0, 0.0))
