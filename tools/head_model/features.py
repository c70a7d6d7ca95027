# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the rings of lips, lids, nostrils and ears lie in the neutral face (left half, cm)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import PchipInterpolator

from .sculpt import EYE_CENTER, EYE_RADIUS
from .sdf import Array, Field, cast

# Mouth rings: 1 skin, 2 skin beside the border, 3 border, 4 and 5 body, 6 contact, 7 and 8 inner, 9 vestibule,
# 10 pocket, 11 throat.
LIP_BORDER, LIP_CONTACT = 3, 6
MOUTH_HALF_WIDTH = 2.45
LIP_U = np.array([0.0, 0.15, 0.31, 0.47, 0.63, 0.78, 0.91, 1.0])
# Eye rings: 1 orbit, 2 fold, 3 crease, 4 plate, 5 margin, 6 inner edge of the margin, 7 under the lid.
LID_MARGIN = 5


def curve(knots: Sequence[float], values: Sequence[float]) -> PchipInterpolator:
    """Monotone cubic through the given knots."""
    return PchipInterpolator(knots, values, extrapolate=True)


def both_lips(upper: Array, lower: Array) -> Array:
    """Order a half ring: upper from the midline to the corner, then lower back to the midline, 15 entries."""
    return np.concatenate([upper, lower[:-1][::-1]])


def contact_height(u: Array) -> Array:
    """Height of the line between the closed lips: a small tubercle in the middle, corners turned up."""
    return np.asarray(
        -6.84 - 0.07 * np.exp(-((u / 0.16) ** 2)) + 0.04 * np.exp(-(((u - 0.42) / 0.2) ** 2)) + 0.17 * u**4
    )


def _surface_depth(sculpt: Field, x: Array, y: Array) -> Array:
    origins = np.stack([x, y, np.full_like(x, 16.0)], axis=1)
    return cast(sculpt, origins, (0, 0, -1))[:, 2]


def lip_rings(sculpt: Field) -> list[Array]:
    """Positions of mouth rings 2 to 11, (15, 3) each."""
    u = LIP_U
    corner = float(contact_height(np.array([1.0]))[0])
    line = contact_height(u)
    top = curve([0, 0.17, 0.5, 0.8, 1], [-6.04, -5.93, -6.19, -6.52, corner])(u)
    bottom = curve([0, 0.4, 0.7, 0.9, 1], [-7.86, -7.78, -7.47, -7.05, corner])(u)
    full = np.sqrt(np.clip(1 - u**2.2, 0, 1))
    rise = 0.16 + 0.84 * full
    rows = [  # ring, x scale, upper y, lower y, upper z offset, lower z offset
        (1.12, top + 0.24 * rise, bottom - 0.26 * rise, 0.0 + 0.04 * full, 0.0 * full),
        (1.06, top, bottom, 0.03 + 0.13 * full, 0.02 + 0.10 * full),
        (1.035, line + 0.52 * (top - line), line + 0.60 * (bottom - line), 0.34 * full, 0.37 * full),
        (1.015, line + 0.17 * (top - line), line + 0.22 * (bottom - line), 0.36 * full - 0.02, 0.42 * full - 0.02),
        (1.0, line, line, 0.13 * full - 0.10, 0.13 * full - 0.10),
        (0.985, line + 0.05 * full, line - 0.05 * full, -0.18 - 0.06 * full, -0.18 - 0.06 * full),
        (0.98, line + 0.5 * full, line - 0.5 * full, -0.42 - 0.1 * full, -0.42 - 0.1 * full),
        (1.04, line + 1.45 * rise, line - 1.55 * rise, -0.85 - 0.1 * full, -0.85 + 0.0 * full),
    ]
    rings = [_lip_ring(sculpt, u, *row) for row in rows]
    return [*rings, _pocket_ring(u, 0.95, 1.9, 6.3), _pocket_ring(u, 0.7, 1.3, 3.0)]


def _lip_ring(sculpt: Field, u: Array, scale: float, upper: Array, lower: Array, rise: Array, sink: Array) -> Array:
    x = MOUTH_HALF_WIDTH * u * scale
    halves = []
    for y, offset in ((upper, rise), (lower, sink)):
        depth = _surface_depth(sculpt, x, y)
        halves.append(np.stack([x, y, depth + offset], axis=1))
    halves[1][-1] = halves[0][-1]
    return both_lips(halves[0], halves[1])


def _pocket_ring(u: Array, scale: float, height: float, depth: float) -> Array:
    x = 2.9 * scale * np.sin(u * np.pi / 2)
    open_ = np.cos(u * np.pi / 2)
    z = depth - 1.2 * u**2
    upper = np.stack([x, -6.9 + height * open_, z], axis=1)
    lower = np.stack([x, -6.9 - height * open_, z], axis=1)
    return both_lips(upper, lower)


# ---------------------------------------------------------------- eye
INNER_CANTHUS = np.array([1.72, -0.14])
OUTER_CANTHUS = np.array([4.66, 0.1])


def lid_profile(t: Array) -> tuple[Array, Array, Array]:
    """Front view of the lid margins over t (0 inner, 1 outer canthus): x, upper y, lower y."""
    base = INNER_CANTHUS[1] + (OUTER_CANTHUS[1] - INNER_CANTHUS[1]) * t
    x = INNER_CANTHUS[0] + (OUTER_CANTHUS[0] - INNER_CANTHUS[0]) * t
    upper = base + 0.57 * np.sin(np.pi * t**0.92) ** 0.8
    lower = base - 0.47 * np.sin(np.pi * t**1.15) ** 0.85
    return x, upper, lower


def on_globe(x: Array, y: Array, gap: float) -> Array:
    """Points (n, 3) over the eyeball at a distance `gap` from it; beyond its outline the surface runs on backward."""
    dx, dy = x - EYE_CENTER[0], y - EYE_CENTER[1]
    q = (EYE_RADIUS + gap) ** 2 - dx**2 - dy**2
    height = np.sqrt(0.5 * (q + np.sqrt(q**2 + 0.35**2)))
    return np.stack([x, y, EYE_CENTER[2] + height], axis=1)


def _around(upper: Array, lower: Array) -> Array:
    """Closed ring from the inner canthus over the upper lid, 16 entries, from two rows of 9."""
    return np.concatenate([upper, lower[1:-1][::-1]])


def lid_rings(sculpt: Field) -> list[Array]:
    """Positions of eye rings 2 to 7, (16, 3) each."""
    t = np.array([0, 0.1, 0.225, 0.36, 0.5, 0.64, 0.775, 0.9, 1.0])
    x, upper, lower = lid_profile(t)
    dome = np.sin(np.pi * t) ** 0.7
    middle, side = 0.5 * (x[0] + x[-1]), x - 0.5 * (x[0] + x[-1])
    rows = [  # stretch in x, lift of the upper row, drop of the lower row, gap (None: on the sculpt)
        (1.20, 0.16 + 0.62 * dome, 0.14 + 0.62 * dome, None),
        (1.12, 0.07 + 0.36 * dome, 0.06 + 0.34 * dome, 0.15),
        (1.06, 0.03 + 0.19 * dome, 0.03 + 0.14 * dome, 0.16),
        (1.00, 0.0 * dome, 0.0 * dome, 0.11),
        (0.985, -0.01 * dome, -0.01 * dome, 0.02),
        (0.98, 0.22 + 0.25 * dome, 0.22 + 0.25 * dome, 0.0),
    ]
    rings = []
    for stretch, lift, drop, gap in rows:
        xs = middle + side * stretch
        high, low = upper + lift, lower - drop
        high[[0, -1]] = low[[0, -1]] = upper[[0, -1]]
        rings.append(_lid_ring(sculpt, xs, high, low, gap))
    return rings


def _lid_ring(sculpt: Field, x: Array, high: Array, low: Array, gap: float | None) -> Array:
    halves = []
    for y in (high, low):
        if gap is None:
            halves.append(np.stack([x, y, _surface_depth(sculpt, x, y)], axis=1))
        else:
            halves.append(on_globe(x, y, gap))
    return _around(halves[0], halves[1])


# ---------------------------------------------------------------- nose
NOSE_PINS: dict[tuple[int, int], tuple[float, float]] = {  # grid cell: (x, y), depth read off the sculpt
    (0, 17): (0.0, -2.4), (0, 18): (0.0, -1.25), (0, 19): (0.0, -0.2), (0, 20): (0.0, 0.75),
    (1, 17): (0.62, -2.4), (2, 16): (1.15, -3.45), (3, 16): (1.6, -3.55), (4, 16): (2.4, -3.5),
    (0, 16): (0.0, -3.62), (1, 16): (0.55, -3.6), (4, 15): (2.1, -4.2), (4, 14): (2.15, -4.65), (4, 13): (2.2, -5.1),
}  # fmt: skip
NOSTRIL_PINS: dict[tuple[int, int], tuple[float, float, float]] = {
    (0, 13): (0.0, -5.12, 9.25), (0, 14): (0.0, -4.95, 9.72), (0, 15): (0.0, -4.52, 10.4),
    (1, 13): (0.42, -5.06, 9.15), (2, 13): (0.92, -5.02, 8.95), (3, 13): (1.55, -4.9, 8.75),
    (3, 14): (1.72, -4.55, 9.0), (3, 15): (1.45, -4.3, 9.6), (2, 15): (1.0, -4.36, 10.0),
    (1, 15): (0.5, -4.55, 10.2), (1, 14): (0.32, -4.92, 9.7),
}  # fmt: skip


def nostril_rings(border: Array) -> list[Array]:
    """Rings 1 to 3 of the nostril from its border (8, 3): the lip of the opening, the wall, the end."""
    middle = border.mean(axis=0)
    lip = border + 0.3 * (middle - border) + [0, 0.02, 0]
    wall = border + 0.42 * (middle - border) + [0, 0.3, -0.05]
    end = border + 0.62 * (middle - border) + [0, 0.75, -0.25]
    return [lip, wall, end]


# ---------------------------------------------------------------- ear
_EAR_OUTLINE = np.array([  # (forward, up) of the ear's outline in its own plane, from the lobe's front up and around
    [0.75, -2.3], [0.95, -1.75], [1.0, -1.1], [0.95, -0.45], [0.95, 0.2], [1.05, 0.9], [1.0, 1.6], [0.75, 2.3],
    [0.0, 2.9], [-0.95, 2.85], [-1.65, 2.3], [-1.95, 1.5], [-2.0, 0.6], [-1.85, -0.35], [-1.5, -1.25], [-1.05, -2.1],
    [-0.45, -2.8], [0.3, -2.85],
])  # fmt: skip
_EAR_FREE = np.array([0.35, 0, 0, 0, 0, 0.1, 0.45, 0.85, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0.8])
_EAR_ORIGIN = np.array([6.75, -1.55, -0.7])


def _ear_frame() -> Array:
    flare, tilt = np.radians(26.0), np.radians(11.0)
    forward = np.array([-np.sin(flare), 0.0, np.cos(flare)])
    up = np.array([0.06, np.cos(tilt), -np.sin(tilt)])
    out = np.cross(up, forward)
    return np.stack([forward, up, out / np.linalg.norm(out)])


def ear_root(sculpt: Field) -> Array:
    """Border of the ear on the head, (18, 3): along the outline in front, drawn in under the free rim."""
    center = np.array([0.45, -0.25])
    shrink = 1 - 0.5 * _EAR_FREE[:, None]
    flat = center + (_EAR_OUTLINE - center) * shrink
    world = _EAR_ORIGIN + flat @ _ear_frame()[:2]
    world[:, 0] = 16.0
    return cast(sculpt, world, (-1, 0, 0))


def ear_rings(root: Array) -> list[Array]:
    """Rings 1 to 9 of the ear from its border (18, 3): back, rim, helix, scapha, antihelix, concha."""
    free = _EAR_FREE
    center = np.array([0.4, -0.35])
    top = np.clip((_EAR_OUTLINE[:, 1] + 1.6) / 1.4, 0, 1)
    frame = _ear_frame()
    attached = (root - _EAR_ORIGIN) @ frame[2]
    tragus = np.exp(-((_EAR_OUTLINE[:, 1] + 0.55) / 0.55) ** 2) * (1 - free)
    rows = [  # scale toward the concha, height over the ear's plane where free, and where attached
        (0.88, -0.12 * free, 0.06),
        (1.00, 0.12 * free, 0.10),
        (0.99, 0.34 * free * (0.35 + 0.65 * top), 0.12),
        (0.90, 0.38 * free * top + 0.1 * free, 0.14 + 0.1 * tragus),
        (0.79, 0.05 * free, 0.14 + 0.35 * tragus),
        (0.64, (0.36 * top + 0.05) * free, 0.12 + 0.45 * tragus),
        (0.50, (0.10 * top + 0.1) * free, 0.05 + 0.30 * tragus),
        (0.36, -0.45 * np.ones(18), -0.35),
        (0.16, -0.62 * np.ones(18), -0.6),
    ]
    rings = []
    for scale, height, front in rows:
        flat = center + (_EAR_OUTLINE - center) * scale
        out = free * height + (1 - free) * (front + np.clip(attached, -0.6, 0.8))
        rings.append(_EAR_ORIGIN + flat @ frame[:2] + out[:, None] * frame[2])
    return rings
