# SPDX-License-Identifier: GPL-3.0-or-later
"""Which keys stay, on curves drawn straight from key to key."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from retake.addon.core.curves import Evaluate
from retake.addon.core.thinning import extremes, thin


def straight(frames: np.ndarray, values: np.ndarray) -> Evaluate:
    return lambda asked: np.interp(asked, frames, values)


def test_a_straight_track_needs_its_ends() -> None:
    frames = np.arange(50.0)
    kept = thin(frames, 0.02 * frames, np.zeros(50, bool), 0.01, straight)
    assert np.flatnonzero(kept).tolist() == [0, 49]


def test_turning_points_are_kept_and_small_ones_not() -> None:
    values = np.concatenate([np.linspace(0, 1, 11), np.linspace(1, 0.2, 9)[1:], np.linspace(0.2, 0.9, 8)[1:]])
    assert np.flatnonzero(extremes(values, 0.1)).tolist() == [10, 18]
    assert not extremes(values + 0.001 * np.sin(np.arange(len(values))), 2.0).any()


@given(
    hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(0.0, 1.0)),
    st.floats(0.01, 0.5),
    st.integers(0, 59),
)
def test_the_curve_stays_near_and_what_is_needed_stays(values: np.ndarray, tolerance: float, place: int) -> None:
    frames, needed = np.arange(float(len(values))), np.zeros(len(values), bool)
    needed[place % len(values)] = True
    kept = thin(frames, values, needed, tolerance, straight)
    assert kept[needed].all()
    assert kept[0]
    assert kept[-1]
    assert np.abs(straight(frames[kept], values[kept])(frames) - values).max() <= tolerance + 1e-12


def extremes_one_by_one(values: np.ndarray, least: float) -> list[int]:
    """The turning points, every place being looked at."""
    found, low, high, direction = set(), 0, 0, 0
    for place in range(1, len(values)):
        high = place if values[place] > values[high] else high
        low = place if values[place] < values[low] else low
        if direction >= 0 and values[high] - values[place] > least:
            found |= {high} if direction > 0 or high > 0 else set()
            direction, low, high = -1, place, place
        elif direction <= 0 and values[place] - values[low] > least:
            found |= {low} if direction < 0 or low > 0 else set()
            direction, low, high = 1, place, place
    return sorted(found)


@given(
    hnp.arrays(np.float64, st.integers(0, 40), elements=st.integers(0, 8).map(lambda tenths: tenths / 10.0)),
    st.sampled_from([0.05, 0.15, 0.35, 0.5]),
)
def test_turning_points_are_those_of_all_places(values: np.ndarray, least: float) -> None:
    assert np.flatnonzero(extremes(values, least)).tolist() == extremes_one_by_one(values, least)
