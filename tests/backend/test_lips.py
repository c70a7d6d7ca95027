# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from retake.backend.errors import RigError
from retake.backend.evaluation.lips import (
    LipRig,
    SpokenClip,
    auc,
    baselines,
    control_correlation,
    jittered,
    lag_ms,
    loudness_mouth,
    measure_lips,
)
from retake.backend.protocol import CHANNEL_NAMES
from retake.backend.training.speech import Phone, read_phones
from retake.backend.training.teacher import perform

ROWS = [(0.0, 0.4, "sil"), (0.4, 0.5, "m"), (0.5, 0.7, "aa"), (0.7, 0.8, "b"), (0.8, 1.0, "ay"), (1.0, 1.1, "f")]
PHONES = read_phones([*ROWS, (1.1, 1.3, "ae"), (1.3, 1.4, "v"), (1.4, 1.6, "uw"), (1.6, 1.8, "iy")], 2.4)


def a_rig() -> LipRig:
    """jawOpen opens by 20 mm, mouthClose closes it, mouthPucker narrows the mouth by 15 mm."""
    gap, corners = np.zeros(52), np.zeros((52, 3))
    gap[CHANNEL_NAMES.index("jawOpen")], gap[CHANNEL_NAMES.index("mouthClose")] = 20.0, -20.0
    corners[CHANNEL_NAMES.index("mouthPucker"), 0] = -15.0
    return LipRig(0.0, gap, np.array([50.0, 0.0, 0.0]), corners)


def jaw_only(gap_mm: np.ndarray) -> np.ndarray:
    channels = np.zeros((len(gap_mm), 55), np.float32)
    channels[:, CHANNEL_NAMES.index("jawOpen")] = gap_mm / 20.0
    return channels


def test_gap_and_width() -> None:
    channels = jaw_only(np.array([10.0, 0.0]))
    np.testing.assert_allclose(a_rig().gap(channels), [10.0, 0.0], atol=1e-5)
    channels[1, CHANNEL_NAMES.index("mouthClose")] = 1.0
    channels[1, CHANNEL_NAMES.index("mouthPucker")] = 1.0
    assert a_rig().gap(channels)[1] == 0.0
    np.testing.assert_allclose(a_rig().width(channels), [50.0, 35.0])


def test_the_teacher_scores_full_marks_against_itself() -> None:
    reference = perform(PHONES, 2.4)
    figures = measure_lips([SpokenClip(PHONES, reference, reference)], a_rig())
    assert figures["closure"] == 1.0
    assert figures["rest"] == 1.0
    assert figures["gap_correlation"] == pytest.approx(1.0)
    assert figures["control_correlation"] == pytest.approx(1.0)
    assert figures["lag_ms"] == pytest.approx(0.0, abs=1.0)
    assert figures["fv_auc"] > 0.9
    assert figures["rounding_auc"] == 1.0


def test_a_mouth_that_never_opens_scores_nothing() -> None:
    figures = measure_lips([SpokenClip(PHONES, jaw_only(np.zeros(72)), perform(PHONES, 2.4))], a_rig())
    assert figures["closure"] <= 0.0
    assert figures["opening_mm"] == 0.0
    assert figures["gap_correlation"] == 0.0


def test_a_closure_one_frame_off_the_centre_counts_and_two_do_not() -> None:
    phones = read_phones([(0.0, 0.9, "aa"), (0.9, 1.1, "m"), (1.1, 2.0, "aa")], 2.0)
    for offset, expected in ((-1, 1.0), (1, 1.0), (-3, 0.0), (3, 0.0)):
        gap = np.full(60, 10.0)
        gap[30 + offset] = 0.2
        clip = SpokenClip(phones, jaw_only(gap), jaw_only(gap))
        assert measure_lips([clip], a_rig())["closed_pbm"] == expected


def test_a_small_gap_in_a_small_performance_is_not_closed() -> None:
    gap = np.full(60, 4.0)
    gap[29:32] = 1.0  # under 1.5 mm, yet a quarter of the track's opening
    phones = read_phones([(0.0, 0.9, "aa"), (0.9, 1.1, "m"), (1.1, 2.0, "aa")], 2.0)
    assert measure_lips([SpokenClip(phones, jaw_only(gap), jaw_only(gap))], a_rig())["closed_pbm"] == 0.0


@pytest.mark.parametrize("frames", [-2, 0, 3])
def test_lag_is_found(frames: int) -> None:
    reference = a_rig().gap(perform(PHONES, 2.4))
    assert lag_ms([np.roll(reference, frames)], [reference]) == pytest.approx(frames * 1000 / 30, abs=4.0)


def test_auc_of_known_cases() -> None:
    assert auc([2.0, 3.0], [0.0, 1.0]) == 1.0
    assert auc([0.0, 1.0], [2.0, 3.0]) == 0.0
    assert auc([1.0, 1.0], [1.0, 1.0]) == 0.5
    assert np.isnan(auc([], [1.0]))


def test_correlation_counts_six_controls() -> None:
    reference = perform(PHONES, 2.4)
    made = np.zeros_like(reference)
    jaw = CHANNEL_NAMES.index("jawOpen")
    made[:, jaw] = reference[:, jaw]
    assert control_correlation([SpokenClip(PHONES, made, reference)]) == pytest.approx(1 / 6)


def test_baselines_are_ordered() -> None:
    others = read_phones([(0.0, 0.3, "iy"), (0.3, 0.4, "p"), (0.4, 1.5, "ow"), (1.5, 1.6, "m"), (1.6, 2.4, "ae")], 2.4)
    loud = np.abs(np.sin(np.arange(72)))
    found = baselines([(PHONES, loud), (others, loud)], a_rig())
    assert set(found) == {"teacher", "teacher_take", "jittered", "other_clip", "loudness"}
    assert found["teacher"]["closure"] == 1.0
    assert found["other_clip"]["gap_correlation"] < 0.5 < found["teacher_take"]["gap_correlation"]
    assert found["loudness"]["control_correlation"] < 0.5 < found["jittered"]["control_correlation"]


def test_the_loudness_mouth_opens_as_wide_as_the_reference() -> None:
    reference = a_rig().gap(perform(PHONES, 2.4))
    gap = a_rig().gap(loudness_mouth(np.linspace(0.0, 1.0, 72), a_rig(), reference))
    assert np.percentile(gap, 95) == pytest.approx(np.percentile(reference, 95), rel=1e-4)


def test_jitter_moves_boundaries_and_keeps_their_order() -> None:
    moved = jittered(PHONES, np.random.default_rng(0))
    shifts = [abs(a.end - b.end) for a, b in zip(moved, PHONES, strict=True)]
    assert 0.002 < float(np.median(shifts)) < 0.03
    assert moved[-1].end == PHONES[-1].end
    assert all(a.end == b.start for a, b in itertools.pairwise(moved))
    assert all(p.seconds >= 0 for p in moved)


def test_the_built_in_head_can_be_measured(tmp_path: Path) -> None:
    rig = LipRig.of_head()
    assert rig.gap_neutral < 0.3
    assert 22.0 <= rig.gap(jaw_only(np.array([20.0])))[0] <= 40.0
    np.savez(tmp_path / "head.npz", v_template=np.zeros((3, 3)))
    with pytest.raises(RigError, match=r"head\.npz"):
        LipRig.of_head(tmp_path / "head.npz")


def test_silence_too_short_to_rest_in_is_not_counted() -> None:
    phones = [Phone(0.0, 0.5, "aa"), Phone(0.5, 0.6, "sil"), Phone(0.6, 1.0, "aa")]
    figures = measure_lips([SpokenClip(phones, jaw_only(np.full(30, 9.0)), jaw_only(np.full(30, 9.0)))], a_rig())
    assert np.isnan(figures["rest"])
