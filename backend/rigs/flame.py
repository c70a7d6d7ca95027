# SPDX-License-Identifier: GPL-3.0-or-later
"""FLAME in PyTorch, many heads at once: Li et al. 2017, Sec. 3; units and axes as in `protocol`.

The joints follow identity alone, as the paper has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import ShapeError
from ..protocol import JOINT_NAMES


@dataclass(frozen=True)
class FlameRig:
    """A model, V vertices, J = 5 joints.

    Attributes:
        v_template: (V, 3) m.
        identity: (V, 3, S) m a unit of each identity coefficient.
        expression: (V, 3, E) m a unit of each expression coefficient.
        pose: (V, 3, 36) m a unit of each element of R - I of the joints below the root, row by row.
        joint_regressor: (J, V).
        weights: (V, J).
        parents: (J,) parent of each joint, -1 for the root.
    """

    v_template: Tensor
    identity: Tensor
    expression: Tensor
    pose: Tensor
    joint_regressor: Tensor
    weights: Tensor
    parents: tuple[int, ...]

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], dtype: torch.dtype = torch.float32) -> FlameRig:
        """Build from arrays by the names of the attributes."""
        names = ("v_template", "identity", "expression", "pose", "joint_regressor", "weights")
        tensors = {name: torch.as_tensor(arrays[name].copy(), dtype=dtype) for name in names}
        return cls(**tensors, parents=tuple(int(parent) for parent in arrays["parents"]))

    def vertices(self, identity: Tensor, expression: Tensor, rotations: Tensor) -> Tensor:
        """Heads.

        Args:
            identity: (B, S' <= S).
            expression: (B, E' <= E).
            rotations: (B, J, 3) axis-angle in rad, each relative to its parent.

        Returns:
            Vertices (B, V, 3), m.

        Raises:
            ShapeError: The rotations are not (B, 5, 3), or there are more coefficients than the model has.
        """
        if rotations.shape[1:] != (len(JOINT_NAMES), 3):
            raise ShapeError(f"The rotations have shape {tuple(rotations.shape)} where (B, 5, 3) is needed.")
        matrices = rotation_matrices(rotations)
        shaped = self.v_template + _blend(self.identity, identity)
        joints = torch.einsum("jv,bvk->bjk", self.joint_regressor, shaped)
        feature = (matrices[:, 1:] - torch.eye(3, dtype=matrices.dtype, device=matrices.device)).flatten(1)
        posed = shaped + _blend(self.expression, expression) + _blend(self.pose, feature)
        transforms = self._transforms(matrices, joints)
        blended = torch.einsum("vj,bjac->bvac", self.weights, transforms)
        return torch.einsum("bvac,bvc->bva", blended[..., :3], posed) + blended[..., 3]

    def _transforms(self, matrices: Tensor, joints: Tensor) -> Tensor:
        """Transforms (B, J, 3, 4) from rest to the pose, of matrices (B, J, 3, 3) and joints (B, J, 3)."""
        found: list[tuple[Tensor, Tensor]] = []
        for joint, parent in enumerate(self.parents):
            turn = matrices[:, joint]
            shift = joints[:, joint] - torch.einsum("bac,bc->ba", turn, joints[:, joint])
            if parent >= 0:
                above, offset = found[parent]
                turn, shift = above @ turn, torch.einsum("bac,bc->ba", above, shift) + offset
            found.append((turn, shift))
        turns, shifts = (torch.stack(part, dim=1) for part in zip(*found, strict=True))
        return torch.cat((turns, shifts[..., None]), dim=-1)


def rotation_matrices(rotations: Tensor) -> Tensor:
    """Rodrigues' formula: axis-angle (..., 3) in rad -> rotation matrices (..., 3, 3)."""
    angle = torch.linalg.vector_norm(rotations, dim=-1)[..., None, None]
    x, y, z = rotations.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=-1).reshape(*rotations.shape[:-1], 3, 3)
    sinc, half = torch.sinc(angle / torch.pi), torch.sinc(angle / (2.0 * torch.pi))
    return torch.eye(3, dtype=angle.dtype, device=angle.device) + sinc * cross + 0.5 * half**2 * (cross @ cross)


def _blend(basis: Tensor, coefficients: Tensor) -> Tensor:
    """Displacements (B, V, 3) of the first coefficients (B, K) of a basis (V, 3, K' >= K)."""
    K = coefficients.shape[1]
    if basis.shape[2] < K:
        raise ShapeError(f"There are {K} coefficients, but the model has {basis.shape[2]}.")
    return torch.einsum("vck,bk->bvc", basis[:, :, :K], coefficients)
