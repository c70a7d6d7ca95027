# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from retake.backend.pipelines.bending import WIDTH, bend_through
from retake.backend.pipelines.given import GivenValues

CHANNEL = 4


def motion() -> np.ndarray:
    return np.random.default_rng(0).normal(0.3, 0.1, (3, 120, 55)).astype(np.float32)


def read_at(channels: np.ndarray, times: list[float]) -> np.ndarray:
    frames = np.arange(channels.shape[1])
    return np.array([np.interp(np.array(times) * 30, frames, track) for track in channels[:, :, CHANNEL]])


@settings(max_examples=80, deadline=None)
@hypothesis_given(st.lists(st.integers(0, 119 * 8), min_size=1, max_size=12, unique_by=lambda eighth: eighth // 8))
def test_it_passes_through_sub_frame_values(eighths: list[int]) -> None:
    times = [eighth / 8 / 30 for eighth in eighths]
    values = np.random.default_rng(1).uniform(0, 1, len(times))
    channels = motion()
    bend_through(channels, GivenValues.of(times, [CHANNEL] * len(times), values))
    # Values closer than a frame and a half can ask for a sharp zigzag: still met, to float32's precision there.
    np.testing.assert_allclose(read_at(channels, times), np.tile(values, (3, 1)), atol=1e-5)


def test_it_bends_only_nearby_and_only_that_channel() -> None:
    before, after = motion(), motion()
    bend_through(after, GivenValues.of([2.01], [CHANNEL], [0.9]))
    changed = np.argwhere(before != after)
    assert set(changed[:, 2]) == {CHANNEL}
    assert np.abs(changed[:, 1] - 60.3).max() <= WIDTH + 1


def test_values_that_are_met_change_nothing() -> None:
    channels = motion()
    channels[:, 60, CHANNEL] = 0.7
    before = channels.copy()
    bend_through(channels, GivenValues.of([2.0], [CHANNEL], [0.7]))
    np.testing.assert_array_equal(channels, before)


def test_a_value_after_the_last_frame_is_its() -> None:
    channels = motion()
    bend_through(channels, GivenValues.of([119.7 / 30], [CHANNEL], [0.7]))
    np.testing.assert_allclose(channels[:, -1, CHANNEL], 0.7, atol=1e-6)


def test_no_values() -> None:
    channels = motion()
    bend_through(channels, GivenValues.none())
    np.testing.assert_array_equal(channels, motion())
