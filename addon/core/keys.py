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
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from .curves import CurveKeys, KeyType
from .findings import find_bakes, find_operations, find_reshaped
from .ledger import Ledger, WrittenCurve
from .matching import VALUE_TOLERANCE, nearest_frames
from .statuses import (
    GIVEN_STATUSES,
    Choice,
    CurveState,
    Finding,
    FindingKind,
    KeyState,
    KeyStatus,
)
from .timing import FloatArray, Span

__all__ = [
    "GIVEN_STATUSES",
    "Choice",
    "CurveState",
    "Finding",
    "FindingKind",
    "KeyState",
    "KeyStatus",
    "classify",
    "decide",
    "turning_points",
]


def classify(curves: Sequence[CurveKeys], ledger: Ledger, frames: Span) -> KeyState:
    """Tell given, corrected and generated keys apart, before every write.

    A CORRECTED key that stays given must get the type KEYFRAME in the scene with the write that follows: the ledger
    then records it as given, and it is told from our own from then on.

    Args:
        curves: All mapped curves.
        ledger: What was last written.
        frames: The range of the coming write, scene frames; a bake is looked for within it.

    Returns:
        The statuses, everything found being kept as given, and the findings.
    """
    states = tuple(_compare(curve, ledger.curves.get(curve.curve_id)) for curve in curves)
    operations = find_operations(states, ledger)
    taken = {curve_id: set(indices.tolist()) for found in operations for curve_id, indices in found.keys.items()}
    findings = (*operations, *find_reshaped(states, taken), *find_bakes(states, frames))
    return decide(KeyState(states, findings), Choice.KEEP)


def decide(state: KeyState, choices: Choice | Mapping[int, Choice]) -> KeyState:
    """Apply the animator's answers.

    Args:
        state: What `classify` returned.
        choices: One answer for all findings, or finding number -> answer (those left out are kept).

    Returns:
        The same state with changed statuses: KEEP makes all keys of a finding given, PEAKS only its turning points,
        REDO none.
    """
    status = {curve.keys.curve_id: curve.status.copy() for curve in state.curves}
    values = {curve.keys.curve_id: curve.keys.values for curve in state.curves}
    for number, finding in enumerate(state.findings):
        choice = choices if isinstance(choices, Choice) else choices.get(number, Choice.KEEP)
        for curve_id, indices in finding.keys.items():
            status[curve_id][indices] = _answered(finding.kind, choice, values[curve_id][indices])
    return replace(state, curves=tuple(replace(c, status=status[c.keys.curve_id]) for c in state.curves))


def _answered(kind: FindingKind, choice: Choice, values: FloatArray) -> NDArray[np.uint8]:
    """Statuses of a finding's keys on one curve under an answer."""
    kept = KeyStatus.BAKE if kind is FindingKind.BAKE else KeyStatus.CORRECTED
    status = np.full(len(values), KeyStatus.REPLACED if choice is Choice.REDO else kept, np.uint8)
    if choice is Choice.PEAKS and kind is not FindingKind.BAKE:
        status[:] = KeyStatus.REPLACED
        status[turning_points(values)] = kept
    return status


def turning_points(values: FloatArray, share: float = 0.05) -> NDArray[np.int64]:
    """Local extremes of a run of values, smaller wiggles than a share of its range ignored.

    Args:
        values: (K,) in order of time, K >= 1.
        share: Of max - min, how far a value must turn back to make an extreme.

    Returns:
        Their indices, ascending; the ends are extremes only of a run that does not turn.
    """
    needed = share * float(np.ptp(values)) + VALUE_TOLERANCE
    turns: list[int] = []
    high = low = 0
    rising: bool | None = None
    for index, value in enumerate(values):
        high = index if value > values[high] else high
        low = index if value < values[low] else low
        if rising is not False and values[high] - value > needed:
            turns.append(high)
            rising, low = False, index
            high = index
        elif rising is not True and value - values[low] > needed:
            turns.append(low)
            rising, high = True, index
            low = index
    inner = [turn for turn in turns if 0 < turn < len(values) - 1]
    return np.array(inner or sorted({0, len(values) - 1}), np.int64)


def _compare(keys: CurveKeys, written: WrittenCurve | None) -> CurveState:
    """Status of each key of a curve against what was written, before findings are looked for."""
    types = np.asarray(keys.types)
    is_ours = types == KeyType.GENERATED
    status = np.where(is_ours, KeyStatus.GENERATED, KeyStatus.GIVEN).astype(np.uint8)
    status[types == KeyType.JITTER] = KeyStatus.BAKE
    if written is None or not len(written.frames):
        return CurveState(keys, status, np.zeros(0))
    same_frames = np.array_equal(keys.frames, written.frames)  # as nearly always: nothing to look for
    if same_frames and np.array_equal(keys.values, written.values) and np.array_equal(types, written.types):
        return CurveState(keys, status, np.zeros(0))
    if same_frames:
        match, gone = np.arange(len(keys.frames)), np.zeros(len(written.frames), bool)
    else:
        match = nearest_frames(keys.frames, written.frames)
        gone = nearest_frames(written.frames, keys.frames) < 0
    known = np.maximum(match, 0)
    was_ours = (match >= 0) & (written.types[known] == KeyType.GENERATED)
    same = (match >= 0) & (np.abs(keys.values - written.values[known]) <= VALUE_TOLERANCE)
    status[is_ours & ~same] = KeyStatus.CORRECTED
    status[(status == KeyStatus.GIVEN) & was_ours] = KeyStatus.CORRECTED
    return CurveState(keys, status, written.frames[gone & (written.types == KeyType.GENERATED)].astype(np.float64))
