# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sequence of vertices does, relative to its own neutral face, carried over to a head.

A predicted sequence shows a subject's face; the head is somebody else's. So only the motion counts: vertices minus the
neutral of the sequence, in metres and the head's axes, on top of the head's neutral. Three things are found out and
said: the unit (by the size of the face beside the head's), whether the file holds absolute vertices or offsets, and
the neutral. Without a neutral file it is

* the head's own, where the skull of some frame, however turned, is the head's (within `_SAME_FACE`): an export of this
  very head;
* else the median of the sequence's stillest tenth, of which what is nearest to its middle counts: speech rests in its
  pauses, and a pose that is passed through is never still.

A motion of the whole head is found on the vertices that the face moves least (Kabsch's rotation, 1976) and taken out:
as a turn on the neck where what the neck does not turn stays, else of everything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import InputError
from .flame import rotation_matrices
from .rotations import of_matrices
from .turns import angles_of, best_rotations, unposed
from .vertex_file import Points

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

UNITS = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001}
AT_A_TIME = 300
"""Frames that are worked on at once: memory follows them, not the file's length."""

_MOST_APART = 2.5  # times the head's size that a face may have in the unit that suits it best
_CALM_SHARE, _CALM_LEAST = 0.2, 20  # of the vertices that are taken for the skull, and how many at least
_ALIKE = 0.9  # how much a frame of places resembles the head at least
_OFFSET_METRES, _OFFSET_CENTIMETRES = 0.15, 8.0  # largest offsets up to which a unit is a metre, a centimetre
_SAME_FACE = 3e-4  # m, root of the mean square
_STILL_SHARE, _STILL_MOST = 0.1, 60  # of the frames, and how many at most
_AXES_ANGLE = 0.35  # rad; more than two faces differ in how they are held, so the axes are others
_HEAD_ANGLE, _HEAD_SHIFT = 0.01, 1e-3  # rad, m; a head that moves less than this stands
_BESIDE_NECK, _OFF_NECK = 0.05, 2e-3  # share of its turn that a body takes at most; m that its joint moves at most


@dataclass(frozen=True)
class HeadMotion:
    """How the whole head moves.

    Attributes:
        rotations: (N, 3) axis-angle, rad, about the origin.
        shifts: (N, 3) m, after the rotation.
        is_on_neck: Whether it turns on its neck, the body standing.
    """

    rotations: FloatArray
    shifts: FloatArray
    is_on_neck: bool = False


@dataclass(frozen=True)
class Neck:
    """What bends where a head turns on its neck.

    Attributes:
        name: What turns, for the sentence.
        joint: (3,) m, model axes.
        shares: (V,) how much of the turn each vertex takes.
    """

    name: str
    joint: FloatArray
    shares: FloatArray


@dataclass(frozen=True)
class VertexMotion:
    """A sequence carried over to a head.

    Attributes:
        displacements: (N, V, 3) m from the head's neutral, the head standing.
        head: What the whole head does, None where it stands.
        notices: Sentences on what was judged.
    """

    displacements: Points
    head: HeadMotion | None
    notices: tuple[str, ...]


def carry_over(
    sequence: Points,
    neutral: Points | None,
    template: FloatArray,
    calm: IntArray,
    turns_with: str = "",
    neck: Neck | None = None,
) -> VertexMotion:
    """Carry a sequence over to a head.

    Args:
        sequence: (N, V, 3) as read.
        neutral: (V, 3) the subject's neutral face as read, None if it has to be found.
        template: (V, 3) m, the head's neutral, model axes.
        calm: (K,) vertices that the face moves least; K >= 3.
        turns_with: What a motion of the whole head will be given to, for the sentence; empty where nothing can take it.
        neck: What takes a turn of the head alone, None where nothing can.

    Raises:
        InputError: The faces have nowhere near the head's size in any unit, or move farther.
    """
    size = float(np.ptp(template, axis=0).max())
    if is_offset(sequence, template):
        unit = offset_unit(sequence)
        motion = _scaled(sequence, UNITS[unit])
        _check_reach(motion, size)
        said = f"Its values are offsets from a neutral face, in {unit}."
        return VertexMotion(motion, None, (said,))
    unit = unit_of(sequence[0] if neutral is None else neutral, size)
    scale = UNITS[unit]
    notices = [f"Its values are places of vertices, in {unit}."]
    if neutral is None:
        rest, told = find_rest(sequence, scale, template, calm)
        notices.append(told)
    else:
        rest = scale * neutral.astype(np.float64)
        if unit_of(sequence[0], size) != unit:
            raise InputError("The neutral face and the sequence are in different units.", "Choose its own neutral.")
    turn = _axes(rest[calm], template[calm])
    if not np.array_equal(turn, np.eye(3)):
        notices.append("Its axes were turned to the head's.")
    head = _head_motion(sequence, scale, rest, calm)
    displacements = np.empty_like(sequence)
    for part, points in _blocks(sequence, scale):
        if head is not None:
            rotations, shifts = head
            points = np.einsum("nba,nvb->nva", rotations[part], points - shifts[part, None])
        displacements[part] = (points - rest) @ turn.T
    _check_reach(displacements, size)
    moved = _to_head(head, turn, rest, template, calm)
    if moved is not None and neck is not None and _is_the_necks(moved, displacements, template, neck):
        moved, turns_with = replace(moved, is_on_neck=True), neck.name
        _unbend(displacements, moved, template, neck)
    return VertexMotion(displacements, moved, (*notices, *_of_head(head, turns_with)))


def calm_vertices(fields: Points, others: FloatArray) -> IntArray:
    """Vertices (K,) that a face moves least: the skull.

    Args:
        fields: (keys, V, 3) m at weight 1.
        others: (V,) how much else moves each: how far it follows the jaw, or stays when the head turns.
    """
    moved = np.sqrt(np.einsum("kva,kva->v", fields, fields).astype(np.float64)) + others
    count = max(_CALM_LEAST, round(_CALM_SHARE * len(moved)))
    return np.sort(np.argsort(moved, kind="stable")[:count])


def is_offset(sequence: Points, template: FloatArray) -> bool:
    """Whether a sequence holds offsets from a neutral: its middle frame does not resemble the head, however turned.

    What is looked at is the cosine between the two centred clouds under the best turn: faces are above .97 with each
    other, a face's motion and noise far below.
    """
    frame, own = sequence[len(sequence) // 2].astype(np.float64), template - template.mean(axis=0)
    cloud = frame - frame.mean(axis=0)
    alike = np.linalg.svd(cloud.T @ own, compute_uv=False).sum()
    return float(alike) < _ALIKE * float(np.linalg.norm(cloud) * np.linalg.norm(own)) or not cloud.any()


def offset_unit(sequence: Points) -> str:
    """Unit of offsets by the largest of them: a face moves by centimetres."""
    largest = float(np.abs(sequence).max())
    return "metres" if largest < _OFFSET_METRES else "centimetres" if largest < _OFFSET_CENTIMETRES else "millimetres"


def unit_of(face: Points, size: float) -> str:
    """Unit in which a face (V, 3) is nearest to a size in metres.

    Raises:
        InputError: None brings it near.
    """
    own = float(np.ptp(face, axis=0).max())
    apart = {unit: abs(np.log(max(own * scale, 1e-30) / size)) for unit, scale in UNITS.items()}
    unit = min(apart, key=lambda name: apart[name])
    if apart[unit] > np.log(_MOST_APART):
        raise InputError(
            f"The faces of the file are {own:.3g} units tall, which is no head in metres, centimetres or millimetres.",
            "Scale them to metres.",
        )
    return unit


def find_rest(sequence: Points, scale: float, template: FloatArray, calm: IntArray) -> tuple[FloatArray, str]:
    """The neutral (V, 3) m of a sequence without one, and a sentence that tells what it is."""
    clouds, own = scale * sequence[:, calm].astype(np.float64), template[calm] - template[calm].mean(axis=0)
    clouds -= clouds.mean(axis=1, keepdims=True)
    turned = np.einsum("nab,kb->nka", best_rotations(clouds, own), own)
    if np.sqrt(((clouds - turned) ** 2).sum(axis=2).mean(axis=1)).min() < _SAME_FACE:
        return template, "It shows this very head, whose neutral counts."
    still = _stillest(sequence)
    rest = scale * np.median(sequence[still], axis=0).astype(np.float64)
    frames = f"frame {still[0]}" if len(still) == 1 else f"{len(still)} frames about {still[len(still) // 2]}"
    return (
        rest,
        f"Its neutral is taken from its stillest {frames} (choose a neutral file where the mouth is open then).",
    )


def _stillest(sequence: Points) -> IntArray:
    """Frames, in order, that change least; of those the half that is nearest to their median."""
    N = len(sequence)
    if N < 3:
        return np.arange(1)
    some = sequence[:, :: max(1, sequence.shape[1] // 500)].astype(np.float64)
    steps = np.sqrt((np.diff(some, axis=0) ** 2).sum(axis=(1, 2)))
    speed = np.maximum(np.concatenate((steps[:1], steps)), np.concatenate((steps, steps[-1:])))
    count = int(np.clip(np.ceil(_STILL_SHARE * N), 1, _STILL_MOST))
    still = np.argsort(speed, kind="stable")[:count]
    away = np.sqrt(((some[still] - np.median(some[still], axis=0)) ** 2).sum(axis=(1, 2)))
    return np.sort(still[np.argsort(away, kind="stable")[: (count + 1) // 2]])


def _check_reach(displacements: Points, size: float) -> None:
    """Raise InputError where a vertex moves farther than a head is tall."""
    for first in range(0, len(displacements), AT_A_TIME):
        reach = np.abs(displacements[first : first + AT_A_TIME]).max(axis=(1, 2))
        if reach.max() > size:
            frame = first + int(np.argmax(reach > size))
            raise InputError(
                f"Vertices move by {reach[frame - first]:.3g} m in the file's frame {frame}, as no face does.",
                "Choose a file of this head's vertices, or export it again.",
            )


def _scaled(points: Points, scale: float) -> Points:
    return points if scale == 1.0 else points * np.float32(scale)


def _blocks(sequence: Points, scale: float) -> Iterator[tuple[slice, FloatArray]]:
    """Some frames at a time, m."""
    for first in range(0, len(sequence), AT_A_TIME):
        part = slice(first, first + AT_A_TIME)
        yield part, scale * sequence[part].astype(np.float64)


def _axes(rest: FloatArray, own: FloatArray) -> FloatArray:
    """(3, 3) turn of the sequence's axes to the head's; none where the faces are held much the same."""
    turn = best_rotations((rest - rest.mean(axis=0))[None], own - own.mean(axis=0))[0].T
    return turn if angles_of(turn) > _AXES_ANGLE else np.eye(3)


def _head_motion(
    sequence: Points, scale: float, rest: FloatArray, calm: IntArray
) -> tuple[FloatArray, FloatArray] | None:
    """Rotations (N, 3, 3) about the origin and shifts (N, 3) m that move the neutral's calm vertices, if they move."""
    clouds = scale * sequence[:, calm].astype(np.float64)
    middle, own = clouds.mean(axis=1), rest[calm].mean(axis=0)
    rotations = best_rotations(clouds - middle[:, None], rest[calm] - own)
    shifts = middle - rotations @ own
    if angles_of(rotations).max() < _HEAD_ANGLE and np.linalg.norm(middle - own, axis=1).max() < _HEAD_SHIFT:
        return None
    return rotations, shifts


def _to_head(
    head: tuple[FloatArray, FloatArray] | None, turn: FloatArray, rest: FloatArray, template: FloatArray, calm: IntArray
) -> HeadMotion | None:
    """The motion about the head's origin and in its axes: its skull lies where the neutral's is moved to."""
    if head is None:
        return None
    rotations = turn @ head[0] @ turn.T
    offset = template[calm].mean(axis=0) - turn @ rest[calm].mean(axis=0)
    return HeadMotion(of_matrices(rotations), head[1] @ turn.T + offset - rotations @ offset)


def _is_the_necks(head: HeadMotion, displacements: Points, template: FloatArray, neck: Neck) -> bool:
    """Whether a motion is a turn about the neck's joint, and what the neck does not turn stays."""
    beside = np.flatnonzero(neck.shares < _BESIDE_NECK)
    rotations = rotation_matrices(head.rotations)
    off = rotations @ neck.joint + head.shifts - neck.joint
    if not len(beside) or np.linalg.norm(off, axis=1).max() > _OFF_NECK:
        return False
    places = np.einsum("nab,nvb->nva", rotations, template[beside] + displacements[:, beside]) + head.shifts[:, None]
    apart = np.sqrt(((places - template[beside]) ** 2).sum(axis=2).mean(axis=1))
    return bool(apart.max() < _HEAD_SHIFT)


def _unbend(displacements: Points, head: HeadMotion, template: FloatArray, neck: Neck) -> None:
    """Displacements whose head was turned back as a whole become those that the neck's turn bends to the same."""
    for first in range(0, len(displacements), AT_A_TIME):
        part = slice(first, first + AT_A_TIME)
        rotations = rotation_matrices(head.rotations[part])
        places = np.einsum("nab,nvb->nva", rotations, template + displacements[part]) + head.shifts[part, None]
        from_joint = (places - neck.joint).astype(np.float32)
        displacements[part] = unposed(from_joint, neck.shares, head.rotations[part]) + (neck.joint - template)


def _of_head(head: tuple[FloatArray, FloatArray] | None, turns_with: str) -> tuple[str, ...]:
    """What is said of a motion of the whole head."""
    if head is None:
        return ()
    degrees = float(np.degrees(angles_of(head[0])).max())
    told = f"The whole head turns by up to {degrees:.1f} degrees"
    return (f"{told}: it is put on {turns_with}." if turns_with else f"{told}: left out, as no bone can take it.",)
