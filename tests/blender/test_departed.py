# SPDX-License-Identifier: GPL-3.0-or-later
"""Shape keys, bones and meshes that carry nothing any more while a take plays: our keys go, the animator's stay."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from retake.addon import compat
from retake.addon.operators.session import session
from retake.addon.scene.turning import why_no_turn

from .helpers import Stage
from .test_character import FRAMES, add_mesh


def test_a_shape_key_that_carries_nothing_any_more_keeps_only_the_animators_keys(stage: Stage) -> None:
    stage.generate(count=2)
    stage.key_value("jawOpen", 20.0, 0.6)
    bpy.ops.retake.update_take()
    stage.key.key_blocks["jawOpen"].name = "Kiefer"
    stage.head.shape_key_remove(stage.key.key_blocks["mouthPucker"])
    path = 'key_blocks["Kiefer"].value', 0
    assert len(Stage.all_keys_of(stage.key)[path]) > 40, "Blender let the curve go along"
    bpy.ops.retake.show_take(take=2)
    assert "'Kiefer'" in session.sentence
    assert "'mouthPucker'" in session.sentence
    keys = Stage.all_keys_of(stage.key)
    assert keys[path] == [(20.0, pytest.approx(0.6))]
    assert ('key_blocks["mouthPucker"].value', 0) not in keys
    bpy.ops.retake.show_original()
    assert Stage.all_keys_of(stage.key) == {path: [(20.0, pytest.approx(0.6))]}


def test_a_corrected_key_of_a_renamed_shape_key_is_kept(stage: Stage) -> None:
    stage.generate(count=1)
    stage.point("jawOpen", 12.0).co[1] = 0.9
    stage.key.key_blocks["jawOpen"].name = "Kiefer"
    bpy.ops.retake.show_original()
    assert Stage.all_keys_of(stage.key) == {('key_blocks["Kiefer"].value', 0): [(12.0, pytest.approx(0.9))]}


def test_what_is_locked_on_a_renamed_shape_key_stays(stage: Stage) -> None:
    stage.generate(count=1)
    stage.key.key_blocks["jawOpen"].name = "Kiefer"
    path = 'key_blocks["Kiefer"].value', 0
    curves = compat.fcurves_of(stage.key)
    assert curves is not None
    curves.find(path[0]).lock = True
    bpy.ops.retake.show_original()
    assert "The generated keys of 'Kiefer' stay" in session.sentence
    assert set(Stage.all_keys_of(stage.key)) == {path}
    compat.fcurves_of(stage.key).find(path[0]).lock = False  # type: ignore[union-attr]
    bpy.ops.retake.show_original()
    assert not Stage.all_keys_of(stage.key)


def test_a_locked_span_of_a_renamed_shape_key_stays_until_it_is_released(stage: Stage) -> None:
    stage.generate(count=1)
    bpy.ops.retake.lock_span(frame_start=10, frame_end=20)
    stage.key.key_blocks["jawOpen"].name = "Kiefer"
    path = 'key_blocks["Kiefer"].value', 0
    before = Stage.all_keys_of(stage.key)[path]
    bpy.ops.retake.show_original()
    assert Stage.all_keys_of(stage.key)[path] == [(frame, value) for frame, value in before if 10 <= frame <= 20]
    bpy.ops.retake.lock_span(frame_start=10, frame_end=20, unlock=True)
    bpy.ops.retake.show_original()
    assert not Stage.all_keys_of(stage.key)


def test_a_removed_bone_leaves_no_curves(stage: Stage) -> None:
    stage.generate(count=2)
    bpy.context.view_layer.objects.active = stage.rig
    bpy.ops.object.mode_set(mode="EDIT")
    stage.rig.data.edit_bones.remove(stage.rig.data.edit_bones["neck"])
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.view_layer.objects.active = stage.head
    bpy.ops.retake.show_take(take=2)
    assert not Stage.all_keys_of(stage.rig)


def test_a_chosen_bone_is_followed_when_it_is_renamed(stage: Stage) -> None:
    stage.record.turned_by, stage.record.turn_bone = "BONE", "neck"
    stage.generate(count=2)
    first = stage.tracks(FRAMES)
    stage.rig.data.bones["neck"].name = 'The "neck"'
    bpy.ops.retake.show_take(take=2)
    assert stage.record.turn_bone == 'The "neck"'
    bpy.ops.retake.show_take(take=1)
    assert all(np.array_equal(stage.at(name, FRAMES), first[name]) for name in stage.neck_ids())
    bpy.ops.retake.show_original()
    assert not Stage.all_keys_of(stage.rig)
    stage.rig.data.bones['The "neck"'].name = "neck"  # nothing of ours tells where it went
    assert "no bone 'The \"neck\"' any more" in why_no_turn(stage.record, stage.rig)
    stage.generate(count=1)
    assert any("The head does not turn" in notice for notice in session.job.order.notices)


def test_a_bone_that_lost_the_name_by_which_it_turned_the_head_is_cleared(stage: Stage) -> None:
    neck = stage.rig.pose.bones["neck"]
    neck.rotation_quaternion = (0.8, 0.6, 0.0, 0.0)
    stage.generate(count=2)
    bpy.context.scene.frame_set(20)
    stage.rig.data.bones["neck"].name = "Hals"
    bpy.ops.retake.show_take(take=2)
    assert not Stage.all_keys_of(stage.rig)
    assert np.allclose(stage.rig.pose.bones["Hals"].rotation_quaternion, (0.8, 0.6, 0.0, 0.0))
    assert "is named neck or head" in why_no_turn(stage.record, stage.rig)


def test_curves_that_play_alike_get_their_own_values_back(stage: Stage) -> None:
    neck = stage.rig.pose.bones["neck"]
    neck.rotation_mode = "ZXY"
    neck.rotation_euler = (0.1, 0.2, 0.3)
    stage.record.strength_head = stage.record.strength_mouth = 0.0
    stage.generate(count=2)
    assert not np.any([stage.at(name, FRAMES) for name in ("jawLeft", *stage.neck_ids())])
    curves = compat.fcurves_of(stage.key)
    assert curves is not None
    curves.remove(stage.curve("jawLeft"))
    stage.rig.data.bones["neck"].name = "Hals"
    bpy.ops.retake.show_original()
    assert not Stage.all_keys_of(stage.rig)
    bpy.context.scene.frame_set(30)
    assert np.allclose(stage.rig.pose.bones["Hals"].rotation_euler, (0.1, 0.2, 0.3))


def test_what_left_the_character_is_cleared(stage: Stage) -> None:
    teeth = add_mesh(stage, "Teeth", ("jawOpen",))
    stage.generate(count=2)
    former = stage.rig
    armature = bpy.data.objects.new("Other Rig", former.data.copy())
    stage.scene.collection.objects.link(armature)
    stage.head.parent = armature
    next(modifier for modifier in stage.head.modifiers if modifier.type == "ARMATURE").object = armature
    bpy.context.view_layer.update()
    bpy.ops.retake.show_take(take=2)
    for owner in (former, teeth.data.shape_keys):
        assert not Stage.all_keys_of(owner)
        assert owner.animation_data.action is None
    assert len(Stage.all_keys_of(armature)) == 4
    bpy.ops.retake.show_original()
    assert not bpy.data.actions
