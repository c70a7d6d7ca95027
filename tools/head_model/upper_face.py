# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacement fields of lids, brows, upper cheeks and nose on the skin (V, 3), cm at weight 1, both sides alike."""

from __future__ import annotations

import numpy as np

from . import features
from .face import Face, Lumps, ramp
from .mesh import Ints, Mask
from .sculpt import EYE_CENTER, EYE_RADIUS
from .sdf import Array

CLOSE_LINE = 0.14  # how far from the lower to the upper margin the closed lids meet


def lid_field(face: Face, upper_share: float, lower_share: float, gap: float, crease: float) -> Array:
    """Move the lids over the eyeball.

    Args:
        face: The skin.
        upper_share: How far the upper margin goes to the closing line (1 closes, negative opens wider).
        lower_share: The same for the lower margin.
        gap: Distance of the moved margin from the eyeball, cm.
        crease: Share of the margin's motion that the upper crease follows.

    Returns:
        Displacement (V, 3).
    """
    ring = face.lid_ring
    held = face.region((ring >= 2.99) & (ring <= 7.01))
    targets = np.zeros_like(face.v)
    drop = _margin_drop(face, upper_share, lower_share)
    for side in (1.0, -1.0):
        here = held & (face.v[:, 0] * side > 0)
        targets[here] = _slide_on_globe(face, here, side, drop[here], gap, crease)
    return _spread(face, held, targets)


def _margin_drop(face: Face, upper_share: float, lower_share: float) -> Array:
    """Vertical motion (V,) of each lid vertex' margin."""
    t = face.lid_t
    _, upper, lower = features.lid_profile(t)
    close = lower + CLOSE_LINE * (upper - lower)
    return np.asarray(np.where(face.lid > 0, upper_share * (close - upper), lower_share * (close - lower)))


def _slide_on_globe(face: Face, here: Mask, side: float, drop: Array, gap: float, crease: float) -> Array:
    """Rotate lid vertices about the eye's x axis so that they go down by `drop`, margins first, and out to `gap`."""
    arm = face.v[here] - face.eye_of(side)
    ring = face.lid_ring[here]
    share = np.where(face.lid[here] > 0, crease, 0.35)
    follow = share + (1 - share) * ramp(ring, 3, 5)
    radius = np.hypot(arm[:, 1], arm[:, 2])
    start = np.arcsin(np.clip(arm[:, 1] / radius, -1, 1))
    goal = np.arcsin(np.clip((arm[:, 1] + drop * follow) / radius, -1, 1))
    moved = np.stack([arm[:, 0], radius * np.sin(goal), radius * np.cos(goal)], axis=1)
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    want = EYE_RADIUS + gap - 0.05 * ramp(ring, 5, 6)
    amount = np.clip(np.abs(goal - start) / 0.5, 0, 1)[:, None] * ramp(ring, 3, 4)[:, None]
    moved += moved / length * np.maximum(want[:, None] - length, 0) * amount
    return np.asarray(moved - arm)


def _spread(face: Face, held: Mask, targets: Array) -> Array:
    v = face.v
    near = (np.abs(np.abs(v[:, 0]) - EYE_CENTER[0]) < 2.9) & (v[:, 1] < 2.1) & (v[:, 1] > -2.4) & (v[:, 2] > 3.5)
    return face.warp.solve("lids", held | ~near, np.where(held[:, None], targets, 0.0))


def close_lids(face: Face) -> Array:
    """Blink: 86% upper lid, margins meeting exactly."""
    field = lid_field(face, 1.0, 1.0, 0.17, 0.25)
    return seal_lids(face, field)


def seal_lids(face: Face, field: Array) -> Array:
    """Bring the margins (and their inner edges) of both lids to one line at weight 1."""
    for ring in (5.0, 5.5, 6.0):
        upper, lower = lid_pairs(face, ring)
        middle = 0.5 * (face.v[upper] + field[upper] + face.v[lower] + field[lower])
        for ids in (upper, lower):
            field[ids] = middle - face.v[ids]
    return field


def lid_pairs(face: Face, ring: float) -> tuple[Ints, Ints]:
    """Ids of facing vertices of a lid ring, upper and lower, on both eyes."""
    here = np.flatnonzero(np.abs(face.lid_ring - ring) < 0.01)
    table = {(round(float(2 * face.lid_s[i])), int(face.side[i])): i for i in here}
    keys = [k for k in table if 0 < k[0] < 16]
    return np.array([table[k] for k in keys]), np.array([table[32 - k[0], k[1]] for k in keys])


# ---------------------------------------------------------------- brows, cheeks, nose
BROW_DOWN: Lumps = (
    ((1.35, 1.6, 8.3), (1.5, 1.25, 3.0), (-0.3, -0.66, 0.12)), ((3.4, 1.95, 7.8), (1.8, 1.2, 3.0), (-0.08, -0.4, 0.05)),
    ((0.55, 0.9, 8.6), (0.5, 0.7, 1.5), (0.0, 0.0, 0.1)),
)  # fmt: skip
BROW_INNER_UP: Lumps = (
    ((1.2, 1.8, 8.4), (1.5, 1.9, 3.0), (0.06, 0.56, 0.04)), ((2.5, 2.0, 8.0), (1.5, 1.6, 3.0), (0, 0.3, 0)),
    ((4.6, 1.6, 6.6), (1.2, 1.2, 2.0), (0, -0.12, 0)),
)  # fmt: skip
BROW_OUTER_UP: Lumps = (
    ((4.4, 1.9, 6.6), (1.7, 1.8, 3.0), (0.04, 0.66, -0.06)), ((2.9, 2.1, 8.0), (1.4, 1.6, 3.0), (0, 0.26, 0)),
)  # fmt: skip
CHEEK_SQUINT: Lumps = (
    ((3.6, -2.1, 7.2), (1.9, 1.1, 2.4), (0.05, 0.66, 0.5)), ((2.3, -3.6, 8.3), (0.8, 1.2, 1.6), (0.0, 0.24, 0.12)),
    ((3.3, -1.0, 8.0), (1.3, 0.32, 1.4), (0.0, 0.12, -0.16)), ((5.3, -0.7, 5.6), (0.9, 0.9, 1.6), (0.0, 0.26, 0.16)),
)  # fmt: skip
NOSE_SNEER: Lumps = (
    ((1.4, -4.2, 9.2), (0.8, 0.9, 1.6), (0.14, 0.5, 0.06)), ((2.4, -4.3, 8.6), (1.0, 1.3, 1.8), (0.08, 0.4, 0.2)),
    ((0.9, -1.0, 8.6), (0.8, 1.0, 1.5), (-0.04, 0.18, 0.12)), ((1.2, -5.6, 9.4), (1.0, 0.6, 1.4), (0.03, 0.26, 0.04)),
)  # fmt: skip
