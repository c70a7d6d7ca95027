# SPDX-License-Identifier: GPL-3.0-or-later
"""How far two aligners agree on when the same phones are said, told in the lip measures.

The same phones are timed anew by pocketsphinx, and the teacher on its times is measured against the teacher on the
labels. It knows every phone; what it misses is the aligners' difference (and what made-up words of five phones, with
silence allowed between them, add to it). Labels by hand are not at hand: no figure of a model on such labels can be
trusted more closely than this, though a model may agree with either aligner better than they do with each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..models.phones import SILENCE
from ..protocol import MODEL_FPS
from ..training.align import Aligner, AlignmentError
from ..training.speech import Phone
from ..training.speech_folder import Clip, read_audio, read_speech_folder
from ..training.teacher import perform
from .lips import LipRig, SpokenClip, measure_lips


def evaluate_labels(folder: Path) -> dict[str, dict[str, float]]:
    """Measure the teacher on another aligner's times of the same phones.

    Args:
        folder: Recordings with phone times, see `speech_folder`. Those that pocketsphinx timed tell nothing.

    Returns:
        By set of recordings: the lip measures, `clips` (those that could be aligned), `all_clips`, and
        `median_ms`, `late_ms`: how far the starts of phones are apart, and how much later the labels are, medians.

    Raises:
        InputError: The folder cannot be read.
        PackageError: pocketsphinx is not installed.
    """
    aligner, rig = Aligner(), LipRig.of_head()
    sets: dict[str, list[tuple[Clip, list[Phone] | None]]] = {}
    for clip in tqdm(read_speech_folder(folder), disable=None):
        sets.setdefault(clip.set, []).append((clip, _realigned(clip, aligner)))
    return {name: _compared(pairs, rig) for name, pairs in sets.items() if any(phones for _, phones in pairs)}


def _realigned(clip: Clip, aligner: Aligner) -> list[Phone] | None:
    try:
        return aligner.align_phones(read_audio(clip.path), clip.phones)
    except AlignmentError:
        return None


def _compared(pairs: Sequence[tuple[Clip, list[Phone] | None]], rig: LipRig) -> dict[str, float]:
    """The teacher on new times (not None) against the teacher on the labels."""
    both = [(clip, phones) for clip, phones in pairs if phones is not None]
    spoken, late = [], []
    for clip, phones in both:
        seconds = round(clip.seconds * MODEL_FPS) / MODEL_FPS
        spoken.append(SpokenClip(clip.phones, perform(phones, seconds), perform(clip.phones, seconds)))
        labelled, found = ([phone for phone in each if phone.name != SILENCE] for each in (clip.phones, phones))
        late += [one.start - other.start for one, other in zip(labelled, found, strict=True)]
    return {
        **measure_lips(spoken, rig),
        "clips": float(len(both)),
        "all_clips": float(len(pairs)),
        "median_ms": 1000.0 * float(np.median(np.abs(late))),
        "late_ms": 1000.0 * float(np.median(late)),
    }
