# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer keys for the same motion: which frames of a track to key so that the curve between stays near it."""

from __future__ import annotations

from collections.abc import Callable

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
    for place in _turns(values):
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


def _turns(values: FloatArray) -> list[int]:
    """Places after the first at which (F,) values turn, of a plateau its first, and the last that differs."""
    steps = np.flatnonzero(np.diff(values))
    goes_up = values[steps + 1] > values[steps]
    found: list[int] = (steps[np.append(goes_up[1:] != goes_up[:-1], True)[: len(steps)]] + 1).tolist()
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
        off, between = np.zeros(len(values)), ~kept
        off[between] = np.abs(draw(frames[kept], values[kept])(frames[between]) - values[between])
        if not (off > tolerance).any():
            return kept
        places = np.flatnonzero(kept)
        peaks = np.maximum.reduceat(off, places)
        for number in np.flatnonzero(peaks > tolerance).tolist():  # never the last: a key stands there
            first, last = places[number : number + 2]
            kept[first + int(off[first:last].argmax())] = True
    return kept | (off > tolerance)
