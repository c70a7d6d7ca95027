# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not skin: eyeballs, teeth, gums, tongue, brows and lashes.

Every part is a `Part`; `motion` tells the controls how it moves: with the skull, the jaw, an eye, the tongue, or glued
to the skin beneath.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from .mesh import Ints, Mesh
from .sculpt import EYE_CENTER, EYE_RADIUS
from .sdf import Array, Field, cast

UPPER_WIDTHS = (0.84, 0.66, 0.74, 0.68, 0.66, 0.95)
LOWER_WIDTHS = (0.54, 0.58, 0.66, 0.68, 0.70, 1.0)
UPPER_EDGE, UPPER_NECK = -7.24, -6.18
LOWER_EDGE, LOWER_NECK = -7.02, -7.82
# Front of the upper dental arch seen from above: x, z from the midline backward.
_ARCH = np.array([[0, 8.86], [0.5, 8.84], [1.02, 8.7], [1.6, 8.45], [2.07, 8.02], [2.44, 7.44], [2.7, 6.8], [2.87, 6.1],
                  [2.97, 5.2], [3.0, 4.4]])  # fmt: skip
IRIS_RADIUS, PUPIL_RADIUS = 0.63, 0.24
REST_TURN = np.radians(2.0)  # outward: eyes with parallel axes look crossed


@dataclass
class Part:
    """One piece: vertices (n, 3), faces (m, 4), a material name a face, how it moves.

    `tints` names a material a vertex for the painting; without it a vertex takes the mean of its faces.
    """

    vertices: Array
    faces: Ints
    materials: list[str]
    motion: str
    tints: list[str] | None = None

    def mirrored(self, motion: str | None = None) -> Part:
        """The mirror image, faces turned so that normals still point outward."""
        flipped = np.where((self.faces[:, 3] < 0)[:, None], self.faces[:, [0, 2, 1, 3]], self.faces[:, [0, 3, 2, 1]])
        return Part(self.vertices * [-1, 1, 1], flipped, list(self.materials), motion or self.motion, self.tints)


def loft(rings: list[Array], closed_start: bool, closed_end: bool) -> tuple[Array, Ints]:
    """Skin rings of equal even length with quads; ends may be closed by quads across the ring."""
    n = len(rings[0])
    faces = []
    for k in range(len(rings) - 1):
        for s in range(n):
            t = (s + 1) % n
            faces.append((k * n + s, k * n + t, (k + 1) * n + t, (k + 1) * n + s))
    last = (len(rings) - 1) * n
    for s in range(n // 2 - 1):
        across = (s, s + 1, n - 2 - s, n - 1 - s)
        if closed_start:
            faces.append((across[3], across[2], across[1], across[0]))
        if closed_end:
            faces.append((last + across[0], last + across[1], last + across[2], last + across[3]))
    return np.vstack(rings), np.array(faces)


def eyeball() -> Part:
    """The left eyeball, looking along +Z and a little outward; iris and pupil are bands of it."""
    bands = [
        (PUPIL_RADIUS, "pupil"), (PUPIL_RADIUS + 0.02, "iris"), (0.42, "iris"), (IRIS_RADIUS - 0.1, "iris"),
        (IRIS_RADIUS - 0.085, "iris_rim"), (IRIS_RADIUS, "iris_rim"), (IRIS_RADIUS + 0.02, "sclera"),
    ]  # fmt: skip
    angles = [float(np.arcsin(r / EYE_RADIUS)) for r, _ in bands] + list(np.radians([36, 45, 55, 66, 80, 100, 120]))
    names = [name for _, name in bands] + ["sclera"] * 7
    segments = 24
    turn = 2 * np.pi * (np.arange(segments) + 0.5) / segments
    vertices = [np.array([[0, 0, EYE_RADIUS]])]
    for angle in angles:
        around = np.stack([np.cos(turn), np.sin(turn), np.full(segments, 1 / np.tan(angle))], axis=1)
        vertices.append(EYE_RADIUS * np.sin(angle) * around)
    faces, materials = [], []
    for s in range(segments):
        faces.append((0, 1 + s, 1 + (s + 1) % segments, -1))
        materials.append("pupil")
    for k, name in enumerate(names[1:]):
        a, b = 1 + k * segments, 1 + (k + 1) * segments
        for s in range(segments):
            t = (s + 1) % segments
            faces.append((a + s, b + s, b + t, a + t))
            materials.append(name)
    tints = ["pupil", *(name for name in names for _ in range(segments))]
    cos, sin = np.cos(REST_TURN), np.sin(REST_TURN)
    turned = np.vstack(vertices) @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]).T
    return Part(turned + EYE_CENTER, np.array(faces), materials, "eye", tints)


def arch_points(lengths: Array, inset: float) -> tuple[Array, Array]:
    """Points (n, 2) in (x, z) at arc lengths from the midline of the dental arch, and outward normals (n, 2)."""
    along = np.linspace(0, 1, 400)
    share = np.linspace(0, 1, len(_ARCH))
    x, z = PchipInterpolator(share, _ARCH[:, 0])(along), PchipInterpolator(share, _ARCH[:, 1])(along)
    slope_x, slope_z = np.gradient(x), np.gradient(z)
    slope_x[0], slope_z[0] = 1.0, 0.0
    steep = np.hypot(slope_x, slope_z)
    x, z = x + inset * slope_z / steep, z - inset * slope_x / steep
    arc = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), np.diff(z)))])
    point = np.stack([np.interp(lengths, arc, x), np.interp(lengths, arc, z)], axis=1)
    ahead = np.stack([np.interp(lengths + 0.05, arc, x), np.interp(lengths + 0.05, arc, z)], axis=1)
    behind = np.stack([np.interp(lengths - 0.05, arc, x), np.interp(lengths - 0.05, arc, z)], axis=1)
    behind[lengths < 0.05] = point[lengths < 0.05] * [-1, 1] + [0, 0]
    tangent = ahead - behind
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    return point, normal / np.linalg.norm(normal, axis=1, keepdims=True)


# Cross sections of a tooth from the neck (0) to the edge (1): height, width, depth.
_TOOTH = ((-0.15, 0.80, 0.30), (0.12, 0.88, 0.35), (0.45, 0.97, 0.33), (0.76, 1.0, 0.25), (0.93, 0.93, 0.17),
          (1.0, 0.76, 0.09))  # fmt: skip


def _tooth(center: Array, normal: Array, width: float, neck: float, edge: float, molar: bool) -> Part:
    """A rounded tooth: cross sections from the neck to the biting edge, the last one closed."""
    turn = 2 * np.pi * (np.arange(8) + 0.5) / 8
    cos, sin = np.cos(turn), np.sin(turn)
    box = np.stack([np.sign(cos) * np.abs(cos) ** 0.62, np.sign(sin) * np.abs(sin) ** 0.62], axis=1)
    across = np.array([normal[1], -normal[0]])
    rings = []
    for height, wide, deep in _TOOTH:
        depth = max(deep, 0.3) * 1.15 if molar else deep
        lean = 0.03 if molar else 0.02 + 0.1 * (height - 0.4) ** 2
        flat = np.outer(box[:, 0] * 0.49 * width * wide, across) + np.outer(box[:, 1] * depth - lean, normal)
        y = neck + (edge - neck) * height
        rings.append(np.stack([center[0] + flat[:, 0], np.full(8, y), center[1] + flat[:, 1]], axis=1))
    if edge > neck:
        rings = [ring[::-1] for ring in rings]
    vertices, faces = loft(rings, False, True)
    return Part(vertices, faces, ["teeth"] * len(faces), "skull" if edge < neck else "jaw")


def teeth() -> list[Part]:
    """Left half of both dental arches, six teeth each, as parts that mirror."""
    parts = []
    arches = ((UPPER_WIDTHS, UPPER_NECK, UPPER_EDGE, 0.0), (LOWER_WIDTHS, LOWER_NECK, LOWER_EDGE, 0.3))
    for widths, neck, edge, inset in arches:
        ends = np.cumsum(widths)
        centers, normals = arch_points(ends - np.array(widths) / 2, inset + 0.25)
        for k, width in enumerate(widths):
            shorter = (0.0, 0.09, -0.02, 0.06, 0.1, 0.12)[k] * (1 if edge < neck else 0.4)
            tip = edge + shorter * (1 if edge < neck else -1)
            parts.append(_tooth(centers[k], normals[k], width, neck, tip, k >= 3))
    return parts


def gums() -> list[Part]:
    """Upper and lower gum: tubes along the arch whose edge dips between the teeth."""
    parts = []
    for widths, neck, sign, inset, motion in (
        (UPPER_WIDTHS, UPPER_NECK, 1.0, 0.0, "skull"), (LOWER_WIDTHS, LOWER_NECK, -1.0, 0.3, "jaw"),
    ):  # fmt: skip
        ends = np.cumsum(widths)
        lengths = np.linspace(0, ends[-1] + 0.1, 19)
        gaps = np.concatenate([[0], ends])
        near_gap = np.exp(-((np.min(np.abs(lengths[:, None] - gaps[None]), axis=1) / 0.16) ** 2))
        center, normal = arch_points(lengths, inset + 0.25)
        section = [(0.26, -0.08), (0.33, 0.12), (0.28, 0.34), (0.02, 0.56), (-0.4, 0.5), (-0.45, 0.15), (-0.2, -0.08)]
        rings = []
        for k in range(len(lengths)):
            points = []
            for out, up in section:
                flat = center[k] + normal[k] * out
                dip = 0.13 * near_gap[k] if up < 0.1 else 0.0
                points.append([flat[0], neck + sign * (up - dip), flat[1]])
            rings.append(np.array(points))
        parts.append(_gum_strip(rings, sign, motion))
    return parts


def _gum_strip(rings: list[Array], sign: float, motion: str) -> Part:
    rings[0][:, 0] = 0.0
    both_sides = [ring * [-1, 1, 1] for ring in rings[:0:-1]] + rings
    if sign > 0:
        both_sides = [ring[::-1] for ring in both_sides]
    vertices, faces = loft(both_sides, False, False)
    return Part(vertices, faces, ["gums"] * len(faces), motion)


def tongue() -> Part:
    """The tongue, a flattened loft from the throat to behind the lower incisors, with a groove along its middle."""
    steps = np.linspace(0, 1, 13)
    turn = 2 * np.pi * (np.arange(14) + 0.5) / 14
    rings = []
    for t in steps:
        taper = np.sqrt(max(1 - max(t - 0.62, 0) ** 2 / 0.1521, 0.03))
        wide, thick = 2.0 * (0.75 + 0.25 * np.sin(np.pi * t)) * taper, 0.55 * (1.1 - 0.35 * t) * taper
        center = np.array([0.0, -8.45 + 0.78 * np.sin(np.pi * min(t + 0.12, 1) * 0.64) + 0.3 * t * t, 2.6 + 5.15 * t])
        x = wide * np.cos(turn)
        groove = -0.13 * np.exp(-((x / 0.35) ** 2)) * (np.sin(turn) > 0) * taper
        rings.append(center + np.stack([x, thick * np.sin(turn) + groove, np.zeros(14)], axis=1))
    vertices, faces = loft(rings, True, True)
    return Part(vertices, faces, ["tongue"] * len(faces), "tongue")


def brow(sculpt: Field) -> Part:
    """The left eyebrow: a thin tapered strip over the skin, thicker toward the nose."""
    t = np.linspace(0, 1, 15)
    x = 1.3 + 3.75 * t
    middle = 1.72 + 0.42 * np.sin(np.pi * t**1.3 * 0.8) - 0.3 * t**2
    half = 0.24 * (1 - t) ** 0.6 * np.clip(t * 5 + 0.12, 0, 1) ** 0.6 + 0.02
    rows = []
    for lift, height in ((-1.0, 0.0), (-0.5, 0.06), (0.35, 0.06), (1.0, 0.0)):
        y = middle + lift * half
        depth = cast(sculpt, np.stack([x, y, np.full_like(x, 16.0)], 1), (0, 0, -1))[:, 2]
        rows.append(np.stack([x, y, depth + 0.02 + height], axis=1))
    n = len(t)
    faces = [(r * n + k, r * n + k + 1, (r + 1) * n + k + 1, (r + 1) * n + k) for r in range(3) for k in range(n - 1)]
    return Part(np.vstack(rows), np.array(faces), ["brows"] * len(faces), "glued")


def lashes(skin: Mesh) -> Part:
    """Upper lashes of the left eye: a strip fanning out from the lid's margin."""
    a = skin.attributes
    s = np.mod(np.arctan2(a["eye_sin"], a["eye_cos"]) / (2 * np.pi) * 16, 16)
    row = np.flatnonzero((np.abs(a["eye_ring"] - 5) < 0.01) & (s < 8.01) & (skin.vertices[:, 0] > 0))
    row = row[np.argsort(s[row])]
    root = skin.vertices[row]
    t = s[row] / 8
    length = 0.04 + 0.3 * np.sin(np.pi * t**1.4) ** 0.8
    out = root - EYE_CENTER
    out = out / np.linalg.norm(out, axis=1, keepdims=True)
    aim = out + np.stack([0.9 * (t - 0.35), 0.28 + 0 * t, 0.1 + 0 * t], axis=1)
    aim = aim / np.linalg.norm(aim, axis=1, keepdims=True)
    tip = root + aim * length[:, None]
    n = len(row)
    faces = [(k, k + 1, n + k + 1, n + k) for k in range(n - 1)]
    vertices = np.vstack([root + out * 0.015, tip])
    return Part(vertices, np.array(faces), ["lashes"] * len(faces), "glued")


def glint() -> Part:
    """The light's reflection on the left eye: a tiny disc just over the eyeball, still while the eye turns."""
    turn = 2 * np.pi * (np.arange(8) + 0.5) / 8
    aim = np.array([-0.15, 0.16, 1.0])
    flat = np.stack([0.075 * np.cos(turn), 0.075 * np.sin(turn), np.zeros(8)], axis=1)
    points = aim / np.linalg.norm(aim) * EYE_RADIUS + flat
    points *= (EYE_RADIUS + 0.02) / np.linalg.norm(points, axis=1, keepdims=True)
    faces = np.array([(0, 1, 2, 3), (0, 3, 4, 7), (4, 5, 6, 7)])
    return Part(points + EYE_CENTER, faces, ["glint"] * 3, "skull")


def caruncle() -> Part:
    """The small pink mound that fills the inner corner of the left eye."""
    turn = 2 * np.pi * (np.arange(8) + 0.5) / 8
    rings = []
    for tilt in np.linspace(0.25, np.pi - 0.25, 5):
        x, y = np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn)
        ball = np.stack([0.16 * x, 0.1 * y, np.full(8, -0.12 * np.cos(tilt))], axis=1)
        rings.append(ball + np.array([1.85, -0.13, 7.34]))
    vertices, faces = loft(rings, True, True)
    return Part(vertices, faces, ["lid_rim"] * len(faces), "skull", ["lid_rim"] * len(vertices))


def shirt(skin: Mesh, normals: Array) -> Part:
    """A collar over the bust's edge: the lowest rows of the skin once more, a little outside, with a rim."""
    row = skin.attributes["row"]
    inside = (row[skin.faces].max(axis=1) < 1.51) & (skin.faces[:, 3] >= 0)
    used = np.unique(skin.faces[inside])
    rank = np.full(len(row), -1)
    rank[used] = np.arange(len(used))
    cloth = skin.vertices[used] + 0.16 * normals[used]
    edge = [(a, b) for face in skin.faces[inside] for a, b in zip(face, np.roll(face, -1), strict=True)
            if abs(row[a] - 1.5) < 0.01 and abs(row[b] - 1.5) < 0.01]  # fmt: skip
    rim = sorted({int(a) for a, _ in edge} | {int(b) for _, b in edge})
    place = {v: len(used) + k for k, v in enumerate(rim)}
    rims = [(rank[b], rank[a], place[int(a)], place[int(b)]) for a, b in edge]
    vertices = np.vstack([cloth, skin.vertices[rim] - 0.03 * normals[rim]])
    faces = np.vstack([rank[skin.faces[inside]], np.array(rims)])
    return Part(vertices, faces, ["cloth"] * len(faces), "shoulders")
