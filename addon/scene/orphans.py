# SPDX-License-Identifier: GPL-3.0-or-later
"""Helper keys whose key of the animator is gone: they would keep alive a pose that was moved, changed or deleted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.curves import KeyType
from ..core.ledger import WrittenCurve
from ..core.matching import FRAME_TOLERANCE, VALUE_TOLERANCE, nearest_frames
from .key_table import Table
from .splice import HELPER_DISTANCE

_FRAME_GRID = 0.004  # frames; half of what float32 resolves at frame 100000


def without_orphans(table: Table, written: WrittenCurve | None) -> Table:
    """The keys of a curve without helper keys that lost the key they stand beside.

    A helper is told by the last write: a key of ours at a helper's distance from one that is not. It is an orphan where
    that one no longer stands as it did then; so is a helper that was moved together with it.

    Args:
        table: The keys as they stand.
        written: What stood after the last write, in the same frames; None where nothing was written.
    """
    ours = table["type"] == KeyType.GENERATED
    if written is None or not ours.any() or _stands_as_written(table, written):
        return table
    frames, keys = table["co"][:, 0].astype(np.float64), table["co"][~ours].astype(np.float64)
    were_ours = written.types == KeyType.GENERATED
    companions = np.stack((written.frames, written.values), axis=-1)[~were_ours].astype(np.float64)
    is_known = nearest_frames(frames, written.frames[were_ours].astype(np.float64)) >= 0
    had_companion = _beside(frames, companions[:, 0])
    gone = ~_stand(companions, keys)
    orphaned = (is_known & (had_companion & gone).any(axis=1)) | (~is_known & _beside(frames, keys[:, 0]).any(axis=1))
    return table[~(ours & orphaned)]


def _stands_as_written(table: Table, written: WrittenCurve) -> bool:
    """Whether every key is as the last write left it, as nearly always."""
    return (
        np.array_equal(table["co"][:, 0], written.frames)
        and np.array_equal(table["co"][:, 1], written.values)
        and np.array_equal(table["type"], written.types)
    )


def _beside(frames: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(F, K) which frames are at a helper's distance from which others."""
    return np.abs(np.abs(frames[:, None] - others[None]) - HELPER_DISTANCE) < _FRAME_GRID


def _stand(companions: NDArray[np.float64], keys: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(C,) which keys (C, 2) of the last write are among those that stand (K, 2)."""
    apart = np.abs(companions[:, None] - keys[None])
    return np.asarray(((apart[..., 0] <= FRAME_TOLERANCE) & (apart[..., 1] <= VALUE_TOLERANCE)).any(axis=1), np.bool_)
