# SPDX-License-Identifier: GPL-3.0-or-later
"""Take 0: curves as they were before our first write, and which of their keys come back.

Only keys that Retake itself took away come back (a bake that was replaced), as they stood then: what the animator
brought in since is part of it too. What the animator moved or deleted since stays moved or deleted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...backend.protocol import HEAD_ROTATION
from ..core.matching import VALUE_TOLERANCE, nearest_frames
from ..core.takes import OriginalCurve
from ..core.timing import Span
from .edit import GENERATED, SIDES
from .key_table import KEY, SAME_FRAME, Table, empty, write_handles
from .targets import Target

BoolArray = NDArray[np.bool_]


def original_curve(target: Target, old: Table, is_known: bool) -> OriginalCurve:
    """A curve as it is before our first write.

    Args:
        target: Whose curve.
        old: Its keys.
        is_known: Whether a ledger knows the curve: keys of ours on one that none knows came with a copy of a head
            and are no original.
    """
    fcurve, copied = target.fcurve, (old["type"] == GENERATED) & (not is_known)
    existed = fcurve is not None and not (len(old) and copied.all())
    is_whole, old = not copied.any(), old[~copied]
    arrays: dict[str, NDArray[Any]] = {"frames": old["co"][:, 0].astype(np.float64)}
    if len(old):
        arrays |= {name: old[name].copy() for name in KEY.names or ()}
    value = target.rest if copied.any() and target.channels != HEAD_ROTATION else target.static
    properties = {"value": value, "extrapolation": fcurve.extrapolation if fcurve else "CONSTANT"}
    return OriginalCurve(existed, arrays, {**properties, "is_whole": is_whole})


def with_replaced(original: OriginalCurve, old: Table, removed: BoolArray) -> OriginalCurve:
    """Take 0 before a write that takes away some keys (K,) of the table: the animator's among them come back later."""
    original = _with_gone(original, old, removed)
    gone = old["co"][removed & (old["type"] != GENERATED), 0]
    return original.replacing(gone, old["co"][~removed, 0], SAME_FRAME)


def after_write(original: OriginalCurve, old: Table, removed: BoolArray, table: Table) -> OriginalCurve:
    """Take 0 after a write that left a table of keys: what stands there of the animator's is not missing."""
    original = _with_gone(original, old, removed)
    gone = old["co"][removed & (old["type"] != GENERATED), 0]
    return original.replacing(gone, table["co"][table["type"] != GENERATED, 0], SAME_FRAME)


def _with_gone(original: OriginalCurve, old: Table, removed: BoolArray) -> OriginalCurve:
    """Take 0 with the keys of the animator's that a write takes away, where it holds them not, or otherwise."""
    gone, rows = old[removed & (old["type"] != GENERATED)], _rows(original.arrays)
    if not len(gone):
        return original
    places = nearest_frames(gone["co"][:, 0], rows["co"][:, 0])
    is_new = places < 0
    is_new[~is_new] = np.abs(rows["co"][places[~is_new], 1] - gone["co"][~is_new, 1]) > VALUE_TOLERANCE
    if not is_new.any():
        return original
    stay = nearest_frames(rows["co"][:, 0], gone["co"][is_new, 0]) < 0
    table = np.concatenate((rows[stay], gone[is_new]))
    order = np.argsort(table["co"][:, 0], kind="stable")
    replaced = np.concatenate((original.replaced[stay], np.zeros(int(is_new.sum()), np.bool_)))
    arrays: dict[str, NDArray[Any]] = {name: table[name][order] for name in KEY.names or ()}
    arrays |= {"frames": arrays["co"][:, 0].astype(np.float64), "replaced": replaced[order]}
    return replace(original, arrays=arrays)


def restored_keys(original: OriginalCurve, spans: Sequence[Span], shift: float) -> Table:
    """Keys of Take 0 in some spans of scene frames that Retake took away."""
    found = [_rows(original.taken_away(Span(s.start - shift - 0.5, s.end - shift + 0.5))) for s in spans]
    return np.concatenate(found) if found else empty()


def restore_handles(fcurve: Any, table: Table, original: OriginalCurve) -> None:
    """Give a curve that holds the keys of Take 0 and no other its handles to the last bit."""
    rows = _rows(original.arrays)
    names = [name for name in KEY.names or () if not name.startswith(("handle_left", "handle_right", "select"))]
    if len(rows) != len(table) or not original.properties.get("is_whole", True):
        return
    if any(not np.array_equal(rows[name], table[name]) for name in names):
        return
    if all(np.array_equal(rows[f"handle_{side}_type"], table[f"handle_{side}_type"]) for side in SIDES):
        write_handles(fcurve, rows)


def _rows(arrays: Mapping[str, NDArray[Any]]) -> Table:
    """Stored arrays of a curve's keys as a table."""
    table = empty(len(arrays.get("frames", ())))
    for name in KEY.names or ():
        table[name] = arrays[name] if len(table) else table[name]
    return table
