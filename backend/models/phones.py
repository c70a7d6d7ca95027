# SPDX-License-Identifier: GPL-3.0-or-later
"""The phones that the audio encoder tells apart: ARPAbet in lower case without stress, and silence."""

from __future__ import annotations

PHONES = (
    "sil",
    *("aa", "ae", "ah", "ao", "aw", "ay", "eh", "er", "ey", "ih", "iy", "ow", "oy", "uh", "uw"),
    *("b", "ch", "d", "dh", "f", "g", "hh", "jh", "k", "l", "m", "n", "ng", "p", "r", "s", "sh", "t", "th", "v"),
    *("w", "y", "z", "zh"),
)
VOWELS = frozenset(PHONES[1:16])
SILENCE = "sil"
_ALIASES = {"sp": "sil", "pau": "sil", "spn": "sil", "": "sil", "ax": "ah", "axr": "er", "ix": "ih", "ux": "uw"}
_ALIASES |= {"h#": "sil", "#": "sil", "hv": "hh", "dx": "d", "el": "l", "em": "m", "en": "n", "nx": "n"}


def phone_name(label: str) -> str:
    """Return the phone of a label in any usual ARPAbet spelling (case, stress digit, reduced vowels).

    Raises:
        ValueError: The label is not ARPAbet.
    """
    name = label.lower().rstrip("012")
    name = _ALIASES.get(name, name)
    if name not in PHONES:
        raise ValueError(f"{label!r} is not an ARPAbet phone; map it to one of {', '.join(PHONES)}.")
    return name
