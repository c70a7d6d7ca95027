# SPDX-License-Identifier: GPL-3.0-or-later
"""Phones with times, and what the teacher reads from them: pauses, phrases and accents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..models.phones import SILENCE, VOWELS, phone_name

Floats = NDArray[np.float64]

PAUSE_SECONDS = 0.15  # silences from this long on end a phrase
_TYPICAL_VOWEL = {"aw": 0.15, "ay": 0.15, "oy": 0.16, "ey": 0.13, "ow": 0.13, "aa": 0.12, "ae": 0.12, "ao": 0.12}
_TYPICAL_VOWEL |= {"ah": 0.07, "ih": 0.07, "er": 0.10, "eh": 0.09, "iy": 0.09, "uh": 0.08, "uw": 0.10}


@dataclass(frozen=True)
class Phone:
    """One phone: ARPAbet in lower case or "sil", from `start` to `end` in seconds of audio time."""

    start: float
    end: float
    name: str

    @property
    def centre(self) -> float:
        """Time of the middle, s."""
        return 0.5 * (self.start + self.end)

    @property
    def seconds(self) -> float:
        """Duration, s."""
        return self.end - self.start


@dataclass(frozen=True)
class Accent:
    """A prominent syllable: its time in seconds and its strength, 0 to 1."""

    time: float
    strength: float


def read_phones(rows: Iterable[Sequence[object]], seconds: float) -> list[Phone]:
    """Turn rows (start, end, label) into phones that cover 0 to `seconds`, gaps filled with silence.

    Raises:
        ValueError: A label is not ARPAbet, or a time is not a number.
    """
    phones: list[Phone] = []
    at = 0.0
    for start, end, label in rows:
        begin, stop = max(at, float(str(start))), min(seconds, float(str(end)))
        if stop - begin < 1e-4:
            continue
        if begin - at > 1e-4:
            phones.append(Phone(at, begin, SILENCE))
        phones.append(Phone(begin, stop, phone_name(str(label))))
        at = stop
    if seconds - at > 1e-4:
        phones.append(Phone(at, seconds, SILENCE))
    return merge_silences(phones)


def merge_silences(phones: Iterable[Phone]) -> list[Phone]:
    """Join neighbouring silences into one."""
    merged: list[Phone] = []
    for phone in phones:
        if merged and phone.name == SILENCE == merged[-1].name:
            merged[-1] = Phone(merged[-1].start, phone.end, SILENCE)
        else:
            merged.append(phone)
    return merged


def shifted(phones: Iterable[Phone], offset: float, scale: float = 1.0) -> list[Phone]:
    """Return the phones with their times multiplied by `scale`, then moved by `offset` seconds."""
    return [Phone(phone.start * scale + offset, phone.end * scale + offset, phone.name) for phone in phones]


def padded(phones: Sequence[Phone], before: float, after: float) -> list[Phone]:
    """Return the phones moved by `before`, with silence of that length before them and `after` after them."""
    moved = shifted(phones, before)
    end = moved[-1].end if moved else before
    return merge_silences([Phone(0.0, before, SILENCE), *moved, Phone(end, end + after, SILENCE)])


def accents(phones: Sequence[Phone]) -> list[Accent]:
    """Prominent syllables, found by their length: vowels longer than usual, at least 0.3 s apart."""
    found: list[Accent] = []
    for phone in phones:
        if phone.name not in VOWELS:
            continue
        strength = min(1.0, max(0.0, phone.seconds / _TYPICAL_VOWEL[phone.name] - 1.0))
        if strength < 0.15:
            continue
        if found and phone.centre - found[-1].time < 0.3:
            if strength > found[-1].strength:
                found[-1] = Accent(phone.centre, strength)
        else:
            found.append(Accent(phone.centre, strength))
    return found


def pauses(phones: Sequence[Phone]) -> list[Phone]:
    """The silences that separate phrases."""
    return [phone for phone in phones if phone.name == SILENCE and phone.seconds >= PAUSE_SECONDS]


def phrase_starts(phones: Sequence[Phone]) -> list[float]:
    """Times at which speech sets in after a pause, s."""
    return [
        after.start for before, after in pairwise(phones) if before.name == SILENCE and before.seconds >= PAUSE_SECONDS
    ]


def labels_at(phones: Sequence[Phone], times: Floats) -> list[str]:
    """The phone at each time (N,), s; silence outside."""
    starts = np.array([phone.start for phone in phones])
    index = np.searchsorted(starts, times, side="right") - 1
    return [
        phones[i].name if i >= 0 and time < phones[i].end else SILENCE for i, time in zip(index, times, strict=True)
    ]
