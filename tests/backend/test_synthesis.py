# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from retake.backend.errors import OptionsError
from retake.backend.training import corpus
from retake.backend.training.corpus import make_corpus, read_sentences
from retake.backend.training.speech_folder import read_audio, read_speech_folder
from retake.backend.training.synthesizers import Utterance, Voice, installed_voices, synthesize

needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")


def test_sentences_name_their_books() -> None:
    text = corpus.SENTENCES.read_text(encoding="utf-8")
    assert "# Herman Melville, Moby Dick (1851)" in text
    assert len(read_sentences()) > 100
    assert not any(sentence.startswith("#") for sentence in read_sentences())


@needs_flite
def test_flite_tells_the_times_of_its_phones() -> None:
    spoken = synthesize(Voice("flite", "slt"), "My papa may buy a puppy.", 1.0, 1.0)
    names = [phone.name for phone in spoken.phones]
    assert names.count("p") == 4
    assert spoken.phones[0].start == 0.0
    assert spoken.phones[-1].end == pytest.approx(len(spoken.audio) / spoken.rate)
    assert all(a.end == pytest.approx(b.start) for a, b in pairwise(spoken.phones))


@needs_flite
def test_a_slower_voice_takes_longer() -> None:
    seconds = [len(synthesize(Voice("flite", "kal16"), "Call me.", pace, 1.0).audio) for pace in (0.8, 1.3)]
    assert seconds[1] > 1.3 * seconds[0]


def test_a_missing_synthesizer_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match="flite could not speak with its voice slt"):
        synthesize(Voice("flite", "slt"), "Call me Ishmael.", 1.0, 1.0)


@pytest.mark.skipif(not any(v.engine == "espeak" for v in installed_voices()), reason="espeak-ng is not installed")
def test_espeak_tells_the_times_of_its_phones() -> None:
    spoken = synthesize(Voice("espeak", "gmw/en-US"), "Bob may beam.", 1.0, 1.0)
    assert [phone.name for phone in spoken.phones if phone.name in "bm"] == ["b", "b", "m", "b", "m"]


@needs_flite
def test_a_corpus_grows_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "installed_voices", lambda: [Voice("flite", "kal16")])
    first = make_corpus(tmp_path, 4.0 / 3600)
    lines = (tmp_path / "phones.jsonl").read_text().splitlines()
    more = make_corpus(tmp_path, 12.0 / 3600)
    grown = (tmp_path / "phones.jsonl").read_text().splitlines()
    assert more > first == len(lines)
    assert grown[: len(lines)] == lines
    clips = read_speech_folder(tmp_path)
    assert sum(clip.seconds for clip in clips) >= 12.0
    assert len({json.loads(line)["file"] for line in grown}) == len(grown)
    assert len(read_audio(clips[0].path)) == pytest.approx(clips[0].seconds * 16000, abs=2)


def test_a_corpus_without_voices_or_hours_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpus, "installed_voices", lambda: [])
    with pytest.raises(OptionsError, match="espeak-ng"):
        make_corpus(tmp_path / "c", 1.0)
    monkeypatch.setattr(corpus, "installed_voices", lambda: [Voice("flite", "kal16")])
    with pytest.raises(OptionsError, match="0 hours"):
        make_corpus(tmp_path / "c", 0)
    assert not (tmp_path / "c").exists()


@pytest.mark.skipif(not any(v.engine == "foreign" for v in installed_voices()), reason="no foreign festival voice")
def test_a_foreign_voice_speaks_english_and_tells_what_is_heard() -> None:
    voice = next(voice for voice in installed_voices() if voice.engine == "foreign")
    spoken = synthesize(voice, "My papa may buy a puppy.", 1.0, 1.0)
    names = [phone.name for phone in spoken.phones]
    assert names.count("p") == 4
    assert names.count("ay") == 2  # its two sounds are one phone
    assert "ah" not in names
    assert spoken.phones[-1].end == pytest.approx(len(spoken.audio) / spoken.rate)
    loud = {phone.name: np.abs(_cut(spoken, phone.start, phone.end)).mean() for phone in spoken.phones}
    assert loud["aa"] > 3 * loud["sil"]


def _cut(spoken: Utterance, start: float, end: float) -> np.ndarray:
    return spoken.audio[int(start * spoken.rate) : int(end * spoken.rate)]
