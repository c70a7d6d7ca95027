# SPDX-License-Identifier: GPL-3.0-or-later
"""Controls as an animator thinks of them: groups, left and right together, and mouth shapes by sound."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ...backend.protocol import CONTROL_NAMES, HEAD_ROTATION

_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "jaw and lips": (
        *("jaw", "mouthClose", "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight", "mouthRoll", "mouthShrug"),
        *("mouthPress", "mouthLowerDown", "mouthUpperUp"),
    ),
    "mouth corners": ("mouthSmile", "mouthFrown", "mouthDimple", "mouthStretch"),
    "cheeks and nose": ("cheek", "nose"),
    "brows": ("brow",),
    "lids": ("eyeBlink", "eyeSquint", "eyeWide"),
    "gaze": ("eyeLook",),
    "tongue": ("tongue",),
}
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **{group: tuple(n for n in CONTROL_NAMES if n.startswith(starts)) for group, starts in _PREFIXES.items()},
        "head": HEAD_ROTATION,
    }
)
"""Name of a group -> its channels; every channel is in exactly one."""

_SIDED = re.compile(r"(\w+?)(Left|Right)")
_WORD = re.compile(r"[A-Z]?[a-z]+")


@dataclass(frozen=True)
class Control:
    """One slider: a channel, or the left and the right one of a pair together.

    Attributes:
        name: The channel's name; of a pair without the side.
        channels: The channel, or left and right.
    """

    name: str
    channels: tuple[str, ...]

    @property
    def label(self) -> str:
        """As an animator reads it, e.g. "Mouth Smile"."""
        return label_of(self.name)


def label_of(name: str) -> str:
    """A channel's name in words."""
    return " ".join(word.capitalize() for word in _WORD.findall(name))


def controls_of(channels: Sequence[str], linked: bool) -> list[Control]:
    """Sliders of some channels.

    Args:
        channels: Their names.
        linked: Whether left and right are moved together.
    """
    found: dict[str, list[str]] = {}
    for name in channels:
        sided = _SIDED.fullmatch(name)
        is_pair = linked and sided and {f"{sided[1]}Left", f"{sided[1]}Right"} <= set(channels) and sided[1] != "mouth"
        found.setdefault(sided[1] if sided and is_pair else name, []).append(name)
    return [Control(name, tuple(sorted(members))) for name, members in found.items()]


LINKED = tuple(
    control for group, names in GROUPS.items() if group != "head" for control in controls_of(names, linked=True)
)
"""Sliders that move left and right together, the unpaired ones included."""

MOUTH_SHAPES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "M B P": {
            **{"jawOpen": 0.06, "mouthClose": 0.06, "mouthPress": 0.18},
            **{"mouthRollLower": 0.12, "mouthRollUpper": 0.10, "mouthShrugLower": 0.06},
        },
        "F V": {"jawOpen": 0.03, "mouthRollLower": 0.55, "mouthUpperUp": 0.07},
        "Th L": {"jawOpen": 0.12, "mouthLowerDown": 0.08, "tongueOut": 0.22},
        "S": {"jawOpen": 0.10, "jawForward": 0.10, "mouthStretch": 0.23, "mouthDimple": 0.10, "mouthLowerDown": 0.16},
        "Ee": {
            **{"jawOpen": 0.19, "mouthStretch": 0.28, "mouthDimple": 0.12},
            **{"mouthLowerDown": 0.10, "mouthUpperUp": 0.05},
        },
        "Ah": {"jawOpen": 0.47, "mouthLowerDown": 0.10, "mouthUpperUp": 0.05},
        "Oh": {"jawOpen": 0.40, "mouthPucker": 0.33, "mouthFunnel": 0.41},
        "Oo W": {"jawOpen": 0.12, "mouthPucker": 0.82, "mouthFunnel": 0.23},
        "Rest": {},
    }
)
"""Button -> controls without their side; the articulation teacher's neutral targets, held (backend/training)."""

_SHAPED = (*GROUPS["jaw and lips"], *GROUPS["tongue"], "mouthStretchLeft", "mouthStretchRight")
SHAPED = (*_SHAPED, "mouthDimpleLeft", "mouthDimpleRight")
"""Channels that a mouth shape keys: smiles and frowns stay free."""


def shape_values(shape: str, strength: float) -> dict[str, float]:
    """Values of all channels that a mouth shape keys.

    Args:
        shape: A key of `MOUTH_SHAPES`.
        strength: 1 is as spoken; more opens and rounds more, at most to the sliders' end. Closed lips stay closed.
    """
    wanted = MOUTH_SHAPES[shape]
    values = dict.fromkeys(SHAPED, 0.0)
    for control in controls_of(SHAPED, linked=True):
        if control.name in wanted:
            scale = 1.0 if "mouthClose" in wanted and control.name in ("mouthClose", "jawOpen") else strength
            values.update(dict.fromkeys(control.channels, min(max(wanted[control.name] * scale, 0.0), 1.0)))
    return values
