# SPDX-License-Identifier: GPL-3.0-or-later
"""What is keyed for the measures in Blender, and the measures themselves on shots that are made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retake.backend.evaluation.editing import TEACHER_SEED, Edit
from retake.backend.evaluation.lips import LipRig
from retake.backend.protocol import CHANNEL_NAMES, CONTROL_NAMES
from retake.backend.training.speech import Phone
from retake.backend.training.speech_folder import Clip
from retake.backend.training.teacher import perform
from retake.tools.measure_plan import EDIT_RATE, edited, given_values, lips
from retake.tools.measure_scene import FIRST_FRAME

SECONDS = 4.0
WORDS = ("m", "aa", "b", "iy", "f", "ae", "p", "ao", "v", "eh", "m", "uw")
PHONES = [Phone(0.4 + 0.25 * n, 0.65 + 0.25 * n, name) for n, name in enumerate(WORDS)]
PHONES = [Phone(0.0, 0.4, "sil"), *PHONES, Phone(PHONES[-1].end, SECONDS, "sil")]
CLIP = Clip(path=Path("made.flac"), seconds=SECONDS, phones=PHONES, speaker="one", set="made")
SD = np.full(len(CHANNEL_NAMES), 0.1)
BESIDE = 2  # frames before the first of the recording


def played(fps: int, phase: float, late: float = 0.0) -> np.ndarray:
    """The rule at scene frames from `BESIDE` before the recording on, perhaps some seconds late."""
    fine = perform(PHONES, SECONDS, 240)
    times = (np.arange(int(SECONDS * fps) + BESIDE) - BESIDE - phase) / fps - late
    rows: np.ndarray = fine[np.clip(np.round(times * 240).astype(int), 0, len(fine) - 1)]
    return rows


def lip_shot(phase: float, late: float = 0.0) -> tuple[Clip, dict[str, Any], dict[str, Any]]:
    rows = played(24, phase, late)
    model = np.concatenate([np.zeros((30, len(CHANNEL_NAMES)), np.float32), perform(PHONES, SECONDS)])
    arrays = {
        "frames": np.arange(len(rows)) + FIRST_FRAME - BESIDE,
        "gap": LipRig.of_head().gap(rows) / 1000.0,
        "model": model,
        "model_start": np.array(-30),
    }
    return CLIP, {"phase": phase, "fps": 24}, arrays


@pytest.mark.parametrize("phase", [0.0, 0.25, 0.5, 0.75])
def test_lips_that_are_shown_in_time_score_as_the_model_does(phase: float) -> None:
    figures = lips([lip_shot(phase)])
    assert figures["model_closure"] == 1.0
    assert figures["mesh_closure"] == pytest.approx(1.0, abs=0.26)  # a closure between two frames may be lost here
    assert figures["mesh_fv_auc"] == pytest.approx(figures["model_fv_auc"], abs=0.1)


def test_lips_that_are_shown_late_score_less() -> None:
    figures = lips([lip_shot(0.25, late=0.25)])
    assert figures["model_closure"] == 1.0
    assert figures["mesh_closure"] < 0.3


@pytest.mark.parametrize("phase", [0.0, 0.25, 0.5, 0.75])
@pytest.mark.parametrize("moved", [False, True])
def test_given_values_are_the_teachers_at_the_time_of_their_frame(phase: float, moved: bool) -> None:
    mask, values = given_values(Edit("edit", keys_a_second=1, moved=moved), CLIP, 3, phase, SD)
    assert mask.shape == values.shape == (int(SECONDS * EDIT_RATE), len(CHANNEL_NAMES))
    given = np.flatnonzero(mask.any(axis=1))
    assert len(given) == pytest.approx(SECONDS, abs=1)
    fine = perform(PHONES, SECONDS, 960, seed=TEACHER_SEED + 3)
    for row in given[1:-1]:
        wanted = fine[round((row - phase) / EDIT_RATE * 960)]
        away = values[row] - wanted
        np.testing.assert_allclose(np.abs(away), 0.2 if moved else 0.0, atol=0.05)
    if moved:
        assert {*np.sign(values[given[1]] - fine[round((given[1] - phase) / EDIT_RATE * 960)])} == {-1.0, 1.0}


def edit_shot(error: float = 0.0, jump: float = 0.0) -> tuple[Clip, dict[str, Any], dict[str, Any]]:
    """Still channels with two keys, of which one may be missed or stand out of the curve."""
    frames, channels = int(SECONDS * EDIT_RATE), len(CHANNEL_NAMES)
    mask, keyed = np.zeros((frames, channels), bool), np.zeros((frames, channels))
    mask[[20, 60]] = True
    keyed[60, : len(CONTROL_NAMES)] = jump
    tracks = np.zeros((frames + 2 * BESIDE, channels))
    tracks[BESIDE : BESIDE + frames] = keyed
    tracks[BESIDE + 20, 3] += error
    count = 2 * channels
    arrays = {
        "mask": mask,
        "keyed": keyed,
        "tracks": tracks,
        "frames": np.arange(len(tracks)) + FIRST_FRAME - BESIDE,
        "edges": np.array([FIRST_FRAME, FIRST_FRAME + frames - 1.0]),
        "given_raw": np.full((1, count), 0.05),
        "given_values": np.zeros(count),
        "given_channels": np.tile(np.arange(channels), 2),
    }
    return CLIP, {"clip": 3, "fps": EDIT_RATE}, arrays


def test_edits_are_judged_at_their_keys() -> None:
    whole, face = slice(0, len(CHANNEL_NAMES)), slice(0, len(CONTROL_NAMES))
    met = edited([edit_shot()], whole, SD)
    assert met["key_error_max"] == 0.0
    assert met["seam_ratio"] == 0.0
    assert met["raw_sd"] == pytest.approx(0.5)  # 0.05 of a standard deviation of 0.1
    assert edited([edit_shot(error=0.07)], whole, SD)["key_error_max"] == pytest.approx(0.07)
    jumped = edited([edit_shot(jump=0.5)], face, SD)
    assert jumped["seam_ratio"] > 1.5
    assert jumped["seam_ratio"] > 3 * jumped["spline_seam_ratio"]
    assert edited([edit_shot(jump=0.5)], slice(len(CONTROL_NAMES), len(CHANNEL_NAMES)), SD)["seam_ratio"] == 0.0
