# SPDX-License-Identifier: GPL-3.0-or-later
"""Forced alignment: recordings with text to recordings with phone times, by pocketsphinx and its English model.

The folder that comes out has the layout that `speech_folder` reads. What cannot be aligned, or is aligned in a way
that no speaker speaks, is left out and listed: a wrong label teaches the mouth to be wrong.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from tqdm import tqdm

from ..audio.log_mel import SAMPLE_RATE
from ..errors import AudioError, InputError, PackageError
from ..models.phones import SILENCE, VOWELS, phone_name
from ..outputs import make_folder, writing
from .speech import Phone, read_phones
from .speech_folder import read_audio, read_lines, unreadable_line
from .synthesizers import guessed_phones

ALIGNER_LEAD = 0.006
"""Seconds by which pocketsphinx's phones start before they are heard.

Measured with sentences whose phone times flite and festival tell: the median over 2,200 phones of 50 sentences is -7 ms
with flite and -2 ms with festival, half of all starts lie within 9 ms of it. Its frames are named by where their
window begins.
"""

SOUNDS = (".flac", ".wav", ".ogg", ".mp3")
_PADS = (0.0, 0.005, 0.012, 0.03, 0.1)  # s of silence before the recording, tried in turn
_BEAMS = {"beam": 1e-80, "pbeam": 1e-80, "wbeam": 1e-60}  # wide: the usual ones lose some right words on the way
_LEAST_SCORE = -28.0
"""Mean acoustic score a frame under which the words are not those of the recording.

Measured on 23 recordings of LibriSpeech, VCTK and Kathleen: -18 to -6 with their own words; with those of another
recording half cannot be aligned at all, the others score -70 to -38.
"""
_TAIL = 0.2  # s of silence behind it
_FRAME = 0.01  # s
_LONGEST = {"vowel": 0.6, "consonant": 0.45}  # s a phone may last
_HURRIED = 0.45  # share of phones at the aligner's least length: above it, the text does not fit
_LEAST_FRAMES = 3
_WORD = 5  # phones of a made-up word
_RATES = (4.0, 25.0)  # phones a second of speech

Samples = NDArray[np.float32]


class AlignmentError(ValueError):
    """A recording that cannot be aligned; the message says why."""


@dataclass(frozen=True)
class Transcript:
    """A recording and what is said in it."""

    path: Path
    name: str  # of the recording in its folder
    speaker: str
    text: str


@dataclass(frozen=True)
class Report:
    """What became of a folder."""

    aligned: int
    seconds: float
    dropped: dict[str, str]  # name of the recording -> why
    guessed: dict[str, str]  # word that no dictionary has -> how it was taken to sound


def read_transcripts(folder: Path) -> list[Transcript]:
    """Find recordings and their text: `x.flac` beside `x.txt`, LibriSpeech's `*.trans.txt`, or `transcripts.jsonl`.

    A line of `transcripts.jsonl` has `file` and `text`, and may have `speaker`; elsewhere the name of the folder that
    a recording lies in is its speaker, or the first of LibriSpeech's numbers.

    Raises:
        InputError: There is none, or an index cannot be read.
    """
    found = [*_indexed(folder), *_librispeech(folder), *_beside(folder)]
    if not found:
        raise InputError(
            f"{folder} holds no recordings with text.",
            "Put the words of x.flac into x.txt beside it, or list file and text in transcripts.jsonl.",
        )
    return list({one.path: one for one in reversed(found)}.values())[::-1]


def _indexed(folder: Path) -> Iterator[Transcript]:
    index = folder / "transcripts.jsonl"
    for number, line in enumerate(read_lines(index) if index.is_file() else [], 1):
        try:
            row = json.loads(line)
            path = folder / str(row["file"])
            yield Transcript(path, str(row["file"]), str(row.get("speaker") or path.parent.name), str(row["text"]))
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable_line(index, number, error) from error


def _librispeech(folder: Path) -> Iterator[Transcript]:
    for index in sorted(folder.rglob("*.trans.txt")):
        for line in read_lines(index):
            stem, _, text = line.partition(" ")
            path = _sound(index.parent / stem)
            if path is not None:
                yield Transcript(path, path.relative_to(folder).as_posix(), stem.split("-")[0], text)


def _beside(folder: Path) -> Iterator[Transcript]:
    for words in sorted(folder.rglob("*.txt")):
        path = _sound(words.with_suffix(""))
        if path is not None:
            text = " ".join(read_lines(words))
            yield Transcript(path, path.relative_to(folder).as_posix(), path.parent.name, text)


def _sound(stem: Path) -> Path | None:
    """The recording of that name, whatever its format."""
    paths = (stem.with_name(stem.name + ending) for ending in SOUNDS)
    return next((path for path in paths if path.is_file()), None)


def align_folder(folder: Path, out: Path, lexicon: Path | None = None) -> Report:
    """Align a folder of recordings with text; an interrupted run goes on where it stopped.

    Args:
        folder: See `read_transcripts`.
        out: Folder to make: FLAC files at 16 kHz, `phones.jsonl`, and `dropped.jsonl` that says what was left out.
        lexicon: Pronunciations of further words, lines as in CMUdict: `word PH ON EMES`.

    Raises:
        InputError: The folder, the lexicon or the index of an earlier run cannot be read.
        PackageError: pocketsphinx is not installed.
        OutputError: The folder cannot be made or written.
    """
    transcripts = read_transcripts(folder)
    aligner = Aligner(lexicon)
    make_folder(out)
    index, leftovers = out / "phones.jsonl", out / "dropped.jsonl"
    rows, lost = _rows(index, ("file", "seconds", "source")), _rows(leftovers, ("source", "reason"))
    done = {str(row["source"]) for row in (*rows, *lost)}
    todo = [one for one in transcripts if one.name not in done]
    with writing(index), index.open("a", encoding="utf-8") as kept, leftovers.open("a", encoding="utf-8") as left:
        for one in tqdm(todo, desc="align", disable=None):
            try:
                row = _aligned(one, aligner, out)
                rows.append(row)
                _write_row(kept, row)
            except AlignmentError as error:
                lost.append({"source": one.name, "reason": str(error)})
                _write_row(left, lost[-1])
    seconds = sum(float(row["seconds"]) for row in rows)
    return Report(len(rows), seconds, {str(row["source"]): str(row["reason"]) for row in lost}, aligner.guessed)


def _rows(index: Path, members: Sequence[str]) -> list[dict[str, Any]]:
    """Lines of an earlier run."""
    rows = []
    for number, line in enumerate(read_lines(index) if index.is_file() else [], 1):
        try:
            row = json.loads(line)
            rows.append({**row, **{name: row[name] for name in members}})
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable_line(index, number, error) from error
    return rows


def _write_row(file: Any, row: dict[str, Any]) -> None:
    file.write(json.dumps(row) + "\n")
    file.flush()


def _aligned(one: Transcript, aligner: Aligner, out: Path) -> dict[str, Any]:
    """Align one recording and store it; returns its line of `phones.jsonl`."""
    audio = _samples(one.path)
    phones = aligner.align(audio, one.text)
    file = re.sub(r"[^\w.-]+", "_", str(Path(one.name).with_suffix(""))) + ".flac"
    soundfile.write(out / file, audio, SAMPLE_RATE)
    return {
        "file": file,
        "set": out.name,
        "speaker": one.speaker,
        "seconds": round(len(audio) / SAMPLE_RATE, 4),
        "text": one.text,
        "phones": [[round(phone.start, 4), round(phone.end, 4), phone.name] for phone in phones],
        "source": one.name,
    }


def _samples(path: Path) -> Samples:
    try:
        return read_audio(path)
    except AudioError as error:
        raise AlignmentError(error.message) from error


def words_of(text: str) -> list[str]:
    """The words of a text as the lexicon spells them: lower case, apostrophes kept, hyphens parting.

    Raises:
        AlignmentError: It has none, or digits, which may be read in several ways.
    """
    plain = text.lower().replace("\u2019", "'").replace("-", " ").replace("\u2014", " ")
    if re.search(r"\d", plain):
        raise AlignmentError("the text has digits; write numbers as words")
    words = [word.strip("'") for word in re.findall(r"[a-z']+", plain)]
    found = [word for word in words if word]
    if not found:
        raise AlignmentError("the text has no words")
    return found


class Aligner:
    """pocketsphinx with its English acoustic model and dictionary.

    Attributes:
        guessed: Words that the dictionary lacks, and the pronunciation that flite guessed.
    """

    def __init__(self, lexicon: Path | None = None) -> None:
        """Load the model.

        Args:
            lexicon: Pronunciations of further words.

        Raises:
            PackageError: pocketsphinx is not installed.
            InputError: The lexicon cannot be read.
        """
        try:
            from pocketsphinx import Decoder
        except ImportError as error:
            raise PackageError(
                "Aligning needs the package 'pocketsphinx'.", "Run `pip install pocketsphinx`."
            ) from error
        self.guessed: dict[str, str] = {}
        self._decoder = Decoder(samprate=SAMPLE_RATE, lm=None, loglevel="FATAL", **_BEAMS)
        if lexicon:
            self._learn(lexicon)

    def _learn(self, lexicon: Path) -> None:
        """Add the words of a lexicon that the dictionary lacks."""
        for number, line in enumerate(read_lines(lexicon), 1):
            word, *sounds = line.split() or [""]
            if sounds and self._decoder.lookup_word(word.lower()) is None:
                try:
                    self._add(word.lower(), sounds)
                except (ValueError, RuntimeError) as error:
                    raise unreadable_line(lexicon, number, error) from error

    def _add(self, word: str, sounds: Sequence[str]) -> None:
        self._decoder.add_word(word, " ".join(phone_name(sound).upper() for sound in sounds), update=True)

    def _knows(self, word: str) -> bool:
        """Whether a word has a pronunciation: in the dictionary, in the lexicon, or by flite's rules."""
        if self._decoder.lookup_word(word) is None and (sounds := guessed_phones(word)):
            self._add(word, sounds)
            self.guessed[word] = " ".join(sounds)
        return self._decoder.lookup_word(word) is not None

    def align(self, audio: Samples, text: str) -> list[Phone]:
        """Phones of a recording (S,) at 16 kHz, covering it.

        Raises:
            AlignmentError: The words are unknown, do not fit, or fit only as nobody speaks.
        """
        words = words_of(text)
        unknown = sorted({word for word in words if not self._knows(word)})
        if unknown:
            raise AlignmentError(f"no pronunciation of {', '.join(unknown)}; give a lexicon")
        reason, fault = "the words do not fit the recording", None
        for pad in _PADS:
            attempt = self._try(audio, " ".join(words), pad)
            if attempt is not None:
                phones, score = attempt
                if score >= _LEAST_SCORE and (fault := implausible(phones)) is None:
                    return phones
                reason = fault if score >= _LEAST_SCORE and fault else "the words are not those of the recording"
        raise AlignmentError(reason)

    def align_phones(self, audio: Samples, phones: Sequence[Phone]) -> list[Phone]:
        """Times of known phones anew, to see how two aligners differ; between runs of a few there may be silence.

        Args:
            audio: (S,) at 16 kHz.
            phones: What is spoken; their times are not used.

        Raises:
            AlignmentError: They do not fit, or fit only as nobody speaks.
        """
        words = []
        for name, sounds in phone_words(phones):
            if self._decoder.lookup_word(name) is None:
                self._add(name, sounds)
            words.append(name)
        found = self.align(audio, " ".join(words))
        spoken = [[phone.name for phone in each if phone.name != SILENCE] for each in (phones, found)]
        if spoken[0] != spoken[1]:
            raise AlignmentError("some phones were lost on the way")
        return found

    def _try(self, audio: Samples, text: str, pad: float) -> tuple[list[Phone], float] | None:
        """One attempt: words first, then phones within them.

        Returns:
            The phones and the mean acoustic score a frame of those that are spoken; None where either pass fails.
        """
        loud = np.concatenate([np.zeros(round(pad * SAMPLE_RATE)), audio, np.zeros(round(_TAIL * SAMPLE_RATE))])
        data = (loud / max(float(np.abs(loud).max()), 1e-6) * 16000).astype("<i2").tobytes()
        try:
            self._decoder.set_align_text(text)
            self._decode(data)
            if self._decoder.hyp() is None:
                return None
            self._decoder.set_alignment()
            self._decode(data)
            entries = [phone for word in self._decoder.get_alignment() for phone in word]
        except (RuntimeError, TypeError):
            return None
        spoken = [entry for entry in entries if _label(entry.name) != SILENCE]
        if not spoken:
            return None
        shift = ALIGNER_LEAD - pad
        rows = [(e.start * _FRAME + shift, (e.start + e.duration) * _FRAME + shift, _label(e.name)) for e in entries]
        score = sum(entry.score for entry in spoken) / sum(entry.duration for entry in spoken)
        return read_phones(rows, len(audio) / SAMPLE_RATE), score

    def _decode(self, data: bytes) -> None:
        self._decoder.start_utt()
        self._decoder.process_raw(data, full_utt=True)
        self._decoder.end_utt()


def phone_words(phones: Sequence[Phone]) -> list[tuple[str, list[str]]]:
    """Phones as made-up words of at most five, parted at silences: names that no dictionary has, and their phones."""
    runs: list[list[str]] = [[]]
    for phone in phones:
        if phone.name == SILENCE or len(runs[-1]) == _WORD:
            runs.append([])
        if phone.name != SILENCE:
            runs[-1].append(phone.name)
    return [("'".join(["zq", *run]), run) for run in runs if run]


def _label(name: str) -> str:
    """Name of one of pocketsphinx's phones in ours; its noises are silence."""
    return SILENCE if name == "SIL" or name.startswith("+") else name.lower()


def implausible(phones: Sequence[Phone]) -> str | None:
    """Why nobody speaks like that; None where one might."""
    spoken = [phone for phone in phones if phone.name != SILENCE]
    if not spoken:
        return "nothing is spoken"
    checks: tuple[Callable[[Sequence[Phone]], str | None], ...] = (_drawn_out, _hurried, _paced)
    return next((fault for check in checks if (fault := check(spoken)) is not None), None)


def _drawn_out(spoken: Sequence[Phone]) -> str | None:
    for phone in spoken:
        if phone.seconds > _LONGEST["vowel" if phone.name in VOWELS else "consonant"]:
            return f"a {phone.name} of {phone.seconds:.2f} s at {phone.start:.2f} s"
    return None


def _hurried(spoken: Sequence[Phone]) -> str | None:
    share = float(np.mean([phone.seconds < (_LEAST_FRAMES + 0.5) * _FRAME for phone in spoken]))
    return f"{share:.0%} of the phones are as short as can be" if share > _HURRIED else None


def _paced(spoken: Sequence[Phone]) -> str | None:
    rate = len(spoken) / sum(phone.seconds for phone in spoken)
    return None if _RATES[0] <= rate <= _RATES[1] else f"{rate:.0f} phones a second"
