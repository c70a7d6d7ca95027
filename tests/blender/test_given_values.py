# SPDX-License-Identifier: GPL-3.0-or-later
"""Given values come back exactly on every take, at every frame rate, sub-frame keys included."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
import pytest

from retake.addon import compat
from retake.addon.core.client import find_python
from retake.addon.scene.audio import find_strip

from .helpers import Stage

ROOT = Path(__file__).resolve().parents[2]
EARLY, LATE = 3, 592  # s
RATES = {
    "23.976": (24, 1.001),
    "24": (24, 1.0),
    "25": (25, 1.0),
    "29.97": (30, 1.001),
    "30": (30, 1.0),
    "50": (50, 1.0),
    "60": (60, 1.0),
}


def set_given(stage: Stage, first: float) -> dict[str, list[tuple[float, float]]]:
    """Keys that no take has, on whole frames and between them; returns channel -> (frame, value)."""
    given = {
        "mouthSmileLeft": [(first + 10, 0.9), (first + 17.4, -0.1)],
        "jawOpen": [(first + 12.25, 1.1)],
        "browInnerUp": [(first + 20.5, 0.8), (first + 21.3, 0.1)],
        "eyeBlinkRight": [(first + 15, 1.0)],
    }
    for channel, keys in given.items():
        for frame, value in keys:
            stage.key_value(channel, frame, value)
    return given


def worst(stage: Stage, given: dict[str, list[tuple[float, float]]]) -> float:
    return max(
        float(np.abs(stage.at(channel, [frame for frame, _ in keys]) - [value for _, value in keys]).max())
        for channel, keys in given.items()
    )


@pytest.mark.parametrize("rate", RATES)
def test_given_values_are_exact_on_every_take(make_stage: Callable[..., Stage], rate: str) -> None:
    stage = make_stage(frame=7, fps=RATES[rate][0], fps_base=RATES[rate][1])
    given = set_given(stage, 7)
    stage.neck.rotation_mode = "QUATERNION"
    stage.neck.rotation_quaternion = (0.9689, 0.0, 0.2474, 0.0)
    stage.neck.keyframe_insert("rotation_quaternion", frame=18.3)
    turned = stage.tracks([18.3])
    stage.generate(count=2, parts={"MOUTH", "UPPER_FACE", "EYES", "HEAD"})
    for take in (1, 2):
        bpy.ops.retake.show_take(take=take)
        assert worst(stage, given) <= 1e-5
        for name in stage.neck_ids():
            assert abs(stage.at(name, [18.3])[0] - turned[name][0]) <= 1e-5
        for channel, keys in given.items():
            ours = stage.generated(channel)
            assert min(abs(ours[:, None] - [frame for frame, _ in keys]).min(axis=0)) > 0.499
            assert len(ours) > 20


def test_the_evaluated_scene_shows_the_given_values(stage: Stage) -> None:
    given = set_given(stage, 1)
    stage.generate(count=1)
    for channel, keys in given.items():
        for frame, value in keys:
            assert abs(stage.weights(frame)[channel] - value) <= 1e-5


@pytest.mark.skipif(not compat.has_audio(), reason="this bpy was built without Audaspace: no strip to move and trim")
def test_a_shot_that_starts_late_with_a_trimmed_strip(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(frame=1013)
    scene = stage.scene
    scene.frame_start, scene.frame_end = 1001, 1100
    strip = find_strip(scene, stage.record.uid)
    trim = "left_handle_offset" if hasattr(strip, "left_handle_offset") else "frame_offset_start"
    setattr(strip, trim, round(0.7 * 24))
    for frame, value in ((1003, 0.3), (1032.5, 0.8), (1090, 0.2)):
        stage.key_value("mouthSmileLeft", frame, value)
    before = stage.at("mouthSmileLeft", np.arange(990, 1029, 0.25))
    stage.generate(count=2)
    first, last = 1013 + 17, 1013 + 48 + 24
    for take in (1, 2):
        bpy.ops.retake.show_take(take=take)
        assert np.abs(stage.at("mouthSmileLeft", [1003, 1032.5, 1090]) - [0.3, 0.8, 0.2]).max() <= 1e-5
        ours = stage.generated("mouthSmileLeft")
        assert (ours.min(), ours.max()) == (first, last)
        assert np.abs(stage.at("mouthSmileLeft", np.arange(990, 1029, 0.25)) - before).max() <= 1e-6


@pytest.fixture(scope="module")
def ten_minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes of silence with the same spoken sentence near the start and near the end."""
    path = tmp_path_factory.mktemp("audio") / "ten.wav"
    program = (
        "import sys, numpy as np, soundfile\n"
        "speech, rate = soundfile.read(sys.argv[1])\n"
        "long = 1e-4 * np.random.default_rng(0).normal(size=600 * rate)\n"
        "for second in map(int, sys.argv[3:]):\n"
        "    long[second * rate : second * rate + len(speech)] += speech\n"
        "soundfile.write(sys.argv[2], long, rate)\n"
    )
    command = [str(find_python("", ROOT)), "-c", program, str(ROOT / "backend" / "assets" / "sample.flac"), str(path)]
    subprocess.run([*command, str(EARLY), str(LATE)], check=True)
    return path


@pytest.mark.parametrize("rate", RATES)
def test_lips_stay_in_step_with_the_audio_for_ten_minutes(
    make_stage: Callable[..., Stage], ten_minutes: Path, rate: str
) -> None:
    """The lips of a sentence near the end stand where those of the same sentence near the start do."""
    fps = RATES[rate][0] / RATES[rate][1]
    stage = make_stage(frame=1, fps=RATES[rate][0], fps_base=RATES[rate][1], audio=ten_minutes)
    assert (stage.scene.render.fps, stage.scene.render.fps_base) == pytest.approx(RATES[rate])
    stage.scene.use_preview_range = True
    for second in (EARLY, LATE):
        stage.scene.frame_preview_start = round(1 + (second - 1) * fps)
        stage.scene.frame_preview_end = round(1 + (second + 6.3) * fps)
        stage.generate(count=1, range_mode="PREVIEW")
    seconds = np.arange(0.2, 5.1, 1 / 120)

    def opening(second: float) -> np.ndarray:
        frames = 1 + (second + seconds) * fps
        return stage.at("jawOpen", frames) - stage.at("mouthClose", frames)

    early, lags = opening(EARLY), np.arange(-3.0, 3.01, 0.05)  # frames
    likeness = [np.corrcoef(opening(LATE + lag / fps), early)[0, 1] for lag in lags]
    assert max(likeness) > 0.85
    assert abs(lags[int(np.argmax(likeness))]) <= 0.5


@pytest.mark.skipif(not compat.has_audio(), reason="this bpy was built without Audaspace: no strip that plays")
@pytest.mark.parametrize("rate", RATES)
def test_the_strip_plays_ten_minutes_as_long_as_they_are(
    make_stage: Callable[..., Stage], ten_minutes: Path, rate: str
) -> None:
    stage = make_stage(frame=1, fps=RATES[rate][0], fps_base=RATES[rate][1], audio=ten_minutes)
    first, last = compat.strip_edges(find_strip(stage.scene, stage.record.uid))
    assert first == 1
    assert abs(last - first - 600 * RATES[rate][0] / RATES[rate][1]) <= 1  # a strip ends on a whole frame
    assert stage.scene.sync_mode == "AUDIO_SYNC"


def test_other_channels_stay_free(stage: Stage) -> None:
    """A key constrains its own channel, no more: keying a blink leaves the mouth free."""
    stage.key_value("eyeBlinkLeft", 20, 1.0)
    stage.generate(count=1)
    assert 20 in stage.generated("jawOpen")
    assert 20 not in stage.generated("eyeBlinkLeft")
