# SPDX-License-Identifier: GPL-3.0-or-later
"""Model axes and Blender's, and rotations between axis-angle and what a bone's rotation mode wants.

Model axes: Y up, +Z front, +X the character's left. Blender's: Z up, -Y front, +X the character's left; a point
(x, y, z) of the model is (x, -z, y) in Blender. All rotations are in rad; matrices turn column vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mathutils import Euler, Matrix, Quaternion, Vector
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

MODEL_TO_BLENDER = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
"""(3, 3) rotation that takes model axes to Blender's."""

_PATHS = {"QUATERNION": ("rotation_quaternion", 4), "AXIS_ANGLE": ("rotation_axis_angle", 4)}


def to_blender(points: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """Points or displacements (..., 3) in model axes -> the same in Blender's axes."""
    return np.stack((points[..., 0], -points[..., 2], points[..., 1]), axis=-1)


def rotation_path(mode: str) -> tuple[str, int]:
    """Property that a rotation mode animates, and its components: 4 for quaternion and axis-angle, else 3."""
    return _PATHS.get(mode, ("rotation_euler", 3))


def model_to_pose(rotation: FloatArray, rest: Matrix) -> Matrix:
    """Rotation of a pose bone for a rotation in model axes: R^-1 M R.

    Args:
        rotation: (3,) axis-angle in model axes, relative to rest.
        rest: (3, 3) rest rotation R of the bone in its armature, Blender's axes.
    """
    angle = float(np.linalg.norm(rotation))
    axis = Vector(MODEL_TO_BLENDER @ rotation) if angle > 0.0 else Vector((0.0, 0.0, 1.0))
    return rest.inverted() @ Matrix.Rotation(angle, 3, axis) @ rest


def pose_to_model(rotation: Matrix, rest: Matrix) -> FloatArray:
    """Inverse of `model_to_pose`: (3,) axis-angle in model axes, its angle at most pi."""
    quaternion = (rest @ rotation @ rest.inverted()).to_quaternion()
    if quaternion.w < 0.0:
        quaternion.negate()
    vector = np.array(quaternion[1:], np.float64)
    sine = float(np.linalg.norm(vector))
    scale = 2.0 * np.arctan2(sine, quaternion.w) / sine if sine > 1e-12 else 2.0
    return MODEL_TO_BLENDER.T @ (vector * scale)


def components_to_matrix(values: FloatArray, mode: str) -> Matrix:
    """Rotation matrix of the components of a rotation mode, as Blender evaluates them (quaternions normalised)."""
    if mode == "QUATERNION":
        return Quaternion([float(value) for value in values]).normalized().to_matrix()
    if mode == "AXIS_ANGLE":
        axis = Vector([float(value) for value in values[1:]])
        return Matrix.Rotation(float(values[0]), 3, axis if axis.length > 0.0 else Vector((0.0, 1.0, 0.0)))
    return Euler([float(value) for value in values], mode).to_matrix()


def model_to_quaternions(rotations: FloatArray, rest: Matrix) -> FloatArray:
    """Quaternions (F, 4), w first, of a pose bone for rotations (F, 3) in model axes: `model_to_pose` for many."""
    angles = np.linalg.norm(rotations, axis=1, keepdims=True)
    half_sinc = 0.5 * np.sinc(angles / (2.0 * np.pi))
    to_bone = np.array(rest.inverted()) @ MODEL_TO_BLENDER
    return np.concatenate((np.cos(angles / 2.0), half_sinc * (rotations @ to_bone.T)), axis=1)


def quaternion_to_components(quaternion: FloatArray, mode: str, before: FloatArray | None) -> FloatArray:
    """Components of a rotation in a rotation mode, on the side of the key before it.

    Args:
        quaternion: (4,) rotation of the pose bone, w first.
        mode: The bone's rotation mode.
        before: Components of the key before, or None: quaternions come out on its hemisphere, Euler angles nearest
            to it, axis-angle with an angle nearest to its.
    """
    if mode == "QUATERNION":
        return _on_hemisphere(quaternion, before)
    turn = Quaternion(quaternion.tolist())
    if mode == "AXIS_ANGLE":
        return _nearest_axis_angle(turn, before)
    nearest = () if before is None else (Euler(before.tolist(), mode),)
    return np.array(turn.to_euler(mode, *nearest), np.float64)


def _on_hemisphere(quaternion: FloatArray, before: FloatArray | None) -> FloatArray:
    """The sign of a quaternion that is nearer to the one before."""
    reference = before if before is not None else np.array([1.0, 0.0, 0.0, 0.0])
    return -quaternion if float(quaternion @ reference) < 0.0 else quaternion


def _nearest_axis_angle(turn: Quaternion, before: FloatArray | None) -> FloatArray:
    """(angle, axis) of a rotation, its axis pointing like the one before so that components do not jump."""
    axis, angle = turn.to_axis_angle()
    vector = np.array(axis, np.float64)
    if abs(angle) < 1e-7:
        vector = np.array([0.0, 1.0, 0.0]) if before is None else np.asarray(before[1:], np.float64)
        return np.array([0.0, *vector])
    if before is not None and float(vector @ before[1:]) < 0.0:
        vector, angle = -vector, -angle
    turns = 0.0 if before is None else np.round((float(before[0]) - angle) / (2.0 * np.pi))
    return np.array([angle + turns * 2.0 * np.pi, *vector])
