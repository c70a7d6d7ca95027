# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio time and frames."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retake.addon.core.timing import AudioClock, Span, model_frames, whole_frames_within
from retake.backend.errors import InputError

RATES = [(24, 1.001), (24, 1.0), (25, 1.0), (30, 1.001), (30, 1.0), (50, 1.0), (60, 1.0)]
clocks = st.builds(
    lambda rate, start: AudioClock.of_strip(rate[0], rate[1], start), st.sampled_from(RATES), st.floats(-1e4, 1e4)
)


@given(clocks, st.floats(-10, 7200))
def test_frames_and_seconds_are_inverse(clock: AudioClock, second: float) -> None:
    assert clock.second(clock.frame(second)) == pytest.approx(second, abs=1e-9)
    assert clock.seconds(clock.frames([second]))[0] == pytest.approx(second, abs=1e-9)
    assert clock.frame(second) == clock.frames(second)


@pytest.mark.parametrize(("fps", "fps_base"), RATES)
def test_ten_minutes_do_not_drift(fps: int, fps_base: float) -> None:
    clock = AudioClock.of_strip(fps, fps_base, 1013)
    assert clock.frame(600) == pytest.approx(1013 + 600 * fps / fps_base, abs=1e-9)


def test_a_trim_does_not_move_the_audio() -> None:
    clock = AudioClock.of_strip(24, 1.0, 1013 - 0.7 * 24)  # trimmed by 0.7 s, first heard at 1013
    assert clock.frame(0.7) == pytest.approx(1013)


@given(st.floats(-1e4, 1e4), st.floats(0, 500))
def test_whole_frames_lie_within(start: float, length: float) -> None:
    frames = whole_frames_within(Span(start, start + length))
    assert all(start - 2e-6 <= frame <= start + length + 2e-6 for frame in (*frames[:1], *frames[-1:]))
    assert abs(len(frames) - length) <= 1 + 1e-5
    assert (np.diff(frames) == 1).all()


def test_model_frames_before_the_audio_are_negative() -> None:
    assert list(model_frames(Span(-0.1, 0.05))) == [-3, -2, -1, 0, 1]


@pytest.mark.parametrize(("start", "end"), [(2.0, 1.0), (math.nan, 1.0), (0.0, math.inf)])
def test_a_span_that_is_none_is_refused(start: float, end: float) -> None:
    with pytest.raises(InputError, match="range"):
        Span(start, end)


@pytest.mark.parametrize(("fps", "base"), [(0, 1.0), (24, 0.0), (24, math.nan), (math.inf, 1.0)])
def test_a_frame_rate_that_is_none_is_refused(fps: float, base: float) -> None:
    with pytest.raises(InputError, match="frame rate"):
        AudioClock.of_strip(fps, base, 0.0)


def test_spans_meet_and_overlap() -> None:
    assert Span(0, 2).intersection(Span(1, 3)) == Span(1, 2)
    assert Span(0, 1).intersection(Span(2, 3)) is None
    assert Span(0, 1).overlaps(Span(0.5, 2))
    assert not Span(0, 1).overlaps(Span(1, 2))
    assert Span(0, 1).contains(1.05, 0.1)
    assert Span(1, 4).length == 3
