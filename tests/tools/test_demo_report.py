# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's figures, from tracks whose measures are known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from retake.backend.protocol import CHANNEL_NAMES, HEAD_ROTATION
from retake.tools.demo import SAMPLE
from retake.tools.demo_plan import SMILE, TURN
from retake.tools.demo_report import Shown, make_report

FPS, FIRST, LAST = 24.0, 1, 129  # the sample's frames
KEYS = [40, 58, 93]
CHANNEL_SD = np.full(len(CHANNEL_NAMES), 0.1)
TABLE = {"24": 0.5, "30": 0.4, "60": 0.1}


def shown(offset: float = 0.0) -> Shown:
    """Two takes that hold the demo's keys, the second `offset` above the first elsewhere."""
    frames = np.arange(FIRST - 27, LAST + 28)
    tracks = np.zeros((2, len(frames), len(CHANNEL_NAMES)))
    tracks[1] += offset
    held = slice(KEYS[0] - frames[0], KEYS[1] - frames[0] + 1)
    for name, weight in SMILE.items():
        tracks[:, held, CHANNEL_NAMES.index(name)] = weight
    for name, angle in zip(HEAD_ROTATION, TURN, strict=True):
        tracks[:, KEYS[2] - frames[0], CHANNEL_NAMES.index(name)] = angle
    arrays = {
        "frames": frames,
        "tracks": tracks,
        "given_times": np.array([1.0]),
        "given_channels": np.array([3]),
        "given_values": np.array([0.5]),
        "given_raw": np.array([[0.45], [0.55]]),
    }
    facts = {
        "clock": (FPS, 1.0),
        "span": (-1.0, 6.34),
        "audio_seconds": 5.34,
        "key_frames": KEYS,
        "frame_start": FIRST,
        "frame_end": LAST,
        "blender": "0.0",
        "backend": {"peak_mib": 321.0},
        "seconds": {"generate": 1.5},
        "backend_seconds": {"face": 0.25},
    }
    return Shown(arrays, facts)


def test_exact_keys_have_no_error() -> None:
    report = make_report(shown(), SAMPLE, CHANNEL_SD, TABLE)
    assert report["key_error_max"] == pytest.approx(0.0, abs=1e-9)
    assert report["raw_sd"] == pytest.approx(0.5)
    assert report["take_difference_mean"] == 0.0
    assert report["key_frames"] == KEYS
    assert report["backend_peak_mib"] == 321.0
    assert (report["seconds_generate"], report["seconds_update_face"]) == (1.5, 0.25)


@pytest.mark.parametrize("channel", ["browInnerUp", "head_rotation.y"])
def test_a_key_that_is_missed_in_one_take_shows(channel: str) -> None:
    missed = shown()
    row = (KEYS[0] if channel in SMILE else KEYS[2]) - missed.arrays["frames"][0]
    missed.arrays["tracks"][1, row, CHANNEL_NAMES.index(channel)] += 0.03
    error = make_report(missed, SAMPLE, CHANNEL_SD, TABLE)["key_error_max"]
    assert error == pytest.approx(0.03, rel=0.05)  # a rotation's angle is not quite its component's


def test_a_frame_of_the_held_pose_that_is_missed_shows() -> None:
    missed = shown()
    row = (KEYS[0] + KEYS[1]) // 2 - missed.arrays["frames"][0]
    missed.arrays["tracks"][0, row, CHANNEL_NAMES.index("mouthSmileLeft")] -= 0.2
    assert make_report(missed, SAMPLE, CHANNEL_SD, TABLE)["key_error_max"] == pytest.approx(0.2)


def test_takes_that_differ() -> None:
    report = make_report(shown(offset=0.2), SAMPLE, CHANNEL_SD, TABLE)
    assert report["take_difference_mean"] == pytest.approx(0.1, rel=0.05)
    assert report["take_difference_neck_degrees"] > 5.0  # type: ignore[operator]


def test_silence_beside_the_recording_does_not_make_takes_alike() -> None:
    differing = shown(offset=0.2)
    beside = (differing.arrays["frames"] < FIRST) | (differing.arrays["frames"] > LAST)
    differing.arrays["tracks"][:, beside] = 0.0
    alike = make_report(differing, SAMPLE, CHANNEL_SD, TABLE)["take_difference_mean"]
    assert alike == make_report(shown(offset=0.2), SAMPLE, CHANNEL_SD, TABLE)["take_difference_mean"]


def test_seams_are_compared_with_the_teacher_on_known_phones() -> None:
    assert make_report(shown(), SAMPLE, CHANNEL_SD, TABLE)["seam_reference"] == "the teacher's takes of this recording"


def test_seams_of_other_recordings_use_the_models_table(tmp_path: Path) -> None:
    other = tmp_path / "other.flac"
    shutil.copy(SAMPLE, other)
    report = make_report(shown(), other, CHANNEL_SD, TABLE)
    halved = make_report(shown(), other, CHANNEL_SD, {name: value / 2 for name, value in TABLE.items()})
    assert "other recordings" in str(report["seam_reference"])
    assert halved["seam_ratio"] == pytest.approx(2 * report["seam_ratio"], rel=1e-3)  # type: ignore[operator]


def test_the_report_is_flat_json() -> None:
    report = make_report(shown(), SAMPLE, CHANNEL_SD, TABLE)
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert not [value for value in report.values() if isinstance(value, dict)]
