# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from retake.backend.cli import run as main
from retake.backend.training.speech_folder import read_audio, read_speech_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Nine recordings by five speakers, one of whom speaks longest."""
    speech = tmp_path / "speech"
    speech.mkdir()
    rows = []
    for number, speaker in enumerate("aaaabbcde"):
        seconds = 1.0 + 0.1 * number
        audio = np.full(round(16000 * seconds), 0.01 * number, np.float32)
        soundfile.write(speech / f"{number}.flac", audio, 16000)
        phones = [[0.0, 0.4, "aa"], [0.4, seconds, "m"]]
        rows.append({"file": f"{number}.flac", "speaker": speaker, "seconds": seconds, "phones": phones})
    (speech / "phones.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return speech


def test_every_speaker_is_held_out_once_and_never_trained_on_there(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "folds"
    assert main(["folds", str(folder), "--out", str(out), "--count", "3"]) == 0
    held: list[str] = []
    for fold in ("1", "2", "3"):
        parts = {name: read_speech_folder(out / fold / name) for name in ("train", "held")}
        speakers = {name: {clip.speaker for clip in clips} for name, clips in parts.items()}
        assert not speakers["train"] & speakers["held"]
        assert sum(map(len, parts.values())) == 9
        held += speakers["held"]
        for clip in parts["held"]:
            assert read_audio(clip.path)[0] == pytest.approx(0.01 * int(clip.path.stem), abs=1e-4)
    assert sorted(held) == list("abcde")


@pytest.mark.parametrize(("count", "sentence"), [("1", "cannot be parted into 1"), ("6", "has 5 speakers")])
def test_folds_that_cannot_be_are_refused(
    folder: Path, tmp_path: Path, count: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["folds", str(folder), "--out", str(tmp_path / "folds"), "--count", count]) != 0
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "folds").exists()
