# SPDX-License-Identifier: GPL-3.0-or-later
"""Folds of a folder of speech by speaker: each is held out once, and measured with a model that has not heard it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..errors import InputError, OptionsError
from ..outputs import make_folder, writing
from .speech_folder import read_lines, read_speech_folder


def make_folds(folder: Path, out: Path, count: int) -> list[int]:
    """Write `OUT/1/train`, `OUT/1/held` and so on: folders of speech that refer to the recordings where they lie.

    Args:
        folder: Recordings with phone times; the speaker of a clip that names none is guessed as in training.
        out: Folder to make.
        count: Number of folds, 2 at least.

    Returns:
        Number of speakers held out in each fold.

    Raises:
        OptionsError: There are fewer than two folds.
        InputError: The folder cannot be read, or has fewer speakers than folds.
        OutputError: The folders cannot be written.
    """
    if count < 2:
        raise OptionsError(f"Speech cannot be parted into {count} folds.", "Give 2 or more.")
    clips, seconds = read_speech_folder(folder), dict[str, float]()
    for clip in clips:
        seconds[clip.speaker] = seconds.get(clip.speaker, 0.0) + clip.seconds
    if len(seconds) < count:
        raise InputError(f"{folder} has {len(seconds)} speakers, too few for {count} folds.", "Ask for fewer.")
    fold_of = _balanced(seconds, count)
    rows = [json.loads(line) for line in read_lines(folder / "phones.jsonl")]
    for fold in range(count):
        for name, is_held in (("train", False), ("held", True)):
            own = [
                {**row, "file": str(clip.path), "set": clip.set, "speaker": clip.speaker}
                for row, clip in zip(rows, clips, strict=True)
                if (fold_of[clip.speaker] == fold) == is_held
            ]
            _write(own, out / str(fold + 1) / name)
    return [sum(each == fold for each in fold_of.values()) for fold in range(count)]


def _balanced(seconds: dict[str, float], count: int) -> dict[str, int]:
    """Fold of each speaker: the longest first, each to the fold that holds least."""
    held = [0.0] * count
    fold_of = {}
    for speaker in sorted(seconds, key=lambda name: (-seconds[name], name)):
        fold_of[speaker] = held.index(min(held))
        held[fold_of[speaker]] += seconds[speaker]
    return fold_of


def _write(rows: list[dict[str, Any]], out: Path) -> None:
    make_folder(out)
    index = out / "phones.jsonl"
    with writing(index), index.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({**row, "file": _reference(Path(row["file"]), out)}) + "\n")


def _reference(path: Path, start: Path) -> str:
    """How a folder refers to a recording that lies elsewhere; from another drive, by its whole path."""
    try:
        return Path(os.path.relpath(path.resolve(), start.resolve())).as_posix()
    except ValueError:
        return path.resolve().as_posix()
