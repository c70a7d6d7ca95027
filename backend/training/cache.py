# SPDX-License-Identifier: GPL-3.0-or-later
"""Features of all recordings and their augmented copies, computed once, and the random crops drawn from them.

A cache folder holds `mel.npy` (4 F, 80) float16 and `index.json`; F is the sum of all copies' motion frames.
Motion arrays (F, .) of the teacher lie beside, see `takes`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..audio.log_mel import FRAMES_PER_MOTION_FRAME, MOTION_FPS, SAMPLE_RATE, normalised_log_mel
from ..errors import InputError
from .augment import change_speed, colour
from .speech import Phone, padded, shifted
from .speech_folder import Clip, read_audio, read_speech_folder, sampling_weights

_LONGEST_PAD = 1.2  # s of silence before and after


@dataclass(frozen=True)
class Segment:
    """One copy of one recording in the cache."""

    start: int  # first motion frame
    frames: int
    weight: float  # probability of a crop from it
    speaker: str
    set: str
    phones: list[Phone]

    @property
    def seconds(self) -> float:
        """Length, s."""
        return self.frames / MOTION_FPS


@dataclass(frozen=True)
class Cache:
    """All features and their index."""

    mel: NDArray[np.float16]  # (4 F, 80)
    segments: list[Segment]

    @property
    def frames(self) -> int:
        """F, the motion frames of all copies."""
        return len(self.mel) // FRAMES_PER_MOTION_FRAME


def build_cache(
    folders: Sequence[Path],
    shares: Sequence[float],
    copies: Sequence[int],
    out: Path,
    seed: int,
    leads: Sequence[float] | None = None,
) -> Cache:
    """Compute the features of folders of speech.

    Args:
        folders: Folders for `read_speech_folder`.
        shares: Of what training sees, one a folder; they are normalised.
        copies: Augmented copies a recording beside the plain one, one a folder.
        out: Folder to write to; an existing cache made of the same arguments is loaded instead.
        seed: Of the augmentation.
        leads: Seconds by which the phone times of each folder come before what is heard; none where left out.

    Returns:
        The cache.
    """
    leads = leads or [0.0] * len(folders)
    made_of = {
        "folders": [str(folder.resolve()) for folder in folders],
        "indices": [sha256((folder / "phones.jsonl").read_bytes()).hexdigest() for folder in folders],
        "shares": [*shares],
        "copies": [*copies],
        "leads": [*leads],
        "seed": seed,
    }
    if (out / "index.json").exists():
        stored = json.loads((out / "index.json").read_text())
        if stored["made_of"] == made_of:
            return load_cache(out)
    blocks: list[NDArray[np.float16]] = []
    rows: list[dict[str, Any]] = []
    frame = 0
    for number, folder in enumerate(folders):
        clips = read_speech_folder(folder)
        weights = sampling_weights(clips) * shares[number] / sum(shares) / (1 + copies[number])
        for index, (clip, weight) in enumerate(tqdm(list(zip(clips, weights, strict=True)), desc=folder.name)):
            for copy in range(1 + copies[number]):
                mel, phones = _features(clip, copy, np.random.default_rng([seed, number, index, copy]), leads[number])
                count = len(mel) // FRAMES_PER_MOTION_FRAME
                rows.append(_row(frame, count, float(weight), clip, phones))
                blocks.append(mel)
                frame += count
    out.mkdir(parents=True, exist_ok=True)
    save_array(out / "mel.npy", np.concatenate(blocks))
    partial = out / "index.json.part"
    partial.write_text(json.dumps({"made_of": made_of, "segments": rows}), encoding="utf-8")
    partial.replace(out / "index.json")
    return load_cache(out)


def save_array(path: Path, array: NDArray[Any]) -> None:
    """Write a .npy file, replacing it whole or not at all: what a kill left half written would be taken for done."""
    partial = path.with_name(path.name + ".part")
    with partial.open("wb") as file:
        np.save(file, array)
    partial.replace(path)


def load_cache(folder: Path) -> Cache:
    """Load what `build_cache` wrote.

    Raises:
        InputError: There is no cache.
    """
    if not (folder / "index.json").is_file():
        raise InputError(f"{folder} has no features.", "Run the stage `features` first.")
    rows = json.loads((folder / "index.json").read_text())["segments"]
    segments = [Segment(**{**row, "phones": [Phone(*phone) for phone in row["phones"]]}) for row in rows]
    return Cache(np.load(folder / "mel.npy"), segments)


def _features(
    clip: Clip, copy: int, generator: np.random.Generator, lead: float
) -> tuple[NDArray[np.float16], list[Phone]]:
    """Features of one copy, copy 0 unchanged but for silence around it, and its phones."""
    audio = read_audio(clip.path)
    before, after = generator.uniform(0.0, _LONGEST_PAD, 2)
    phones, scale = clip.phones, 1.0
    if copy:
        audio, scale = change_speed(audio, generator)
    silence = [np.zeros(int(seconds * SAMPLE_RATE), np.float32) for seconds in (before, after)]
    audio = np.concatenate([silence[0], audio, silence[1]])
    if copy:
        audio = colour(audio, generator)
    return normalised_log_mel(audio).astype(np.float16), padded(shifted(phones, lead, scale), before, after)


def _row(start: int, frames: int, weight: float, clip: Clip, phones: Sequence[Phone]) -> dict[str, Any]:
    return {
        "start": start,
        "frames": frames,
        "weight": weight,
        "speaker": clip.speaker,
        "set": clip.set,
        "phones": [[round(phone.start, 4), round(phone.end, 4), phone.name] for phone in phones],
    }


class CropSampler:
    """Draws crops of a fixed length: segments by weight, positions at random, the same for the same (seed, step)."""

    def __init__(self, segments: Sequence[Segment], length: int, seed: int) -> None:
        self.length, self.seed = length, seed
        self._segments = [segment for segment in segments if segment.frames >= length]
        if not self._segments:
            raise InputError(f"No recording is as long as {length / MOTION_FPS:.1f} s.", "Give longer recordings.")
        weights = np.array([segment.weight for segment in self._segments])
        self._probabilities = weights / weights.sum()

    def draw(self, step: int, count: int) -> NDArray[np.int64]:
        """First motion frames (count,) of the crops of a training step."""
        generator = np.random.default_rng([self.seed, step])
        chosen = generator.choice(len(self._segments), count, p=self._probabilities)
        room = np.array([self._segments[index].frames - self.length + 1 for index in chosen])
        starts = np.array([self._segments[index].start for index in chosen])
        crops: NDArray[np.int64] = starts + (generator.uniform(size=count) * room).astype(np.int64)
        return crops


def gather_crops(array: NDArray[Any], starts: NDArray[np.int64], length: int, rate: int = 1) -> NDArray[np.float32]:
    """Crops (count, rate * length, C) float32 of an array with `rate` rows a motion frame."""
    rows = (starts * rate)[:, None] + np.arange(length * rate)
    crops: NDArray[np.float32] = array[rows].astype(np.float32)
    return crops
