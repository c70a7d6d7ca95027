# SPDX-License-Identifier: GPL-3.0-or-later
"""Real alignments of the recording that ships, whose phone times its synthesizer told."""

from __future__ import annotations

import json
import shutil
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from retake.backend.errors import InputError
from retake.backend.training import align
from retake.backend.training.align import Aligner, AlignmentError, align_folder, read_transcripts, words_of
from retake.backend.training.speech import Phone, read_phones
from retake.backend.training.speech_folder import read_audio, read_speech_folder

SAMPLE = Path(__file__).parents[2] / "backend" / "assets" / "sample.flac"
TOLD = json.loads(SAMPLE.with_suffix(".json").read_text())


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    return Aligner()


def starts_apart(found: list[Phone], told: list[Phone]) -> list[float]:
    """Differences in s of the starts of the phones that both name alike."""
    names = [[phone.name for phone in phones] for phones in (found, told)]
    blocks = SequenceMatcher(None, names[0], names[1], autojunk=False).get_matching_blocks()
    return [found[b.a + k].start - told[b.b + k].start for b in blocks for k in range(b.size)]


def test_phones_are_found_where_they_are_heard(aligner: Aligner) -> None:
    found = aligner.align(read_audio(SAMPLE), TOLD["text"])
    apart = starts_apart(found, read_phones(TOLD["phones"], TOLD["seconds"]))
    assert len(apart) > 30
    assert abs(np.median(apart)) < 0.012
    assert np.percentile(np.abs(apart), 90) < 0.05


def test_phones_cover_the_recording(aligner: Aligner) -> None:
    found = aligner.align(read_audio(SAMPLE), TOLD["text"])
    assert found[0].start == 0.0
    assert found[-1].end == pytest.approx(TOLD["seconds"], abs=1e-3)
    assert all(a.end == pytest.approx(b.start) for a, b in pairwise(found))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Nobody ever spoke these other words about a purple elephant.", "not those of the recording|do not fit"),
        ("In 1984 we moved.", "write numbers as words"),
        ("...", "no words"),
    ],
)
def test_what_cannot_be_aligned_says_why(aligner: Aligner, text: str, sentence: str) -> None:
    with pytest.raises(AlignmentError, match=sentence):
        aligner.align(read_audio(SAMPLE), text)


@pytest.fixture
def no_flite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No program is found, flite neither."""
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_flite_guesses_what_no_dictionary_has() -> None:
    aligner = Aligner()
    found = aligner.align(read_audio(SAMPLE), TOLD["text"].replace("Maybe", "Mayby"))
    assert next(phone.name for phone in found if phone.name != "sil") == "m"
    assert list(aligner.guessed) == ["mayby"]


@pytest.mark.usefixtures("no_flite")
def test_a_word_nobody_knows_is_named() -> None:
    with pytest.raises(AlignmentError, match="no pronunciation of brillig, toves"):
        Aligner().align(read_audio(SAMPLE), "Brillig moves the toves")


@pytest.mark.usefixtures("no_flite")
def test_a_lexicon_teaches_words(tmp_path: Path) -> None:
    lexicon = tmp_path / "words.txt"
    lexicon.write_text("mayby M EY1 B IY0\n")
    found = Aligner(lexicon).align(read_audio(SAMPLE), TOLD["text"].replace("Maybe", "Mayby"))
    assert [phone.name for phone in found if phone.name != "sil"][:4] == ["m", "ey", "b", "iy"]


def test_a_lexicon_that_is_none_is_refused(tmp_path: Path) -> None:
    lexicon = tmp_path / "words.txt"
    lexicon.write_text("good G UH D\nmayby M XX\n")
    with pytest.raises(InputError, match="Line 2 of"):
        Aligner(lexicon)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two recordings that fit their words and one that does not, in the three layouts that are known."""
    made = tmp_path / "speech"
    (made / "anna").mkdir(parents=True)
    shutil.copy(SAMPLE, made / "anna" / "one.flac")
    (made / "anna" / "one.txt").write_text(TOLD["text"])
    (made / "19" / "198").mkdir(parents=True)
    audio, rate = soundfile.read(SAMPLE)
    soundfile.write(made / "19" / "198" / "19-198-0000.wav", audio, rate)
    (made / "19" / "198" / "19-198.trans.txt").write_text(f"19-198-0000 {TOLD['text'].upper()}\n19-198-0001 GONE\n")
    (made / "listed.txt").write_text("no recording has this name")
    shutil.copy(SAMPLE, made / "three.flac")
    rows = [{"file": "three.flac", "text": "Nothing of this was ever recorded by anyone at all.", "speaker": "bo"}]
    (made / "transcripts.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return made


def test_transcripts_of_every_layout_are_found(folder: Path) -> None:
    found = {one.name: one.speaker for one in read_transcripts(folder)}
    assert found == {"three.flac": "bo", "19/198/19-198-0000.wav": "19", "anna/one.flac": "anna"}


def test_an_aligned_folder_can_be_trained_on(folder: Path, tmp_path: Path) -> None:
    report = align_folder(folder, tmp_path / "out")
    assert (report.aligned, list(report.dropped)) == (2, ["three.flac"])
    clips = read_speech_folder(tmp_path / "out")
    assert {clip.speaker for clip in clips} == {"anna", "19"}
    assert all(len(read_audio(clip.path)) == pytest.approx(16000 * clip.seconds, abs=2) for clip in clips)
    assert report.seconds == pytest.approx(sum(clip.seconds for clip in clips))


def test_a_second_run_goes_on_where_the_first_stopped(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = align_folder(folder, out)
    index = (out / "phones.jsonl").read_text()
    shutil.copy(SAMPLE, folder / "anna" / "two.flac")
    (folder / "anna" / "two.txt").write_text(TOLD["text"])
    second = align_folder(folder, out)
    assert (out / "phones.jsonl").read_text().startswith(index)
    assert (second.aligned, second.dropped) == (first.aligned + 1, first.dropped)


def test_a_folder_without_text_is_refused(tmp_path: Path) -> None:
    shutil.copy(SAMPLE, tmp_path / "one.flac")
    with pytest.raises(InputError, match=r"no recordings with text.*x\.txt"):
        align_folder(tmp_path, tmp_path / "out")


def phones_of(*spoken: tuple[str, float]) -> list[Phone]:
    """Phones of some lengths, one after the other."""
    ends = np.cumsum([seconds for _, seconds in spoken])
    return [Phone(float(end) - seconds, float(end), name) for (name, seconds), end in zip(spoken, ends, strict=True)]


@pytest.mark.parametrize(
    ("phones", "fault"),
    [
        (phones_of(("m", 0.08), ("aa", 0.12), ("p", 0.07)), None),
        (phones_of(("m", 0.08), ("aa", 0.9)), "a aa of 0.90 s"),
        (phones_of(("m", 0.08), ("s", 0.5), ("aa", 0.1)), "a s of 0.50 s"),
        (phones_of(*[("t", 0.03)] * 5, ("aa", 0.1)), "as short as can be"),
        (phones_of(("sil", 2.0)), "nothing is spoken"),
    ],
)
def test_what_nobody_speaks_is_recognised(phones: list[Phone], fault: str | None) -> None:
    found = align.implausible(phones)
    assert found is None if fault is None else fault in (found or "")


@given(st.text(alphabet=st.characters(exclude_categories=["Nd", "Cs"]), max_size=60))
def test_words_are_letters_and_apostrophes(text: str) -> None:
    try:
        words = words_of(text)
    except AlignmentError:
        return
    assert all(word and set(word) <= set("abcdefghijklmnopqrstuvwxyz'") for word in words)
