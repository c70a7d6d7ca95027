# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours of the head: one a material, and a soft painting a vertex (sRGB, 0 to 255)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .sdf import Array

if TYPE_CHECKING:
    from .face import Face
    from .inner import Part

PALETTE: dict[str, tuple[int, int, int]] = {
    "skin": (226, 180, 154),
    "lips": (198, 126, 116),
    "lid_rim": (206, 142, 128),
    "mouth": (236, 124, 114),
    "nostril": (110, 66, 56),
    "sclera": (238, 236, 232),
    "iris": (92, 116, 122),
    "iris_rim": (44, 56, 62),
    "pupil": (10, 10, 12),
    "glint": (255, 255, 255),
    "teeth": (250, 246, 236),
    "gums": (190, 104, 104),
    "tongue": (198, 108, 106),
    "brows": (78, 54, 40),
    "lashes": (52, 36, 30),
    "cloth": (74, 92, 110),
}
_BLUSH, _SHADE, _STUBBLE = np.array([222, 142, 124]), np.array([196, 142, 120]), np.array([128, 100, 84])


def paint(face: Face, parts: Sequence[Part], materials: Sequence[Sequence[str]]) -> NDArray[np.uint8]:
    """Colours (V, 3) of the skin and then of each part; `materials` names the material of each face, part by part."""
    painted = [_paint_skin(face, materials[0])]
    for part, names in zip(parts, materials[1:], strict=True):
        if part.tints is None:
            colors = _spread(len(part.vertices), part.faces, names)
        else:
            colors = np.array([PALETTE[n] for n in part.tints], float)
        painted.append(_darken_inside(part, colors))
    return np.clip(np.round(np.vstack(painted)), 0, 255).astype(np.uint8)


def _spread(count: int, faces: NDArray[np.int64], names: Sequence[str]) -> Array:
    """Colour of each vertex: the mean of its faces' materials."""
    total, uses = np.zeros((count, 3)), np.zeros(count)
    tint = np.array([PALETTE[n] for n in names], float)
    for k in range(4):
        used = faces[:, k] >= 0
        np.add.at(total, faces[used, k], tint[used])
        np.add.at(uses, faces[used, k], 1.0)
    return total / np.maximum(uses, 1.0)[:, None]


def _darken_inside(part: Part, colors: Array) -> Array:
    """Deeper in the mouth less light falls: teeth, gums and tongue darken toward the throat."""
    if part.motion not in {"skull", "jaw", "tongue"} or part.materials[0] in {"glint", "lid_rim"}:
        return colors
    least = 0.55 if part.motion == "tongue" else 0.25  # the tongue comes out
    light = least + (1 - least) * np.clip((part.vertices[:, 2] - 4.8) / 3.6, 0, 1)
    return colors * light[:, None]


def _paint_skin(face: Face, names: Sequence[str]) -> Array:
    v = face.v
    colors = _spread(len(v), face.mesh.faces, names)
    bare = np.clip(1 - np.abs(colors - np.array(PALETTE["skin"])).sum(1) / 90, 0, 1)
    side = np.abs(v)

    def spot(x: float, y: float, z: float, width: float) -> Array:
        offset = np.stack([side[:, 0] - x, v[:, 1] - y, v[:, 2] - z], axis=1)
        return np.asarray(np.exp(-np.sum(offset**2, axis=1) / width**2))

    blush = 0.55 * spot(4.1, -3.2, 6.6, 2.1) + 0.25 * spot(0, -4.0, 10.4, 1.1) + 0.4 * spot(7.6, -1.4, -1.4, 2.4)
    blush += 0.25 * spot(0, -9.8, 8.8, 1.6) + 0.3 * spot(1.4, -4.6, 9.0, 0.7)
    shade = 0.3 * spot(3.2, -1.15, 8.0, 0.9) + 0.5 * spot(1.6, -0.2, 7.9, 0.7) + 0.35 * spot(3.4, 0.95, 8.2, 0.9)
    shade += 0.3 * spot(0, -8.55, 9.2, 1.0)
    for weight, tint in ((blush, _BLUSH), (shade, _SHADE), (_scalp(face), _STUBBLE)):
        colors += (np.clip(weight, 0, 0.9) * bare)[:, None] * (tint - colors)
    ear = face.mesh.attributes["ear_ring"]
    fold = 0.16 * np.exp(-(((ear - 5) / 0.8) ** 2)) + 0.24 * np.clip((ear - 7) / 1.5, 0, 1)
    nostril = np.clip(face.mesh.attributes["nostril_ring"] - 2.0, 0, 2) / 2
    depth = np.clip((6.8 - v[:, 2]) / 4.6, 0, 1) * (face.ring > 7.4)
    return colors * (1 - 0.6 * nostril - 0.78 * depth - fold)[:, None]


# Height of the hairline (cm) over the angle from the front (degrees).
_HAIRLINE = np.array([[0, 6.5], [22, 6.3], [38, 5.9], [52, 4.3], [64, 3.2], [76, 0.9], [86, -0.6], [96, 1.2],
                      [112, -1.5], [132, -4.6], [180, -5.4]])  # fmt: skip


def _scalp(face: Face) -> Array:
    """Where close-cropped hair grows, with a soft hairline over the forehead, temples and nape."""
    v = face.v
    angle = np.degrees(np.arctan2(np.abs(v[:, 0]), v[:, 2] + 0.2))
    knots = np.linspace(0, 180, 181)
    line = np.convolve(np.pad(np.interp(knots, *_HAIRLINE.T), 4, mode="edge"), np.ones(9) / 9, "valid")
    width = np.interp(angle, [30, 60, 180], [1.8, 2.8, 2.8])
    grow = np.clip((v[:, 1] - np.interp(angle, knots, line)) / width + 0.5, 0, 1)
    ear = np.exp(-((((v[:, 1] + 1.5) / 3.0) ** 2 + ((v[:, 2] + 0.8) / 2.0) ** 2) ** 2))
    ear *= np.clip((np.abs(v[:, 0]) - 5.2) / 1.2, 0, 1)
    amount = np.clip(grow * grow * (3 - 2 * grow) - 1.3 * ear, 0, 1)
    amount = face.softened(amount, 10)  # quads are as large as the ramp: its edge would show their steps
    bare = np.clip(face.mesh.attributes["ear_ring"], 0, 1)
    return np.asarray(0.85 * amount * (1 - bare))
