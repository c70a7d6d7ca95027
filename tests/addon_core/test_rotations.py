# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations keep their turn through every form, whatever the angle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from retake.addon.core import rotations
from retake.addon.core.flame import rotation_matrices

turns = arrays(np.float64, (5, 3), elements=st.floats(-4.0, 4.0, allow_subnormal=False))


def off(one: np.ndarray, other: np.ndarray) -> float:
    return float(rotations.angles_between(one, other).max())


@given(turns)
def test_quaternions_and_matrices_give_the_rotation_back(given_turns: np.ndarray) -> None:
    quaternions = rotations.to_quaternions(given_turns)
    assert np.allclose(np.linalg.norm(quaternions, axis=1), 1.0)
    for back in (rotations.of_quaternions(quaternions), rotations.of_matrices(rotation_matrices(given_turns))):
        assert off(back, given_turns) < 1e-7
        assert np.linalg.norm(back, axis=1).max() < np.pi + 1e-9


@given(turns)
def test_six_numbers_are_two_rows(given_turns: np.ndarray) -> None:
    matrices = rotation_matrices(given_turns)
    assert off(rotations.of_six(3.0 * matrices[:, :2].reshape(-1, 6)), given_turns) < 1e-7


@given(turns)
def test_angles_give_the_rotation_back(given_turns: np.ndarray) -> None:
    yaw, pitch, roll = rotations.to_angles(given_turns)
    assert off(rotations.of_angles(yaw, pitch, roll), given_turns) < 1e-6
    assert np.abs(pitch).max() <= np.pi / 2


def test_small_rotations_keep_their_last_digits() -> None:
    tiny = np.array([[1e-9, 0.0, 0.0], [0.0, 3e-5, -2e-6], [0.0, 0.0, 0.0]])
    assert np.abs(rotations.of_matrices(rotation_matrices(tiny)) - tiny).max() < 1e-15
    assert np.abs(rotations.of_quaternions(rotations.to_quaternions(tiny)) - tiny).max() < 1e-15


def test_positive_angles_look_left_down_and_tilt_to_the_right() -> None:
    front, up = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])
    one, none = np.array([0.3]), np.array([0.0])
    assert (rotation_matrices(rotations.of_angles(one, none, none))[0] @ front)[0] > 0.2  # +X is the character's left
    assert (rotation_matrices(rotations.of_angles(none, one, none))[0] @ front)[1] < -0.2
    assert (rotation_matrices(rotations.of_angles(none, none, one))[0] @ up)[0] < -0.2


def test_resampling_is_exact_on_frames_and_goes_the_short_way() -> None:
    track = np.array([[0.0, 3.0, 0.0], [0.0, -3.0, 0.0], [0.0, -2.8, 0.0]])  # through the half turn
    assert off(rotations.resampled(track, np.arange(3.0)), track) < 1e-9
    between = rotations.resampled(track, np.array([0.5]))
    assert np.linalg.norm(between) == pytest.approx(np.pi, abs=0.05)
