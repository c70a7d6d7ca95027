# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations between the forms that performances are stored in: axis-angle, quaternions, matrices, six numbers, angles.

Axis-angle is in rad, in model axes (Y up, +Z front, +X the character's left). Quaternions are w first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .flame import rotation_matrices
from .resample import interpolate

FloatArray = NDArray[np.float64]


def to_quaternions(rotations: FloatArray) -> FloatArray:
    """Axis-angle (..., 3) -> unit quaternions (..., 4)."""
    angles = np.linalg.norm(rotations, axis=-1, keepdims=True)
    half_sinc = 0.5 * np.sinc(angles / (2.0 * np.pi))
    return np.concatenate((np.cos(0.5 * angles), half_sinc * rotations), axis=-1)


def of_quaternions(quaternions: FloatArray) -> FloatArray:
    """Unit quaternions (..., 4) -> axis-angle (..., 3), the angle at most pi."""
    turned = np.where(quaternions[..., :1] < 0.0, -quaternions, quaternions)
    w, vector = turned[..., :1], turned[..., 1:]
    sine = np.linalg.norm(vector, axis=-1, keepdims=True)
    small = sine < 1e-9
    scale = np.where(small, 2.0, 2.0 * np.arctan2(sine, w) / np.where(small, 1.0, sine))
    return np.asarray(scale * vector, np.float64)


def of_matrices(matrices: FloatArray) -> FloatArray:
    """Rotation matrices (..., 3, 3) -> axis-angle (..., 3), the angle at most pi.

    The quaternion is the eigenvector that the symmetric matrix of Bar-Itzhack 2000, "New method for extracting the
    quaternion from a rotation matrix", has for its largest eigenvalue: sound at every angle, and the nearest one where
    a matrix is not quite a rotation.
    """
    m = np.asarray(matrices, np.float64)
    symmetric = np.empty((*m.shape[:-2], 4, 4))
    symmetric[..., 0, 0] = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    symmetric[..., 1:, 1:] = m + np.swapaxes(m, -1, -2)
    for axis in range(3):
        symmetric[..., 1 + axis, 1 + axis] = 2.0 * m[..., axis, axis] - symmetric[..., 0, 0]
        after, before = (axis + 1) % 3, (axis + 2) % 3
        symmetric[..., 0, 1 + axis] = symmetric[..., 1 + axis, 0] = m[..., before, after] - m[..., after, before]
    return of_quaternions(np.linalg.eigh(symmetric)[1][..., -1])


def of_six(numbers: FloatArray) -> FloatArray:
    """The six numbers of Zhou et al. 2019, "On the continuity of rotation representations" -> axis-angle (..., 3).

    They are the first two rows of the matrix, as PyTorch3D has it, made orthonormal by Gram and Schmidt.
    """
    first = _unit(numbers[..., :3])
    second = numbers[..., 3:] - (first * numbers[..., 3:]).sum(axis=-1, keepdims=True) * first
    second = _unit(second)
    return of_matrices(np.stack((first, second, np.cross(first, second)), axis=-2))


def of_angles(yaw: FloatArray, pitch: FloatArray, roll: FloatArray) -> FloatArray:
    """Turns (N,) in rad about Y, X and Z, R = Ry(yaw) Rx(pitch) Rz(roll) -> axis-angle (N, 3)."""
    zero = np.zeros_like(yaw)
    about_y = rotation_matrices(np.stack((zero, yaw, zero), axis=-1))
    about_x = rotation_matrices(np.stack((pitch, zero, zero), axis=-1))
    about_z = rotation_matrices(np.stack((zero, zero, roll), axis=-1))
    return of_matrices(about_y @ about_x @ about_z)


def to_angles(rotations: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Inverse of `of_angles`: yaw, pitch and roll (N,) in rad of axis-angle (N, 3)."""
    m = rotation_matrices(rotations)
    pitch = np.arcsin(np.clip(-m[:, 1, 2], -1.0, 1.0))
    return np.arctan2(m[:, 0, 2], m[:, 2, 2]), pitch, np.arctan2(m[:, 1, 0], m[:, 1, 1])


def resampled(rotations: FloatArray, positions: FloatArray) -> FloatArray:
    """Read rotations (N, 3) at positions (F,) in frames from the first, smoothly and the short way round: (F, 3)."""
    quaternions = to_quaternions(rotations)
    turned = (quaternions[1:] * quaternions[:-1]).sum(axis=1) < 0.0
    signs = np.where(np.concatenate(([False], turned)), -1.0, 1.0).cumprod()
    return of_quaternions(_unit(interpolate(quaternions * signs[:, None], positions)))


def angles_between(one: FloatArray, other: FloatArray) -> FloatArray:
    """The angle (...,) in rad by which rotations (..., 3) differ."""
    between = rotation_matrices(one) @ np.swapaxes(rotation_matrices(other), -1, -2)
    return np.asarray(np.linalg.norm(of_matrices(between), axis=-1), np.float64)


def _unit(vectors: FloatArray) -> FloatArray:
    """Vectors (..., n) made as long as 1; those that are 0 stay."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0.0, length, 1.0), np.float64)
