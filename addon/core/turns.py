# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations of many frames at once: their angles, Kabsch's best rotation, skinning undone. Rad."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .rotations import of_matrices

FloatArray = NDArray[np.float64]
Points = NDArray[np.float32]


def angles_of(matrices: FloatArray) -> FloatArray:
    """Angles (...) of rotation matrices (..., 3, 3)."""
    found: FloatArray = np.linalg.norm(of_matrices(matrices), axis=-1)
    return found


def best_rotations(clouds: FloatArray, reference: FloatArray) -> FloatArray:
    """Rotations that turn a reference to clouds with the least squares left (Kabsch 1976).

    Args:
        clouds: (N, K, 3), centred.
        reference: (K, 3), centred.

    Returns:
        (N, 3, 3).
    """
    u, _, vt = np.linalg.svd(np.einsum("nka,kb->nab", clouds, reference))
    u[:, :, 2] *= np.where(np.linalg.det(u @ vt) < 0.0, -1.0, 1.0)[:, None]
    found: FloatArray = u @ vt
    return found


def unposed(vectors: Points, shares: FloatArray, turns: FloatArray) -> Points:
    """Vectors (N, V, 3) that become these ones under I + s (R - I).

    About the axis of R that is a plane's rotation and scaling, the product with z = 1 + s (exp(i angle) - 1), whose
    inverse is 1 / z.

    Args:
        vectors: (N, V, 3).
        shares: (V,) the skinning weights s.
        turns: (N, 3) axis-angle of R, rad.
    """
    angle = np.linalg.norm(turns, axis=1)
    axis = np.where(angle[:, None] > 1e-9, turns / np.maximum(angle, 1e-9)[:, None], np.array([1.0, 0.0, 0.0]))
    inverse = 1.0 / (1.0 + shares * (np.exp(1j * angle)[:, None] - 1.0))  # (N, V)
    real, imaginary = inverse.real.astype(np.float32)[..., None], inverse.imag.astype(np.float32)[..., None]
    u = axis.astype(np.float32)[:, None]
    along = (vectors * u).sum(axis=-1, keepdims=True)
    found: Points = real * vectors + (1.0 - real) * along * u + imaginary * np.cross(u, vectors)
    return found
