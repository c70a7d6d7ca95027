# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts a curve at a frame so that what lies outside the cut keeps its shape exactly.

Where a range of generated keys begins or ends within a segment of the animator's curve, an edge key is set on the
curve there. A Bezier segment is subdivided (de Casteljau), which shortens the handle of the animator's key outside; an
automatic handle is frozen for that (see `edges`), one that the animator set must stay, so a helper key right beside
that key takes the shortened handle instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .key_table import FREE, Table, generated_keys

Point = NDArray[np.float64]

HELPER_DISTANCE = 1.0 / 64.0  # frames between an animator's key and a helper key; Blender merges below 0.01
STEEP = 0.01  # frames; Blender moves handles that reach less than a tenth of this
STILL = 0.2  # frames around a place where time stands still that are cut out: no quarter frame but its own
LONG_REACH = 512.0  # frames; a sloping end is as exact over a distance as its handle is long
CONSTANT, LINEAR, BEZIER = 0, 1, 2


@dataclass(frozen=True)
class Cut:
    """An edge of a range on one curve.

    Attributes:
        keys: Keys to add: the edge key, and a helper where the neighbour's handle is the animator's own.
        neighbour: Index of the key outside whose inner handle has to change, None where none has.
        handle: (2,) where that handle goes.
    """

    keys: Table
    neighbour: int | None = None
    handle: Point | None = None


def uncuttable(table: Table, frame: float) -> tuple[float, float] | None:
    """First and last frame of the segment around a frame whose easing (sine, elastic, ...) cannot be cut exactly.

    Returns:
        None where the curve can be cut at the frame.
    """
    before, after = _around(table, frame)
    if before is None or after is None or int(table["interpolation"][before]) <= BEZIER:
        return None
    return float(table["co"][before, 0]), float(table["co"][after, 0])


@dataclass(frozen=True)
class Curve:
    """A curve to cut.

    Attributes:
        table: Its keys.
        movable: (K, 2) whether the left and the right handle of each key may be moved.
        linear_extrapolation: Whether the curve goes on straight beyond its first and last keys.
    """

    table: Table
    movable: NDArray[np.bool_]
    linear_extrapolation: bool


def cut(curve: Curve, frame: float, value: float, outside: int) -> Cut:
    """Edge key on a curve at a frame where it has no key.

    Args:
        curve: The curve.
        frame: Where to cut, in the action's frames.
        value: The curve's value there, without modifiers.
        outside: -1 where the curve before the frame has to keep its shape, +1 for the curve after it.
    """
    table = curve.table
    before, after = _around(table, frame)
    if before is None and after is None:
        return Cut(_edge_key(frame, value))
    if before is not None and after is not None and int(table["interpolation"][before]) == BEZIER:
        return _cut_bezier(curve, before, after, frame, outside)
    return _cut_straight(curve, before, after, frame, value, outside)


def _around(table: Table, frame: float) -> tuple[int | None, int | None]:
    """Indices of the keys before and after a frame."""
    place = int(np.searchsorted(table["co"][:, 0], frame))
    return (place - 1 if place else None), (place if place < len(table) else None)


def _edge_key(frame: float, value: float, slope: float = 0.0, reaches: tuple[float, float] = (1 / 3, 1 / 3)) -> Table:
    """One generated key with free handles along a slope, reaching some frames to the left and right."""
    table = generated_keys(np.array([frame]), np.array([value]))
    table["handle_left_type"] = table["handle_right_type"] = FREE
    table["handle_left"] = (frame - reaches[0], value - reaches[0] * slope)
    table["handle_right"] = (frame + reaches[1], value + reaches[1] * slope)
    return table


def _cut_straight(curve: Curve, before: int | None, after: int | None, frame: float, value: float, outside: int) -> Cut:
    """Cut where the curve is straight: between linear or constant keys, or beyond its ends."""
    table = curve.table
    slope = _straight_slope(table, before, after, curve.linear_extrapolation)
    goes_on = slope != 0.0 and (before if outside < 0 else after) is None
    reach = LONG_REACH if goes_on else 1 / 3
    edge = _edge_key(frame, value, slope, (reach, 1 / 3) if outside < 0 else (1 / 3, reach))
    if outside > 0:
        if before is not None and after is not None:
            edge["interpolation"] = table["interpolation"][before]
        elif after is not None:
            edge["interpolation"] = LINEAR
        return Cut(edge)
    if before is None or int(table["interpolation"][before]) != BEZIER:
        return Cut(edge)
    run, rise = table["handle_right"][before].astype(np.float64) - table["co"][before]
    if abs(rise - slope * run) < 1e-7 and not curve.movable[before, 1]:
        return Cut(edge)
    start, end = table["co"][before].astype(np.float64), edge["co"][0].astype(np.float64)
    third = np.array([1.0, slope]) * ((frame - start[0]) / 3.0)
    points = np.stack((start, start + third, edge["handle_left"][0].astype(np.float64), end))
    return _joined(curve, before, edge, points, side=1)


def _straight_slope(table: Table, before: int | None, after: int | None, linear_extrapolation: bool) -> float:
    """Slope of a straight stretch in value a frame."""
    if before is not None and after is not None:
        if int(table["interpolation"][before]) != LINEAR:
            return 0.0
        return _slope(table["co"][before], table["co"][after])
    index, handle = (0, "handle_left") if before is None else (len(table) - 1, "handle_right")
    interpolation = int(table["interpolation"][index])
    if not linear_extrapolation or interpolation == CONSTANT:
        return 0.0
    if interpolation == LINEAR and len(table) > 1:
        return _slope(table["co"][index], table["co"][1 if before is None else -2])
    return _slope(table["co"][index], table[handle][index])


def _slope(start: NDArray[Any], end: NDArray[Any]) -> float:
    """Slope between two points; 0 where they are above each other."""
    run = float(end[0]) - float(start[0])
    return (float(end[1]) - float(start[1])) / run if abs(run) > 1e-9 else 0.0


def _cut_bezier(curve: Curve, before: int, after: int, frame: float, outside: int) -> Cut:
    """Subdivide a Bezier segment."""
    points = _control_points(curve.table, before, after)
    left, right = _subdivide(points, _parameter(points[:, 0], frame))
    slope = _slope(left[2], right[1])
    edge = _edge_key(frame, left[3, 1], slope)
    if outside < 0:
        return _joined(curve, before, edge, left, side=1)
    return _joined(curve, after, edge, right, side=-1)


def _joined(curve: Curve, index: int, edge: Table, points: Point, side: int) -> Cut:
    """The cut whose part outside, between a key and the edge key, is a Bezier segment (4, 2) in order of time.

    The key's inner handle goes where the segment wants it, by a helper key where that handle must not move.

    Args:
        curve: The curve.
        index: The key outside.
        edge: The edge key.
        points: Control points, those of the key and of the edge key included.
        side: +1 where the key stands before the edge key, -1 where after it.
    """
    movable = curve.movable[index, 1 if side > 0 else 0]
    helper = None if movable else float(curve.table["co"][index, 0]) + side * HELPER_DISTANCE
    parts = _parts(points, helper)
    edge["handle_left" if side > 0 else "handle_right"] = parts[-1][2] if side > 0 else parts[0][1]
    keys = np.concatenate((*_joints(parts), edge))
    return Cut(keys, index, parts[0][1] if side > 0 else parts[-1][2]) if movable else Cut(keys)


def _parts(points: Point, helper: float | None) -> list[Point]:
    """A segment (4, 2) cut at a helper key's frame, and wherever Blender would not play a part of it as it is."""
    parts = _unfolded(points)
    if helper is not None:
        place = 0 if helper < parts[0][3, 0] else len(parts) - 1
        pieces = _cut_at(parts[place], [helper])
        parts[place : place + 1] = [piece for part in pieces for piece in _unfolded(part)]
    return [_on_grid(part) for part in parts]


def _unfolded(points: Point) -> list[Point]:
    """A part of a segment, cut once more where a handle reaches beyond the other end: Blender would shorten it.

    That happens beside the frame where long, overlapping handles make time almost stand still; cut there, the pieces
    fit. Where it stands still altogether the handles of that cut are vertical, which Blender does not keep either; two
    more cuts hold the rest of the curve.
    """
    times = points[:, 0]
    speed = np.diff(times)
    if max(speed[0], speed[2]) <= times[3] - times[0] + 1e-9:
        return [points]
    slowest = float((speed[0] - speed[1]) / (speed[0] - 2.0 * speed[1] + speed[2]))
    waist = _near_quarter(_bezier(times, slowest))
    left, right = _subdivide(points, slowest)
    if min(left[3, 0] - left[2, 0], right[1, 0] - right[0, 0]) > STEEP:
        return _cut_at(points, [waist])
    left[3, 0] = right[0, 0] = waist
    return [*_cut_at(left, [waist - STILL]), *_cut_at(right, [waist + STILL])]


def _near_quarter(frame: float) -> float:
    """A frame; one that only rounding keeps from a quarter frame is that quarter frame."""
    quarter = round(4.0 * frame) / 4.0
    return quarter if abs(frame - quarter) < 1e-4 else frame


def _cut_at(points: Point, frames: list[float]) -> list[Point]:
    """Parts of a segment between some frames, as near as float32 holds these; those beside its ends do not count."""
    parts = [points]
    for frame in frames:
        if min(frame - points[0, 0], points[3, 0] - frame) < 0.9 * HELPER_DISTANCE:
            continue
        parts[-1:] = _subdivide(parts[-1], _parameter(parts[-1][:, 0], float(np.float32(frame))))
    return parts


def _joints(parts: list[Point]) -> list[Table]:
    """Keys of ours between consecutive parts of a segment."""
    keys = []
    for left, right in pairwise(parts):
        key = _edge_key(float(left[3, 0]), float(left[3, 1]))
        key["handle_left"], key["handle_right"] = left[2], right[1]
        keys.append(key)
    return keys


def _control_points(table: Table, before: int, after: int) -> Point:
    """(4, 2) control points of a segment as Blender plays it: a handle longer than the segment is shortened to it.

    In float32, as Blender does: where two such handles meet, time stands still, and the last bit counts.
    """
    columns = (("co", before), ("handle_right", before), ("handle_left", after), ("co", after))
    points = np.stack([table[name][index] for name, index in columns])
    length = points[3, 0] - points[0, 0]
    for key, handle in ((0, 1), (3, 2)):
        reach = points[key] - points[handle]
        if abs(reach[0]) > length:
            points[handle] = points[key] - (length / abs(reach[0])) * reach
    return points.astype(np.float64)


def _parameter(times: Point, frame: float) -> float:
    """Parameter in [0, 1] at which a cubic with these control times (4,) reaches a frame, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        if _bezier(times, middle) < frame:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _bezier(points: Point, parameter: float) -> float:
    """Value of a cubic Bezier polynomial with control values (4,)."""
    u = 1.0 - parameter
    weights = np.array([u**3, 3 * u * u * parameter, 3 * u * parameter**2, parameter**3])
    return float(weights @ points)


def _subdivide(points: Point, parameter: float) -> tuple[Point, Point]:
    """De Casteljau: control points (4, 2) of the parts before and after a parameter."""
    levels = [points]
    while len(levels[-1]) > 1:
        last = levels[-1]
        levels.append(last[:-1] + (last[1:] - last[:-1]) * parameter)
    left = np.stack([level[0] for level in levels])
    right = np.stack([level[-1] for level in reversed(levels)])
    return left, right


def _on_grid(points: Point) -> Point:
    """A segment (4, 2), its handles moved along their own lines to the nearest times that float32 can hold.

    So no slope is lost where it is stored.
    """
    moved = points.copy()
    for key, handle in ((0, 1), (3, 2)):
        time, run = float(np.float32(points[handle, 0])), abs(points[handle, 0] - points[key, 0])
        slope = _slope(points[key], points[handle]) if run > 0.1 else 0.0  # none that a quarter frame sees
        moved[handle] = time, points[handle, 1] + slope * (time - points[handle, 0])
    return moved
