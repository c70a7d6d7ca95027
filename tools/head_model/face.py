# SPDX-License-Identifier: GPL-3.0-or-later
"""The skin with everything a displacement field asks of it: rings, places along lips and lids, regions, the solver."""

from __future__ import annotations

import numpy as np

from . import features
from .mesh import Mask, Mesh, uniform_laplacian, vertex_normals
from .sculpt import EYE_CENTER
from .sdf import Array
from .warp import Warp

Point = tuple[float, float, float]
Lumps = tuple[tuple[Point, Point, Point], ...]  # soft pushes: centre, widths, motion, cm


def ramp(values: Array, low: float, high: float) -> Array:
    """Smooth step from 0 at `low` to 1 at `high` (either order)."""
    t = np.clip((values - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t))


def bump(points: Array, center: tuple[float, float, float], radii: tuple[float, float, float]) -> Array:
    """Gaussian of 1 at `center`, (V,); `radii` are its widths along x, y, z in cm."""
    return np.asarray(np.exp(-np.sum(((points - center) / np.asarray(radii)) ** 2, axis=1)))


class Face:
    """Neutral skin plus lookups. All arrays are (V,) over the skin's vertices; lengths in cm.

    Attributes:
        v: Neutral positions (V, 3).
        ring: Mouth ring, -1 off the mouth.
        u: Distance from the midline along the lips, 0 to 1 at the corner, signed by side.
        lip: +1 on the upper lip's rings, -1 on the lower's, 0 at the corner and elsewhere.
        lid_ring: Eye ring, -1 off the eyes.
        lid_t: Along the lid from the inner (0) to the outer canthus (1).
        lid: +1 upper, -1 lower, 0 at the canthi and elsewhere.
        side: +1 on the character's left, -1 on the right, 0 on the midline.
    """

    def __init__(self, mesh: Mesh) -> None:
        self.mesh = mesh
        self.v = mesh.vertices
        self.normals = vertex_normals(mesh.vertices, mesh.faces)
        self.side = np.sign(np.round(self.v[:, 0], 6))
        self.ring = mesh.attributes["mouth_ring"]
        self._place_along_lips()
        self._place_along_lids()
        self.warp = Warp(mesh)

    def _place_along_lips(self) -> None:
        s = self.mesh.attributes["mouth_s"]
        on = self.ring >= 0
        half = np.minimum(s, 14 - s)
        self.u = np.where(on, np.interp(half, np.arange(8), features.LIP_U), 0.0) * np.where(self.side < 0, -1, 1)
        self.lip = np.where(on, np.sign(7 - s), 0.0)

    def _place_along_lids(self) -> None:
        a = self.mesh.attributes
        self.lid_ring = a["eye_ring"]
        s = np.mod(np.arctan2(a["eye_sin"], a["eye_cos"]) / (2 * np.pi) * 16, 16)
        s = np.round(s * 2) / 2
        on = self.lid_ring >= 0
        knots = np.array([0, 0.1, 0.225, 0.36, 0.5, 0.64, 0.775, 0.9, 1.0])
        self.lid_s = np.where(on, s, 0.0)
        self.lid_t = np.where(on, np.interp(np.minimum(s, 16 - s), np.arange(9), knots), 0.0)
        self.lid = np.where(on & (s > 0.01) & (s < 15.99), np.sign(np.round(8 - s, 6)), 0.0)

    def region(self, where: Mask | Array) -> Mask:
        """A boolean mask (V,) made of any condition."""
        return np.asarray(where, bool)

    def lip_handles(self) -> Mask:
        """Lip vertices whose motion the mouth's controls spell out: border to inner rings."""
        return self.region((self.ring >= features.LIP_BORDER - 0.01) & (self.ring <= 8.01))

    def far_from_mouth(self) -> Mask:
        """Skin that lip motion never reaches: above the cheeks, ears, back, neck, the bottom of the mouth."""
        v = self.v
        high = v[:, 1] > np.where(np.abs(v[:, 0]) < 1.9, -3.6, -1.6)
        back = v[:, 2] < 1.8
        deep = self.ring > 9.51
        return self.region(high | back | (v[:, 1] < -11.2) | deep | (self.lid_ring > 0.5))

    def eye_of(self, side: float) -> Array:
        """Centre (3,) of the eyeball on a side."""
        return np.asarray(EYE_CENTER * [side, 1, 1])

    def softened(self, values: Array, passes: int) -> Array:
        """Values (V, ...) of the skin averaged with their neighbours' some times."""
        laplacian = uniform_laplacian(self.mesh.faces, len(self.v))
        for _ in range(passes):
            values = values + 0.5 * (laplacian @ values)
        return values

    def half(self, displacement: Array, side: float, width: float = 1.3) -> Array:
        """One side's share of a symmetric displacement; the shares of both sides sum to the whole."""
        share = ramp(self.v[:, 0] * side, -width, width)
        return displacement * share[:, None]


def push(face: Face, lumps: Lumps) -> Array:
    """Sum of soft pushes (V, 3), those off the midline on both sides; lids' margins and lips stay still."""
    quiet = (1 - ramp(face.lid_ring, 1.4, 3.4)) * (1 - ramp(face.ring, 1.3, 3.0))
    total = np.zeros_like(face.v)
    for center, radii, motion in lumps:
        for side in (1.0, -1.0) if center[0] else (1.0,):
            flip = np.array([side, 1, 1])
            weight = bump(face.v, (center[0] * side, center[1], center[2]), radii)
            total += weight[:, None] * np.array(motion) * flip
    return total * quiet[:, None]
