# SPDX-License-Identifier: GPL-3.0-or-later
"""Blinks and gaze of a take, changed without generating: more or fewer blinks, none in some spans, livelier gaze."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ...backend.protocol import MODEL_FPS
from .timing import FloatArray, Span

SHUT = 0.4  # closure of the lids from which it is a blink
_OPEN = 0.05  # above what is between blinks: where a blink begins and ends
_LONGEST = MODEL_FPS // 2  # frames of a blink to either side of its middle; shut longer, the eyes are closed
_LEAST_GAP = 1.2  # s between a blink that is added and the next
_SHAPE = np.array([0.25, 0.85, 1.0, 0.8, 0.45, 0.2, 0.06])  # of a blink that is added, frames of the model
_GOLDEN = 0.6180339887


def find_blinks(lids: FloatArray) -> list[tuple[int, int]]:
    """First frame and frame after the last of each blink.

    Args:
        lids: (N,) closure of the lids at the model's rate, 0 open.
    """
    base = float(np.median(lids)) if len(lids) else 0.0
    shut = lids > max(SHUT, base + 0.25)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], shut, [False]]).astype(np.int8))).reshape(-1, 2)
    found: list[tuple[int, int]] = []
    for first, end in edges:
        middle = (first + end) // 2
        start, stop = int(first), int(end)
        while start > max(0, middle - _LONGEST) and lids[start - 1] > base + _OPEN and lids[start - 1] <= lids[start]:
            start -= 1
        while stop < min(len(lids), middle + _LONGEST) and lids[stop] > base + _OPEN and lids[stop] <= lids[stop - 1]:
            stop += 1
        if end - first <= _LONGEST:
            found.append((start, stop))
    return found


def change_blinks(lids: FloatArray, rate: float, quiet: Sequence[Span], start_frame: int) -> FloatArray:
    """Take blinks away, or add some.

    Which ones go or come depends on the take alone, so that a slider that is moved on keeps what it did before.

    Args:
        lids: (N, 2) closure of the left and the right lids at the model's rate.
        rate: Blinks for each one of the take: 0 none, 1 as it is, 2 twice as many where there is room.
        quiet: Spans of audio time without any blink, s.
        start_frame: Model frame of the first row.

    Returns:
        (N, 2).
    """
    changed = lids.copy()
    blinks = find_blinks(lids.mean(axis=1))
    for number, (first, end) in enumerate(blinks):
        seconds = (start_frame + np.array([first, end - 1])) / MODEL_FPS
        is_quiet = any(span.start <= seconds[1] and span.end >= seconds[0] for span in quiet)
        if is_quiet or (number * _GOLDEN + 0.5) % 1.0 >= rate:
            _open(changed, first, end)
    wanted = round(max(0.0, rate - 1.0) * max(len(blinks), 1))
    taken = list(blinks)
    for _ in range(wanted):
        place = _room(taken, quiet, len(lids), start_frame)
        if place is None:
            break
        rows = slice(place, place + len(_SHAPE))
        shape = _SHAPE[: len(changed[rows]), None]
        changed[rows] = np.maximum(changed[rows], shape)
        taken = sorted([*taken, (place, place + len(_SHAPE))])
    return changed


def change_gaze(looks: FloatArray, amount: float) -> FloatArray:
    """Make darts of the eyes (N, C) larger or smaller about where they look on the whole."""
    mean = looks.mean(axis=0)
    return np.asarray(np.clip(mean + amount * (looks - mean), np.minimum(looks.min(axis=0), 0.0), 1.0), np.float64)


def _open(lids: FloatArray, first: int, end: int) -> None:
    """Let the lids go straight from what is before a blink to what is behind it."""
    before, behind = lids[max(0, first - 1)].copy(), lids[min(len(lids) - 1, end)].copy()
    if first == 0:
        before = behind
    if end >= len(lids):
        behind = before
    share = (np.arange(first, end) - first + 1)[:, None] / (end - first + 1)
    lids[first:end] = np.minimum(lids[first:end], before + share * (behind - before))


def _room(taken: Sequence[tuple[int, int]], quiet: Sequence[Span], count: int, start_frame: int) -> int | None:
    """First frame of a blink in the middle of the longest stretch without one; None where none is long enough."""
    walls = [*taken]
    for span in quiet:
        first, last = (round(second * MODEL_FPS) - start_frame for second in (span.start, span.end))
        walls.append((max(0, first), min(count, last + 1)))
    edges = [(0, 0), *sorted(wall for wall in walls if wall[1] > 0 and wall[0] < count), (count, count)]
    gaps = [(after[0] - before[1], before[1]) for before, after in pairwise(edges)]
    length, start = max(gaps)
    if length < 2 * _LEAST_GAP * MODEL_FPS:
        return None
    return start + length // 2 - len(_SHAPE) // 2
