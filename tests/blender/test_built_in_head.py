# SPDX-License-Identifier: GPL-3.0-or-later
"""The built-in head as Blender objects."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils import Matrix

from retake.addon.core.steps import finish
from retake.addon.scene.axes import model_to_pose, pose_to_model
from retake.addon.scene.built_in_head import BONE_NAMES, read_head_file
from retake.addon.scene.rig import build_rig
from retake.backend.errors import RigError
from retake.backend.protocol import CONTROL_NAMES

from .helpers import Stage, evaluated_points


def test_it_has_shape_keys_bones_skin_and_materials(stage: Stage) -> None:
    blocks = stage.key.key_blocks
    assert [block.name for block in blocks[1:]] == list(CONTROL_NAMES)
    assert all(block.value == 0.0 for block in blocks[1:])
    assert all((block.slider_min, block.slider_max) == (-0.25, 1.5) for block in blocks[1:])
    assert [bone.name for bone in stage.rig.data.bones] == list(BONE_NAMES)
    assert {group.name for group in stage.head.vertex_groups} == set(BONE_NAMES)
    assert len(stage.head.data.materials) == len(read_head_file().material_names)
    assert all(polygon.use_smooth for polygon in stage.head.data.polygons)


def test_it_stands_upright_at_real_size(stage: Stage) -> None:
    points = evaluated_points(stage)
    size = points.max(axis=0) - points.min(axis=0)
    assert 0.2 < size[2] < 0.5
    jaw_tip = points[np.argmin(points[:, 1])]
    assert jaw_tip[1] < 0.0, "the face looks along -Y"


def test_a_shape_key_moves_the_mesh_as_the_file_says(stage: Stage) -> None:
    rest = evaluated_points(stage)
    stage.key.key_blocks["jawOpen"].value = 1.0
    file = read_head_file()
    wanted = file.controls[CONTROL_NAMES.index("jawOpen")]
    moved = evaluated_points(stage) - rest
    assert np.abs(moved[:, 2] - wanted[:, 1]).max() < 1e-5
    assert np.abs(moved[:, 1] + wanted[:, 2]).max() < 1e-5


def test_the_neck_bone_turns_the_head_to_its_left(stage: Stage) -> None:
    rest = evaluated_points(stage)
    nose = int(np.argmin(rest[:, 1]))
    turn = model_to_pose(np.array([0.0, 0.5, 0.0]), stage.neck.bone.matrix_local.to_3x3())
    stage.neck.rotation_mode = "QUATERNION"
    stage.neck.rotation_quaternion = turn.to_quaternion()
    moved = evaluated_points(stage)[nose] - rest[nose]
    assert moved[0] > 0.01, "+Y in model axes turns the nose to the character's left, +X"
    assert abs(moved[2]) < 5e-3


def test_the_eye_bones_turn_eyeballs_only(stage: Stage) -> None:
    rest = evaluated_points(stage)
    bone = stage.rig.pose.bones["left eye"]
    bone.rotation_mode = "XYZ"
    bone.rotation_euler = (0.0, 0.0, 0.3)
    moved = np.linalg.norm(evaluated_points(stage) - rest, axis=1) > 1e-5
    assert moved.any()
    assert (rest[moved][:, 0] > 0.0).all(), "the character's left is +X"


@pytest.mark.parametrize("angles", [(0.3, 0.0, 0.0), (0.1, -0.7, 0.4), (0.0, 0.0, 0.0)])
def test_rotations_come_back_from_the_pose(angles: tuple[float, float, float]) -> None:
    rest = Matrix.Rotation(0.4, 3, "X") @ Matrix.Rotation(-1.1, 3, "Z")
    back = pose_to_model(model_to_pose(np.array(angles), rest), rest)
    assert np.abs(back - angles).max() < 1e-6


def test_the_rig_that_is_sent_is_the_files(stage: Stage) -> None:
    rig, file = finish(build_rig(stage.shot)), read_head_file()
    assert np.abs(rig.v_template - file.template).max() < 1e-6
    assert np.abs(rig.controls - file.controls).max() < 1e-6
    assert np.abs(rig.weights - file.weights).max() < 1e-5
    joints, wanted = rig.joint_regressor @ rig.v_template, file.joints @ file.template
    assert np.abs(joints - wanted).max() < 1e-5
    assert rig.hash == finish(build_rig(stage.shot)).hash


def test_two_heads_live_beside_each_other(stage: Stage) -> None:
    first = stage.record.uid
    bpy.ops.retake.add_head()
    assert stage.record.uid != first
    assert len(bpy.context.scene.retake.heads) == 2


def test_a_head_file_that_is_cut_short_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "head.npz"
    path.write_bytes(b"PK\x03\x04 not a head")
    with pytest.raises(RigError, match=r"head\.npz cannot be read"):
        read_head_file(path)
