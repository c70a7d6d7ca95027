# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures of takes, on cases whose value is known by construction."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from retake.backend.errors import ShapeError
from retake.backend.evaluation import takes


def test_take_difference_of_known_spread() -> None:
    base = np.random.default_rng(0).normal(size=(20, 5))
    assert takes.take_difference_mean([base - 0.2, base + 0.2]) == pytest.approx(0.2)
    assert takes.take_difference_mean([base, base, base]) == pytest.approx(0.0)


def test_take_difference_of_a_single_quantity() -> None:
    assert takes.take_difference_mean([[1.0, 1.0], [3.0, 5.0]]) == pytest.approx(1.5)


def test_neck_difference_is_an_angle_about_the_mean() -> None:
    # Two takes 4 degrees apart about one axis, at a pose that is itself turned: 2 degrees from their mean.
    pose = Rotation.from_rotvec([0.3, -0.8, 0.2])
    takes_at = [pose * Rotation.from_rotvec([0.0, np.radians(angle), 0.0]) for angle in (-2.0, 2.0)]
    tracks = np.stack([np.tile(rotation.as_rotvec(), (6, 1)) for rotation in takes_at])
    assert takes.neck_difference_degrees(tracks) == pytest.approx(2.0)


@pytest.mark.parametrize("shape", [(1, 10, 3), (2, 0, 3), (3,)])
def test_fewer_than_two_takes_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="cannot be compared"):
        takes.take_difference_mean(np.zeros(shape))
    with pytest.raises(ShapeError, match="cannot be compared"):
        takes.neck_difference_degrees(np.zeros(shape))
