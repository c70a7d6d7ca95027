# SPDX-License-Identifier: GPL-3.0-or-later
"""FLAME: a head out of identity, expression and the rotations of five joints.

Li, Bolkart, Black, Li and Romero 2017, "Learning a model of facial shape and expression from 4D scans", Sec. 3:
T(beta, theta, psi) = template + B_S(beta) + B_P(theta) + B_E(psi), skinned linearly about the joints J(beta). Model
axes: metres, Y up, +Z front, +X the character's left. Rotations are axis-angle in rad, each relative to its parent.

Deviation from common code: the joints follow identity alone, as the paper has it (`smplx` lets expression move them
too, by well under a millimetre): a bone at rest cannot follow an expression.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...backend.errors import ShapeError
from ...backend.protocol import JOINT_NAMES

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class FlameModel:
    """Arrays of a model file, V vertices, J = 5 joints.

    Attributes:
        v_template: (V, 3) m.
        faces: (F, 3) vertex ids.
        identity: (V, 3, S) m a unit of each identity coefficient.
        expression: (V, 3, E) m a unit of each expression coefficient.
        pose: (V, 3, 36) m a unit of each element of R - I of the four joints below the root, row by row.
        joint_regressor: (J, V).
        weights: (V, J), rows summing to 1.
        parents: (J,) parent of each joint, -1 for the root.
    """

    v_template: FloatArray
    faces: NDArray[np.int32]
    identity: FloatArray
    expression: FloatArray
    pose: FloatArray
    joint_regressor: FloatArray
    weights: FloatArray
    parents: NDArray[np.int64]

    def joints(self, identity: ArrayLike = ()) -> FloatArray:
        """Joints J(beta), (J, 3) m, of identity coefficients (S' <= S,)."""
        joints: FloatArray = self.joint_regressor @ (self.v_template + _blend(self.identity, identity, "identity"))
        return joints

    def vertices(
        self,
        identity: ArrayLike = (),
        expression: ArrayLike = (),
        rotations: ArrayLike | None = None,
        joints: FloatArray | None = None,
    ) -> FloatArray:
        """The head.

        Args:
            identity: beta, (S' <= S,); what is missing is 0.
            expression: psi, (E' <= E,).
            rotations: theta, (J, 3) axis-angle in rad, in the order of `JOINT_NAMES`; at rest if None.
            joints: (J, 3) m, where they are; those of the identity if None.

        Returns:
            Vertices (V, 3), m.

        Raises:
            ShapeError: There are more coefficients than the model has, or the rotations are not (5, 3).
        """
        turns = np.zeros((len(JOINT_NAMES), 3)) if rotations is None else np.asarray(rotations, np.float64)
        if turns.shape != (len(JOINT_NAMES), 3):
            raise ShapeError(f"The rotations have shape {turns.shape} where (5, 3) is needed.")
        matrices = rotation_matrices(turns)
        shaped = self.v_template + _blend(self.identity, identity, "identity")
        joints = self.joint_regressor @ shaped if joints is None else joints
        posed = shaped + _blend(self.expression, expression, "expression") + self.pose @ pose_feature(matrices)
        transforms = joint_transforms(matrices, joints, self.parents)
        blended = np.einsum("vj,jab->vab", self.weights, transforms)
        found: FloatArray = np.einsum("vab,vb->va", blended[:, :, :3], posed) + blended[:, :, 3]
        return found


def rotation_matrices(rotations: FloatArray) -> FloatArray:
    """Rodrigues' formula: axis-angle (..., 3) in rad -> rotation matrices (..., 3, 3)."""
    angle = np.linalg.norm(rotations, axis=-1)[..., None, None]
    x, y, z = np.moveaxis(rotations, -1, 0)
    zero = np.zeros_like(x)
    cross = np.stack((zero, -z, y, z, zero, -x, -y, x, zero), axis=-1).reshape(*rotations.shape[:-1], 3, 3)
    sinc, half = np.sinc(angle / np.pi), np.sinc(angle / (2.0 * np.pi))
    found: FloatArray = np.eye(3) + sinc * cross + 0.5 * half**2 * (cross @ cross)
    return found


def pose_feature(matrices: FloatArray) -> FloatArray:
    """What the pose blend shapes weigh, (36,): R - I of every joint but the root, row by row, of matrices (5, 3, 3)."""
    feature: FloatArray = (matrices[1:] - np.eye(3)).reshape(-1)
    return feature


def joint_transforms(matrices: FloatArray, joints: FloatArray, parents: NDArray[np.int64]) -> FloatArray:
    """Transforms (J, 3, 4) from the rest pose to the pose: each joint turns about its place, its parent's first."""
    found: list[FloatArray] = []
    for matrix, joint, parent in zip(matrices, joints, parents.tolist(), strict=True):
        local = np.eye(4)
        local[:3, :3], local[:3, 3] = matrix, joint - matrix @ joint
        found.append(local if parent < 0 else found[parent] @ local)
    return np.stack(found)[:, :3]


def _blend(basis: FloatArray, coefficients: ArrayLike, name: str) -> FloatArray:
    """Displacement (V, 3) of the first coefficients of a basis (V, 3, B)."""
    values = np.asarray(coefficients, np.float64).reshape(-1)
    if len(values) > basis.shape[2]:
        raise ShapeError(f"There are {len(values)} {name} coefficients, but the model has {basis.shape[2]}.")
    displacement: FloatArray = basis[:, :, : len(values)] @ values
    return displacement
