# SPDX-License-Identifier: GPL-3.0-or-later
"""Which keys are given, which are ours, and what an animator did to ours since the last write.

Rules of design.md, "Given values". A key is

* given: type KEYFRAME, EXTREME, BREAKDOWN or MOVING_HOLD;
* generated (free, will be rewritten): type GENERATED and as the ledger holds it, or on a curve without a ledger;
* corrected: type GENERATED, but not as the ledger holds it (value by more than 1e-6, time, type); it becomes given;
* a bake's: type JITTER, or given on a channel keyed on more than half the frames of the range.

Two decisions the design leaves open: an untouched key that was given at the last write and is GENERATED now was handed
over by the animator and is free; a channel with fewer than MIN_BAKE_KEYS keys in the range is never called a bake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, IntEnum

import numpy as np
from numpy.typing import NDArray

from .curves import CurveKeys
from .ledger import Ledger
from .timing import FloatArray, Span

VALUE_TOLERANCE = 1e-6
FRAME_TOLERANCE = 1e-3
RESHAPED_KEYS = 5  # more consecutive changed keys than this are one reshaped span
MIN_BAKE_KEYS = 6


class KeyStatus(IntEnum):
    """What a key is to the next write."""

    GIVEN = 0  # the animator's
    CORRECTED = 1  # ours once, changed by the animator: given from now on (scene may set its type to KEYFRAME)
    GENERATED = 2  # ours: free, removed and rewritten
    BAKE = 3  # part of a bake that is kept: given
    REPLACED = 4  # part of a bake, or reshaped, that the animator let go: removed and rewritten


GIVEN_STATUSES = (KeyStatus.GIVEN, KeyStatus.CORRECTED, KeyStatus.BAKE)


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
    """

    kind: FindingKind
    keys: Mapping[str, NDArray[np.int64]]
    frames: Span
    sentence: str


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
        return np.isin(self.status, GIVEN_STATUSES)


@dataclass(frozen=True)
class KeyState:
    """All curves and what was found.

    Attributes:
        curves: One state a curve, in the order given to `classify`.
        findings: What the animator may choose about; unless `decide` says otherwise all of it is kept.
    """

    curves: tuple[CurveState, ...]
    findings: tuple[Finding, ...]


def classify(curves: Sequence[CurveKeys], ledger: Ledger, frames: Span) -> KeyState:
    """Tell given, corrected and generated keys apart, before every write.

    Args:
        curves: All mapped curves.
        ledger: What was last written.
        frames: The range of the coming write, scene frames; a bake is looked for within it.

    Returns:
        The statuses, everything found being kept as given, and the findings.
    """
    raise NotImplementedError


def decide(state: KeyState, choices: Choice | Mapping[int, Choice]) -> KeyState:
    """Apply the animator's answers.

    Args:
        state: What `classify` returned.
        choices: One answer for all findings, or finding number -> answer (those left out are kept).

    Returns:
        The same state with changed statuses: KEEP makes all keys of a finding given, PEAKS only its local extremes and
        ends, REDO none.
    """
    raise NotImplementedError
