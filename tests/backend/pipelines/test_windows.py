# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retake.backend.pipelines.windows import CORE, FADE, PADDING, windows_for

COUNTS = st.integers(1, 5000) | st.integers(200_000, 220_000)


def total_weights(frame_count: int, start: int, stop: int) -> np.ndarray:
    total = np.zeros(stop - start)
    for window in windows_for(frame_count, start, stop):
        frames = np.arange(window.start, window.stop)
        inside = (frames >= start) & (frames < stop)
        total[frames[inside] - start] += window.weights()[inside]
    return total


@settings(max_examples=150, deadline=None)
@given(COUNTS, st.data())
def test_shares_sum_to_one_everywhere(frame_count: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(-700, frame_count + 700))
    stop = data.draw(st.integers(start + 1, min(start + 3000, frame_count + 1500)))
    np.testing.assert_allclose(total_weights(frame_count, start, stop), 1.0, atol=1e-6)


@settings(max_examples=150, deadline=None)
@given(COUNTS, st.data())
def test_windows_do_not_depend_on_the_range(frame_count: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(-700, frame_count + 700))
    stop = data.draw(st.integers(start + 1, start + 1500))
    everything = windows_for(frame_count, -2500, frame_count + 3000)
    assert set(windows_for(frame_count, start, stop)) <= set(everything)


@settings(max_examples=100, deadline=None)
@given(COUNTS)
def test_they_are_of_bounded_size_and_overlap_the_fades(frame_count: int) -> None:
    windows = windows_for(frame_count, -PADDING, frame_count + PADDING)
    for window in windows:
        assert len(window) == len(window.weights())
        assert len(window) < 3 * CORE
        assert window.core_stop - window.core_start >= 2 * FADE
        assert window.weights()[0] == pytest.approx(0.0, abs=0.02)
        assert window.weights()[-1] == pytest.approx(0.0, abs=0.02)


def test_the_usual_range_needs_nothing_beyond_the_padding() -> None:
    assert len(windows_for(150, -30, 181)) == 1
    assert len(windows_for(150, -60, 150)) == 2


def test_long_recordings_are_cut_alike_so_that_windows_batch() -> None:
    lengths = [len(window) for window in windows_for(216_000, -30, 216_030)]
    assert len(lengths) == 900
    assert len(set(lengths[1:-1])) == 1
