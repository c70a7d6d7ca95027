# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys as an animator would set them, on many curves at once: given keys at a frame, holds, what is selected."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...backend.protocol import HEAD_ROTATION
from ..core.takes import OriginalCurve
from .edit import GENERATED
from .key_table import read_table
from .shot import Shot
from .targets import Target, bone_is_constrained, obstacles
from .writer import Books

FloatArray = NDArray[np.float64]
NEAR = 0.01  # frames within which a key is at a frame
OURS, KEYFRAME, MOVING_HOLD = "GENERATED", "KEYFRAME", "MOVING_HOLD"


def targets_of(shot: Shot, channels: Collection[str]) -> list[Target]:
    """Animated numbers that carry some channels."""
    wanted = set(channels)
    return [target for target in shot.targets if wanted & set(target.channels)]


def why_not(shot: Shot, target: Target) -> str:
    """Why a target may not be keyed; empty where it may."""
    found = obstacles(target, target.fcurve)
    reasons = {
        "driven": found.driven,
        "constrained": found.constrained
        or (target.channels == HEAD_ROTATION and shot.turn is not None and bone_is_constrained(shot.turn.thing)),
        "muted": found.muted,
        "locked": found.locked,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def values_for(shot: Shot, wanted: Mapping[str, float]) -> dict[str, float]:
    """Curve id -> value at which the head shows some channels; what else its groups show stays.

    Args:
        shot: The shot.
        wanted: Channel -> value; the neck's are not among them.
    """
    found: dict[str, float] = {}
    for channels, members in shot.groups.items():
        if channels == HEAD_ROTATION or not set(channels) & set(wanted):
            continue
        binding = shot.bindings[channels]
        shown = binding.channels_of(np.array([[target.static for target in members]]))[0]
        shown = np.array([wanted.get(name, value) for name, value in zip(channels, shown, strict=True)])
        values = binding.values_of(shown[None])[0].tolist()
        found.update(zip((target.curve_id for target in members), values, strict=True))
    return found


def point_at(shot: Shot, target: Target, frame: float) -> Any | None:
    """The key of a target at a scene frame, None where there is none."""
    fcurve = target.fcurve
    own = frame - shot.shifts[target.curve_id]
    points = fcurve.keyframe_points if fcurve is not None else ()
    return next((point for point in points if abs(point.co[0] - own) < NEAR), None)


def key_type_at(fcurve: Any, frame: float) -> str:
    """Type of a curve's key at a frame of the action; empty where there is none."""
    points = fcurve.keyframe_points
    place = bisect_left(points, frame - NEAR, key=lambda point: point.co[0])
    return points[place].type if place < len(points) and points[place].co[0] < frame + NEAR else ""


def is_keyed(shot: Shot, target: Target, frame: float) -> bool:
    """Whether the animator has a key of a target at a scene frame."""
    fcurve = target.fcurve
    return fcurve is not None and key_type_at(fcurve, frame - shot.shifts[target.curve_id]) not in ("", OURS)


def plays(shot: Shot, target: Target, frame: float) -> float:
    """Value that a target's curve plays at a scene frame; that of rest where there is none."""
    fcurve = target.fcurve
    if fcurve is None or not len(fcurve.keyframe_points):
        if target.channels != HEAD_ROTATION or shot.turn is None:
            return target.rest
        return shot.turn.rest_value(target)
    return float(fcurve.evaluate(frame - shot.shifts[target.curve_id]))


def key_targets(
    shot: Shot, targets: Collection[Target], frame: float, values: Mapping[str, float] | None = None
) -> list[str]:
    """Give targets a key of the animator's at a scene frame.

    Args:
        shot: The shot.
        targets: Which.
        frame: Scene frame.
        values: Curve id -> value; the property's own where it is not named.

    Returns:
        Curve ids that were left alone, each with the reason.
    """
    left = []
    for target in targets:
        reason = why_not(shot, target)
        if reason:
            left.append(f"{target.curve_id} ({reason})")
            continue
        before = target.static
        if values is not None and target.curve_id in values:
            target.set_static(values[target.curve_id])
        index = -1 if target.is_scalar else target.index
        target.owner.keyframe_insert(target.data_path, index=index, frame=frame, group=target.group)
        point = point_at(shot, target, frame)
        if point is not None:
            point.type = KEYFRAME
        if values is not None and abs(frame - shot.scene.frame_current_final) > NEAR:
            target.set_static(before)
    return left


def each_selected(shot: Shot, change: Callable[[Target, list[Any]], int]) -> int:
    """Change the selected keys, curve by curve.

    Args:
        shot: The shot.
        change: Called with a target and its selected keys, in time; tells how many it changed.

    Returns:
        How many keys were changed in all.
    """
    count = 0
    for target in shot.targets:
        fcurve = target.fcurve
        if fcurve is None or why_not(shot, target):
            continue
        chosen = [point for point in fcurve.keyframe_points if point.select_control_point]
        if chosen:
            count += change(target, chosen)
            fcurve.update()
    return count


def pin(target: Target, chosen: list[Any]) -> int:
    """Make generated keys the animator's, as they are."""
    ours = [point for point in chosen if point.type == OURS]
    for point in ours:
        point.type = KEYFRAME
    return len(ours)


def unpin(target: Target, chosen: list[Any]) -> int:
    """Remove keys of the animator, so that a take fills their place."""
    fcurve = target.fcurve
    frames = [point.co[0] for point in chosen if point.type != OURS]
    for frame in frames:
        found = next(point for point in fcurve.keyframe_points if abs(point.co[0] - frame) < NEAR)
        fcurve.keyframe_points.remove(found)
    return len(frames)


def hold(target: Target, chosen: list[Any]) -> int:
    """Hold the value of each first of two neighbours up to the second one; keys between them go."""
    fcurve = target.fcurve
    pairs = [(first.co[0], second.co[0]) for first, second in pairwise(chosen)]
    for start, end in pairs:
        between = [point.co[0] for point in fcurve.keyframe_points if start + NEAR < point.co[0] < end - NEAR]
        for frame in between:
            found = next(point for point in fcurve.keyframe_points if abs(point.co[0] - frame) < NEAR)
            fcurve.keyframe_points.remove(found)
        first, second = (
            next(point for point in fcurve.keyframe_points if abs(point.co[0] - frame) < NEAR) for frame in (start, end)
        )
        second.co[1] = first.co[1]
        for point in (first, second):
            point.type = MOVING_HOLD
            point.handle_left_type = point.handle_right_type = "AUTO_CLAMPED"
    return 2 * len(pairs)


def own_pairs(target: Target, chosen: list[Any]) -> int:
    """How many neighbours among the selected keys of the animator there are; changes nothing."""
    return max(0, sum(point.type != OURS for point in chosen) - 1)


def hold_own(target: Target, chosen: list[Any]) -> int:
    """`hold` between the selected keys of the animator; generated ones beside them are no ends of a hold."""
    return hold(target, [point for point in chosen if point.type != OURS])


def slide(shot: Shot, books: Books, place: Callable[[FloatArray], FloatArray]) -> tuple[int, list[str]]:
    """Move all keys of the mapped curves in time, and what is remembered of them.

    Args:
        shot: The shot.
        books: What is remembered: the ledger and Take 0 move too.
        place: New scene frames of scene frames (K,).

    Returns:
        How many keys of the animator were moved, and the curve ids that were left alone, each with the reason.
    """
    count = 0
    left = []
    for target in shot.targets:
        fcurve, shift = target.fcurve, shot.shifts[target.curve_id]
        if fcurve is None or not len(fcurve.keyframe_points):
            continue
        if reason := why_not(shot, target):
            left.append(f"{target.curve_id} ({reason})")
            continue
        table = read_table(fcurve)
        count += int((table["type"] != GENERATED).sum())
        for name in ("co", "handle_left", "handle_right"):
            moved = table[name].copy()
            moved[:, 0] = place(moved[:, 0].astype(np.float64) + shift) - shift
            fcurve.keyframe_points.foreach_set(name, moved.ravel())
        fcurve.update()
        written = books.ledger.curves.get(target.curve_id)
        if written is not None:
            frames = place(written.frames.astype(np.float64) + shift) - shift
            books.ledger.record(target.curve_id, frames, written.values, written.types)
        for note in books.notes.frozen.get(target.curve_id, []):
            for point in (note["point"], note["now"]):
                point[0] = float(place(np.array([point[0] + shift]))[0]) - shift
            note["frame"] = float(place(np.array([note["frame"] + shift]))[0]) - shift
        original = books.library.original.get(target.curve_id)
        if original is not None:
            books.library.original[target.curve_id] = _slid(original, lambda frames, by=shift: place(frames + by) - by)
        target.owner.update_tag()
    return count, left


def _slid(original: OriginalCurve, place: Callable[[FloatArray], FloatArray]) -> OriginalCurve:
    """Take 0 of a curve, moved in time."""
    arrays = {name: np.array(values) for name, values in original.arrays.items()}
    if len(original.frames):
        arrays["frames"] = place(original.frames)
        for name in ("co", "handle_left", "handle_right"):
            if name in arrays:
                arrays[name][:, 0] = place(arrays[name][:, 0].astype(np.float64))
    return replace(original, arrays=arrays)


def select_generated(shot: Shot) -> int:
    """Select the generated keys, and no other of the head's; how many there are."""
    count = 0
    for target in shot.targets:
        for point in target.fcurve.keyframe_points if target.fcurve is not None else ():
            is_ours = point.type == OURS
            point.select_control_point = point.select_left_handle = point.select_right_handle = is_ours
            count += is_ours
    return count
