# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retake.backend.pipelines.settling import influence, settle, speech_closures
from retake.backend.protocol import CONTROL_NAMES

JAW, CLOSE, SMILE = (CONTROL_NAMES.index(name) for name in ("jawOpen", "mouthClose", "mouthSmileLeft"))
REACH = 4.5


def motion(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.3, 0.1, (2, 60, 3)).astype(np.float32)


def given_at(*places: tuple[int, int, float]) -> tuple[np.ndarray, np.ndarray]:
    values, mask = np.zeros((2, 60, 3), np.float32), np.zeros((2, 60, 3), np.bool_)
    for frame, channel, value in places:
        values[:, frame, channel], mask[:, frame, channel] = value, True
    return values, mask


@given(st.dictionaries(st.tuples(st.integers(0, 59), st.integers(0, 2)), st.floats(-1, 1, width=32), max_size=60))
def test_given_values_are_exact_and_what_is_far_stays(places: dict[tuple[int, int], float]) -> None:
    raw = motion()
    values, mask = given_at(*((*place, value) for place, value in places.items()))
    settled = settle(raw, values, mask, REACH, None)
    assert settled.dtype == np.float32
    np.testing.assert_array_equal(settled[mask], values[mask])
    for channel in range(3):
        frames = np.array([frame for frame, one in places if one == channel])
        far = [n for n in range(60) if not len(frames) or np.abs(frames - n).min() > REACH]
        np.testing.assert_array_equal(settled[:, far, channel], raw[:, far, channel])


def test_a_spike_becomes_a_bend() -> None:
    raw = np.zeros((2, 60, 3), np.float32)
    raw[:, 30, 1] = 0.5  # the network follows the key in its own frame only
    settled = settle(raw, *given_at((30, 1, 1.0)), REACH, None)
    curvature = np.abs(np.diff(settled[:, :, 1], n=2)).max()
    assert curvature < 0.4  # overwriting leaves 2.0
    np.testing.assert_allclose(settled[:, 28:31, 1], settled[:, 30:33, 1][:, ::-1], atol=1e-6)
    assert (np.diff(settled[:, :31, 1]) >= 0).all()


def test_a_straight_line_through_a_given_value_stays() -> None:
    raw = np.broadcast_to(np.linspace(0, 1, 60, dtype=np.float32)[None, :, None], (2, 60, 3))
    settled = settle(raw, *given_at((30, 1, float(raw[0, 30, 1]))), REACH, None)
    np.testing.assert_allclose(settled, raw, atol=1e-6)


def test_a_curve_that_passes_through_a_lone_given_value_stays() -> None:
    raw = np.broadcast_to(np.sin(np.arange(60, dtype=np.float32) / 8)[None, :, None], (2, 60, 3))
    settled = settle(raw, *given_at((13, 1, float(raw[0, 13, 1]))), 15.0, None)  # at the crest
    np.testing.assert_allclose(settled, raw, atol=2e-4)


def test_between_near_given_values_it_blends() -> None:
    settled = settle(np.zeros((2, 60, 3), np.float32), *given_at((20, 0, 1.0), (22, 0, 0.5)), REACH, None)
    np.testing.assert_allclose(settled[:, 21, 0], 0.75, atol=1e-6)


def test_a_held_value_stays_held() -> None:
    settled = settle(motion(), *given_at(*((frame, 2, 0.4) for frame in range(10, 30))), REACH, None)
    np.testing.assert_array_equal(settled[:, 10:30, 2], np.float32(0.4))


def test_fixed_frames_stay_and_nothing_reaches_past_them() -> None:
    raw = motion()
    fixed = np.zeros(raw.shape, np.bool_)
    fixed[:, 33, 0] = True
    settled = settle(raw, *given_at((30, 0, 2.0)), REACH, fixed)
    np.testing.assert_array_equal(settled[:, 33:, 0], raw[:, 33:, 0])
    assert np.abs(settled[:, 31, 0] - raw[:, 31, 0]).min() > 0.5


def test_influence_ends_at_the_horizon() -> None:
    mask = np.zeros((2, 60, 3), np.bool_)
    mask[0, 30, 1] = True
    say = influence(mask, 20.0)
    assert say.shape == (2, 60, 1)
    assert (say[0, 20:41] == 1.0).all()
    assert (say[0, :11] == 0.0).all()
    assert (say[0, 50:] == 0.0).all()
    assert (np.diff(say[0, 10:21, 0]) > 0).all()
    assert (say[1] == 0.0).all()


class TestClosures:
    def talking(self) -> np.ndarray:
        """An open mouth with a closure of three frames, then lips at rest for long."""
        weights = np.zeros((1, 80, 52), np.float32)
        weights[:, :60, JAW] = 0.3
        weights[:, 20:23, CLOSE] = 0.3
        return weights

    def test_a_short_closure_between_open_frames_is_one(self) -> None:
        closures = speech_closures(self.talking(), np.zeros((1, 80, 52), np.bool_))
        assert np.flatnonzero(closures[0, :, JAW]).tolist() == [20, 21, 22]
        assert closures[0, 21, CLOSE]
        assert not closures[0, :, SMILE].any()

    @pytest.mark.parametrize(("channel", "is_kept"), [(JAW, False), (SMILE, True)])
    def test_a_key_on_the_lips_in_it_overrules_it(self, channel: int, is_kept: bool) -> None:
        mask = np.zeros((1, 80, 52), np.bool_)
        mask[0, 21, channel] = True
        assert speech_closures(self.talking(), mask).any() == is_kept

    def test_a_key_beside_a_closure_does_not_open_it(self) -> None:
        raw = self.talking()
        values, mask = np.zeros_like(raw), np.zeros(raw.shape, np.bool_)
        values[0, 25, JAW], mask[0, 25, JAW] = 0.9, True
        settled = settle(raw, values, mask, REACH, speech_closures(raw, mask))
        np.testing.assert_array_equal(settled[0, 20:23], raw[0, 20:23])
        assert settled[0, 25, JAW] == np.float32(0.9)
        assert settled[0, 26, JAW] > 0.5
