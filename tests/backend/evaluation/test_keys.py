# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures of keys, on cases whose value is known by construction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retake.backend.errors import ShapeError
from retake.backend.evaluation import keys


def test_key_error_is_the_largest_of_weights_and_angles() -> None:
    quarter = [[0.0, np.pi / 2, 0.0]]
    turned = [[0.0, np.pi / 2 + 0.02, 0.0]]
    assert keys.key_error_max([0.1, 0.5], [0.1, 0.51], quarter, quarter) == pytest.approx(0.01)
    assert keys.key_error_max([0.1, 0.5], [0.1, 0.51], quarter, turned) == pytest.approx(0.02)


def test_key_error_of_nothing_given_is_zero() -> None:
    assert keys.key_error_max([], [], np.zeros((0, 3)), np.zeros((0, 3))) == 0.0


@given(st.floats(0.1, 3.0), st.floats(0.0, 6.28))
def test_rotation_error_ignores_full_turns(angle: float, direction: float) -> None:
    axis = np.array([np.cos(direction), np.sin(direction), 0.0])
    assert keys.rotation_error([axis * angle], [axis * (angle - 2 * np.pi)]) == pytest.approx(0.0, abs=1e-6)


def test_rotation_error_is_an_angle_not_a_difference_of_components() -> None:
    # The axis flips at a half turn: the vectors are 2 pi apart, the rotations hardly.
    assert keys.rotation_error([[np.pi - 0.001, 0, 0]], [[-np.pi + 0.001, 0, 0]]) == pytest.approx(0.002)


def test_raw_sd_is_the_rms_in_standard_deviations_of_what_moves() -> None:
    raw = np.array([[0.3, 0.9, 5.0], [0.1, 0.5, 5.0]])
    values = np.array([0.2, 0.5, 0.0])
    sd = np.array([0.1, 0.2, 0.005])  # the last hardly moves: left out
    expected = np.sqrt((1.0**2 + 2.0**2 + 1.0**2 + 0.0**2) / 4)
    assert keys.raw_sd(raw, values, [0, 1, 2], sd) == pytest.approx(expected)


def test_raw_sd_leaves_out_what_was_not_generated() -> None:
    raw = np.array([[0.3, np.nan], [0.1, np.nan]])
    assert keys.raw_sd(raw, [0.2, 0.2], [0, 1], [0.1, 0.1]) == pytest.approx(1.0)


def test_raw_sd_without_keys_is_no_number() -> None:
    assert np.isnan(keys.raw_sd(np.zeros((3, 0)), [], [], np.ones(55)))


def test_second_difference_of_a_kink() -> None:
    motion = np.zeros((7, 2))
    motion[3] = [0.3, 0.8]  # in sd of 0.1 and 0.2: 3 and 4, norm 5
    assert keys.second_difference_norm(motion, [0.1, 0.2]) == pytest.approx([0.0, 5.0, 10.0, 5.0, 0.0])


def test_seam_ratio_looks_only_at_seams() -> None:
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=(2, 400, 3))
    popping = smooth.copy()
    popping[:, 200] += 50.0
    sd = np.ones(3)
    reference = keys.seam_reference(list(smooth), sd)
    assert keys.seam_ratio(popping, [50.0, 120.4], sd, reference) < 1.3
    assert keys.seam_ratio(popping, [50.0, 199.6], sd, reference) > 10.0


def test_seam_ratio_of_speech_itself_is_one() -> None:
    speech = np.random.default_rng(1).normal(size=(1, 300, 4))
    sd = np.full(4, 2.0)
    reference = keys.seam_reference(list(speech), sd)
    assert keys.seam_ratio(speech, np.arange(1, 299), sd, reference) == pytest.approx(1.0)


def test_seam_ratio_leaves_out_seams_beyond_the_ends() -> None:
    assert np.isnan(keys.seam_ratio(np.zeros((1, 10, 2)), [-5.0, 30.0], np.ones(2), 1.0))


@pytest.mark.parametrize(
    "call",
    [
        lambda: keys.control_error([1.0], [1.0, 2.0]),
        lambda: keys.rotation_error(np.zeros((2, 2)), np.zeros((2, 2))),
        lambda: keys.raw_sd(np.zeros((2, 3)), np.zeros(2), [0, 1], np.ones(55)),
        lambda: keys.second_difference_norm(np.zeros((2, 3)), np.ones(3)),
        lambda: keys.second_difference_norm(np.zeros((9, 4)), np.ones(3)),
    ],
)
def test_shapes_that_disagree_are_named(call: object) -> None:
    assert callable(call)
    with pytest.raises(ShapeError, match=r"\("):
        call()
