# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from retake.backend.cli import run as main
from retake.backend.evaluation.lips import LipRig
from retake.backend.evaluation.speech import Spoken, by_speaker, spread
from retake.backend.protocol import CHANNEL_NAMES
from retake.backend.training.speech import read_phones
from retake.backend.training.speech_folder import Clip
from retake.backend.training.teacher import perform

ASSETS = Path(__file__).parents[3] / "backend" / "assets"
PHONES = read_phones([(0.2 * n, 0.2 * n + 0.2, "m" if n % 2 else "aa") for n in range(60)], 12.0)


def spoken(speaker: str, takes: np.ndarray) -> Spoken:
    clip = Clip(Path("x.flac"), speaker, "made", 12.0, PHONES)
    own = np.stack([perform(PHONES, 12.0, seed=seed) for seed in range(2)])
    return Spoken(clip, takes, own, perform(PHONES, 12.0))


def test_spread_of_the_teacher_is_its_own() -> None:
    one = spoken("a", np.stack([perform(PHONES, 12.0, seed=seed) for seed in range(2)]))
    figures = spread([one], LipRig.of_head())
    for name in ("lip_gap_mm", "brow", "neck_deg"):
        assert figures[name] == pytest.approx(figures[f"teacher_{name}"])
        assert figures[name] > 0


def test_spread_of_equal_takes_is_nothing() -> None:
    takes = np.repeat(perform(PHONES, 12.0)[None], 3, axis=0)
    assert spread([spoken("a", takes)], LipRig.of_head())["lip_gap_mm"] == pytest.approx(0.0, abs=1e-5)
    assert spread([spoken("a", takes[:1])], LipRig.of_head()) == {}


def test_known_spread_in_degrees() -> None:
    takes = np.zeros((2, 360, 55), np.float32)
    takes[1, :, CHANNEL_NAMES.index("head_rotation.x") :] = np.deg2rad(2.0)
    figures = spread([spoken("a", takes)], LipRig.of_head())  # each take is half the angle from the mean of both
    assert figures["neck_deg"] == pytest.approx(np.sqrt(3.0), rel=1e-3)


def test_the_recording_whose_takes_differ_least_is_told() -> None:
    differing, alike = np.stack([perform(PHONES, 12.0, seed=seed) for seed in range(2)]), np.zeros((2, 120, 55))
    figures = spread([spoken("a", differing), spoken("b", alike.astype(np.float32))], LipRig.of_head())
    assert figures["least_lip_gap_mm"] == pytest.approx(0.0, abs=1e-6)
    assert figures["lip_gap_mm"] == pytest.approx(
        spread([spoken("a", differing)], LipRig.of_head())["lip_gap_mm"] * 360 / 480, rel=1e-5
    )


def test_speakers_with_few_closures_are_pooled_only() -> None:
    rule = perform(PHONES, 12.0)[None]
    groups = by_speaker([spoken("a", rule), spoken("b", rule)], LipRig.of_head())
    assert set(groups) == {"a", "b", "made"}
    assert groups["made"]["closure"] == 1.0


def test_the_command_measures_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = json.loads((ASSETS / "sample.json").read_text())
    audio, rate = soundfile.read(ASSETS / "sample.flac")
    soundfile.write(tmp_path / "sample.flac", audio, rate)
    row = {"file": "sample.flac", "seconds": len(audio) / rate, "phones": sample["phones"], "speaker": "sample"}
    (tmp_path / "phones.jsonl").write_text(json.dumps(row))
    assert main(["evaluate", "speech", str(tmp_path), "--takes", "2", "--json", str(tmp_path / "r.json")]) == 0
    figures = json.loads((tmp_path / "r.json").read_text())
    assert figures["clips"] == 1
    assert figures["model"]["closure"] > figures["baselines"]["loudness"]["closure"]
    assert figures["spread"]["lip_gap_mm"] > 0.1
    assert "loudness" in capsys.readouterr().out


def test_a_folder_that_is_not_speech_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "speech", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
