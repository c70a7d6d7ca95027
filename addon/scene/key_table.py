# SPDX-License-Identifier: GPL-3.0-or-later
"""Every attribute of an F-curve's keys as one numpy table, read and written in bulk.

A row holds what Blender keeps of a key, so that a key that is read and written again is the same bit for bit. Frames
are those of the action (in NLA tweak mode they differ from the scene's by a shift).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEY = np.dtype(
    [
        ("co", np.float32, 2),
        ("handle_left", np.float32, 2),
        ("handle_right", np.float32, 2),
        ("handle_left_type", np.int32),
        ("handle_right_type", np.int32),
        ("interpolation", np.int32),
        ("easing", np.int32),
        ("type", np.int32),
        ("back", np.float32),
        ("amplitude", np.float32),
        ("period", np.float32),
        ("select_control_point", np.bool_),
        ("select_left_handle", np.bool_),
        ("select_right_handle", np.bool_),
    ],
    align=True,
)
"""One key, by Blender's own names; enumerations by the numbers `foreach_get` gives. Aligned: its columns are fast."""

_ROW = np.dtype((np.void, KEY.itemsize))
"""A key as bytes: rows seen so are copied ten times as fast as attribute by attribute."""
_COLUMNS = [
    next((n for n, (kind, start, *_) in (KEY.fields or {}).items() if start <= byte < start + kind.itemsize), "")
    for byte in range(KEY.itemsize)
]
"""By byte of a row: the column it belongs to, "" where it is padding."""

_EASING = ("easing", "back", "amplitude", "period")
_HANDLE_TYPES = ("handle_left_type", "handle_right_type")
_PLAIN = ("co", "type", "interpolation", *_HANDLE_TYPES)
_SHAPE = tuple(name for name in KEY.names or () if name not in (*_EASING, *_PLAIN))

FREE, AUTO, VECTOR, ALIGNED, AUTO_CLAMPED = 0, 1, 2, 3, 4
AUTOMATIC = np.array([False, True, True, False, True])
"""By handle type: whether Blender computes such handles from the neighbouring keys."""

Table = NDArray[Any]
"""(K,) array of KEY, ascending in time."""

SAME_FRAME = 0.01
"""Two keys of a curve that are nearer than this, in frames, are one to Blender as well."""


def empty(count: int = 0) -> Table:
    """Table of keys at frame 0 with all attributes 0."""
    return np.zeros(count, KEY)


def read_table(fcurve: Any) -> Table:
    """All keys of a curve; what tells of easing stays 0, as we write it, where all keys are ours and none eases."""
    return read_plain(fcurve, whole=True)[0]


def read_plain(fcurve: Any, *, whole: bool = False) -> tuple[Table, bool]:
    """All keys of a curve, of such as we make them only what can differ: time, value, type, interpolation.

    Args:
        fcurve: The curve.
        whole: Read every attribute in any case.

    Returns:
        The keys, and whether they are as we make them, the handles between the first and the last being computed by
        Blender: then handles and selection are left 0.
    """
    points = fcurve.keyframe_points
    table = empty(len(points))
    _read_columns(points, table, _PLAIN)
    is_ours = all((table[name] == _GENERATED_KEY[name]).all() for name in ("type", "interpolation"))
    is_plain = is_ours and all((table[name][1:-1] == _GENERATED_KEY[name]).all() for name in _HANDLE_TYPES)
    if whole or not is_plain:
        _read_columns(points, table, _SHAPE if is_ours else (*_SHAPE, *_EASING))
    return table, is_plain and not whole


def write_values(fcurve: Any, table: Table) -> None:
    """Set the times and values of a curve's keys; automatic handles follow."""
    fcurve.keyframe_points.foreach_set("co", np.ascontiguousarray(table["co"]).ravel())
    fcurve.keyframe_points.handles_recalc()


def _read_columns(points: Any, table: Table, names: Sequence[str]) -> None:
    """Fill some columns of a table."""
    for name in names:
        column = np.empty(table[name].size, table[name].dtype)
        points.foreach_get(name, column)
        table[name] = column.reshape(table[name].shape)


def write_table(fcurve: Any, table: Table, old: Table | None = None) -> None:
    """Replace all keys of a curve by a table in order; computing automatic handles is the caller's.

    Args:
        fcurve: The curve.
        table: Its new keys.
        old: Its keys as they stand, where the caller knows them: columns that stay are not written again.
    """
    points = fcurve.keyframe_points
    changed = KEY.names or ()
    if old is not None and len(old) == len(table) == len(points):
        changed = _changed_columns(table, old)
    else:
        points.clear()
        points.add(len(table))
    for name in changed:
        points.foreach_set(name, np.ascontiguousarray(table[name]).ravel())


def _changed_columns(table: Table, old: Table) -> tuple[str, ...]:
    """Names of the columns in which two tables of equal length differ, bit for bit."""
    new, standing = (np.ascontiguousarray(keys).view(np.uint8).reshape(-1, KEY.itemsize) for keys in (table, old))
    differ = np.flatnonzero(np.bitwise_or.reduce(new ^ standing, axis=0))
    return tuple(dict.fromkeys(name for byte in differ.tolist() if (name := _COLUMNS[byte])))


def read_handles(fcurve: Any) -> dict[str, NDArray[np.float32]]:
    """Handles (K, 2) by side, "left" and "right", as they stand in the curve now."""
    handles = {}
    for side in ("left", "right"):
        column = np.empty(2 * len(fcurve.keyframe_points), np.float32)
        fcurve.keyframe_points.foreach_get(f"handle_{side}", column)
        handles[side] = column.reshape(-1, 2)
    return handles


def write_handles(fcurve: Any, table: Table) -> None:
    """Set the handles, and their types, of all keys."""
    for name in ("handle_left_type", "handle_right_type", "handle_left", "handle_right"):
        fcurve.keyframe_points.foreach_set(name, np.ascontiguousarray(table[name]).ravel())


_GENERATED_KEY = empty(1)
for _name, _number in (("handle_left_type", 4), ("handle_right_type", 4), ("interpolation", 2), ("type", 5)):
    _GENERATED_KEY[_name] = _number


def generated_keys(frames: NDArray[np.floating[Any]], values: NDArray[np.floating[Any]]) -> Table:
    """Keys of ours: type GENERATED, Bezier, handles automatic and clamped, not selected."""
    table = np.repeat(_GENERATED_KEY, len(frames))
    for name in ("co", "handle_left", "handle_right"):
        table[name][:, 0], table[name][:, 1] = frames, values
    return table


def copied(table: Table) -> Table:
    """A copy of all keys."""
    return np.ascontiguousarray(table).view(_ROW).copy().view(KEY)


def put(table: Table, places: NDArray[np.integer[Any]], keys: Table) -> None:
    """Overwrite the keys of a table at some places."""
    table.view(_ROW)[places] = keys.view(_ROW)


def sorted_unique(table: Table) -> Table:
    """Keys in order of time; of those on one frame the first in the table stays."""
    ordered = table[np.argsort(table["co"][:, 0], kind="stable")]
    apart = np.ones(len(ordered), bool)
    apart[1:] = np.diff(ordered["co"][:, 0]) > SAME_FRAME
    return ordered[apart]


def at_frame(table: Table, frame: float) -> int | None:
    """Index of the key at a frame, None where there is none."""
    times = table["co"][:, 0]
    index = int(np.searchsorted(times, np.float32(frame - SAME_FRAME)))
    near = (place for place in range(max(index - 1, 0), min(index + 2, len(times))))
    return next((place for place in near if abs(float(times[place]) - frame) < SAME_FRAME), None)
