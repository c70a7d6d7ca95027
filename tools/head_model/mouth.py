# SPDX-License-Identifier: GPL-3.0-or-later
"""Displacement fields of jaw, lips, cheeks and tongue on the skin (V, 3), cm at weight 1.

Each lip shape spells out how the contact line and the lips' border move over u (0 midline, 1 corner), for the upper
and the lower lip; the rings between follow, and the solver carries it into the face. Where both contact lines move
alike the lips stay sealed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import features
from .face import Face, Lumps, Point, bump, push, ramp
from .mesh import Ints, Mask, uniform_laplacian
from .sdf import Array
from .skin import lip_pairs

JAW_PIVOT = np.array([0.0, -1.9, 0.6])
JAW_ANGLE = np.radians(17.5)
Move = Callable[[Array], Array]


def path(*knots: tuple[float, float, float, float]) -> Move:
    """A motion over |u| from knots (u, x, y, z); x points away from the midline."""
    table = np.array(knots)

    def move(u: Array) -> Array:
        curves = [features.curve(table[:, 0], table[:, k])(np.abs(u)) for k in (1, 2, 3)]
        return np.stack([curves[0] * np.sign(u), curves[1], curves[2]], axis=1)

    return move


STILL: Move = path((0, 0, 0, 0), (1, 0, 0, 0))


@dataclass(frozen=True)
class LipShape:
    """Motion of contact lines and borders, roll of the lips' bodies, and handles (center, radii, motion) on the face.

    `roll_upper` and `roll_lower` move the body rings (between border and contact) further, (3,) at the midline.
    """

    upper: Move
    lower: Move
    upper_border: Move
    lower_border: Move
    roll_upper: Point = (0, 0, 0)
    roll_lower: Point = (0, 0, 0)
    lumps: Lumps = ()


def lip_field(face: Face, shape: LipShape) -> Array:
    """Displacement (V, 3) of one lip shape, both sides."""
    held = face.lip_handles()
    targets = np.zeros_like(face.v)
    for sign, contact, border, roll in (
        (1.0, shape.upper, shape.upper_border, shape.roll_upper),
        (-1.0, shape.lower, shape.lower_border, shape.roll_lower),
    ):
        here = held & ((face.lip == sign) | ((face.lip == 0) & (sign > 0)))
        targets[here] = _across_lip(face, here, contact, border, np.array(roll))
    return _spread(face, held, targets) + push(face, shape.lumps)


def _across_lip(face: Face, here: Mask, contact: Move, border: Move, roll: Array) -> Array:
    u, ring = face.u[here], face.ring[here]
    share = ramp(ring, features.LIP_BORDER, features.LIP_CONTACT)[:, None]
    body = np.sin(np.pi * np.clip((ring - features.LIP_BORDER) / 3, 0, 1)) * (1 - np.abs(u) ** 3)
    inner = 1 - 0.2 * ramp(ring, 7, 8.5)[:, None]
    sideways = np.where(np.sign(u) == 0, 1, np.sign(u))
    rolled = body[:, None] * roll * np.stack([sideways, np.ones_like(u), np.ones_like(u)], axis=1)
    return np.asarray(((1 - share) * border(u) + share * contact(u)) * inner + rolled)


def _spread(face: Face, held: Mask, targets: Array) -> Array:
    fixed = face.far_from_mouth() & ~held
    return face.warp.solve("lips", held | fixed, np.where(held[:, None], targets, 0.0))


# ---------------------------------------------------------------- jaw
def jaw_weight(face: Face) -> Array:
    """Share (V,) of the jaw's rotation: 1 on chin and lower lip, 0 on skull and neck; the corner of the mouth .4."""
    v, u = face.v, np.abs(face.u)
    held = face.lip_handles()
    corner = 1 - np.clip(1 - (u / 0.91) ** 2.3, 0, 1) ** 0.75  # the last tenth stays shut
    weight = np.where(face.lip < 0, 1 - 0.58 * corner, 0.42 * corner)
    chin = face.region((v[:, 1] < -9.0) & (v[:, 1] > -11.6) & (v[:, 2] > 5.6) & (np.abs(v[:, 0]) < 2.6)) & ~held
    pocket = face.ring > 9.49
    still = (
        face.region((v[:, 1] > np.where(np.abs(v[:, 0]) < 2.3, -5.0, -2.6)) | (v[:, 2] < 0.4) | (v[:, 1] < -14.2))
        & ~held
        & ~pocket
    )
    targets = np.where(held, weight, 0.0) + chin + np.where(pocket, 0.5 - 0.5 * face.lip, 0.0)
    solved = face.warp.solve("jaw", held | chin | still | pocket, targets[:, None])[:, 0]
    return np.clip(solved, 0.0, 1.0)


def rotation_x(points: Array, pivot: Array, angle: float) -> Array:
    """Displacement (n, 3) by a rotation about the x axis through `pivot`; positive angles lower the front."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    arm = points - pivot
    return np.asarray(arm @ turn.T - arm)


def jaw_open(face: Face) -> Array:
    """The jaw turned open by JAW_ANGLE, corners of the mouth drawn in a little."""
    weight = jaw_weight(face)
    field = weight[:, None] * rotation_x(face.v, JAW_PIVOT, JAW_ANGLE)
    narrow = bump(np.abs(face.v), (2.5, 6.7, 8.2), (1.3, 1.2, 2.0))
    field[:, 0] -= 0.22 * narrow * face.side
    return field


def mouth_close(face: Face, opened: Array) -> Array:
    """Lips brought together again over the open jaw: equal weights of jawOpen and this seal exactly."""
    held = face.lip_handles()
    upper, lower = contact_pairs(face)
    targets = np.zeros_like(face.v)
    meet = opened[upper] + (opened[lower] - opened[upper]) * [0.5, 0.55, 0.1]  # in front of the upper teeth
    for ids in (upper, lower):
        targets[ids] = meet - opened[ids]
    _fill_lips_from_contact(face, targets, upper, lower)
    return _spread(face, held, targets)


def contact_pairs(face: Face) -> tuple[Ints, Ints]:
    """Facing vertices of the contact ring, upper and lower ids."""
    return lip_pairs(face.mesh, features.LIP_CONTACT)


def _fill_lips_from_contact(face: Face, targets: Array, upper: Ints, lower: Ints) -> None:
    """Give the other lip rings the contact ring's motion, less of it toward the border."""
    for ids in (upper, lower):
        moves = {(round(float(face.u[i]), 4)): targets[i] for i in ids}
        sign = face.lip[ids[0]]
        for i in np.flatnonzero(face.lip_handles() & (face.lip == sign)):
            ring = face.ring[i]
            share = 0.80 + 0.20 * float(ramp(ring, features.LIP_BORDER, features.LIP_CONTACT))
            share *= 1 - 0.2 * float(ramp(ring, 7, 8.5))
            targets[i] = share * moves[round(float(face.u[i]), 4)]


def jaw_slide(face: Face, motion: Point) -> Array:
    """The jaw moved as a whole; the upper lip follows half-way so that the lips stay together."""
    weight = jaw_weight(face)
    sealed = face.lip_handles()
    upper, lower = contact_pairs(face)
    targets = np.where(sealed, weight, 0.0)
    targets[np.concatenate([upper, lower])] = 0.5
    share = 0.5 + (weight - 0.5) * (1 - ramp(face.ring, 3, 6)) * (1 - np.abs(face.u) ** 3)
    weight = np.where(sealed, share, weight)
    return np.asarray(weight[:, None] * np.array(motion))


# ---------------------------------------------------------------- lips
def _same(move: Move, border: Move | None = None) -> tuple[Move, Move, Move, Move]:
    return move, move, border or move, border or move


SHAPES: dict[str, LipShape] = {
    "mouthFunnel": LipShape(
        path((0, 0, 0.34, 0.62), (0.6, -0.55, 0.26, 0.62), (1, -0.72, 0.0, 0.5)),
        path((0, 0, -0.42, 0.62), (0.6, -0.55, -0.32, 0.62), (1, -0.72, 0.0, 0.5)),
        path((0, 0, 0.2, 0.58), (0.6, -0.42, 0.2, 0.58), (1, -0.62, 0, 0.45)),
        path((0, 0, -0.28, 0.52), (0.6, -0.42, -0.26, 0.52), (1, -0.62, 0, 0.45)),
        (0, 0.1, 0.14), (0, -0.12, 0.16),
    ),
    "mouthPucker": LipShape(
        *_same(path((0, 0, 0, 0.72), (0.5, -0.55, 0, 0.8), (1, -1.12, 0.02, 0.78)),
               path((0, 0, 0, 0.6), (0.5, -0.45, 0, 0.68), (1, -1.02, 0.02, 0.64))),
        (0, 0.05, 0.12), (0, -0.05, 0.12),
    ),
    "mouthSmile": LipShape(
        *_same(path((0, 0, 0.02, -0.12), (0.45, 0.28, 0.14, -0.24), (0.8, 0.7, 0.53, -0.54), (1, 0.94, 0.86, -0.84))),
        (0, -0.03, -0.05), (0, 0.03, -0.05),
        (((3.7, -3.1, 6.8), (1.7, 1.3, 2.4), (0.1, 0.34, 0.4)), ((5.2, -4.6, 4.8), (1.5, 1.8, 2.2), (0.22, 0.1, 0.1))),
    ),
    "mouthFrown": LipShape(
        *_same(path((0, 0, 0.1, 0.02), (0.45, 0.03, 0.03, 0), (0.8, 0.1, -0.34, -0.06), (1, 0.14, -0.62, -0.1))),
    ),
    "mouthDimple": LipShape(
        path((0, 0, 0, -0.12), (0.5, 0.2, 0.0, -0.24), (1, 0.5, 0.12, -0.82)),
        path((0, 0, 0, -0.12), (0.5, 0.2, 0.0, -0.24), (1, 0.5, 0.12, -0.82)),
        path((0, 0, -0.03, -0.1), (0.6, 0.22, -0.12, -0.26), (1, 0.5, 0.1, -0.8)),
        path((0, 0, 0.04, -0.1), (0.6, 0.22, 0.14, -0.26), (1, 0.5, 0.14, -0.8)),
        (0, 0, 0), (0, 0, 0),
        (((3.2, -6.5, 8.0), (0.55, 0.8, 1.4), (-0.08, 0, -0.34)), ((4.2, -6.3, 6.8), (0.9, 1.5, 1.6), (0.2, 0, 0.42))),
    ),
    "mouthStretch": LipShape(
        path((0, 0, 0.02, -0.16), (0.5, 0.3, 0.0, -0.22), (1, 0.68, -0.18, -0.42)),
        path((0, 0, -0.16, -0.18), (0.5, 0.3, -0.2, -0.24), (1, 0.68, -0.18, -0.42)),
        path((0, 0, 0.0, -0.14), (0.5, 0.28, -0.02, -0.2), (1, 0.66, -0.18, -0.4)),
        path((0, 0, -0.14, -0.14), (0.5, 0.28, -0.2, -0.2), (1, 0.66, -0.2, -0.4)),
    ),
    "mouthRollLower": LipShape(
        path((0, 0, 0.03, -0.26), (0.35, 0, 0.02, -0.22), (0.62, 0, 0.01, -0.14), (0.8, 0, 0, -0.04), (1, 0, 0, 0)),
        path((0, 0, 0.03, -0.84), (0.35, 0, 0.02, -0.66), (0.62, 0, 0.01, -0.28), (0.8, 0, 0, -0.04), (1, 0, 0, 0)),
        path((0, 0, 0.0, -0.1), (1, 0, 0, 0)),
        path((0, 0, 0.54, -0.3), (0.5, 0, 0.4, -0.22), (0.78, 0, 0.08, -0.06), (0.9, 0, 0, 0), (1, 0, 0, 0)),
        (0, 0, 0), (0, 0.1, -0.14),
    ),
    "mouthRollUpper": LipShape(
        path((0, 0, -0.03, -0.12), (1, 0, 0, 0)), path((0, 0, -0.03, -0.12), (1, 0, 0, 0)),
        path((0, 0, -0.4, -0.22), (0.6, 0, -0.24, -0.14), (0.85, 0, -0.06, -0.04), (1, 0, 0.0, 0)),
        path((0, 0, 0.0, -0.06), (1, 0, 0, 0)),
        (0, -0.02, -0.1), (0, 0, 0),
    ),
    "mouthShrugLower": LipShape(
        *_same(path((0, 0, 0.3, 0.16), (0.6, 0, 0.2, 0.1), (1, 0, -0.06, 0)),
               path((0, 0, 0.28, 0.12), (0.6, 0, 0.2, 0.08), (1, 0, -0.06, 0))),
        (0, 0.02, 0), (0, -0.06, 0.14),
        (((0, -9.4, 8.8), (1.6, 1.0, 2.0), (0, 0.28, 0.1)),),
    ),
    "mouthShrugUpper": LipShape(
        *_same(path((0, 0, 0.26, 0.12), (0.6, 0, 0.18, 0.1), (1, 0, 0.0, 0)),
               path((0, 0, 0.22, 0.12), (0.6, 0, 0.16, 0.1), (1, 0, 0, 0))),
        (0, 0.12, 0.16), (0, 0, 0),
    ),
    "mouthPress": LipShape(
        path((0, 0, 0.02, -0.08), (1, 0.12, 0.05, -0.1)), path((0, 0, 0.02, -0.08), (1, 0.12, 0.05, -0.1)),
        path((0, 0, -0.28, -0.1), (0.6, 0.03, -0.18, -0.1), (0.85, 0.07, 0.0, -0.1), (1, 0.12, 0.05, -0.1)),
        path((0, 0, 0.32, -0.1), (0.6, 0.03, 0.24, -0.1), (0.85, 0.07, 0.1, -0.1), (1, 0.12, 0.05, -0.1)),
        (0, -0.03, -0.1), (0, 0.03, -0.12),
    ),
    "mouthLowerDown": LipShape(
        STILL, path((0, 0, -0.7, 0.0), (0.55, 0.08, -0.66, -0.02), (1, 0.12, -0.1, -0.04)),
        STILL, path((0, 0, -0.62, -0.02), (0.55, 0.08, -0.6, -0.04), (1, 0.12, -0.1, -0.04)),
        (0, 0, 0), (0, -0.05, 0.06),
    ),
    "mouthUpperUp": LipShape(
        path((0, 0, 0.6, 0.0), (0.55, 0.05, 0.62, -0.04), (1, 0.1, 0.16, -0.06)), STILL,
        path((0, 0, 0.48, 0.02), (0.55, 0.05, 0.52, -0.02), (1, 0.1, 0.16, -0.06)), STILL,
        (0, 0.05, 0.06), (0, 0, 0),
        (((2.7, -4.6, 8.2), (1.1, 1.0, 1.8), (0.06, 0.22, 0.12)),),
    ),
    "cheekPuff": LipShape(
        *_same(path((0, 0, 0, 0.16), (0.6, -0.08, 0, 0.2), (1, -0.12, 0, 0.24))),
        (0, 0, 0), (0, 0, 0),
        (((4.4, -6.3, 6.0), (2.0, 2.0, 2.6), (1.05, -0.02, 0.8)), ((0, -5.5, 9.6), (2.4, 0.5, 1.2), (0, 0, 0.2)),
         ((0, -8.6, 9.0), (2.4, 0.5, 1.2), (0, 0, 0.16))),
    ),
}  # fmt: skip


SNEER = LipShape(
    path((0, 0, 0.16, 0.0), (0.55, 0.0, 0.34, 0.0), (1, 0.0, 0.05, 0.0)), STILL,
    path((0, 0, 0.16, 0.02), (0.55, 0.0, 0.36, 0.02), (1, 0.0, 0.06, 0.0)), STILL,
)  # fmt: skip


_FOLD = np.array([[1.75, -4.1], [2.35, -4.75], [2.95, -5.5], [3.3, -6.3], [3.4, -7.0]])  # x, y, from the nose's wing


def nasolabial_fold(face: Face, bulge: float, crease: float) -> Array:
    """The cheek swelling over a soft furrow from the nose's wing past the corner of the mouth, (V, 3), cm."""
    along = np.linspace(0, 1, 60)
    line = np.stack([features.curve(np.linspace(0, 1, len(_FOLD)), _FOLD[:, k])(along) for k in (0, 1)], axis=1)
    flat = np.stack([np.abs(face.v[:, 0]), face.v[:, 1]], axis=1)
    distance = np.linalg.norm(flat[:, None] - line[None], axis=2)
    near = distance.argmin(axis=1)
    tangent = np.gradient(line, axis=0)[near]
    away = flat - line[near]
    outside = np.sign(tangent[:, 0] * away[:, 1] - tangent[:, 1] * away[:, 0]) * distance.min(axis=1)
    t = along[near]
    taper = ramp(t, 0, 0.25) * (1 - ramp(t, 0.7, 1)) * ramp(face.v[:, 2], 3.0, 5.0)
    profile = bulge * np.exp(-(((outside - 0.95) / 0.75) ** 2)) - crease * np.exp(-(((outside + 0.05) / 0.5) ** 2))
    quiet = (1 - ramp(face.ring, 1.3, 3.0)) * (1 - ramp(face.mesh.attributes["nostril_ring"], -0.9, 0.5))
    field = (profile * taper * quiet)[:, None] * face.normals
    laplacian = uniform_laplacian(face.mesh.faces, len(face.v))
    for _ in range(5):  # the furrow runs across the quads: even out their steps
        field += 0.5 * quiet[:, None] * (laplacian @ field)
    return np.asarray(field)


def mouth_sideways(face: Face) -> Array:
    """The whole mouth drawn to the character's left."""
    held = face.lip_handles()
    u = face.u
    targets = np.zeros_like(face.v)
    targets[:, 0] = 1.15 - 0.2 * u
    targets[:, 2] = -0.02 - 0.95 * u - 0.1 * u**2  # along the curve of the face, off the teeth
    targets[:, 1] = 0.06 + 0.1 * u
    return _spread(face, held, targets)


def tongue_room(face: Face) -> Array:
    """Lips parted for the tongue."""
    return lip_field(face, LipShape(
        path((0, 0, 0.16, 0.05), (0.6, 0, 0.12, 0.02), (1, 0, 0, 0)),
        path((0, 0, -0.62, 0.16), (0.6, 0, -0.5, 0.1), (1, 0, -0.02, 0)),
        path((0, 0, 0.12, 0.05), (1, 0, 0, 0)),
        path((0, 0, -0.5, 0.1), (0.6, 0, -0.42, 0.06), (1, 0, 0, 0)),
    ))  # fmt: skip
