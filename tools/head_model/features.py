# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the rings of lips, lids, nostrils and ears lie in the neutral face (left half, cm)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import PchipInterpolator

from .sculpt import EYE_CENTER, EYE_RADIUS
from .sdf import Array, Field, cast, project

# Mouth rings: 1 skin, 2 skin beside the border, 3 border, 4 and 5 body, 6 contact, 7 and 8 inner, 9 vestibule,
# 10 pocket, 11 throat.
LIP_BORDER, LIP_CONTACT = 3, 6
MOUTH_HALF_WIDTH = 2.45
LIP_U = np.array([0.0, 0.15, 0.31, 0.47, 0.63, 0.78, 0.91, 1.0])
# Eye rings: 1 orbit, 2 fold, 3 crease, 4 plate, 5 margin, 6 inner edge of the margin, 7 under the lid.
LID_MARGIN = 5


def curve(knots: Sequence[float] | Array, values: Sequence[float] | Array) -> PchipInterpolator:
    """Monotone cubic through the given knots."""
    return PchipInterpolator(knots, values, extrapolate=True)


def both_lips(upper: Array, lower: Array) -> Array:
    """Order a half ring: upper from the midline to the corner, then lower back to the midline, 15 entries."""
    return np.concatenate([upper, lower[:-1][::-1]])


def contact_height(u: Array) -> Array:
    """Height of the line between the closed lips: a small tubercle in the middle, corners turned up."""
    return np.asarray(
        -6.84 - 0.07 * np.exp(-((u / 0.16) ** 2)) + 0.04 * np.exp(-(((u - 0.42) / 0.2) ** 2)) + 0.22 * u**3
    )


def _surface_depth(sculpt: Field, x: Array, y: Array) -> Array:
    origins = np.stack([x, y, np.full_like(x, 16.0)], axis=1)
    return cast(sculpt, origins, (0, 0, -1))[:, 2]


def lip_rings(sculpt: Field) -> list[Array]:
    """Positions of mouth rings 2 to 11, (15, 3) each."""
    u = LIP_U
    corner = float(contact_height(np.array([1.0]))[0])
    line = contact_height(u)
    top = curve([0, 0.17, 0.5, 0.8, 1], [-6.10, -5.99, -6.23, -6.52, corner])(u)
    bottom = curve([0, 0.4, 0.7, 0.9, 1], [-7.74, -7.66, -7.38, -7.0, corner])(u)
    full = np.sqrt(np.clip(1 - u**2.2, 0, 1))
    rise = 0.16 + 0.84 * full
    rows = [  # ring, x scale, upper y, lower y, upper z offset, lower z offset
        (1.17, top + 0.24 * rise, bottom - 0.26 * rise, 0.0 + 0.04 * full, 0.0 * full),
        (1.10, top, bottom, 0.03 + 0.13 * full, 0.02 + 0.10 * full),
        (1.068, line + 0.52 * (top - line), line + 0.60 * (bottom - line), 0.25 * full, 0.27 * full),
        (1.034, line + 0.17 * (top - line), line + 0.22 * (bottom - line), 0.27 * full - 0.02, 0.32 * full - 0.02),
        (1.0, line, line, 0.08 * full - 0.10, 0.08 * full - 0.10),
        (0.985, line + 0.05 * full, line - 0.05 * full, -0.18 - 0.06 * full, -0.18 - 0.06 * full),
        (0.98, line + 0.5 * full, line - 0.5 * full, -0.42 - 0.1 * full, -0.42 - 0.1 * full),
        (1.04, line + 1.5 * rise, line - 1.55 * rise, -0.62 - 0.1 * full, -0.7 + 0.0 * full),
    ]
    rings = [_lip_ring(sculpt, u, *row) for row in rows]
    return [*rings, _pocket_ring(u, 3.35, 1.95, 5.6), _pocket_ring(u, 2.0, 1.3, 2.6)]


def _lip_ring(sculpt: Field, u: Array, scale: float, upper: Array, lower: Array, rise: Array, sink: Array) -> Array:
    x = MOUTH_HALF_WIDTH * u * scale
    halves = []
    for y, offset in ((upper, rise), (lower, sink)):
        depth = _surface_depth(sculpt, x, y)
        halves.append(np.stack([x, y, depth + offset], axis=1))
    halves[1][-1] = halves[0][-1]
    return both_lips(halves[0], halves[1])


def _pocket_ring(u: Array, width: float, height: float, depth: float) -> Array:
    """A ring inside the mouth that passes outside the teeth: x up to `width`, y within `height` of the bite."""
    x = width * np.sin(u * np.pi / 2)
    open_ = np.sqrt(1 - u**4)
    z = depth - 1.6 * u**2
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
    upper = base + 0.47 * np.sin(np.pi * t**0.92) ** 0.8
    lower = base - 0.50 * np.sin(np.pi * t**1.15) ** 0.85
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
    (0, 17): (0.0, -2.3), (0, 18): (0.0, -1.2), (0, 19): (0.0, -0.2), (0, 20): (0.0, 0.75),
    (1, 17): (0.62, -2.25), (2, 16): (1.05, -3.1), (3, 16): (1.75, -3.15), (4, 16): (2.5, -3.2),
    (0, 16): (0.0, -3.5), (1, 16): (0.52, -3.35), (4, 15): (2.55, -3.9), (4, 14): (2.6, -4.55), (4, 13): (2.5, -5.15),
    (3, 15): (1.64, -3.66), (2, 15): (1.0, -3.76), (3, 14): (1.95, -4.3), (3, 13): (1.76, -5.0),
    (2, 13): (1.0, -5.12), (1, 13): (0.38, -5.16), (0, 13): (0.0, -5.2),
}  # fmt: skip
COLUMELLA_PINS: dict[tuple[int, int], tuple[float, float, float]] = {
    (0, 14): (0.0, -5.06, 9.72), (0, 15): (0.0, -4.62, 10.42),
    (1, 15): (0.42, -4.4, 10.42), (1, 14): (0.14, -5.04, 9.76),
}  # fmt: skip
# The nostril's rings run from the columella over the tip to the wing, its base and the sill; ring 0 is the wing's
# crease, ring 1 its bulge, ring 2 the rim of the opening.
_WING = np.array([
    [0.22, -5.05, 9.73], [0.46, -4.62, 10.28], [1.02, -4.2, 10.08], [1.55, -4.14, 9.6], [1.76, -4.5, 9.1],
    [1.6, -4.93, 8.78], [0.98, -5.06, 8.98], [0.4, -5.11, 9.12],
])  # fmt: skip
_RIM = np.array([
    [0.32, -5.0, 9.7], [0.5, -4.84, 10.06], [0.95, -4.8, 9.86], [1.3, -4.83, 9.52], [1.43, -4.9, 9.06],
    [1.34, -4.94, 8.84], [0.94, -4.99, 8.96], [0.43, -5.04, 9.12],
])  # fmt: skip


def nostril_rings(sculpt: Field) -> list[Array]:
    """Rings 1 to 5 of the nostril, (8, 3) each: bulge of the wing, rim, and three inside."""
    middle = _RIM.mean(axis=0)
    inside = [_RIM + share * (middle - _RIM) + [0, rise, back] for share, rise, back in
              ((0.22, 0.1, 0.0), (0.34, 0.4, -0.1), (0.6, 0.8, -0.3))]  # fmt: skip
    return [project(sculpt, _WING.copy(), 4), _RIM, *inside]


# ---------------------------------------------------------------- ear
_EAR_OUTLINE = np.array([  # (forward, up) of the ear's outline in its own plane, from the lobe's front up and around
    [0.75, -2.3], [0.95, -1.75], [1.0, -1.1], [0.95, -0.45], [0.95, 0.2], [1.05, 0.9], [1.0, 1.6], [0.75, 2.3],
    [0.0, 2.9], [-0.95, 2.85], [-1.65, 2.3], [-1.95, 1.5], [-2.0, 0.6], [-1.85, -0.35], [-1.5, -1.25], [-1.05, -2.1],
    [-0.45, -2.8], [0.3, -2.85],
])  # fmt: skip
_EAR_FREE = np.array([0.1, 0, 0, 0, 0, 0.02, 0.14, 0.42, 0.78, 0.96, 1, 1, 1, 1, 1, 0.96, 0.76, 0.36])
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
    tragus = np.exp(-(((_EAR_OUTLINE[:, 1] + 0.55) / 0.55) ** 2)) * (1 - free)
    rows = [  # scale toward the concha where free, where attached; height over the ear's plane: free, attached
        (0.88, 0.95, -0.12, 0.02),
        (1.00, 0.90, 0.12, 0.04),
        (0.99, 0.86, 0.46 * (0.3 + 0.7 * top), 0.06 + 0.06 * tragus),
        (0.90, 0.80, 0.46 * top + 0.06, 0.08 + 0.18 * tragus),
        (0.79, 0.73 - 0.06 * tragus, -0.12, 0.08 + 0.4 * tragus),
        (0.64, 0.62 - 0.12 * tragus, 0.5 * top + 0.05, 0.06 + 0.5 * tragus),
        (0.50, 0.50 - 0.1 * tragus, 0.10 * top + 0.1, -0.04 + 0.12 * tragus),
        (0.36, 0.36, -0.45, -0.35),
        (0.16, 0.16, -0.62, -0.6),
    ]
    rings = []
    for scale, front_scale, height, front in rows:
        size = free * scale + (1 - free) * front_scale
        flat = center + (_EAR_OUTLINE - center) * size[:, None]
        sunk = ramp_down(size)
        slope = 0.45 * np.maximum(_EAR_OUTLINE[:, 0] - flat[:, 0], 0)
        out = free * height + (1 - free) * (front + (np.clip(attached, -1.5, 1.5) - slope) * sunk)
        rings.append(_EAR_ORIGIN + flat @ frame[:2] + out[:, None] * frame[2])
    return rings


def ramp_down(size: Array) -> Array:
    """How much of the head's own relief the ear's front follows: all at its border, none in the concha."""
    return np.asarray(np.clip((size - 0.38) / 0.16, 0, 1))
