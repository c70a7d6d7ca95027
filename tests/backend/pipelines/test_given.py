# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from retake.backend.errors import GivenValuesError
from retake.backend.pipelines.given import GivenValues
from retake.backend.protocol import CHANNEL_NAMES

JAW, SMILE, NECK_X = (CHANNEL_NAMES.index(name) for name in ("jawOpen", "mouthSmileLeft", "head_rotation.x"))


def test_dense_shapes() -> None:
    values, mask = GivenValues.none().dense(-5, 20, [JAW, NECK_X])
    assert values.shape == mask.shape == (25, 2)
    assert values.dtype == np.float32
    assert mask.dtype == np.bool_
    assert not mask.any()


def test_a_value_constrains_its_own_channel_at_its_own_time() -> None:
    given = GivenValues.of([1.0, -0.1], [JAW, NECK_X], [0.5, 0.2])
    values, mask = given.dense(-10, 60, [NECK_X, JAW])
    assert np.argwhere(mask).tolist() == [[7, 0], [40, 1]]
    assert values[40, 1] == np.float32(0.5)
    assert values[7, 0] == np.float32(0.2)


@pytest.mark.parametrize(
    ("time", "frame"), [(0.0, 0), (0.0166, 0), (0.0167, 1), (1 / 60, 1), (-0.0166, 0), (1.234, 37)]
)
def test_it_stands_on_the_nearest_frame(time: float, frame: int) -> None:
    assert GivenValues.of([time], [JAW], [0.5]).frames.tolist() == [frame]


def test_the_nearest_of_two_on_one_frame_wins() -> None:
    for times, values in (([1.001, 1.01], [0.1, 0.9]), ([1.01, 1.001], [0.9, 0.1])):
        dense, _ = GivenValues.of(times, [JAW, JAW], values).dense(30, 31, [JAW])
        assert dense[0, 0] == np.float32(0.1)


def test_the_later_entry_wins_at_one_time() -> None:
    dense, _ = GivenValues.of([1.0, 1.0], [JAW, JAW], [0.1, 0.9]).dense(30, 31, [JAW])
    assert dense[0, 0] == np.float32(0.9)


def test_what_lies_outside_is_left_out() -> None:
    given = GivenValues.of([0.0, 1.0, 2.0], [JAW, SMILE, JAW], [0.1, 0.2, 0.3])
    _, mask = given.dense(1, 60, [JAW])
    assert not mask.any()


@pytest.mark.parametrize(
    ("times", "channels", "values", "sentence"),
    [
        ([1.0], [JAW], [np.nan], "jawOpen at 1 s has the value nan"),
        ([1.0], [JAW], [np.inf], "inf"),
        ([np.nan], [JAW], [0.5], "time nan"),
        ([1.0], [55], [0.5], "no channel number 55"),
        ([1.0], [-1], [0.5], "no channel number -1"),
        ([1.0, 2.0], [JAW], [0.5], "one length"),
        ([[1.0]], [[JAW]], [[0.5]], "one length"),
        ([1.0], [JAW], [60.0], "out of all bounds"),
        ([1.0], [NECK_X], [9.0], "out of all bounds"),
    ],
)
def test_bad_values(times: list[Any], channels: list[Any], values: list[Any], sentence: str) -> None:
    with pytest.raises(GivenValuesError, match=sentence):
        GivenValues.of(times, channels, values)
