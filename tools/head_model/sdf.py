# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed distance fields: the clay of the sculpt.

A field maps points (P, 3) in cm to distances (P,), negative inside. Distances of ellipsoids and of blends are
approximate away from the surface, which is enough for projecting nearby points onto it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Field = Callable[[Array], Array]
_MIRROR = np.array([-1.0, 1.0, 1.0])


def ellipsoid(center: ArrayLike, radii: ArrayLike, tilt: float = 0.0) -> Field:
    """Ellipsoid at `center` with half axes `radii`, tilted about x by `tilt` radians (positive lowers its front)."""
    c, r = np.asarray(center, float), np.asarray(radii, float)
    cos, sin = np.cos(tilt), np.sin(tilt)
    turn = np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])

    def distance(points: Array) -> Array:
        local = (points - c) @ turn.T
        near = np.linalg.norm(local / r, axis=1)
        slope = np.linalg.norm(local / r**2, axis=1)
        return np.asarray(near * (near - 1.0) / np.maximum(slope, 1e-9))

    return distance


def capsule(start: ArrayLike, end: ArrayLike, radius: float, end_radius: float | None = None) -> Field:
    """Rounded segment whose radius runs linearly from `radius` to `end_radius`."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    axis = b - a
    last = radius if end_radius is None else end_radius

    def distance(points: Array) -> Array:
        along = np.clip((points - a) @ axis / (axis @ axis), 0.0, 1.0)
        gap = np.linalg.norm(points - a - along[:, None] * axis, axis=1)
        return np.asarray(gap - radius - (last - radius) * along)

    return distance


def chain(points: Sequence[ArrayLike], radii: Sequence[float]) -> Field:
    """Plain union of the capsules between successive points."""
    links = [capsule(a, b, ra, rb) for a, b, ra, rb in zip(points[:-1], points[1:], radii[:-1], radii[1:], strict=True)]
    return lambda p: np.min([link(p) for link in links], axis=0)


def both(field: Field) -> Field:
    """The field and its mirror image across x = 0, softly joined so that no crease stands on the midline."""
    return lambda p: smooth_min(field(p), field(p * _MIRROR), 0.3)


def smooth_min(a: Array, b: Array, k: float) -> Array:
    """Polynomial smooth minimum: blends two distances over a width k in cm."""
    blend = np.maximum(k - np.abs(a - b), 0.0) / k
    return np.asarray(np.minimum(a, b) - blend * blend * k * 0.25)


def smooth_max(a: Array, b: Array, k: float) -> Array:
    """Polynomial smooth maximum, for carving."""
    return -smooth_min(-a, -b, k)


def gradient(field: Field, points: Array, step: float = 2e-3) -> Array:
    """Gradient (P, 3) by central differences on the four corners of a tetrahedron."""
    corners = np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], float)
    total = np.zeros_like(points)
    for corner in corners:
        total += corner * field(points + corner * step)[:, None]
    return total / (4.0 * step)


def project(field: Field, points: Array, passes: int = 3) -> Array:
    """Move points (P, 3) onto the surface along the gradient by a few Newton steps of at most 1 cm."""
    for _ in range(passes):
        slope = gradient(field, points)
        step = field(points) / np.maximum(np.sum(slope * slope, axis=1), 0.05)
        points = points - np.clip(step, -1.0, 1.0)[:, None] * slope
    return points


def cast(field: Field, origins: ArrayLike, direction: ArrayLike, reach: float = 40.0) -> Array:
    """First hits (P, 3) of rays from outside the surface, by sphere tracing."""
    d = np.asarray(direction, float)
    d = d / np.linalg.norm(d)
    points = np.array(np.atleast_2d(origins), float)
    travelled = np.zeros(len(points))
    for _ in range(120):
        step = np.clip(field(points) * 0.7, -0.5, 2.0)
        step = np.where(travelled > reach, 0.0, step)
        points = points + step[:, None] * d
        travelled += step
    return points
