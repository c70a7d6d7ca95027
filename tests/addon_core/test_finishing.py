# SPDX-License-Identifier: GPL-3.0-or-later
"""Strength, smoothing and lead, on tracks made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from retake.addon.core.finishing import Finishing, closeness, smoothed

TRACKS = hnp.arrays(np.float64, st.tuples(st.integers(1, 40), st.integers(1, 4)), elements=st.floats(0.0, 1.0))


@given(TRACKS)
def test_nothing_set_changes_nothing(values: np.ndarray) -> None:
    assert Finishing().apply("mouth", values) is values


@given(TRACKS, st.floats(0.0, 2.0), st.floats(0.0, 1.0), st.randoms())
def test_closed_frames_stay_as_they_are(values: np.ndarray, strength: float, smoothing: float, chance: object) -> None:
    closed = np.array([chance.random() < 0.3 for _ in values])  # type: ignore[attr-defined]
    changed = Finishing({"mouth": strength}, {"mouth": smoothing}).apply("mouth", values, closed)
    assert changed.shape == values.shape
    assert np.allclose(changed[closed], values[closed], atol=1e-12)


@given(TRACKS, st.floats(0.1, 5.0))
def test_smoothing_stays_within_the_motion_and_keeps_what_is_still(values: np.ndarray, deviation: float) -> None:
    smooth = smoothed(values, deviation)
    assert smooth.min() >= values.min() - 1e-9
    assert smooth.max() <= values.max() + 1e-9
    still = np.full((20, 2), 0.4)
    assert np.allclose(smoothed(still, deviation), still)


def test_strength_is_a_factor_and_smoothing_takes_the_jitter() -> None:
    jitter = 0.5 + 0.2 * np.where(np.arange(60) % 2, 1.0, -1.0)[:, None]
    assert np.allclose(Finishing({"eyes": 0.5}).apply("eyes", jitter), 0.5 * jitter)
    assert np.ptp(Finishing(smoothing={"eyes": 1.0}).apply("eyes", jitter)[10:-10]) < 0.01


def test_the_lead_is_of_the_mouth_alone() -> None:
    assert Finishing(lead=2.0).shift("mouth", 24.0) == pytest.approx(2.5)
    assert Finishing(lead=2.0).shift("head", 24.0) == 0.0


def test_closeness_falls_off_beside_a_closure() -> None:
    closed = np.zeros(11, bool)
    closed[5] = True
    near = closeness(closed)
    assert near[5] == 1.0
    assert np.allclose(near, near[::-1])
    assert (np.diff(near[:6]) >= 0).all()
    assert near[0] == 0.0
