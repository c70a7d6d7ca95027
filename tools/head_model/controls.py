# SPDX-License-Identifier: GPL-3.0-or-later
"""The 52 ARKit controls as displacements of the whole head: skin fields plus the motion of the inner parts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.spatial import cKDTree

from . import mouth, upper_face
from .face import Face, push, ramp
from .inner import Part
from .mesh import symmetrize
from .sculpt import EYE_CENTER
from .sdf import Array
from .untangle import untangle

CONTROL_NAMES: tuple[str, ...] = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft",
    "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight", "jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose", "mouthFunnel",
    "mouthPucker", "mouthLeft", "mouthRight", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft",
    "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft",
    "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
LOOK_ANGLES = {"Down": 24.0, "Up": 24.0, "In": 28.0, "Out": 28.0}
JAW_SLIDES = {"jawForward": (0.0, -0.1, 0.95), "jawLeft": (1.1, 0.0, -0.05)}
Fields = dict[str, Array]


def skin_fields(face: Face) -> Fields:
    """Displacements (V, 3) of the skin for every control."""
    fields: Fields = {}
    _add_jaw(face, fields)
    _add_lips(face, fields)
    _add_lids(face, fields)
    _add_upper_face(face, fields)
    _untangle_all(face, fields)
    return {name: fields[name] for name in CONTROL_NAMES}


def _untangle_all(face: Face, fields: Fields) -> None:
    """Free every control, alone and over the open jaw, from faces turned inside out; left and right stay mirrored."""
    mirror = face.mesh.mirror
    for name in CONTROL_NAMES:
        if name.endswith("Right") or name in {"jawOpen", "mouthClose"}:
            continue
        over = [fields["jawOpen"]] if name.startswith("mouth") else []
        fields[name] = untangle(face, fields[name], over)
        if name.endswith("Left"):
            fields[name.replace("Left", "Right")] = fields[name][mirror] * [-1.0, 1.0, 1.0]
        else:
            fields[name] = symmetrize(fields[name], mirror)


def _add_sides(face: Face, fields: Fields, name: str, whole: Array, width: float = 1.3) -> None:
    whole = symmetrize(whole, face.mesh.mirror)
    fields[f"{name}Left"] = face.half(whole, 1.0, width)
    fields[f"{name}Right"] = face.half(whole, -1.0, width)


def _add_mirrored(face: Face, fields: Fields, name: str, left: Array) -> None:
    fields[f"{name}Left"] = left
    fields[f"{name}Right"] = left[face.mesh.mirror] * [-1.0, 1.0, 1.0]


def _add_jaw(face: Face, fields: Fields) -> None:
    opened = untangle(face, symmetrize(mouth.jaw_open(face), face.mesh.mirror), [])
    fields["jawOpen"] = symmetrize(opened, face.mesh.mirror)
    closing = untangle(face, mouth.mouth_close(face, fields["jawOpen"]), [fields["jawOpen"]])
    fields["mouthClose"] = symmetrize(closing, face.mesh.mirror)
    fields["jawForward"] = symmetrize(mouth.jaw_slide(face, JAW_SLIDES["jawForward"]), face.mesh.mirror)
    _add_mirrored(face, fields, "jaw", mouth.jaw_slide(face, JAW_SLIDES["jawLeft"]))


def _add_lips(face: Face, fields: Fields) -> None:
    for name, shape in mouth.SHAPES.items():
        field = mouth.lip_field(face, shape)
        if name == "mouthSmile":
            field += mouth.nasolabial_fold(face, 0.62, 0.42)
        whole = symmetrize(field, face.mesh.mirror)
        if name in CONTROL_NAMES:
            fields[name] = whole
        else:
            _add_sides(face, fields, name, whole)
    _add_mirrored(face, fields, "mouth", mouth.mouth_sideways(face))
    fields["tongueOut"] = symmetrize(mouth.tongue_room(face), face.mesh.mirror)


def _add_lids(face: Face, fields: Fields) -> None:
    lids = {
        "eyeBlink": upper_face.close_lids(face),
        "eyeSquint": upper_face.lid_field(face, 0.16, 1.9, 0.12, 0.5),
        "eyeWide": upper_face.lid_field(face, -0.3, -0.5, 0.11, 0.6),
        "eyeLookDown": upper_face.lid_field(face, 0.5, -1.3, 0.13, 0.3),
        "eyeLookUp": upper_face.lid_field(face, -0.24, 0.4, 0.12, 0.5),
        "eyeLookIn": np.zeros_like(face.v),
        "eyeLookOut": np.zeros_like(face.v),
    }
    for name, whole in lids.items():
        _add_sides(face, fields, name, whole, 0.2)


def _add_upper_face(face: Face, fields: Fields) -> None:
    lift = upper_face.lid_field(face, 0.06, 1.95, 0.13, 0.5)
    sneer = mouth.lip_field(face, mouth.SNEER)
    for name, lumps in (
        ("browDown", upper_face.BROW_DOWN),
        ("browOuterUp", upper_face.BROW_OUTER_UP),
        ("cheekSquint", upper_face.CHEEK_SQUINT),
        ("noseSneer", upper_face.NOSE_SNEER),
    ):
        whole = push(face, lumps)
        whole += {"cheekSquint": lift, "noseSneer": sneer}.get(name, np.zeros_like(whole))
        _add_sides(face, fields, name, whole, 1.1)
    fields["browInnerUp"] = symmetrize(push(face, upper_face.BROW_INNER_UP), face.mesh.mirror)


# ---------------------------------------------------------------- inner parts
def part_field(part: Part, name: str, face: Face, skin: Fields) -> Array:
    """Displacement (n, 3) of an inner part for one control."""
    motions: dict[str, Callable[[Part, str], Array]] = {"jaw": jaw_motion, "tongue": tongue_motion, "eye": eye_motion}
    kind = part.motion.split(":")[0]
    if part.materials[0] in {"teeth", "gums"}:
        return (jaw_motion(part, name) if kind == "jaw" else 0.0) + arch_room(part, name)
    if kind in motions:
        return motions[kind](part, name)
    if kind == "glued":
        return glued_motion(part, face, skin[name])
    return np.zeros_like(part.vertices)


def jaw_motion(part: Part, name: str) -> Array:
    """Lower teeth and gum: the jaw's own motion."""
    if name == "jawOpen":
        return mouth.rotation_x(part.vertices, mouth.JAW_PIVOT, mouth.JAW_ANGLE)
    slide = JAW_SLIDES.get(name.replace("Right", "Left"), (0.0, 0.0, 0.0))
    return np.tile(np.array(slide) * [-1 if name == "jawRight" else 1, 1, 1], (len(part.vertices), 1))


def arch_room(part: Part, name: str) -> Array:
    """Teeth and gums give way by 2 to 3 mm where lips drawn over the open jaw would let them through."""
    x = part.vertices[:, 0]
    still = np.zeros_like(x)
    if name in {"mouthLeft", "mouthRight"}:
        aside = 0.2 if name == "mouthLeft" else -0.2
        return np.stack([still + aside, still, still - 0.24], axis=1)
    narrower, back = {"mouthPucker": (0.1, 0.2), "mouthFunnel": (0.05, 0.1)}.get(name, (0.0, 0.0))
    return np.stack([-narrower * x, still, still - back], axis=1)


def tongue_motion(part: Part, name: str) -> Array:
    """The tongue: the jaw's motion, less of it toward the throat; tongueOut stretches it over the lower lip."""
    along = ramp(part.vertices[:, 2], 2.0, 6.0)[:, None]
    if name != "tongueOut":
        return along * jaw_motion(part, name)
    t = ramp(part.vertices[:, 2], 2.6, 7.6)
    lift = 0.3 * ramp(t, 0.1, 0.5) + 0.3 * ramp(t, 0.6, 1.0)
    return np.stack([-0.12 * part.vertices[:, 0] * t, lift, 4.5 * t**1.4], axis=1)


def eye_motion(part: Part, name: str) -> Array:
    """An eyeball's turn in the look controls of its side."""
    side = part.motion.split(":")[1]
    still = np.zeros_like(part.vertices)
    if not (name.startswith("eyeLook") and name.endswith(side)):
        return still
    way = name.removeprefix("eyeLook").removesuffix(side)
    angle = np.radians(LOOK_ANGLES[way])
    center = EYE_CENTER * [1 if side == "Left" else -1, 1, 1]
    if way in {"Down", "Up"}:
        return mouth.rotation_x(part.vertices, center, angle if way == "Down" else -angle)
    toward_left = (way == "Out") == (side == "Left")
    return rotation_y(part.vertices, center, angle if toward_left else -angle)


def rotation_y(points: Array, pivot: Array, angle: float) -> Array:
    """Displacement (n, 3) by a rotation about the y axis; positive angles turn the front toward +X."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    arm = points - pivot
    return np.asarray(arm @ turn.T - arm)


def glued_motion(part: Part, face: Face, skin: Array) -> Array:
    """The motion of the skin nearby, weighted by inverse squared distance to the four nearest vertices."""
    if part.motion.endswith("lid"):
        allowed = np.flatnonzero(np.abs(face.lid_ring - 5) < 0.01)
    else:
        allowed = np.flatnonzero((face.ring < 0) & (face.lid_ring < 3.0))
    distance, near = cKDTree(face.v[allowed]).query(part.vertices, k=4)
    if part.motion.endswith("lid"):
        half = len(part.vertices) // 2
        distance, near = np.tile(distance[:half], (2, 1)), np.tile(near[:half], (2, 1))
    weight = 1.0 / (distance**2 + 1e-6)
    weight /= weight.sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("nk,nkd->nd", weight, skin[allowed[near]]))
