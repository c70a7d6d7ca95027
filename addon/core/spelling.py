# SPDX-License-Identifier: GPL-3.0-or-later
"""ARKit's control names in the spellings that heads have.

`mouthSmileLeft`, `mouthSmile_L`, `MouthSmileLeft`, `blendShape1.mouthSmile_L`, `mouth_smile_left`, `Mouth Smile L`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from ...backend.protocol import CONTROL_NAMES

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SIDES = {"l": "left", "r": "right"}


@lru_cache(maxsize=64)
def match_controls(names: Sequence[str]) -> Mapping[str, str]:
    """Which of some names stands for which control.

    Args:
        names: Names of a head's shape keys, as a tuple.

    Returns:
        Control -> name, in the order of `CONTROL_NAMES`. An exact name goes before a spelling, the first before others.
    """
    spelled: dict[str, str] = {}
    for name in names:
        spelled.setdefault(plain(name), name)
    exact = set(names)
    found = {control: control if control in exact else spelled.get(plain(control), "") for control in CONTROL_NAMES}
    return MappingProxyType({control: name for control, name in found.items() if name})


def plain(name: str) -> str:
    """A name without its prefix, its separators and its capitals, sides in full at the end: "mouthsmileleft"."""
    words = [word.lower() for word in _WORDS.findall(name.rpartition(".")[2])]
    if len(words) > 1 and words[-1] in _SIDES:
        words[-1] = _SIDES[words[-1]]
    return "".join(words)
