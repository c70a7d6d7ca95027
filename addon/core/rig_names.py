# SPDX-License-Identifier: GPL-3.0-or-later
"""Which shape keys of a mesh carry which channels, by their names.

ARKit's names in the usual spellings (`spelling`), one shape for both sides (`mouthSmile`), one for each side of what is
one control (`browInnerUp_L`), and where the mouth has no such shapes, visemes: Oculus, Ready Player Me and VRChat name
fifteen, VRM five vowels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from ...backend.protocol import CONTROL_NAMES
from .binding import Binding, Property
from .poses import SHAPED, controls_of, shape_values
from .spelling import match_controls, plain

_FEW = 8  # of the mouth's controls that a mesh has itself: with fewer, its visemes speak
_FULL = 1.3  # how much stronger than spoken a rig's visemes are made
_MERGED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "eyeBlink": ("eyesclosed", "eyesclose", "blink", "fcleyeclose", "vrcblink", "blinkboth"),
        "eyeLookUp": ("eyeslookup", "lookup", "fcleyelookup"),
        "eyeLookDown": ("eyeslookdown", "lookdown", "fcleyelookdown"),
    }
)
"""Control without its side -> what other kinds of heads call the shape of both sides."""
_SIDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {side: (f"blink{side.lower()}", f"fcleyeclose{side.lower()}") for side in ("Left", "Right")}
)
"""Side -> what VRM calls its eyeBlink."""
_PREFIX = re.compile(r"^(vrcv|viseme|fclmth|mth|v|mouth)")

_Shape = dict[str, float]
_CONSONANT: _Shape = {"jawOpen": 0.12, "mouthStretch": 0.08, "mouthDimple": 0.04, "mouthLowerDown": 0.1}
VISEMES: Mapping[str, str | Mapping[str, float]] = MappingProxyType(
    {
        "pp": "M B P",
        "ff": "F V",
        "th": "Th L",
        "dd": _CONSONANT,
        "kk": {"jawOpen": 0.18},
        "ch": {"jawOpen": 0.13, "jawForward": 0.12, "mouthPucker": 0.26, "mouthFunnel": 0.52},
        "ss": "S",
        "nn": {**_CONSONANT, "mouthStretch": 0.07},
        "rr": {"jawOpen": 0.15, "mouthPucker": 0.28, "mouthFunnel": 0.24},
        "aa": "Ah",
        "e": {**_CONSONANT, "jawOpen": 0.32, "mouthStretch": 0.17, "mouthDimple": 0.07, "mouthUpperUp": 0.05},
        "i": "Ee",
        "o": "Oh",
        "u": "Oo W",
    }
)
"""Viseme -> a mouth shape, or controls without their side; targets of the articulation teacher (backend/training)."""
_SPELLED: Mapping[str, str] = MappingProxyType(
    {**{name: name for name in VISEMES}, "a": "aa", "ih": "i", "oh": "o", "ou": "u", "ee": "e"}
)
"""What a viseme is called, without prefix -> viseme; VRM's five vowels among them."""


@dataclass(frozen=True)
class ShapeGroup:
    """Shape keys that carry channels together.

    Attributes:
        channels: The channels.
        names: (K,) names of the shape keys.
        ids: (K,) stable names of their curves.
        binding: How.
    """

    channels: tuple[str, ...]
    names: tuple[str, ...]
    ids: tuple[str, ...]
    binding: Binding


@lru_cache(maxsize=64)
def match_shapes(names: tuple[str, ...]) -> tuple[ShapeGroup, ...]:
    """What the shape keys of a mesh carry.

    Args:
        names: Their names.

    Returns:
        Groups in the order of their first channels in `CONTROL_NAMES`; no channel and no shape key is in two.
    """
    direct = match_controls(names)
    spelled: dict[str, str] = {}
    for name in names:
        spelled.setdefault(plain(name), name)
    used = set(direct.values())
    found = [_group((control,), (name,), (control,), ((1.0,),)) for control, name in direct.items()]
    for control in CONTROL_NAMES:
        missing = control not in direct and not any(control in group.channels for group in found)
        group = _other_shape(control, direct, spelled, used) if missing else None
        if group is not None:
            found.append(group)
            used.update(group.names)
    if sum(name in SHAPED for group in found for name in group.channels) < _FEW:
        found = _with_visemes(found, names, used)
    return tuple(sorted(found, key=lambda group: CONTROL_NAMES.index(group.channels[0])))


def unmapped(groups: Sequence[ShapeGroup]) -> list[str]:
    """Controls that none of some groups carries, in their order."""
    carried = {name for group in groups for name in group.channels}
    return [name for name in CONTROL_NAMES if name not in carried]


def _group(
    channels: tuple[str, ...], names: tuple[str, ...], ids: tuple[str, ...], shows: Sequence[tuple[float, ...]]
) -> ShapeGroup:
    low, high = (0.0, 1.0) if len(channels) > 2 else (-np.inf, np.inf)
    properties = tuple(Property(each, low=low, high=high) for each in shows)
    return ShapeGroup(channels, names, ids, Binding(channels, properties))


def _other_shape(
    control: str, direct: Mapping[str, str], spelled: Mapping[str, str], used: set[str]
) -> ShapeGroup | None:
    """A group for a control that has no shape of its own name: of both sides, of each side, or of another name."""
    side = next((side for side in ("Left", "Right") if control.endswith(side)), "")
    base = control.removesuffix(side)
    if not side:
        halves = tuple(spelled.get(plain(base) + end, "") for end in ("left", "right"))
        if all(half and half not in used for half in halves):
            return _group((control,), halves, (f"{base}.left", f"{base}.right"), ((0.5,), (0.5,)))
        return None
    if base == "eyeBlink":
        own = next((spelled[name] for name in _SIDED[side] if name in spelled), "")
        if own and own not in used:
            return _group((control,), (own,), (control,), ((1.0,),))
    both = (f"{base}Left", f"{base}Right")
    if base == "mouth" or any(name in direct for name in both):
        return None
    name = next((spelled[each] for each in (plain(base), *_MERGED.get(base, ())) if each in spelled), "")
    if not name or name in used:
        return None
    return _group(both, (name,), (base,), ((1.0, 1.0),))


def _with_visemes(found: list[ShapeGroup], names: Sequence[str], used: set[str]) -> list[ShapeGroup]:
    """The groups with the mouth carried by visemes where there are enough of them; single mouth shapes then rest."""
    visemes: dict[str, str] = {}
    for name in names:
        word = _PREFIX.sub("", plain(name)) if name not in used else ""
        if word in _SPELLED and _is_viseme(name, word):
            visemes.setdefault(_SPELLED[word], name)
    if not {"aa", "i", "u", "o"} <= set(visemes):
        return found
    shapes = {viseme: shape_of(viseme) for viseme in visemes}
    channels = tuple(name for name in CONTROL_NAMES if any(shape.get(name) for shape in shapes.values()))
    shows = [tuple(shape.get(name, 0.0) for name in channels) for shape in shapes.values()]
    others = [group for group in found if not set(group.channels) & set(channels)]
    ids = tuple(f"viseme.{viseme}" for viseme in visemes)
    return [*others, _group(channels, tuple(visemes.values()), ids, shows)]


def _is_viseme(name: str, word: str) -> bool:
    """Whether a name is a viseme's and not only spelled like one: vowels alone are capitals, or have a prefix."""
    return len(word) > 1 or plain(name) != word or name.isupper()


def shape_of(viseme: str) -> dict[str, float]:
    """What a viseme at 1 shows, by channel."""
    shape = VISEMES[viseme]
    if isinstance(shape, str):
        return {name: value for name, value in shape_values(shape, _FULL).items() if value}
    values = {}
    for control in controls_of(CONTROL_NAMES, linked=True):
        if control.name in shape:
            values.update(dict.fromkeys(control.channels, _FULL * shape[control.name]))
    return values
