# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lips of a head meet, found from what opening its jaw moves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_MOVES, _STAYS = 0.5, 0.15  # of the jaw's largest fall: a lower lip moves by more than the first, an upper by less
_BINS = 5  # places along the mouth
_REACH = 0.35  # of the half width of what the jaw moves at the front: how far from the middle they lie
_TOUCHING, _BEHIND = 0.012, 0.015  # of the head's height: lips at rest are nearer than this, teeth further behind


def find_lip_pairs(template: NDArray[np.floating], jaw_open: NDArray[np.floating]) -> NDArray[np.int64]:
    """Pairs of inner lip vertices.

    Opening the jaw takes the lower lip along and leaves the upper one. Along the mouth, the nearest pair of such
    vertices that touch at the very front is the lips': teeth touch too, but behind them.

    Args:
        template: (V, 3) the head at rest, Y up, +Z front; any unit.
        jaw_open: (V, 3) displacement of jawOpen at weight 1.

    Returns:
        (P, 2) vertex ids, upper then lower; (0, 2) where the jaw moves nothing, or nothing touches.
    """
    points, fall = np.asarray(template, np.float64), -np.asarray(jaw_open, np.float64)[:, 1]
    if not len(points) or fall.max(initial=0.0) <= 0.0:
        return np.zeros((0, 2), np.int64)
    lower, upper = np.flatnonzero(fall > _MOVES * fall.max()), np.flatnonzero(np.abs(fall) < _STAYS * fall.max())
    middle = 0.5 * (points[lower, 0].min() + points[lower, 0].max())
    reach = _REACH * 0.5 * float(np.ptp(points[lower, 0]))
    height = float(np.ptp(points[:, 1]))
    edges = middle + reach * np.linspace(-1.0, 1.0, _BINS + 1)
    found = []
    for first, end in pairwise(edges.tolist()):
        above, below = _within(points, upper, first, end), _within(points, lower, first, end)
        pair = _nearest_in_front(points, above, below, height)
        if pair is not None:
            found.append(pair)
    return np.array(found, np.int64).reshape(-1, 2)


def _within(points: FloatArray, some: NDArray[np.int64], first: float, end: float) -> NDArray[np.int64]:
    """Those of some vertices between two places along the mouth."""
    kept: NDArray[np.int64] = some[(points[some, 0] >= first) & (points[some, 0] <= end)]
    return kept


def _nearest_in_front(
    points: FloatArray, upper: NDArray[np.int64], lower: NDArray[np.int64], height: float
) -> tuple[int, int] | None:
    """The pair that is nearest together among those that touch at the very front; None where none touches."""
    if not len(upper) or not len(lower):
        return None
    away = np.linalg.norm(points[lower][:, None] - points[upper][None], axis=2)
    nearest, apart = away.argmin(axis=1), away.min(axis=1)
    touching = apart < _TOUCHING * height
    if not touching.any():
        return None
    front = points[lower, 2] > points[lower[touching], 2].max() - _BEHIND * height
    place = int(np.where(touching & front, apart, np.inf).argmin())
    return int(upper[nearest[place]]), int(lower[place])
