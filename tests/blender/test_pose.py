# SPDX-License-Identifier: GPL-3.0-or-later
"""Keying from the panel: what was moved, groups, what plays, mouth shapes, blinks, holds, pins."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
import pytest

from retake.addon import compat
from retake.addon.core.timing import Span
from retake.addon.scene.keying import key_type_at
from retake.addon.scene.shot import open_shot
from retake.addon.scene.summary import range_frames, summarise
from retake.backend.protocol import CONTROL_NAMES
from retake.tests.blender.helpers import Stage, error_of, evaluated_points


def block(stage: Stage, name: str) -> bpy.types.ShapeKey:
    return stage.key.key_blocks[name]


def keyed_at(stage: Stage, frame: float) -> set[str]:
    """Controls that have a key of the animator's at a frame."""
    found = set()
    for name in CONTROL_NAMES:
        curve = stage.curve(name)
        points = curve.keyframe_points if curve is not None else ()
        if any(abs(point.co[0] - frame) < 0.01 and point.type != "GENERATED" for point in points):
            found.add(name)
    return found


def select_only(stage: Stage, name: str, frame: float) -> None:
    """Select one key of a head."""
    for owner in (stage.key, stage.head.parent):
        for curve in compat.fcurves_of(owner) or ():
            for point in curve.keyframe_points:
                point.select_control_point = name in curve.data_path and abs(point.co[0] - frame) < 0.5


def test_key_pose_keys_what_was_moved_and_nothing_else(stage: Stage) -> None:
    bpy.ops.retake.new_takes(count=1, seed=3)
    bpy.context.scene.frame_set(30)
    assert "No slider differs" in error_of(bpy.ops.retake.key_pose)
    settings = bpy.context.scene.retake_pose
    settings.c_mouthSmile = 0.8
    assert block(stage, "mouthSmileLeft").value == pytest.approx(0.8)
    assert block(stage, "mouthSmileRight").value == pytest.approx(0.8)
    bpy.ops.retake.key_pose()
    assert keyed_at(stage, 30) == {"mouthSmileLeft", "mouthSmileRight"}
    bpy.ops.retake.update_take()
    assert stage.curve("mouthSmileLeft").evaluate(30) == pytest.approx(0.8, abs=1e-6)
    assert stage.curve("mouthSmileRight").evaluate(29) > 0.5


def test_key_pose_keys_a_turned_head(stage: Stage) -> None:
    bpy.ops.retake.new_takes(count=1, seed=3)
    bpy.context.scene.frame_set(40)
    neck = stage.head.parent.pose.bones["neck"]
    assert neck.rotation_mode == "QUATERNION"
    neck.rotation_quaternion = (0.98, 0.0, 0.2, 0.0)
    bpy.ops.retake.key_pose()
    bpy.context.scene.frame_set(10)
    bpy.context.scene.frame_set(40)
    assert neck.rotation_quaternion[2] == pytest.approx(0.2, abs=1e-5)


def test_a_group_is_keyed_as_a_whole(stage: Stage) -> None:
    bpy.context.scene.frame_set(12)
    bpy.ops.retake.key_pose(group="BROWS")
    assert keyed_at(stage, 12) == {name for name in CONTROL_NAMES if name.startswith("brow")}


def test_keep_this_pose_gives_what_plays_though_nothing_changed(stage: Stage) -> None:
    bpy.ops.retake.new_takes(count=2, seed=3)
    bpy.context.scene.frame_set(33)
    before = {name: stage.curve(name).evaluate(33) for name in CONTROL_NAMES}
    bpy.ops.retake.keep_pose(parts={"UPPER_FACE"})
    brows = {name for name in CONTROL_NAMES if name.startswith("brow")}
    assert brows <= keyed_at(stage, 33)
    assert "jawOpen" not in keyed_at(stage, 33)
    bpy.ops.retake.show_take(take=2)
    for name in brows:
        assert stage.curve(name).evaluate(33) == pytest.approx(before[name], abs=1e-5)
    assert abs(stage.curve("jawOpen").evaluate(33) - before["jawOpen"]) > 1e-4


def test_a_mouth_shape_closes_the_lips_on_every_take(stage: Stage) -> None:
    bpy.ops.retake.new_takes(count=2, seed=3)
    bpy.context.scene.frame_set(36)
    bpy.ops.retake.mouth_shape(shape="M B P", strength=1.5)
    bpy.ops.retake.update_take(all_takes=True)
    for take in (1, 2):
        bpy.ops.retake.show_take(take=take)
        for frame in (36, 37):
            jaw, close = (stage.curve(name).evaluate(frame) for name in ("jawOpen", "mouthClose"))
            assert jaw == pytest.approx(close, abs=1e-5)
    assert "mouthSmileLeft" not in keyed_at(stage, 36)


def test_a_blink_shuts_the_lids(stage: Stage) -> None:
    bpy.ops.retake.new_takes(count=1, seed=3)
    bpy.context.scene.frame_set(50)
    bpy.ops.retake.add_blink()
    assert stage.curve("eyeBlinkLeft").evaluate(50) == pytest.approx(1.0)
    bpy.ops.retake.update_take()
    assert stage.curve("eyeBlinkLeft").evaluate(50) == pytest.approx(1.0)
    assert stage.curve("eyeBlinkRight").evaluate(47) < 0.5


def test_a_locked_curve_is_left_and_said(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    bpy.ops.retake.new_takes(count=1, seed=3)
    stage.curve("browInnerUp").lock = True
    bpy.context.scene.frame_set(20)
    bpy.ops.retake.key_pose(group="BROWS")
    assert "browInnerUp" not in keyed_at(stage, 20)
    assert "browInnerUp (locked)" in capsys.readouterr().out
    stage.curve("jawOpen").lock = True
    bpy.ops.retake.mouth_shape(shape="Ah")
    said = capsys.readouterr().out
    assert "keyed at frames 20 and 21. Press Update Take" in said
    assert "Left as they are: jawOpen (locked)." in said


def test_two_selected_keys_become_a_hold(stage: Stage) -> None:
    stage.key_value("mouthSmileLeft", 20, 0.7)
    stage.key_value("mouthSmileLeft", 40, 0.1)
    bpy.ops.retake.new_takes(count=1, seed=3)
    for point in stage.curve("mouthSmileLeft").keyframe_points:
        point.select_control_point = abs(point.co[0] - 20) < 0.1 or abs(point.co[0] - 40) < 0.1
    bpy.ops.retake.hold_keys()
    bpy.ops.retake.update_take()
    held = [stage.curve("mouthSmileLeft").evaluate(frame) for frame in np.arange(20.0, 40.5, 0.5)]
    assert np.ptp(held) < 1e-5
    assert held[0] == pytest.approx(0.7)


def test_two_selected_columns_hold_what_was_keyed_in_them(stage: Stage) -> None:
    for frame, value in ((20, 0.7), (40, 0.1)):
        stage.key_value("mouthSmileLeft", frame, value)
    bpy.ops.retake.new_takes(count=1, seed=3)
    jaw = [tuple(point.co) for point in stage.curve("jawOpen").keyframe_points]
    for name in ("mouthSmileLeft", "jawOpen"):
        for point in stage.curve(name).keyframe_points:
            point.select_control_point = min(abs(point.co[0] - 20), abs(point.co[0] - 40)) < 0.1
    bpy.ops.retake.hold_keys()
    assert [tuple(point.co) for point in stage.curve("jawOpen").keyframe_points] == jaw
    assert stage.curve("mouthSmileLeft").evaluate(30) == pytest.approx(0.7)


def test_pinned_keys_stay_and_unpinned_ones_are_refilled(stage: Stage) -> None:
    bpy.ops.retake.new_takes(count=2, seed=3)
    bpy.ops.retake.select_generated()
    assert all(point.select_control_point for point in stage.curve("jawOpen").keyframe_points)
    select_only(stage, "jawOpen", 30)
    before = stage.curve("jawOpen").evaluate(30)
    bpy.ops.retake.pin_keys()
    bpy.ops.retake.show_take(take=2)
    assert stage.curve("jawOpen").evaluate(30) == pytest.approx(before, abs=1e-6)
    select_only(stage, "jawOpen", 30)
    bpy.ops.retake.unpin_keys()
    assert keyed_at(stage, 30) == set()
    assert abs(stage.curve("jawOpen").evaluate(30) - before) > 1e-4
    select_only(stage, "jawOpen", 30)
    assert "No key of yours" in error_of(bpy.ops.retake.unpin_keys)


def in_an_editor() -> Any:
    """The context of a 3D View: keying sets want an editor."""
    window = bpy.context.window_manager.windows[0]
    area = next(area for area in window.screen.areas if area.type == "VIEW_3D")
    return bpy.context.temp_override(window=window, area=area)


def test_each_group_has_a_keying_set(stage: Stage) -> None:
    scene = bpy.context.scene
    scene.frame_set(14)
    names = {one.bl_idname for one in scene.keying_sets_all}
    assert {"RETAKE_KSI_brows", "RETAKE_KSI_head", "RETAKE_KSI_mouth_corners"} <= names
    block(stage, "browInnerUp").value = 0.4
    with in_an_editor():
        bpy.ops.anim.keyframe_insert_by_name(type="RETAKE_KSI_brows")
    assert keyed_at(stage, 14) == {name for name in CONTROL_NAMES if name.startswith("brow")}
    assert stage.curve("browInnerUp").evaluate(14) == pytest.approx(0.4)
    with in_an_editor():
        bpy.ops.anim.keyframe_insert_by_name(type="RETAKE_KSI_head")
    neck = compat.fcurves_of(stage.head.parent)
    assert {curve.data_path for curve in neck} == {'pose.bones["neck"].rotation_quaternion'}


def test_a_controls_dot_keys_and_unkeys_it(stage: Stage) -> None:
    bpy.ops.retake.new_takes(count=1, seed=3)
    bpy.context.scene.frame_set(30)
    curve = stage.curve("browDownLeft")
    played = curve.evaluate(30)
    assert key_type_at(curve, 30) == "GENERATED"
    assert key_type_at(curve, 30.5) == ""
    block(stage, "browDownLeft").value = played + 0.3
    bpy.ops.retake.toggle_key(channels="browDownLeft,browDownRight")
    assert {"browDownLeft", "browDownRight"} == keyed_at(stage, 30)
    found = summarise(open_shot(bpy.context.scene, stage.head))
    assert (found.keys, found.channels, found.frames) == (2, 2, (30.0,))
    bpy.ops.retake.toggle_key(channels="browDownLeft,browDownRight")
    assert key_type_at(stage.curve("browDownLeft"), 30) == "GENERATED"
    assert stage.curve("browDownLeft").evaluate(30) == pytest.approx(played, abs=1e-6)
    assert summarise(open_shot(bpy.context.scene, stage.head)).keys == 0


def test_the_panel_tells_the_frames_of_each_range(stage: Stage) -> None:
    scene = bpy.context.scene
    stage.key_value("jawOpen", 20, 0.5)
    stage.key_value("jawOpen", 40, 0.5)
    scene.frame_set(30)
    found = summarise(open_shot(scene, stage.head))
    assert range_frames(scene, stage.record, "NEIGHBOURS", found) == Span(20.0, 40.0)
    assert range_frames(scene, stage.record, "SELECTED", found) == Span(20.0, 40.0)
    whole = range_frames(scene, stage.record, "AUDIO", found)
    assert whole == Span(1.0 - 24.0, 49.0 + 24.0)
    assert range_frames(scene, stage.record, "PREVIEW", found) is None
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 5, 15
    assert range_frames(scene, stage.record, "PREVIEW", found) == Span(5, 15)


@pytest.mark.parametrize("mode", ["QUATERNION", "XYZ", "AXIS_ANGLE"])
def test_the_head_is_turned_in_degrees(stage: Stage, mode: str) -> None:
    stage.neck.rotation_mode = mode
    pose = stage.scene.retake_pose
    pose.c_turnLeft, pose.c_nodDown = 0.4, 0.2
    assert (pose.c_turnLeft, pose.c_nodDown, pose.c_tiltRight) == pytest.approx((0.4, 0.2, 0.0), abs=1e-5)
    before = evaluated_points(stage)
    nose = int(np.argmin(before[:, 1]))
    assert before[nose, 0] > 0.02, "the nose goes to the character's left"
    stage.scene.frame_set(20)
    bpy.ops.retake.key_pose(group="HEAD")
    stage.generate(count=2)
    for take in (1, 2):
        bpy.ops.retake.show_take(take=take)
        stage.scene.frame_set(20)
        assert (pose.c_turnLeft, pose.c_nodDown, pose.c_tiltRight) == pytest.approx((0.4, 0.2, 0.0), abs=1e-5)
