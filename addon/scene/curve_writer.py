# SPDX-License-Identifier: GPL-3.0-or-later
"""An edited table written into a curve, with the handles that have to stay where they were."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .edit import SIDES, Edit, freeze
from .key_table import AUTOMATIC, FREE, SAME_FRAME, Table, read_handles, write_handles, write_table

BoolArray = NDArray[np.bool_]

_HANDLE_TOLERANCE = 1e-6


def write_edit(fcurve: Any, edit: Edit, old: Table | None = None) -> None:
    """Write an edited table into a curve and keep the handles that have to stay.

    Args:
        fcurve: The curve; all its keys are replaced.
        edit: Its keys; `edit.frozen` gains the handles that had to be frozen.
        old: Its keys as they stand, where the caller knows them.
    """
    write_table(fcurve, edit.table, old)
    fcurve.keyframe_points.handles_recalc()
    _keep_handles(fcurve, edit)


def _keep_handles(fcurve: Any, edit: Edit) -> None:
    """Put handles back where Blender moved them; automatic ones are frozen, those next to the edges first."""
    may_move = any(
        (edit.table[f"handle_{side}_type"][hold] != FREE).any()
        for side, hold in zip(SIDES, (edit.hold_left, edit.hold_right), strict=True)
    )
    if not may_move or not _moved(fcurve, edit, 0.0).any():
        return
    for near in (_next_to_edges(edit), np.ones(len(edit.table), bool)):
        moved = _moved(fcurve, edit, _HANDLE_TOLERANCE)
        if not moved.any():
            break
        for column, side in enumerate(SIDES):
            rows = moved[:, column] & near & AUTOMATIC[edit.table[f"handle_{side}_type"]]
            edit.frozen += [freeze(edit.table, int(row), side) for row in np.flatnonzero(rows)]
        write_handles(fcurve, edit.table)
        fcurve.keyframe_points.handles_recalc()
    _set_held(fcurve, edit)


def _moved(fcurve: Any, edit: Edit, tolerance: float) -> BoolArray:
    """(K, 2) left and right handles that have to stay and are not where they were, by more than a tolerance."""
    current = read_handles(fcurve)
    columns = []
    for side, hold in zip(SIDES, (edit.hold_left, edit.hold_right), strict=True):
        rows = np.flatnonzero(hold)
        off = np.abs(current[side][rows] - edit.table[f"handle_{side}"][rows]).max(axis=1, initial=0.0) > tolerance
        columns.append(np.isin(np.arange(len(hold)), rows[off]) if off.any() else np.zeros(len(hold), bool))
    return np.stack(columns, axis=-1)


def _set_held(fcurve: Any, edit: Edit) -> None:
    """Set the held handles to the last bit; no update follows that could move them again."""
    final = read_handles(fcurve)
    for side, hold in zip(SIDES, (edit.hold_left, edit.hold_right), strict=True):
        final[side][hold] = edit.table[f"handle_{side}"][hold]
        fcurve.keyframe_points.foreach_set(f"handle_{side}", final[side].ravel())


def _next_to_edges(edit: Edit) -> BoolArray:
    """(K,) keys at the edges of the changed stretches and the ones next to them outside."""
    times = edit.table["co"][:, 0].astype(np.float64)
    near = np.zeros(len(times), bool)
    for first, last in zip(edit.edges[::2], edit.edges[1::2], strict=True):
        left, right = np.flatnonzero(times <= first + SAME_FRAME), np.flatnonzero(times >= last - SAME_FRAME)
        near[left[-2:]] = near[right[:2]] = True
    return near
