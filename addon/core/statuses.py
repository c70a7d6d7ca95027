# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for what a key is to the next write, and for what an animator is asked about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum

import numpy as np
from numpy.typing import NDArray

from .curves import CurveKeys
from .timing import FloatArray, Span


class KeyStatus(IntEnum):
    """What a key is to the next write."""

    GIVEN = 0  # the animator's
    CORRECTED = 1  # ours once, changed by the animator: given from now on (scene may set its type to KEYFRAME)
    GENERATED = 2  # ours: free, removed and rewritten
    BAKE = 3  # part of a bake that is kept: given
    REPLACED = 4  # part of a bake, or reshaped, that the animator let go: removed and rewritten


GIVEN_STATUSES = (KeyStatus.GIVEN, KeyStatus.CORRECTED, KeyStatus.BAKE)
_IS_GIVEN = np.array([status in GIVEN_STATUSES for status in KeyStatus])


class FindingKind(Enum):
    """What the animator is asked about."""

    RESHAPED = "reshaped span"
    SHIFTED = "shift"
    SCALED = "scale"
    BAKE = "bake"


class Choice(Enum):
    """The animator's answer; REDO is Replace for a bake, and PEAKS means KEEP for a bake."""

    KEEP = "KEEP"
    PEAKS = "PEAKS"
    REDO = "REDO"


@dataclass(frozen=True)
class Finding:
    """One thing to choose about.

    Attributes:
        kind: What happened.
        keys: Curve id -> indices of the keys concerned.
        frames: First and last scene frame concerned.
        sentence: For the panel or the report: what, where, and what the choices do.
        names: Channels concerned, as an animator reads them.
    """

    kind: FindingKind
    keys: Mapping[str, NDArray[np.int64]]
    frames: Span
    sentence: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class CurveState:
    """A curve with the status of its keys.

    Attributes:
        keys: The curve as read.
        status: (K,) KeyStatus numbers.
        deleted: Frames of keys we wrote that are gone; they are refilled by the next write.
    """

    keys: CurveKeys
    status: NDArray[np.uint8]
    deleted: FloatArray

    @property
    def given(self) -> NDArray[np.bool_]:
        """(K,) which keys are given."""
        return _IS_GIVEN[self.status]


@dataclass(frozen=True)
class KeyState:
    """All curves and what was found.

    Attributes:
        curves: One state a curve, in the order given to `classify`.
        findings: What the animator may choose about; unless `decide` says otherwise all of it is kept.
    """

    curves: tuple[CurveState, ...]
    findings: tuple[Finding, ...]
