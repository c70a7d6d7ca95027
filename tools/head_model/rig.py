# SPDX-License-Identifier: GPL-3.0-or-later
"""Bones, skinning weights, identity shapes and landmarks, in FLAME's layout."""

from __future__ import annotations

import numpy as np

from . import features, mouth
from .face import Face, bump, ramp
from .inner import Part
from .mesh import Ints
from .sdf import Array, Field, cast, project

KINTREE = np.array([[-1, 0, 1, 1, 1], [0, 1, 2, 3, 4]])
JOINT_SIDES = {0: (6.0, -16.5, -2.0), 1: (5.0, -9.5, -2.2), 2: (6.4, -1.9, 0.9)}


def skin_weights(face: Face) -> Array:
    """Weights (V, 5) of the skin: shoulders root, head neck, chin jaw."""
    root = root_weight(face.v)
    jaw = mouth.jaw_weight(face) * (1 - root)
    eyes = np.zeros_like(root)
    return np.stack([root, 1 - root - jaw, jaw, eyes, eyes], axis=1)


def root_weight(points: Array) -> Array:
    """How much of a point (n, 3) stays with the shoulders when the neck turns, (n,)."""
    return ramp(points[:, 1] + 0.15 * (points[:, 2] + 2.0), -10.6, -16.5)


def part_weights(part: Part) -> Array:
    """Weights (n, 5) of an inner part."""
    weights = np.zeros((len(part.vertices), 5))
    kind = part.motion
    if kind == "jaw":
        weights[:, 2] = 1
    elif kind == "tongue":
        weights[:, 2] = ramp(part.vertices[:, 2], 2.0, 6.0)
        weights[:, 1] = 1 - weights[:, 2]
    elif kind.startswith("eye:"):
        weights[:, 3 if kind.endswith("Left") else 4] = 1
    elif kind == "shoulders":
        weights[:, 0] = root_weight(part.vertices)
        weights[:, 1] = 1 - weights[:, 0]
    else:
        weights[:, 1] = 1
    return weights


def joint_regressor(vertices: Array, skin_count: int, eye_starts: tuple[int, int]) -> Array:
    """Regressor (5, V): joints as means of vertices that lie evenly on both sides of them."""
    regressor = np.zeros((5, len(vertices)))
    skin = vertices[:skin_count]
    for joint, point in JOINT_SIDES.items():
        for side in (1, -1):
            distance = np.linalg.norm(skin - np.array(point) * [side, 1, 1], axis=1)
            regressor[joint, np.argsort(distance, kind="stable")[:4]] = 1 / 8
    segments, first = 24, 1 + 11 * 24
    for joint, start in zip((3, 4), eye_starts, strict=True):
        regressor[joint, start + first : start + first + 2 * segments] = 1 / (2 * segments)
    return regressor


# ---------------------------------------------------------------- landmarks
_JAW_LINE = [(0, -10.95, 8.1), (1.5, -10.7, 7.7), (2.8, -10.1, 6.8), (4.1, -9.2, 5.3), (5.0, -8.0, 3.6),
             (5.6, -6.6, 2.4), (6.0, -4.9, 1.7), (6.4, -3.0, 1.5), (6.7, -1.1, 1.4)]  # fmt: skip
_BROW_LINE = [(1.5, 1.55), (2.3, 1.85), (3.1, 1.98), (4.0, 1.85), (4.8, 1.45)]
_BRIDGE = [(0, 0.1), (0, -1.2), (0, -2.4), (0, -3.75)]
_NOSE_BASE = [(0, -5.0, 9.5), (0.7, -4.95, 9.3), (1.4, -4.8, 8.9)]


def landmarks(face: Face, sculpt: Field) -> Array:
    """The 68 landmarks of iBUG's order as vertex ids; 48 on the character's right, 54 on its left."""
    left: dict[int, int] = {}
    for k, point in enumerate(_JAW_LINE):
        left[8 + k] = _nearest(face, project(sculpt, np.array([point], float), 6)[0])
    for k, (x, y) in enumerate(_BROW_LINE):
        left[22 + k] = _nearest(face, cast(sculpt, [(x, y, 16.0)], (0, 0, -1))[0])
    for k, (x, y) in enumerate(_BRIDGE):
        left[27 + k] = _nearest(face, cast(sculpt, [(x, y, 16.0)], (0, 0, -1))[0])
    for k, point in enumerate(_NOSE_BASE):
        left[33 + k] = _nearest(face, np.array(point))
    for k, s in enumerate((0, 3, 5, 8, 11, 13)):
        left[42 + k] = _on_lid(face, s)
    for k, s in zip((51, 52, 53, 54, 55, 56, 57), (0, 1, 4, 7, 10, 12, 14), strict=True):
        left[k] = _on_lip(face, features.LIP_BORDER, s)
    for k, s in zip((62, 63, 64, 65, 66), (0, 3, 7, 11, 14), strict=True):
        left[k] = _on_lip(face, features.LIP_CONTACT, s)
    return _complete(left, face.mesh.mirror)


def _complete(left: dict[int, int], mirror: Ints) -> Array:
    """Fill the right side's landmarks by mirroring the left's."""
    partner = {8 + k: 8 - k for k in range(9)} | {22 + k: 21 - k for k in range(5)} | {27 + k: 27 + k for k in range(4)}
    partner |= {33 + k: 33 - k for k in range(3)} | dict(zip(range(42, 48), (39, 38, 37, 36, 41, 40), strict=True))
    partner |= {51 + k: 51 - k for k in range(4)} | {55: 59, 56: 58, 57: 57}
    partner |= {62: 62, 63: 61, 64: 60, 65: 67, 66: 66}
    ids = np.full(68, -1)
    for k, vertex in left.items():
        ids[partner[k]] = mirror[vertex]
        ids[k] = vertex
    return ids


def _nearest(face: Face, point: Array) -> int:
    distance = np.linalg.norm(face.v - point, axis=1)
    blocked = (face.side < 0) | (face.ring > 2.5) | (face.lid_ring > 2.5)
    if abs(point[0]) < 1e-6:
        blocked |= face.side != 0
    return int(np.argmin(distance + 100.0 * blocked))


def _on_lid(face: Face, s: float) -> int:
    here = (np.abs(face.lid_ring - features.LID_MARGIN) < 0.01) & (np.abs(face.lid_s - s) < 0.01) & (face.side > 0)
    return int(np.flatnonzero(here)[0])


def _on_lip(face: Face, ring: float, s: float) -> int:
    here = (np.abs(face.ring - ring) < 0.01) & (np.abs(face.mesh.attributes["mouth_s"] - s) < 0.01) & (face.side >= 0)
    return int(np.flatnonzero(here)[0])


def inner_lip_pairs(face: Face) -> Array:
    """Facing contact vertices in the middle third of the mouth, (P, 2), upper then lower, right to left."""
    upper, lower = mouth.contact_pairs(face)
    whole = np.isclose(face.mesh.attributes["mouth_s"][upper] % 1, 0) & (np.abs(face.u[upper]) < 0.34)
    order = np.argsort(face.v[upper[whole], 0], kind="stable")
    return np.stack([upper[whole][order], lower[whole][order]], axis=1)


# ---------------------------------------------------------------- identity
def identity_shapes(vertices: Array) -> Array:
    """Ten identity shapes (V, 3, 10) as smooth deformations of space, so that inner parts follow; still at the eyes.

    In order: face width, jaw width, chin length, nose length, nose width, fullness of the cheeks, height of the
    forehead, depth of the skull, neck width, size of the ears.
    """
    v = vertices
    eyes = bump(np.abs(v), (3.15, 0, 7.0), (2.6, 2.0, 3.0))
    x, y, z = v.T
    zero = np.zeros_like(x)
    low, front = ramp(y, -3, -9), ramp(z, 0, 6)
    nose = bump(v, (0, -3.6, 9.6), (1.6, 1.9, 2.0))
    cheek = bump(np.abs(v), (4.3, 4.5, 5.5), (2.2, 2.4, 2.6)) * (y < 0)
    ear = bump(np.abs(v), (7.6, 1.5, 1.2), (1.4, 3.2, 2.2)) * (np.abs(x) > 6.2)
    neck = ramp(y, -9.5, -12.5)
    fields = [
        np.stack([0.045 * x * (1 - eyes) * (1 - neck), zero, zero], 1),
        np.stack([0.09 * x * low * (1 - neck), zero, zero], 1),
        np.stack([zero, -0.45 * ramp(y, -7.6, -10) * front * (1 - ramp(y, -11, -13)), zero], 1),
        np.stack([zero, -0.15 * nose, 0.3 * nose], 1),
        np.stack([0.16 * x * nose, zero, zero], 1),
        np.stack([0.35 * np.sign(x) * cheek, zero, 0.2 * cheek], 1),
        np.stack([zero, 0.5 * ramp(y, 2.5, 9), zero], 1),
        np.stack([zero, zero, 0.05 * z * ramp(z, 2, -6) * ramp(y, -8, -3)], 1),
        np.stack([0.09 * x * neck, zero, 0.06 * z * neck], 1),
        np.stack([0.15 * np.sign(x) * ear, 0.14 * (y + 1.6) * ear, 0.1 * (z + 0.4) * ear], 1),
    ]
    return np.stack(fields, axis=2)
