# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way to choose a range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from retake.addon.core import ranges
from retake.addon.core.timing import AudioClock, Span
from retake.backend.errors import InputError
from retake.tests.addon_core.builders import OURS, curve, given_of

CLOCK = AudioClock(24.0, 101.0)


def approx(start: float, end: float) -> tuple[object, object]:
    return pytest.approx(start, abs=1e-6), pytest.approx(end, abs=1e-6)


def both(span: Span) -> tuple[float, float]:
    return span.start, span.end


def test_the_whole_audio_has_a_second_of_silence_on_both_sides() -> None:
    assert ranges.whole_audio(4.2) == Span(-1.0, 5.2)


def test_between_given_keys_of_any_channel() -> None:
    given = given_of([curve("jawOpen", [120.5, 150], [0, 0]), curve("browInnerUp", [140], [0])])
    assert both(ranges.between_neighbours(given, CLOCK, 130, 4.0)) == approx(19.5 / 24, 39 / 24)
    assert both(ranges.between_neighbours(given, CLOCK, 140, 4.0)) == approx(19.5 / 24, 49 / 24)
    assert both(ranges.between_neighbours(given, CLOCK, 110, 4.0)) == approx(-1.0, 19.5 / 24)
    assert both(ranges.between_neighbours(given, CLOCK, 160, 4.0)) == approx(49 / 24, 5.0)


def test_generated_keys_bound_nothing() -> None:
    given = given_of([curve("jawOpen", range(100, 200), np.zeros(100), OURS)])
    assert both(ranges.between_neighbours(given, CLOCK, 130, 4.0)) == approx(-1.0, 5.0)


def test_keys_beyond_the_audio_bound_the_range_too() -> None:
    given = given_of([curve("jawOpen", [50, 300], [0, 0])])
    assert both(ranges.between_neighbours(given, CLOCK, 130, 4.0)) == approx(-51 / 24, 199 / 24)


def test_a_playhead_far_from_the_audio_is_refused() -> None:
    with pytest.raises(InputError, match="frame 900 is outside the audio"):
        ranges.between_neighbours(given_of([curve("jawOpen", [890], [0])]), CLOCK, 900, 4.0)


def test_selected_keys_and_preview_range() -> None:
    assert both(ranges.selected_keys(np.array([149.0, 125.0, 130.0]), CLOCK)) == approx(1.0, 2.0)
    assert both(ranges.preview(125, 149, CLOCK)) == approx(1.0, 2.0)
    for too_few in ([], [120.0], [120.0, 120.2]):
        with pytest.raises(InputError, match="selected keys"):
            ranges.selected_keys(np.array(too_few), CLOCK)


def speech(sounds: list[tuple[float, float]], seconds: float, rate: int = 8000, noise: float = 1e-4) -> np.ndarray:
    rng = np.random.default_rng(0)
    samples = noise * rng.normal(size=int(seconds * rate))
    for start, end in sounds:
        samples[int(start * rate) : int(end * rate)] += 0.1 * rng.normal(size=int(end * rate) - int(start * rate))
    return samples


@pytest.mark.parametrize("noise", [0.0, 1e-4, 1e-2])
def test_pauses_are_the_quiet_stretches(noise: float) -> None:
    samples = speech([(0.5, 1.5), (1.6, 2.5), (3.0, 4.0)], 5.0, noise=noise)
    pauses = ranges.find_pauses(samples, 8000)
    np.testing.assert_allclose([both(pause) for pause in pauses], [(0, 0.5), (2.5, 3.0), (4.0, 5.0)], atol=0.03)


def test_a_click_does_not_end_a_pause_and_stereo_is_heard() -> None:
    samples = speech([(0.5, 1.5), (2.0, 2.02), (2.5, 3.5)], 4.0)
    stereo = np.stack([samples, np.zeros_like(samples)], axis=1)
    pauses = ranges.find_pauses(stereo, 8000)
    np.testing.assert_allclose([both(pause) for pause in pauses], [(0, 0.5), (1.5, 2.5), (3.5, 4.0)], atol=0.03)


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(8000), np.ones(8000)])
def test_a_recording_without_contrast_has_no_pauses(samples: np.ndarray) -> None:
    assert ranges.find_pauses(samples, 8000) == []


def test_the_phrase_at_the_playhead_reaches_to_the_middle_of_the_pauses() -> None:
    pauses = [Span(0.0, 0.4), Span(2.4, 3.0), Span(6.0, 6.2), Span(9.5, 10.0)]
    cases = {1.0: (-1.0, 2.7), 2.6: (-1.0, 2.7), 2.8: (2.7, 6.1), 4.0: (2.7, 6.1), 9.9: (6.1, 11.0), -5.0: (-1.0, 2.7)}
    for second, wanted in cases.items():
        span = ranges.phrase_at(pauses, CLOCK, CLOCK.frame(second), 10.0)
        assert both(span) == approx(*wanted)


@hypothesis_given(st.lists(st.tuples(st.floats(0.3, 2), st.floats(0.2, 1)), max_size=8), st.floats(-3, 30))
def test_every_playhead_is_in_its_phrase(steps: list[tuple[float, float]], second: float) -> None:
    time, pauses = 0.0, []
    for sound, pause in steps:
        pauses.append(Span(time + sound, time + sound + pause))
        time += sound + pause
    span = ranges.phrase_at(pauses, CLOCK, CLOCK.frame(second), time + 1.0)
    whole = ranges.whole_audio(time + 1.0)
    assert span.contains(min(max(second, whole.start), whole.end), 1e-6)
    assert whole.start <= span.start < span.end <= whole.end
