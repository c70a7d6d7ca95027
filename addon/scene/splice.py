# SPDX-License-Identifier: GPL-3.0-or-later
"""Cuts a curve at a frame so that what lies outside the cut keeps its shape exactly.

Where a range of generated keys begins or ends within a segment of the animator's curve, an edge key is set on the
curve there. A Bezier segment is subdivided (de Casteljau), which shortens the handle of the animator's key outside; an
automatic handle is frozen for that (see `edges`), one that the animator set must stay, so a helper key right beside
that key takes the shortened handle instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .key_table import FREE, Table, generated_keys

Point = NDArray[np.float64]

HELPER_DISTANCE = 1.0 / 64.0  # frames between an animator's key and a helper key; Blender merges below 0.01
LONG_REACH = 512.0  # frames; a straight end is as exact over a distance as its handle is long
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
    reaches = (LONG_REACH if before is None else 1 / 3, LONG_REACH if after is None else 1 / 3)
    edge = _edge_key(frame, value, slope, reaches)
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
    return _with_handle(curve, before, edge, _beyond(table, before, frame, slope, side=1), side=1)


def _beyond(table: Table, index: int, frame: float, slope: float, side: int) -> Point:
    """A third of the way from a key towards a frame, along a slope."""
    point = table["co"][index].astype(np.float64)
    third = abs(frame - point[0]) / 3.0 * side
    return point + np.array([third, slope * third])


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
    edge = generated_keys(np.array([frame]), left[3:, 1])
    edge["handle_left_type"] = edge["handle_right_type"] = FREE
    slope = _slope(left[2], right[1])
    if outside < 0:
        edge["handle_left"], edge["handle_right"] = left[2], left[3] + np.array([1.0, slope]) / 3.0
        return _with_handle(curve, before, edge, left[1], side=1)
    edge["handle_left"], edge["handle_right"] = left[3] - np.array([1.0, slope]) / 3.0, right[1]
    return _with_handle(curve, after, edge, right[2], side=-1)


def _with_handle(curve: Curve, index: int, edge: Table, handle: Point, side: int) -> Cut:
    """The cut whose neighbour's inner handle goes to a place, by a helper key where that handle must not move."""
    if curve.movable[index, 1 if side > 0 else 0]:
        return Cut(edge, index, handle)
    return Cut(_helper(curve.table, index, edge, handle, side))


def _helper(table: Table, index: int, edge: Table, handle: Point, side: int) -> Table:
    """Helper key beside an animator's key, and the edge key with its handle shortened to match."""
    start, end = table["co"][index].astype(np.float64), edge["co"][0].astype(np.float64)
    inner = "handle_left" if side > 0 else "handle_right"
    points = np.stack((start, handle, edge[inner][0].astype(np.float64), end))
    if side < 0:
        points = points[::-1]
    place = start[0] + side * HELPER_DISTANCE
    left, right = _subdivide(points, _parameter(points[:, 0], place))
    helper = generated_keys(np.array([place]), left[3:, 1])
    helper["handle_left_type"] = helper["handle_right_type"] = FREE
    helper["handle_left"], helper["handle_right"] = left[2], right[1]
    edge = edge.copy()
    edge[inner] = right[2] if side > 0 else left[1]
    return np.concatenate((helper, edge) if side > 0 else (edge, helper))


def _control_points(table: Table, before: int, after: int) -> Point:
    """(4, 2) control points of a segment as Blender evaluates it: handles that overlap in time are shortened."""
    points = np.stack(
        (
            table["co"][before],
            table["handle_right"][before],
            table["handle_left"][after],
            table["co"][after],
        )
    ).astype(np.float64)
    length = points[3, 0] - points[0, 0]
    reach = abs(points[0, 0] - points[1, 0]) + abs(points[3, 0] - points[2, 0])
    if reach > length:
        points[1] = points[0] + (points[1] - points[0]) * (length / reach)
        points[2] = points[3] + (points[2] - points[3]) * (length / reach)
    return points


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
    for part in (left, right):
        part[1], part[2] = _on_grid(part[1], part[0]), _on_grid(part[2], part[3])
    return left, right


def _on_grid(handle: Point, key: Point) -> Point:
    """A handle moved along its own line to the nearest time that float32 can hold, so that no slope is lost."""
    time = float(np.float32(handle[0]))
    return np.array([time, handle[1] + _slope(key, handle) * (time - handle[0])])
