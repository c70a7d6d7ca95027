# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of recordings with phone times: FLAC files and `phones.jsonl`, a JSON object a line.

Needed a line: `file`, `seconds`, `phones` as [[start_s, end_s, ARPAbet], ...]. Used where present: `speaker`, `set`.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from ..audio.log_mel import SAMPLE_RATE
from ..errors import AudioError, InputError, OptionsError
from .speech import Phone, read_phones


@dataclass(frozen=True)
class Clip:
    """A recording and what is said in it; phones cover 0 to `seconds`."""

    path: Path
    speaker: str
    set: str
    seconds: float
    phones: list[Phone]


def read_speech_folder(folder: Path) -> list[Clip]:
    """Read the index of a folder.

    Raises:
        InputError: There is no index, it is empty, or a line of it cannot be read; the message says which.
    """
    index = folder / "phones.jsonl"
    if not index.is_file():
        raise InputError(f"{folder} has no phones.jsonl.", "Give a folder of recordings with phone times.")
    clips = []
    for number, line in enumerate(read_lines(index), 1):
        try:
            row = json.loads(line)
            seconds = float(row["seconds"])
            if not 0.0 < seconds < math.inf:
                raise ValueError(f"{seconds} seconds")
            speaker = str(row.get("speaker") or _speaker_of(str(row["file"])))
            phones = read_phones(row["phones"], seconds)
            clips.append(Clip(folder / row["file"], speaker, str(row.get("set", folder.name)), seconds, phones))
        except (KeyError, TypeError, ValueError) as error:
            raise unreadable_line(index, number, error) from error
    if not clips:
        raise InputError(f"{index} names no recordings.", "Give a folder of recordings with phone times.")
    return clips


def read_lines(index: Path) -> list[str]:
    """Lines of an index.

    Raises:
        InputError: It is no text, or cannot be read.
    """
    try:
        return index.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{index} cannot be read ({error}).", "Mend or remove it.") from error


def unreadable_line(index: Path, number: int, error: Exception) -> InputError:
    """Error that names a line of an index, counted from 1, and what is wrong with it."""
    return InputError(f"Line {number} of {index} cannot be read ({error}).", "Mend or remove it.")


def check_seed(seed: int) -> None:
    """Refuse a seed that numpy's generators do not take.

    Raises:
        OptionsError: It is negative.
    """
    if seed < 0:
        raise OptionsError(f"The seed {seed} is negative.", "Give 0 or more.")


def _speaker_of(file: str) -> str:
    """Guess the speaker of a file that names none: LibriTTS says it in its names, else the set's name stands."""
    parts = Path(file).stem.split("_")
    return f"libritts_{parts[1]}" if parts[0] == "libritts" else parts[0]


def read_audio(path: Path) -> NDArray[np.float32]:
    """Samples (S,) of a recording at 16 kHz, mono.

    Raises:
        AudioError: The file cannot be read.
    """
    try:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise AudioError(f"{path} cannot be read as a recording.", "Give a WAV or FLAC file.") from error
    mono: NDArray[np.float32] = audio.mean(axis=1)
    return mono if rate == SAMPLE_RATE else resample_poly(mono, SAMPLE_RATE, rate).astype(np.float32)


def sampling_weights(clips: Sequence[Clip], speaker_limit: float = 0.1) -> NDArray[np.float64]:
    """Weight of each clip, summing to 1: by seconds, a speaker holding at most a share of the whole."""
    weights = np.array([clip.seconds for clip in clips]) / sum(clip.seconds for clip in clips)
    members: dict[str, list[int]] = defaultdict(list)
    for index, clip in enumerate(clips):
        members[clip.speaker].append(index)
    for indices in members.values():
        share = weights[indices].sum()
        if share > speaker_limit and len(members) > 1 / speaker_limit:
            weights[indices] *= speaker_limit / share
    normalised: NDArray[np.float64] = weights / weights.sum()
    return normalised


def total_seconds(clips: Iterable[Clip]) -> float:
    """Length of the clips together, s."""
    return sum(clip.seconds for clip in clips)
