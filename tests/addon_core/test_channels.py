# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts, sides, groups and the lips."""

from __future__ import annotations

import numpy as np
import pytest

from retake.addon.core.channels import CHANNEL_INDEX, PART_OF, LipModel, channels_of
from retake.backend.errors import InputError
from retake.backend.protocol import CHANNEL_NAMES, HEAD_ROTATION, PARTS


def test_every_channel_has_one_part() -> None:
    assert sorted(PART_OF) == sorted(CHANNEL_NAMES)
    assert channels_of(PARTS) == CHANNEL_NAMES
    assert channels_of(["head"]) == HEAD_ROTATION
    assert {PART_OF[name] for name in ("jawOpen", "mouthPucker", "tongueOut", "cheekPuff")} == {"mouth"}
    assert {PART_OF[name] for name in ("browInnerUp", "eyeSquintLeft", "noseSneerRight")} == {"upper_face"}
    assert {PART_OF[name] for name in ("eyeBlinkLeft", "eyeLookUpRight")} == {"eyes"}
    with pytest.raises(InputError, match="no part 'hands'"):
        channels_of(["mouth", "hands"])


def small_head() -> LipModel:
    template = np.array([[0, 0.001, 0], [0, 0.0, 0], [0.01, 0.002, 0], [0.01, 0.002, 0]], float)
    jaw = np.zeros((4, 3))
    jaw[[1, 3], 1] = -0.03
    return LipModel.of_head(template, {"jawOpen": jaw, "mouthWide": jaw}, np.array([[0, 1], [2, 3]]))


def test_the_gap_of_a_head() -> None:
    lips = small_head()
    assert lips.neutral_mm == pytest.approx(0.5)
    assert lips.slopes[CHANNEL_INDEX["jawOpen"]] == pytest.approx(30.0)
    assert np.count_nonzero(lips.slopes) == 1
    track = np.zeros((4, 55))
    track[:, CHANNEL_INDEX["jawOpen"]] = [0, 0.5, 1.0, -1.0]
    np.testing.assert_allclose(lips.opening(track), [0, 15, 30, -0.5])


def test_closed_is_below_twelve_percent_of_the_tracks_own_opening_and_1_5_mm() -> None:
    lips, track = small_head(), np.zeros((101, 55))
    track[:, CHANNEL_INDEX["jawOpen"]] = np.linspace(0, 1, 101)
    assert lips.threshold(track) == 1.5
    assert lips.threshold(track * 0.2) == pytest.approx(0.12 * (0.2 * 0.95 * 30 + 0.5), rel=1e-3)
    assert lips.threshold(track[:0]) == 0.0


@pytest.mark.parametrize("pairs", [np.zeros((0, 2), int), np.array([[0, 9]]), np.array([[-1, 0]]), np.array([0, 1])])
def test_pairs_that_do_not_fit_are_refused(pairs: np.ndarray) -> None:
    with pytest.raises(InputError, match="lip pairs"):
        LipModel.of_head(np.zeros((4, 3)), {}, pairs)
