# SPDX-License-Identifier: GPL-3.0-or-later
"""Fades between takes: where, how long, and what they keep away from."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from retake.addon.core.bend import BEND_SECONDS
from retake.addon.core.render import render
from retake.addon.core.timing import AudioClock, FloatArray, Span
from retake.addon.core.track import fade_weight, paint, read_take, runs
from retake.backend.protocol import CHANNEL_NAMES, MODEL_FPS
from retake.tests.addon_core.builders import curve, given_of, library_of, make_lips, make_take, waves, whole_head

flags = hnp.arrays(bool, st.integers(1, 60))


@given(flags, flags, st.floats(1.5, 9.5))
def test_a_fade_lies_on_clear_frames_only(clear: np.ndarray, below: np.ndarray, length: float) -> None:
    below = np.resize(below, len(clear))
    weight = fade_weight(clear, below, length)
    assert weight.min() >= 0
    assert weight.max() <= 1
    assert (np.diff(weight) >= 0).all()
    mixed = (weight > 1e-9) & (weight < 1 - 1e-9)
    assert clear[mixed].all()
    assert below[weight < 1].all()
    assert mixed.sum() <= np.ceil(length)


def test_a_free_fade_starts_at_the_join_and_lasts_its_length() -> None:
    weight = fade_weight(np.ones(40, bool), np.ones(40, bool), 4.5)
    np.testing.assert_array_equal(weight[4:], 1.0)
    assert 0 < weight[0] < weight[1] < weight[2] < weight[3] < 1


def test_a_fade_waits_for_room_and_takes_what_there_is() -> None:
    clear = np.ones(40, bool)
    clear[:4] = False
    assert fade_weight(clear, np.ones(40, bool), 4.5)[3] == 0.0
    clear[:] = False
    assert (fade_weight(clear, np.ones(40, bool), 4.5) == 1.0).all()
    clear[[2, 3]] = True
    assert np.flatnonzero(fade_weight(clear, np.ones(40, bool), 4.5) % 1).tolist() == [2, 3]


def test_runs() -> None:
    assert runs(np.array([True, False, True, True])) == [(0, 1), (2, 4)]
    assert runs(np.zeros(3, bool)) == []


def test_a_part_without_entries_has_no_track() -> None:
    library = library_of(make_take(1, waves(), parts=("mouth",)))
    clock, given_values = AudioClock(24.0, 0.0), given_of(whole_head())
    assert paint(library, "eyes", clock, given_values, make_lips(), None) is None
    assert paint(library, "mouth", clock, given_values, make_lips(), Span(500, 600)) is None
    track = paint(library, "mouth", clock, given_values, make_lips(), None)
    assert track is not None
    assert set(render(library, clock, given_values, make_lips())) == set(track.channels)


@given(st.floats(1.0, 4.0), st.floats(0.4, 1.5), st.sampled_from([24.0, 30.0, 60.0]), st.floats(-3, 3))
def test_a_take_on_top_changes_nothing_outside_its_span(start: float, length: float, fps: float, at: float) -> None:
    clock = AudioClock(fps, at)
    under, over = make_take(1, waves(1)), make_take(2, waves(2))
    library = library_of(under)
    library.takes[2] = over
    given_values = given_of(whole_head(jawOpen=curve("jawOpen", [clock.frame(3.0)], [0.5])))
    before = render(library, clock, given_values, make_lips(), ["eyes"])["eyeBlinkLeft"]
    library.show(2, ["eyes"], Span(start, start + length))
    after = render(library, clock, given_values, make_lips(), ["eyes"])["eyeBlinkLeft"]
    outside = (before.frames < clock.frame(start) - 1e-5) | (before.frames > clock.frame(start + length) + 1e-5)
    np.testing.assert_array_equal(before.values[outside], after.values[outside])
    alone = render(library_of(over), clock, given_values, make_lips(), ["eyes"])["eyeBlinkLeft"]
    middle = np.abs(before.frames - clock.frame(start + length / 2)) < 0.5
    if length > 0.6:
        np.testing.assert_allclose(after.values[middle], alone.values[middle], atol=1e-9)


@given(st.sampled_from([23.976, 24.0, 25.0, 60.0]), st.floats(-3, 3), st.integers(5, 40), st.integers(4, 40))
@settings(max_examples=60, deadline=None)
def test_a_limit_changes_nothing_within_it(fps: float, at: float, first: int, length: int) -> None:
    clock, seconds = AudioClock(fps, at), np.arange(181) / MODEL_FPS
    spoken = np.repeat(waves(3)(seconds, 0)[:, None], len(CHANNEL_NAMES), axis=1)
    spoken[::7] = 0.0  # a closure of one model frame every 7
    over = make_take(2, waves(2), Span(1.0, 2.0))
    library = library_of(make_take(1, spoken), over)
    whole = render(library, clock, given_of(whole_head()), make_lips(), ["mouth"])

    def reader(frames: FloatArray, values: FloatArray) -> Callable[[FloatArray], FloatArray]:
        return lambda at: np.interp(at, frames, values)

    stands = {name: reader(plan.frames, plan.values) for name, plan in whole.items()}
    start = math.ceil(at + BEND_SECONDS * fps) + 2 + first  # clear of the join at the take's own start
    limit = Span(start, start + length)
    cut = render(library, clock, given_of(whole_head()), make_lips(), ["mouth"], limit, stands)
    for name, plan in cut.items():
        assert len(plan.frames)
        np.testing.assert_allclose(plan.values, stands[name](plan.frames), rtol=0, atol=1e-9, err_msg=name)


def test_a_frame_reads_the_same_whichever_others_are_read() -> None:
    clock, spoken = AudioClock(24.0, 0.3), np.full((181, len(CHANNEL_NAMES)), 0.5)
    spoken[[13, 20, 28, 35]] = 0.0
    take = make_take(1, spoken)
    whole, closed = read_take(take, "mouth", clock, np.arange(1, 140), make_lips())
    for first in range(1, 40):
        some, shut = read_take(take, "mouth", clock, np.arange(first, first + 9), make_lips())
        np.testing.assert_array_equal(some, whole[first - 1 : first + 8])
        np.testing.assert_array_equal(shut, closed[first - 1 : first + 8])
