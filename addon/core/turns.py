# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations of many frames at once: from matrices back to axis-angle, Kabsch's best rotation, skinning undone. Rad."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Points = NDArray[np.float32]


def rotation_vectors(matrices: FloatArray) -> FloatArray:
    """Axis-angle (..., 3) of rotation matrices (..., 3, 3), the inverse of `flame.rotation_matrices` below pi.

    The angle comes from sine and cosine together, so that small ones keep their precision.
    """
    cross = np.stack(
        (
            matrices[..., 2, 1] - matrices[..., 1, 2],
            matrices[..., 0, 2] - matrices[..., 2, 0],
            matrices[..., 1, 0] - matrices[..., 0, 1],
        ),
        axis=-1,
    )
    sine = 0.5 * np.linalg.norm(cross, axis=-1)
    angle = np.arctan2(sine, 0.5 * (np.trace(matrices, axis1=-2, axis2=-1) - 1.0))
    found: FloatArray = cross * np.where(sine > 1e-9, 0.5 * angle / np.maximum(sine, 1e-9), 0.5)[..., None]
    return found


def angles_of(matrices: FloatArray) -> FloatArray:
    """Angles (...) of rotation matrices (..., 3, 3)."""
    found: FloatArray = np.linalg.norm(rotation_vectors(matrices), axis=-1)
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
