# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator is asked about: reshaped spans, shifts and scales of most keys, bakes (design.md, "Given values").

A shift or scale is an affine map between the keys as written and as they stand, in time (values kept) or in value
(times kept), that more than half of a curve's generated keys follow. Its two numbers are medians over pairs of keys,
so that a few further corrections do not hide it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .curves import KeyType
from .ledger import Ledger, WrittenCurve
from .matching import FRAME_TOLERANCE, VALUE_TOLERANCE, nearest_frames
from .statuses import CurveState, Finding, FindingKind, KeyStatus
from .timing import FloatArray, Span, whole_frames_within
from .wording import shortened

RESHAPED_KEYS = 5  # more consecutive changed keys than this are one reshaped span
MIN_BAKE_KEYS = 6  # a channel with fewer keys in the range is no bake, however short the range
_CHOICES = "Keep gives them all, Keep Peaks Only their turning points, Redo performs them anew."

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class _Operation:
    """Keys `indices` are the written ones mapped by x -> scale * x + offset, x being their time or their value."""

    is_time: bool
    scale: float
    offset: float
    indices: Indices

    @property
    def signature(self) -> tuple[bool, float, float]:
        """What operations on several curves must share to be one."""
        return self.is_time, round(self.scale, 3), round(self.offset, 2) if abs(self.scale - 1) < 1e-3 else 0.0


def find_operations(states: Iterable[CurveState], ledger: Ledger) -> tuple[Finding, ...]:
    """Shifts and scales of most of a curve's generated keys; the same one on several curves is one finding."""
    groups: dict[tuple[bool, float, float], list[tuple[CurveState, _Operation]]] = {}
    for state in states:
        written = ledger.curves.get(state.keys.curve_id)
        operation = _operation(state, written) if written is not None and _is_changed(state) else None
        if operation is not None:
            groups.setdefault(operation.signature, []).append((state, operation))
    return tuple(_operation_finding(group) for group in groups.values())


def find_reshaped(states: Iterable[CurveState], taken: Mapping[str, set[int]]) -> tuple[Finding, ...]:
    """Runs of more than RESHAPED_KEYS changed keys; runs of one group of channels that overlap are one finding.

    Args:
        states: Curves with the statuses of their keys.
        taken: Curve id -> keys that belong to another finding.
    """
    findings: list[tuple[tuple[str, ...], dict[str, Indices], Span]] = []
    for state in states:
        changed = state.status == KeyStatus.CORRECTED
        if not changed.any():
            continue
        changed[list(taken.get(state.keys.curve_id, ()))] = False
        for run in _runs(changed):
            span = Span(float(state.keys.frames[run[0]]), float(state.keys.frames[run[-1]]))
            _merge_run(findings, state, run, span)
    return tuple(_reshaped_finding(*found) for found in findings)


def find_bakes(states: Sequence[CurveState], frames: Span) -> tuple[Finding, ...]:
    """JITTER keys, and channels whose given keys fill more than half of the range's frames."""
    half = len(whole_frames_within(frames)) / 2
    by_group: dict[tuple[str, ...], dict[str, Indices]] = {}
    for state in states:
        indices = _baked(state, frames, half)
        if len(indices) and not state.keys.obstacle:
            by_group.setdefault(state.keys.channels, {})[state.keys.curve_id] = indices
    times = {state.keys.curve_id: state.keys.frames for state in states}
    return tuple(_bake_finding(group, keys, times) for group, keys in by_group.items())


def _is_changed(state: CurveState) -> bool:
    return int((state.status == KeyStatus.CORRECTED).sum()) > RESHAPED_KEYS


def _runs(flags: NDArray[np.bool_]) -> list[Indices]:
    """Indices of each run of more than RESHAPED_KEYS true flags."""
    indices = np.flatnonzero(flags)
    runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    return [run for run in runs if len(run) > RESHAPED_KEYS]


def _merge_run(
    findings: list[tuple[tuple[str, ...], dict[str, Indices], Span]], state: CurveState, run: Indices, span: Span
) -> None:
    """Add a run to the finding of its group that it overlaps on another curve, or as a new one."""
    for number, (group, keys, other) in enumerate(findings):
        if group == state.keys.channels and state.keys.curve_id not in keys and span.overlaps(other):
            keys[state.keys.curve_id] = run
            findings[number] = (group, keys, Span(min(span.start, other.start), max(span.end, other.end)))
            return
    findings.append((state.keys.channels, {state.keys.curve_id: run}, span))


def _operation(state: CurveState, written: WrittenCurve) -> _Operation | None:
    """The shift or scale that most generated keys of a curve went through, None if there is no such."""
    ours = written.types == KeyType.GENERATED
    old_frames, old_values = written.frames[ours].astype(np.float64), written.values[ours].astype(np.float64)
    now = np.flatnonzero(np.asarray(state.keys.types) == KeyType.GENERATED)
    frames, values = state.keys.frames[now], state.keys.values[now]
    if min(len(now), len(old_frames)) <= RESHAPED_KEYS:
        return None
    pairs = _same_values(old_values, values)
    found = _affine(old_frames, frames, pairs, FRAME_TOLERANCE, is_time=True)
    if found is None:
        match = nearest_frames(frames, old_frames)
        pairs = (match[match >= 0], np.flatnonzero(match >= 0))
        found = _affine(old_values, values, pairs, 10 * VALUE_TOLERANCE, is_time=False)
    if found is None or len(found.indices) * 2 <= len(old_frames):
        return None
    return _Operation(found.is_time, found.scale, found.offset, now[found.indices])


def _same_values(old: FloatArray, new: FloatArray) -> tuple[Indices, Indices]:
    """Pairs (old, new) of keys that hold the same value: in order, or by values that occur once on both sides."""
    if len(old) == len(new):
        both = np.flatnonzero(np.abs(old - new) <= VALUE_TOLERANCE)
        return both, both
    old_only, old_at, old_count = np.unique(np.float32(old), return_index=True, return_counts=True)
    new_only, new_at, new_count = np.unique(np.float32(new), return_index=True, return_counts=True)
    _, in_old, in_new = np.intersect1d(old_only, new_only, return_indices=True)
    once = (old_count[in_old] == 1) & (new_count[in_new] == 1)
    first, second = old_at[in_old][once], new_at[in_new][once]
    order = np.argsort(first)
    return first[order].astype(np.int64), second[order].astype(np.int64)


def _affine(
    old: FloatArray, new: FloatArray, pairs: tuple[Indices, Indices], tolerance: float, *, is_time: bool
) -> _Operation | None:
    """The map new = scale * old + offset that the pairs follow, with the moved ones of those that do."""
    before, after = old[pairs[0]], new[pairs[1]]
    moved = np.abs(after - before) > tolerance
    if int(moved.sum()) <= RESHAPED_KEYS:
        return None
    x, y = before[moved], after[moved]
    steps = np.abs(np.diff(x)) > 100 * tolerance
    slopes = np.diff(y)[steps] / np.diff(x)[steps]
    scale = float(np.median(slopes)) if len(slopes) else 1.0
    scale = 1.0 if abs(scale - 1) < 1e-3 else scale
    offset = float(np.median(y - scale * x))
    follows = np.abs(y - scale * x - offset) <= 2 * tolerance * max(1.0, abs(scale)) + 1e-5 * np.abs(y)
    return _Operation(is_time, scale, offset, pairs[1][moved][follows])


def _baked(state: CurveState, frames: Span, half: float) -> Indices:
    """Keys of a curve that make it a bake within the range: its JITTER keys, or all given ones if there are many."""
    if (state.status == KeyStatus.GENERATED).all():
        return np.zeros(0, np.int64)
    types = np.asarray(state.keys.types)
    within = (state.keys.frames >= frames.start) & (state.keys.frames <= frames.end)
    authored = within & (types != int(KeyType.GENERATED)) & (state.status != int(KeyStatus.CORRECTED))
    if int(authored.sum()) > half and int(authored.sum()) >= MIN_BAKE_KEYS:
        return np.flatnonzero(authored).astype(np.int64)
    return np.flatnonzero(within & (types == int(KeyType.JITTER))).astype(np.int64)


def _named(channels: Sequence[str]) -> str:
    return channels[0] if len(channels) == 1 else channels[0].split(".")[0]


def _frames(span: Span) -> str:
    return f"between frames {span.start:g} and {span.end:g}"


def joined(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings for a report: those that say the same of several channels, at overlapping times, made one."""
    groups: list[list[Finding]] = []
    for finding in findings:
        alike = (
            group
            for group in groups
            if finding.kind in _SENTENCES and group[0].kind is finding.kind and _touches(finding, group)
        )
        group = next(alike, None)
        if group is None:
            groups.append([finding])
        else:
            group.append(finding)
    return tuple(group[0] if len(group) == 1 else _as_one(group) for group in groups)


def _touches(finding: Finding, group: Sequence[Finding]) -> bool:
    return any(finding.frames.overlaps(other.frames) for other in group)


def _as_one(group: Sequence[Finding]) -> Finding:
    """One finding for several of a kind; runs of one curve are joined too."""
    keys: dict[str, Indices] = {}
    for finding in group:
        for curve_id, indices in finding.keys.items():
            keys[curve_id] = np.union1d(keys[curve_id], indices) if curve_id in keys else indices
    span = Span(min(found.frames.start for found in group), max(found.frames.end for found in group))
    names = tuple(dict.fromkeys(name for finding in group for name in finding.names))
    counts = [max(len(indices) for indices in finding.keys.values()) for finding in group]
    count = f"{min(counts)}" if min(counts) == max(counts) else f"Up to {max(counts)}"
    return Finding(group[0].kind, keys, span, _SENTENCES[group[0].kind](names, count, span), names)


def _reshaped_sentence(names: Sequence[str], count: str, span: Span) -> str:
    return f"{count} generated keys in a row of {shortened(names, 3)} were changed {_frames(span)}. {_CHOICES}"


def _bake_sentence(names: Sequence[str], count: str, span: Span) -> str:
    verb = "is" if len(names) == 1 else "are"
    keys = f"{count[:1].lower()}{count[1:]} keys"
    return (
        f"{shortened(names, 3)} {verb} baked: {keys} {_frames(span)}. "
        "Keep leaves them as they are, Replace removes them and generates."
    )


_SENTENCES = {FindingKind.RESHAPED: _reshaped_sentence, FindingKind.BAKE: _bake_sentence}


def _reshaped_finding(group: tuple[str, ...], keys: dict[str, Indices], span: Span) -> Finding:
    count, names = max(len(indices) for indices in keys.values()), (_named(group),)
    return Finding(FindingKind.RESHAPED, keys, span, _reshaped_sentence(names, str(count), span), names)


def _operation_finding(group: Sequence[tuple[CurveState, _Operation]]) -> Finding:
    keys = {state.keys.curve_id: operation.indices for state, operation in group}
    times = np.concatenate([state.keys.frames[operation.indices] for state, operation in group])
    span = Span(float(times.min()), float(times.max()))
    first = group[0][1]
    is_shift = first.scale == 1.0
    amount = f"by {first.offset:g}" if is_shift else f"by the factor {first.scale:g}"
    what = ("shifted" if is_shift else "scaled") + (" in time" if first.is_time else " in value")
    names = list(dict.fromkeys(_named(state.keys.channels) for state, _ in group))
    sentence = f"Most generated keys of {shortened(names, 3)} were {what} {amount} {_frames(span)}. {_CHOICES}"
    return Finding(FindingKind.SHIFTED if is_shift else FindingKind.SCALED, keys, span, sentence, tuple(names))


def _bake_finding(group: tuple[str, ...], keys: dict[str, Indices], times: Mapping[str, FloatArray]) -> Finding:
    frames = np.concatenate([times[curve_id][indices] for curve_id, indices in keys.items()])
    span = Span(float(frames.min()), float(frames.max()))
    count, names = max(len(indices) for indices in keys.values()), (_named(group),)
    return Finding(FindingKind.BAKE, keys, span, _bake_sentence(names, str(count), span), names)
