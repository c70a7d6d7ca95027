# SPDX-License-Identifier: GPL-3.0-or-later
"""A FLAME head in Blender: its evaluated mesh is the model's, its joints follow identity, it speaks."""

from __future__ import annotations

import time
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from retake.addon.core.flame_file import flame_of
from retake.addon.operators.joints import due_heads, settle
from retake.addon.scene.axes import components_to_matrix, model_to_pose, rotation_path, to_blender
from retake.addon.scene.flame_controls import control_on_flame
from retake.addon.scene.flame_head import JAW_CONTROLS, joints_are_due, key_name
from retake.addon.scene.rig import lip_model
from retake.addon.scene.shot import find_head, open_shot
from retake.backend.protocol import CONTROL_NAMES, JOINT_NAMES
from retake.tests.flame_files import needs_template, standin

from .helpers import Stage, error_of, evaluated_points

pytestmark = needs_template
IDENTITIES, EXPRESSIONS = 12, 20
MODES = ("QUATERNION", "AXIS_ANGLE", "XYZ", "ZYX", "YXZ")


@pytest.fixture
def head(empty_scene: bpy.types.Scene, flame_file: Path) -> Stage:
    bpy.ops.retake.add_flame_head(filepath=str(flame_file), identity=IDENTITIES, expression=EXPRESSIONS)
    return Stage(find_head(bpy.context))


def turn(stage: Stage, joint: str, mode: str, rotation: np.ndarray) -> None:
    """Turn a bone by an axis-angle in model axes, in a rotation mode."""
    bone = stage.rig.pose.bones[joint]
    bone.rotation_mode = mode
    matrix = model_to_pose(rotation, bone.bone.matrix_local.to_3x3())
    if mode == "QUATERNION":
        bone.rotation_quaternion = matrix.to_quaternion()
    elif mode == "AXIS_ANGLE":
        axis, angle = matrix.to_quaternion().to_axis_angle()
        bone.rotation_axis_angle = (angle, *axis)
    else:
        bone.rotation_euler = matrix.to_euler(mode)
    name, count = rotation_path(mode)
    values = np.array([getattr(bone, name)[index] for index in range(count)])
    assert np.abs(np.array(components_to_matrix(values, mode)) - np.array(matrix)).max() < 1e-5


@pytest.mark.parametrize("seed", range(5))
def test_the_evaluated_mesh_is_the_models(head: Stage, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = flame_of(standin().arrays, "stand-in")
    beta, psi = rng.normal(0, 1, IDENTITIES), rng.normal(0, 1, EXPRESSIONS)
    theta = rng.normal(0, 0.35, (5, 3))
    blocks = head.key.key_blocks
    for number, value in enumerate(beta):
        blocks[key_name("Identity", number)].value = value
    for number, value in enumerate(psi):
        blocks[key_name("Expression", number)].value = value
    assert joints_are_due(head.head, head.rig)
    bpy.ops.retake.update_joints()
    assert not joints_are_due(head.head, head.rig)
    for joint, rotation, mode in zip(JOINT_NAMES, theta, np.roll(MODES, seed).tolist(), strict=True):
        turn(head, joint, mode, rotation)
    wanted = to_blender(model.vertices(beta, psi, theta))
    assert np.abs(evaluated_points(head) - wanted).max() < 1e-4


def test_it_is_added_fast_and_stands_upright_at_real_size(empty_scene: bpy.types.Scene, flame_file: Path) -> None:
    started = time.perf_counter()
    bpy.ops.retake.add_flame_head(filepath=str(flame_file), identity=300, expression=100)
    seconds = time.perf_counter() - started
    print(f"400 keys: {seconds:.2f} s")
    assert seconds < 3.0
    stage = Stage(find_head(bpy.context))
    size = np.ptp(evaluated_points(stage), axis=0)
    assert 0.2 < size[2] < 0.5
    assert [bone.name for bone in stage.rig.data.bones] == [*JOINT_NAMES, JAW_CONTROLS]
    assert stage.key.key_blocks[1].name == CONTROL_NAMES[0]


def test_jaw_open_turns_the_bone_and_the_animators_own_turn_comes_on_top(head: Stage) -> None:
    head.key.key_blocks["jawOpen"].value = 1.0
    bpy.context.view_layer.update()
    driven = posed_turn(head)
    assert 8.0 < np.degrees(driven.to_quaternion().angle) < 40.0
    head.rig.pose.bones["jaw"].rotation_mode = "XYZ"
    head.rig.pose.bones["jaw"].rotation_euler = (0.1, 0.0, 0.0)
    bpy.context.view_layer.update()
    own = Matrix.Rotation(0.1, 3, "X")
    assert np.abs(np.array(posed_turn(head)) - np.array(driven @ own)).max() < 1e-5


def posed_turn(stage: Stage) -> Matrix:
    """The jaw's whole turn, in its own axes, relative to the neck."""
    rig = stage.rig.evaluated_get(bpy.context.evaluated_depsgraph_get())
    jaw, neck = rig.pose.bones["jaw"], rig.pose.bones["neck"]
    rest = (neck.bone.matrix_local.inverted() @ jaw.bone.matrix_local).to_3x3()
    posed = (neck.matrix.inverted() @ jaw.matrix).to_3x3()
    return rest.inverted() @ posed


def test_lips_close_on_the_way_of_jaw_and_lips(head: Stage) -> None:
    pairs = np.array(head.head.data["retake_lip_pairs"]).reshape(-1, 2)

    def gap() -> float:
        points = evaluated_points(head)
        return float((points[pairs[:, 0], 2] - points[pairs[:, 1], 2]).mean()) * 1000.0

    rest, blocks = gap(), head.key.key_blocks
    model = lip_model(open_shot(bpy.context.scene, head.head))
    for weight in (0.3, 0.6, 1.0):
        blocks["jawOpen"].value, blocks["mouthClose"].value = weight, 0.0
        opening = gap() - rest
        assert opening > 12.0 * weight
        track = np.zeros(len(model.slopes))
        track[CONTROL_NAMES.index("jawOpen")] = weight
        assert model.opening(track) == pytest.approx(opening, rel=0.15)
        blocks["mouthClose"].value = weight
        assert abs(gap() - rest) < 0.6


def test_joints_follow_by_themselves_in_object_mode_only(head: Stage) -> None:
    head.key.key_blocks[key_name("Identity", 0)].value = 2.0
    assert [found[0].name for found in due_heads(bpy.context.scene)] == [head.name]
    bpy.ops.object.mode_set(mode="EDIT")
    settle()
    assert due_heads(bpy.context.scene)
    bpy.ops.object.mode_set(mode="OBJECT")
    settle()
    assert not due_heads(bpy.context.scene)
    assert bpy.context.view_layer.objects.active.name == head.name
    assert bpy.context.mode == "OBJECT"


def test_a_wrong_file_changes_nothing(empty_scene: bpy.types.Scene, tmp_path: Path) -> None:
    path = tmp_path / "wrong.pkl"
    path.write_bytes(b"no pickle")
    with pytest.raises(RuntimeError, match="damaged, or no pickle"):
        bpy.ops.retake.add_flame_head(filepath=str(path))
    assert not bpy.data.objects
    assert not bpy.data.meshes


def test_takes_are_made_and_move_its_lips(head: Stage, speech: Path) -> None:
    bpy.ops.retake.import_audio(filepath=str(speech), frame=1)
    bpy.ops.retake.new_takes(count=1, seed=0)
    gaps = []
    pairs = np.array(head.head.data["retake_lip_pairs"]).reshape(-1, 2)
    for frame in range(1, 48, 3):
        bpy.context.scene.frame_set(frame)
        points = evaluated_points(head)
        gaps.append(float((points[pairs[:, 0], 2] - points[pairs[:, 1], 2]).mean()) * 1000.0)
    assert np.ptp(gaps) > 3.0


def test_a_control_is_corrected_by_what_stands_beside_it(head: Stage) -> None:
    blocks = head.key.key_blocks
    blocks["jawOpen"].value = 0.5
    blocks[key_name("Expression", 2)].value = 1.2
    blocks[key_name("Expression", 7)].value = -0.4
    turn(head, "jaw", "QUATERNION", np.array([0.06, 0.0, 0.0]))
    before, was = evaluated_points(head), control_on_flame(head.head, "jawOpen")
    bpy.ops.retake.correct_control(control="jawOpen")
    assert blocks[key_name("Expression", 2)].value == blocks[key_name("Expression", 7)].value == 0.0
    assert np.abs(evaluated_points(head) - before).max() < 2e-4, "the face stays as it stood"
    now = control_on_flame(head.head, "jawOpen")
    assert was is not None
    assert now is not None
    assert now.expression[2] - was.expression[2] == pytest.approx(2.4, abs=1e-5)
    assert now.turn[0] - was.turn[0] == pytest.approx(0.12, abs=1e-5)
    blocks["jawOpen"].value = 1.0
    assert np.abs(evaluated_points(head) - before).max() > 1e-3
    blocks["jawOpen"].value = 0.0
    assert "stands at 0.00" in error_of(bpy.ops.retake.correct_control, control="jawOpen")
    blocks["jawOpen"].value = 1.0
    assert "stands beside it" in error_of(bpy.ops.retake.correct_control, control="jawOpen")
