# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows that Use What Drives Them makes, and what it says where it can make none."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from retake.addon.operators.session import session

from .helpers import Stage, error_of
from .test_character import FRAMES, add_controls, first_row, values_of


def drive(stage: Stage, name: str, expression: str = "v") -> bpy.types.DriverVariable:
    """A driver on a shape key whose variable, `v`, is to be set."""
    driver = stage.key.key_blocks[name].driver_add("value").driver
    driver.expression = expression
    variable = driver.variables.new()
    variable.name = "v"
    return variable


def test_what_no_row_can_stand_for_is_told(stage: Stage) -> None:
    stage.rig.pose.bones["jaw"].rotation_mode = "QUATERNION"
    stage.rig["smile"] = 0.0
    for name, kind in (("jawOpen", "ROT_X"), ("jawLeft", "ROT_W"), ("mouthPucker", "LOC_X")):
        variable = drive(stage, name)
        variable.type = "TRANSFORMS"
        source = variable.targets[0]
        source.id, source.bone_target, source.transform_type = stage.rig, "jaw", kind
        source.transform_space = "WORLD_SPACE" if kind == "LOC_X" else "LOCAL_SPACE"
    for name, expression in (("cheekPuff", "v * v * v"), ("tongueOut", "v")):
        source = drive(stage, name, expression).targets[0]
        source.id, source.data_path = stage.rig, '["smile"]'
    drive(stage, "mouthFunnel")
    bpy.context.view_layer.update()
    bpy.ops.retake.use_drivers()
    assert [row.channel for row in stage.record.rows] == ["tongueOut"]
    for told in (
        "Left: jawOpen. The bone 'jaw' turns by quaternion, not by angles. Choose an Euler mode",
        "Left: jawLeft. It is driven by 'rot w' of 'jaw'",
        "Left: mouthPucker. It is driven by how 'jaw' stands in the world",
        "Left: cheekPuff. It does not follow '[\"smile\"]' of 'Retake Rig' in proportion.",
        "Left: mouthFunnel. Its driver's source is no object",
    ):
        assert told in session.sentence
    stage.rig.pose.bones["jaw"].rotation_mode = "XYZ"
    bpy.ops.retake.use_drivers()
    assert "jawOpen" in [row.channel for row in stage.record.rows]


def test_what_drives_what_drives_a_shape_key_is_found(stage: Stage) -> None:
    stage.rig["far"], stage.rig["near"] = 0.0, 0.0
    for name, path in (("jawOpen", '["near"]'), ("", '["far"]')):
        variable = drive(stage, name, "v * 0.5") if name else stage.rig.driver_add('["near"]').driver.variables.new()
        variable.name, variable.targets[0].id, variable.targets[0].data_path = "v", stage.rig, path
    stage.rig.animation_data.drivers[0].driver.expression = "v * 2.5"
    bpy.context.view_layer.update()
    bpy.ops.retake.use_drivers()
    row = first_row()
    assert (row.path, row.gain) == ('["far"]', pytest.approx(0.8, rel=1e-3))
    stage.generate(count=1)
    shown = stage.at("jawOpen row", FRAMES) / 0.8
    assert np.allclose(values_of(stage.head, "jawOpen", FRAMES), shown, atol=1e-4)


def test_rows_find_what_drives_them_again_when_bones_are_renamed(stage: Stage) -> None:
    rig = add_controls(stage, gain=0.08, offset=0.02)
    bpy.ops.retake.use_drivers()
    stage.generate(count=2)
    for name in ("jawOpen", "jawForward"):  # by a custom property, and by its place
        rig.data.bones[f"ctl {name}"].name = f"bone {name}"
    assert "has no" in error_of(bpy.ops.retake.show_take, take=2)
    bpy.ops.retake.use_drivers()
    assert session.sentence == "2 rows name again what drives them."
    before = values_of(stage.head, "jawOpen", FRAMES)
    bpy.ops.retake.show_take(take=2)
    assert not np.array_equal(values_of(stage.head, "jawOpen", FRAMES), before)
    assert len(Stage.all_keys_of(rig)) == 52
    bpy.ops.retake.show_original()
    assert not Stage.all_keys_of(rig)


def test_a_head_that_is_driven_altogether_is_told_of_in_short(stage: Stage) -> None:
    add_controls(stage, gain=0.08, offset=0.02)
    stage.generate(count=1)
    told = next(notice for notice in session.job.order.notices if "driver" in notice)
    assert told.endswith(" and 46 more.")
