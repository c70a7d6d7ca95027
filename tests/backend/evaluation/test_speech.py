# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retake.backend.cli import run as main
from retake.backend.errors import InputError
from retake.backend.evaluation.lips import LipRig
from retake.backend.evaluation.speech import (
    Spoken,
    by_speaker,
    liveliness,
    noisy,
    spoken_silences,
    spread,
)
from retake.backend.protocol import CHANNEL_NAMES
from retake.backend.training.speech import Phone, read_phones
from retake.backend.training.speech_folder import Clip, read_audio, read_speech_folder
from retake.backend.training.teacher import perform

ASSETS = Path(__file__).parents[3] / "backend" / "assets"
PHONES = read_phones([(0.2 * n, 0.2 * n + 0.2, "m" if n % 2 else "aa") for n in range(60)], 12.0)


def spoken(speaker: str, takes: np.ndarray) -> Spoken:
    clip = Clip(Path("x.flac"), speaker, "made", 12.0, PHONES)
    own = np.stack([perform(PHONES, 12.0, seed=seed) for seed in range(2)])
    return Spoken(clip, takes, own, perform(PHONES, 12.0), np.random.default_rng(0).normal(size=360))


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
    assert groups["made"]["clips"] == 2
    assert groups["made"]["model"]["closure"] == groups["made"]["share"]["closure"] == 1.0
    assert groups["made"]["baselines"]["loudness"]["closure"] < 0.5


def test_noise_is_as_loud_as_asked_for_against_what_is_spoken(spoken_folder: Path, tmp_path: Path) -> None:
    clip = read_speech_folder(spoken_folder)[0]
    audio = read_audio(clip.path)
    speaking = np.concatenate(
        [audio[int(p.start * 16000) : int(p.end * 16000)] for p in clip.phones if p.name != "sil"]
    )
    for level in (36.0, 12.0):
        noise = read_audio(noisy(clip, level, tmp_path)) - audio
        assert 10 * np.log10((speaking**2).mean() / (noise**2).mean()) == pytest.approx(level, abs=0.2)


def test_a_word_labelled_silent_is_doubted(spoken_folder: Path) -> None:
    clip = read_speech_folder(spoken_folder)[0]
    assert spoken_silences(clip) == []
    start, end = clip.phones[1].start, clip.phones[5].end
    others = [phone for phone in clip.phones if not start <= phone.start < end]
    wrong = replace(clip, phones=sorted([*others, Phone(start, end, "sil")], key=lambda phone: phone.start))
    assert spoken_silences(wrong) == [Phone(start, end, "sil")]


def test_noise_costs_closures(spoken_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--takes", "1", "--json", str(spoken_folder / "r.json"), "--plot", str(spoken_folder / "r.png")]
    assert main(["evaluate", "noise", str(spoken_folder), *arguments]) == 0
    assert (spoken_folder / "r.png").read_bytes().startswith(b"\x89PNG")
    rows = json.loads((spoken_folder / "r.json").read_text())
    assert list(rows) == ["clean", "36 dB", "24 dB", "12 dB"]
    assert rows["12 dB"]["closure"] == pytest.approx(rows["clean"]["closure"] * (1 - rows["12 dB"]["closure_loss"]))
    assert rows["12 dB"]["gap_correlation"] < rows["clean"]["gap_correlation"]
    assert "closure_loss" in capsys.readouterr().out


def test_guidance_trades_spread_for_sync(spoken_folder: Path) -> None:
    plot = spoken_folder / "guidance.png"
    assert (
        main(["evaluate", "guidance", str(spoken_folder), "--json", str(spoken_folder / "r.json"), "--plot", str(plot)])
        == 0
    )
    rows = json.loads((spoken_folder / "r.json").read_text())
    assert rows["0"]["closure"] < rows["1"]["closure"]  # without audio nothing closes in time
    assert rows["2"]["spread_lip_gap_mm"] < rows["0.5"]["spread_lip_gap_mm"]
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_takes_are_told_beside_the_teachers(spoken_folder: Path) -> None:
    assert main(["evaluate", "takes", str(spoken_folder), "--takes", "2", "--json", str(spoken_folder / "r.json")]) == 0
    rows = json.loads((spoken_folder / "r.json").read_text())
    assert set(rows["model"]) >= {"lip_gap_mm", "brow", "blink", "neck_deg", "blinks", "neck_sd_deg"}
    assert set(rows["model"]) >= {"lip_sync_mm", "div_lips_mm", "div_head_rad", "beat_align"}
    assert 0.0 < rows["teacher"]["lip_sync_mm"] < 2.0
    assert rows["share"]["neck_deg"] == pytest.approx(rows["model"]["neck_deg"] / rows["teacher"]["neck_deg"])


def test_blinks_and_turns_are_counted() -> None:
    takes = np.zeros((2, 1800, 55), np.float32)  # a minute each
    lid = CHANNEL_NAMES.index("eyeBlinkLeft")
    for start in range(100, 1700, 160):
        takes[0, start : start + 5, lid] = 0.9
    takes[:, ::2, CHANNEL_NAMES.index("head_rotation.y")] = np.deg2rad(4.0)
    assert liveliness([takes]) == pytest.approx({"blinks": 5.0, "neck_sd_deg": 2.0}, rel=1e-4)


def test_the_command_measures_a_folder(spoken_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "speech", str(spoken_folder), "--takes", "2", "--json", str(tmp_path / "r.json")]) == 0
    figures = json.loads((tmp_path / "r.json").read_text())
    assert figures["clips"] == 1
    assert figures["model"]["closure"] > figures["baselines"]["loudness"]["closure"]
    assert figures["spread"]["lip_gap_mm"] > 0.1
    assert np.isnan(figures["baselines"]["other_clip"]["closure"])  # there is no other
    assert "loudness" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "sentence"), [("r.txt", "cannot be drawn into 'r.txt'"), ("no/r.png", "no")])
def test_a_plot_that_cannot_be_drawn_is_told_before_the_work(
    spoken_folder: Path, name: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "noise", str(spoken_folder), "--plot", str(spoken_folder / name)]) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert not shown.out


def test_a_recording_without_words_is_measured_beside_others(spoken_folder: Path) -> None:
    clip = read_speech_folder(spoken_folder)[0]
    silent = replace(clip, phones=[Phone(0.0, clip.seconds, "sil")])
    assert spoken_silences(silent) == []
    with pytest.raises(InputError, match="Nothing is spoken"):
        noisy(silent, 24.0, spoken_folder)


def test_a_folder_that_is_not_speech_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "speech", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
