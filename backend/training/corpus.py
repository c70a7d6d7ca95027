# SPDX-License-Identifier: GPL-3.0-or-later
"""The synthetic corpus: sentences of public-domain books, spoken by the synthesizers installed here.

The folder it makes has the layout that `speech_folder` reads: FLAC files, 16 kHz mono, and `phones.jsonl`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from scipy.signal import resample_poly
from tqdm import tqdm

from ..audio.log_mel import SAMPLE_RATE
from ..errors import InputError, OptionsError
from ..outputs import make_folder, writing
from .speech_folder import check_seed, read_lines, unreadable_line
from .synthesizers import Utterance, Voice, installed_voices, synthesize

SENTENCES = Path(__file__).with_name("sentences.txt")


def read_sentences(path: Path = SENTENCES) -> list[str]:
    """Read a text file with one sentence a line; lines that start with # name the source.

    Raises:
        InputError: The file cannot be read, or holds no sentence.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The sentences {path} cannot be read ({error}).") from error
    sentences = [line for line in lines if line and not line.startswith("#")]
    if not sentences:
        raise InputError(f"The file {path} holds no sentence.", "Write one a line.")
    return sentences


def make_corpus(out: Path, hours: float, seed: int = 0, text: Path = SENTENCES) -> int:
    """Synthesize a corpus; an interrupted run goes on where it stopped.

    Args:
        out: Folder to make or to go on with.
        hours: Hours of speech to reach.
        seed: Of the choice of voices, sentences, speeds and pitches.
        text: File with one sentence a line.

    Returns:
        Number of recordings in the folder.

    Raises:
        OptionsError: No synthesizer is installed, `hours` is not positive and finite, or the seed is negative.
        InputError: The text, or the index of an earlier run, cannot be read.
        OutputError: The folder cannot be made or written.
    """
    if not 0 < hours < math.inf:
        raise OptionsError(f"The corpus cannot have {hours} hours.", "Give a positive number.")
    check_seed(seed)
    sentences = read_sentences(text)
    index = out / "phones.jsonl"
    rows = _rows_made(index) if index.exists() else []
    voices = installed_voices()
    if not voices:
        raise OptionsError("No speech synthesizer was found.", "Install flite, festival with voices, or espeak-ng.")
    make_folder(out)
    made = sum(row["seconds"] for row in rows)
    last = max((_number_of(row) for row in rows), default=-1)
    bar = tqdm(total=round(hours * 3600), initial=min(round(made), round(hours * 3600)), unit="s")
    with writing(index), index.open("a", encoding="utf-8") as file, bar:
        for number, voice, sentence, utterance in _utterances(voices, sentences, seed, last + 1):
            row = _store(out, number, voice, sentence, utterance)
            file.write(json.dumps(row) + "\n")
            file.flush()
            made += row["seconds"]
            bar.update(min(round(made), bar.total) - bar.n)
            rows.append(row)
            if made >= hours * 3600:
                break
    return len(rows)


def _rows_made(index: Path) -> list[dict[str, Any]]:
    """Read what an earlier run wrote."""
    rows = []
    for number, line in enumerate(read_lines(index), 1):
        try:
            row = json.loads(line)
            rows.append({**row, "seconds": float(row["seconds"])})
            _number_of(row)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise unreadable_line(index, number, error) from error
    return rows


def _number_of(row: Mapping[str, Any]) -> int:
    """Number of the utterance, out of its file's name."""
    return int(Path(row["file"]).stem.rsplit("_", 1)[1])


def _utterances(
    voices: list[Voice], sentences: list[str], seed: int, first: int
) -> Iterator[tuple[int, Voice, str, Utterance]]:
    """Endless utterances from number `first` on; number n is the same whenever it is made."""
    weights = np.array([voice.weight for voice in voices])
    number = first - 1
    while True:
        number += 1
        generator = np.random.default_rng([seed, number])
        voice = voices[generator.choice(len(voices), p=weights / weights.sum())]
        sentence = sentences[generator.integers(len(sentences))]
        try:
            spoken = synthesize(voice, sentence, generator.uniform(0.82, 1.25), generator.uniform(0.8, 1.25))
        except ValueError as error:
            tqdm.write(f"left out: {error}")
            continue
        yield number, voice, sentence, spoken


def _store(out: Path, number: int, voice: Voice, sentence: str, utterance: Utterance) -> dict[str, object]:
    """Write one recording and return its line of `phones.jsonl`."""
    audio = resample_poly(utterance.audio, SAMPLE_RATE, utterance.rate).astype(np.float32)
    peak = float(np.abs(audio).max(initial=1e-6))
    file = f"{voice.engine}_{number:06d}.flac"
    soundfile.write(out / file, audio * min(1.0, 0.9 / peak), SAMPLE_RATE)
    return {
        "file": file,
        "set": f"synthetic_{voice.engine}",
        "speaker": f"{voice.engine}_{voice.name}",
        "seconds": round(len(audio) / SAMPLE_RATE, 4),
        "text": sentence,
        "phones": [[round(p.start, 4), round(p.end, 4), p.name] for p in utterance.phones],
    }
