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
