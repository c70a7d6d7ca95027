# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer keys for the same motion: which frames of a track to key so that the curve between stays near it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .curves import Evaluate
from .timing import FloatArray

BoolArray = NDArray[np.bool_]

_ROUNDS = 16
Draw = Callable[[FloatArray, FloatArray], Evaluate]


def extremes(values: FloatArray, least: float) -> BoolArray:
    """Which of (F,) values are turning points between which the track goes up or down by more than `least`."""
    found = np.zeros(len(values), bool)
    if not len(values):
        return found
    low = high = 0
    direction = 0
    for place in range(1, len(values)):
        if values[place] > values[high]:
            high = place
        if values[place] < values[low]:
            low = place
        if direction >= 0 and values[high] - values[place] > least:
            found[high] = direction > 0 or high > 0
            direction, low = -1, place
            high = place
        elif direction <= 0 and values[place] - values[low] > least:
            found[low] = direction < 0 or low > 0
            direction, high = 1, place
            low = place
    return found


def thin(frames: FloatArray, values: FloatArray, needed: BoolArray, tolerance: float, draw: Draw) -> BoolArray:
    """Which frames of a track to key.

    Args:
        frames: (F,) ascending.
        values: (F,) what the curve is to be there.
        needed: (F,) frames that are keyed whatever comes.
        tolerance: How far the curve may be from the track at any of the frames.
        draw: The curve through keys (K,) at frames (K,), as the program that plays it draws it.

    Returns:
        (F,) True where a key stands: the ends, the extremes, what is needed, and as few more as the tolerance allows.
    """
    kept = needed | extremes(values, tolerance)
    if len(kept):
        kept[0] = kept[-1] = True
    for _ in range(_ROUNDS):
        off = np.abs(draw(frames[kept], values[kept])(frames) - values)
        off[kept] = 0.0
        if not (off > tolerance).any():
            return kept
        places = np.flatnonzero(kept)
        for first, last in pairwise(places):
            inner = off[first + 1 : last]
            if len(inner) and inner.max() > tolerance:
                kept[first + 1 + int(inner.argmax())] = True
    return kept | (off > tolerance)
