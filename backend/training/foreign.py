# SPDX-License-Identifier: GPL-3.0-or-later
"""What a voice of another language says where an English one says a phone: the nearest sounds it has.

A labelled corpus wants the phone that is heard, not the one that was meant: an Italian `a` for `ah` is an `aa`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..models.phones import phone_name

_ITALIAN = {
    "sil": "#", "aa": "a", "ae": "E=eh", "ah": "a=aa", "ao": "O", "aw": "a u", "ay": "a i", "eh": "E", "er": "E=eh r=r",
    "ey": "e i", "ih": "i=iy", "iy": "i", "ow": "o u", "oy": "O i", "uh": "u=uw", "uw": "u", "ch": "tS", "dh": "d=d",
    "hh": "", "jh": "dZ", "sh": "S", "th": "t=t", "y": "j", "zh": "Z", "ng": "ng",
}  # fmt: skip
_FINNISH = {
    "sil": "#", "aa": "a", "ae": "@", "ah": "a=aa", "ao": "o", "aw": "a u", "ay": "a i", "eh": "e", "er": "7=er r=r",
    "ey": "e i", "ih": "i=iy", "iy": "i:", "ow": "o u", "oy": "o i", "uh": "u=uw", "uw": "u:", "ch": "t S", "dh": "d=d",
    "hh": "h", "jh": "t=ch S=ch", "sh": "S", "th": "t=t", "w": "v=v", "y": "j", "z": "s=s", "zh": "S=sh", "ng": "N",
}  # fmt: skip
_CZECH = {
    "sil": "#", "aa": "a:", "ae": "e=eh", "ah": "a=aa", "ao": "o", "aw": "a u", "ay": "a i", "eh": "e",
    "er": "e=eh r=r", "ey": "e i", "ih": "i", "iy": "i:", "ow": "o u", "oy": "o i", "uh": "u", "uw": "u:", "ch": "c~",
    "dh": "d=d", "hh": "h", "jh": "dz~", "sh": "s~", "th": "t=t", "w": "v=v", "y": "j", "zh": "z~", "ng": "n*",
}  # fmt: skip
_SOUNDS = {"lp": (_ITALIAN, 190.0), "pc": (_ITALIAN, 110.0), "suo": (_FINNISH, 180.0), "hy": (_FINNISH, 110.0)}
_SOUNDS["czech"] = (_CZECH, 115.0)
"""By the voice's first word: ARPAbet phone -> its sounds, `SOUND=HEARD` where another phone is heard; pitch in Hz."""


@dataclass(frozen=True)
class Sound:
    """A sound of another language."""

    name: str  # in the voice's phone set
    heard: str  # the phone it sounds like
    seconds: float
    source: int  # index of the English phone it is for


def nearest_sounds(voice: str, ends: Sequence[tuple[str, float]], stretch: float) -> list[Sound]:
    """The sounds for an English sentence.

    Args:
        voice: A festival voice.
        ends: (label, end in s) of each English phone.
        stretch: Factor on all lengths.

    Raises:
        ValueError: A label is not ARPAbet.
    """
    table, _ = _SOUNDS[voice.split("_")[0]]
    sounds, start = [], 0.0
    for source, (label, end) in enumerate(ends):
        phone = phone_name(label)
        parts = [part.partition("=") for part in table.get(phone, phone).split()]
        seconds = stretch * (end - start) / max(1, len(parts))
        sounds += [Sound(name, heard or phone, seconds, source) for name, _, heard in parts]
        start = end
    return sounds


def festival_segments(voice: str, sounds: Sequence[Sound], pitch: float) -> str:
    """The sounds as festival's `Utterance Segments` wants them, with a melody that falls."""
    base, total, at, rows = _SOUNDS[voice.split("_")[0]][1], sum(sound.seconds for sound in sounds), 0.0, []
    for sound in sounds:
        rows.append(f"({sound.name} {sound.seconds:.4f} (0 {base * pitch * (1.12 - 0.3 * at / total):.0f}))")
        at += sound.seconds
    return " ".join(rows)


def heard_phones(sounds: Sequence[Sound], ends: Sequence[float]) -> list[tuple[str, float]]:
    """(phone, end in s) of what was spoken; the sounds of one diphthong are one phone."""
    parted = [(a.source, a.heard) != (b.source, b.heard) for a, b in pairwise(sounds)]
    return [(sound.heard, end) for sound, end, is_last in zip(sounds, ends, [*parted, True], strict=True) if is_last]
