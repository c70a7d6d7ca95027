# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retake.backend.errors import RigError, ShapeError
from retake.backend.evaluation.lips import LipRig
from retake.backend.evaluation.published import LipVertices, beat_align, diversity, head_beats, lip_sync
from retake.backend.protocol import CONTROL_NAMES

LIPS = LipVertices.of_head()


def speaking(frames: int = 90, pace: float = 1.0) -> np.ndarray:
    channels = np.zeros((frames, 55))
    channels[:, CONTROL_NAMES.index("jawOpen")] = 0.2 - 0.2 * np.cos(pace * np.arange(frames) / 4.0)
    return channels


def test_lips_that_are_the_same_are_in_sync_whatever_the_pace() -> None:
    lips = LIPS(speaking())
    assert lip_sync(lips, lips) == 0.0
    slower = np.repeat(lips, 2, axis=0)
    assert lip_sync(slower, lips) == 0.0
    assert lip_sync(LIPS(np.zeros((90, 55))), lips) > 1.0


def test_lip_sync_is_the_distance_where_all_frames_are_equally_far() -> None:
    still = np.zeros((20, 4, 3))
    assert lip_sync(still + np.array([0.0, 3.0, 4.0]), still) == pytest.approx(5.0)


def test_a_shift_in_time_costs_less_than_other_words() -> None:
    lips = LIPS(speaking(120))
    assert lip_sync(lips[3:], lips[:-3]) < 0.25 * lip_sync(LIPS(speaking(117, 0.37)), lips[:-3])


def test_lip_vertices_agree_with_the_lip_gap() -> None:
    channels = np.zeros((1, 55))
    channels[0, CONTROL_NAMES.index("jawOpen")] = 1.0
    moved = LIPS(channels)[0] - LIPS.neutral
    inner_upper, inner_lower = moved[13:16, 1].mean(), moved[17:20, 1].mean()  # landmarks 61-63 and 65-67
    rig = LipRig.of_head()
    assert inner_upper - inner_lower == pytest.approx(rig.gap_slope[CONTROL_NAMES.index("jawOpen")], rel=0.25)


def test_diversity_is_the_mean_distance_of_pairs() -> None:
    motions = np.zeros((3, 10, 3))
    motions[1, :, 0], motions[2, :, 1] = 3.0, 4.0
    assert diversity(motions) == pytest.approx((3.0 + 4.0 + 5.0) / 3)
    assert diversity(np.repeat(motions, 5, axis=1)) == pytest.approx(4.0)  # no matter how long
    assert diversity(np.ones((4, 5, 2))) == 0.0


def nodding(frames: int, period: float, shift: float = 0.0) -> np.ndarray:
    rotation = np.zeros((frames, 3))
    rotation[:, 0] = 0.1 * np.cos(2.0 * np.pi * (np.arange(frames) - shift) / period)
    return rotation


def test_beats_are_where_the_head_turns_round() -> None:
    assert np.abs(head_beats(nodding(121, 40)) - [20, 40, 60, 80, 100]).max() == 0


def test_beats_align_by_their_distance() -> None:
    head = nodding(241, 40)
    assert beat_align(head, head) == 1.0
    apart = beat_align(nodding(241, 40, shift=3), head)
    assert apart == pytest.approx(np.exp(-0.5), abs=0.02)  # one sigma
    assert beat_align(nodding(241, 40, shift=10), head) < 0.05
    assert beat_align(np.zeros((241, 3)), head) == 0.0
    assert np.isnan(beat_align(head, np.zeros((241, 3))))


@pytest.mark.parametrize(
    "call",
    [
        lambda: lip_sync(np.zeros((3, 4, 3)), np.zeros((3, 5, 3))),
        lambda: lip_sync(np.zeros((0, 4, 3)), np.zeros((3, 4, 3))),
        lambda: diversity(np.zeros((1, 4, 3))),
        lambda: head_beats(np.zeros((4, 4))),
    ],
)
def test_shapes_that_do_not_fit_are_named(call: object) -> None:
    with pytest.raises(ShapeError, match=r"\(\d"):
        call()  # type: ignore[operator]


def test_a_head_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(RigError, match=r"none\.npz"):
        LipVertices.of_head(tmp_path / "none.npz")
