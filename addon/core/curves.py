# SPDX-License-Identifier: GPL-3.0-or-later
"""F-curves as `scene` reads them, without Blender.

Times are scene frames (float). `CurveKeys.values` are raw, in the curve's own unit (what `keyframe.co` holds), and only
compared with what was written before; `CurveKeys.evaluate` speaks the language of channels (weights; the neck as
axis-angle in model axes), so Euler angles, quaternions and bone axes stay `scene`'s own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import InputError
from .channels import CHANNEL_INDEX
from .timing import FloatArray, Span

Evaluate = Callable[[FloatArray], FloatArray]
"""Scene frames (F,) -> values (F, number of the curve's channels), as the scene evaluates them there."""


class KeyType(IntEnum):
    """Blender's keyframe types, by the numbers `foreach_get("type")` gives."""

    KEYFRAME = 0
    EXTREME = 1
    BREAKDOWN = 2
    JITTER = 3
    MOVING_HOLD = 4
    GENERATED = 5


class Interpolation(IntEnum):
    """Blender's interpolations that matter here; higher numbers are easings."""

    CONSTANT = 0
    LINEAR = 1
    BEZIER = 2


@dataclass(frozen=True)
class CurveKeys:
    """One F-curve of a mapped channel, or a mapped channel that has none yet (zero keys).

    The curves of the neck rotation (three or four components, whatever the rotation mode) all carry the three channels
    `head_rotation.x/y/z` and the same `evaluate`, which evaluates the whole rotation.

    Attributes:
        curve_id: Stable name of the curve, e.g. data path and index; the ledger's key.
        channels: Channels it drives: one, or the neck's three.
        frames: (K,) scene frames, ascending.
        values: (K,) raw values.
        types: (K,) KeyType numbers.
        interpolations: (K,) Interpolation numbers.
        evaluate: Values of `channels` at any frames, as they stand in the scene now.
        driven: A driver owns the value.
        constrained: A constraint or the like overrides it.
        muted: The curve (or its group) is muted.
        locked: The curve (or its group) is locked.
        layered: A strip of the NLA plays the value, and a new curve would silence it at all times.
        locked_spans: Spans of frames that the animator locked.
        follows: It repeats another curve of its channels: its keys stay, but give the channels nothing.
    """

    curve_id: str
    channels: tuple[str, ...]
    frames: FloatArray
    values: FloatArray
    types: NDArray[np.integer]
    interpolations: NDArray[np.integer]
    evaluate: Evaluate = field(compare=False)
    driven: bool = False
    constrained: bool = False
    muted: bool = False
    locked: bool = False
    layered: bool = False
    locked_spans: tuple[Span, ...] = ()
    follows: bool = False

    def __post_init__(self) -> None:
        count = len(self.frames)
        if not all(len(array) == count for array in (self.values, self.types, self.interpolations)):
            raise InputError(f"The curve '{self.curve_id}' has arrays of different lengths.")
        if not (np.isfinite(self.frames).all() and np.isfinite(self.values).all()):
            raise InputError(
                f"The curve '{self.curve_id}' holds a key that is not a finite number.", "Delete that key."
            )
        if count and (np.diff(self.frames) < 0).any():
            raise InputError(f"The keys of the curve '{self.curve_id}' are not in order of time.")
        unknown = [name for name in self.channels if name not in CHANNEL_INDEX]
        if unknown or not self.channels:
            raise InputError(f"The curve '{self.curve_id}' is mapped to the unknown channel {unknown}.")

    @property
    def obstacle(self) -> str:
        """Why the curve may not be written, in words ("driver", ...); empty if it may."""
        reasons = {
            "driver": self.driven,
            "constraint": self.constrained,
            "muted curve": self.muted,
            "locked curve": self.locked,
            "strip in the NLA": self.layered,
        }
        return next((words for words, holds in reasons.items() if holds), "")
