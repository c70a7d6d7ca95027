# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a track between its samples, and closures that must not fall between two frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from retake.addon.core.resample import Closure, closed_positions, find_closures, interpolate, meet_closures

tracks = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20), elements=st.floats(-1, 1))


@given(tracks)
def test_samples_come_back_as_they_are(values: np.ndarray) -> None:
    np.testing.assert_allclose(interpolate(values, np.arange(len(values), dtype=float)), values, atol=1e-12)


@given(tracks, st.floats(-5, 30))
def test_beyond_the_ends_the_end_samples_hold(values: np.ndarray, position: float) -> None:
    read = interpolate(values, np.array([position]))[0]
    assert read.shape == (values.shape[1],)
    if position <= 0:
        np.testing.assert_array_equal(read, values[0])
    if position >= len(values) - 1:
        np.testing.assert_allclose(read, values[-1], atol=1e-12)


@given(hnp.arrays(np.float64, st.integers(2, 30), elements=st.floats(0, 1)))
def test_monotone_data_stays_monotone(steps: np.ndarray) -> None:
    values = np.cumsum(steps)[:, None]
    read = interpolate(values, np.linspace(0, len(values) - 1, 400))[:, 0]
    assert np.diff(read).min() >= -1e-9


@given(hnp.arrays(np.float64, st.integers(4, 12), elements=st.floats(-1, 1)), st.integers(3, 6))
def test_nothing_shoots_over_a_held_value(ramp: np.ndarray, hold: int) -> None:
    values = np.concatenate([np.sort(ramp), np.full(hold, ramp.max()), np.sort(ramp)[::-1]])[:, None]
    read = interpolate(values, np.linspace(0, len(values) - 1, 500))
    assert read.max() <= ramp.max() + 1e-9


@pytest.mark.parametrize(("rate", "error"), [(1.0, 1e-4), (2.0, 3e-4), (4.0, 6e-3), (6.0, 3e-2)])
def test_smooth_motion_is_read_accurately(rate: float, error: float) -> None:
    times = np.arange(0, 10, 1 / 30)
    phases = np.arange(8) / 8 * 2 * np.pi
    read_at = np.arange(1, 9, 1 / 24.0) + 0.0071
    read = interpolate(np.sin(2 * np.pi * rate * times[:, None] + phases), read_at * 30)
    wanted = np.sin(2 * np.pi * rate * read_at[:, None] + phases)
    assert np.sqrt(np.mean((read - wanted) ** 2)) < error


def test_a_peak_between_two_samples_is_kept() -> None:
    values = np.cos((np.arange(11) - 4.5) * 2 * np.pi / 9)[:, None]
    assert interpolate(values, np.array([4.5]))[0, 0] > 0.98 > values.max()


def test_closures_are_narrowed_to_their_contact() -> None:
    opening = np.array([9, 1.4, 0.2, 0.1, 0.9, 5, 9, 1.0, 9, 9.0])
    assert find_closures(opening, 1.5) == [Closure(2, 3), Closure(7, 7)]
    assert find_closures(opening, 0.0) == []


spacings = st.sampled_from([30 / fps for fps in (23.976, 24, 25, 29.97, 30, 50, 60)])


@given(
    spacings,
    st.floats(0, 2),
    st.lists(st.tuples(st.integers(2, 8), st.integers(0, 5)), min_size=1, max_size=9),
)
@settings(deadline=None)
def test_each_closure_is_met_in_order_and_by_the_least_way(
    spacing: float, phase: float, steps: list[tuple[int, int]]
) -> None:
    closures, at = [], 5
    for gap, length in steps:
        closures.append(Closure(at + gap, at + gap + length))
        at += gap + length
    positions = phase + np.arange(0, at + 12, spacing)
    met = meet_closures(positions, closures)
    assert (np.diff(met) > 0).all()
    assert np.abs(met - positions).max() <= spacing / 2 + 1e-9
    for closure in closures:
        assert closed_positions(met, [closure]).any()
        inside = closed_positions(positions, [closure])
        np.testing.assert_array_equal(met[inside], positions[inside])


def test_positions_without_closures_or_at_the_samples_stay() -> None:
    positions = np.arange(0, 30, 1.25)
    assert meet_closures(positions, []) is positions
    whole = np.arange(30.0)
    assert meet_closures(whole, [Closure(10, 10), Closure(15, 18)]) is whole
    far = meet_closures(positions, [Closure(26, 26)])
    np.testing.assert_array_equal(far[positions < 22], positions[positions < 22])
