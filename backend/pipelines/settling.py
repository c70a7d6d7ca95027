# SPDX-License-Identifier: GPL-3.0-or-later
"""Settles motion onto given values: what a network misses of them is made up smoothly, not in a single frame.

Algorithm 2 of 3DiFACE ends with the given values written over the last prediction (line 9). Where the network has not
quite followed them with the frames around, that leaves a one-frame spike. Here the motion beside a given value, drawn
on to its time, is compared with it, and what is missing fades out on either side; the value itself is met all the
same. (The paper's overwriting is the limit of a reach of one frame.)
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ..protocol import CONTROL_NAMES

Kind = TypeVar("Kind", bound=np.generic)
Motion = NDArray[np.float32]
Flags = NDArray[np.bool_]

_OPENING = {  # roughly how far each weight parts the lips, relative to jawOpen
    **{"jawOpen": 1.0, "mouthClose": -1.0, "mouthFunnel": 0.15, "mouthRollLower": -0.1, "mouthRollUpper": -0.1},
    **{"mouthLowerDownLeft": 0.12, "mouthLowerDownRight": 0.12, "mouthUpperUpLeft": 0.12, "mouthUpperUpRight": 0.12},
}
_CLOSED = 0.045  # of jawOpen: about 1.5 mm
_OPEN = 0.08
_LONGEST_CLOSURE = 8  # frames; lips closed for longer are at rest, and may open for a key
_OPENING_BY_COLUMN = np.array([_OPENING.get(name, 0.0) for name in CONTROL_NAMES], np.float32)


def settle(raw: Motion, keyframe_values: Motion, keyframe_mask: Flags, reach: float, fixed: Flags | None) -> Motion:
    """Bend predictions onto given values.

    Args:
        raw: The network's last prediction, (B, N, C).
        keyframe_values: Given values, same shape and unit.
        keyframe_mask: (B, N, C) bool, True = given.
        reach: Frames over which a difference fades out.
        fixed: (B, N, C) bool, True where the prediction must stay as it is; None: nowhere.

    Returns:
        Motion of the same shape; given values equal `keyframe_values` exactly, and what is farther than `reach` from
        all of them in its channel equals `raw`.
    """
    N = raw.shape[1]
    frames = np.arange(N).reshape(1, N, 1)
    anchors = keyframe_mask if fixed is None else keyframe_mask | fixed
    clean = np.where(keyframe_mask, keyframe_values, raw)
    missing_before = np.where(keyframe_mask, keyframe_values - _drawn_on(clean, keyframe_mask, 1), np.float32(0.0))
    missing_after = np.where(keyframe_mask, keyframe_values - _drawn_on(clean, keyframe_mask, -1), np.float32(0.0))
    far = 4 * N
    before = np.maximum.accumulate(np.where(anchors, frames, -far), axis=1)
    after = np.minimum.accumulate(np.where(anchors, frames, far)[:, ::-1], axis=1)[:, ::-1]
    within = np.maximum(np.minimum(reach, after - before), 1)  # from one anchor to the next at most
    bend = _fade((frames - before) / within) * _gather(missing_after, before)
    bend += _fade((after - frames) / within) * _gather(missing_before, after)
    return np.where(anchors, clean, raw + bend).astype(np.float32)


def influence(keyframe_mask: Flags, horizon: float) -> Motion:
    """How far frames follow the motion that knows the given values, the rest being the one that knows none.

    A change of a key must leave the rest of a take where it was, also where the network looks farther than that.

    Args:
        keyframe_mask: (B, N, C) bool, True = given.
        horizon: Frames from a given value, of any channel, beyond which it has no say.

    Returns:
        (B, N, 1) float32: 1 up to half the horizon, falling smoothly to 0 at it; 0 where nothing is given.
    """
    N = keyframe_mask.shape[1]
    frames, is_given = np.arange(N), keyframe_mask.any(axis=-1)
    before = np.maximum.accumulate(np.where(is_given, frames, -4 * N), axis=1)
    after = np.minimum.accumulate(np.where(is_given, frames, 4 * N)[:, ::-1], axis=1)[:, ::-1]
    distance = np.minimum(frames - before, after - frames)
    return _fade(2.0 * distance / horizon - 1.0)[:, :, None]


def speech_closures(raw: Motion, keyframe_mask: Flags) -> Flags:
    """Frames and channels that hold a lip closure of speech (p b m), which bending onto a key must not open.

    Judged by the weights alone: a head's geometry is the add-on's knowledge. A closure that a key on the lips stands in
    is the animator's own.

    Args:
        raw: Weights of the named controls, (B, N, 52).
        keyframe_mask: (B, N, 52) bool, True = given.

    Returns:
        (B, N, 52) bool, True on the channels that part the lips, in closed frames.
    """
    opening = raw @ _OPENING_BY_COLUMN  # (B, N)
    parts_lips = _OPENING_BY_COLUMN != 0.0
    is_keyed = (keyframe_mask & parts_lips).any(axis=-1)
    closed = np.zeros(opening.shape, np.bool_)
    for take, track in enumerate(opening):
        for first, stop in _runs(track < _CLOSED):
            opens = first > 0 and stop < len(track) and min(track[:first][-3:].max(), track[stop:][:3].max()) > _OPEN
            if opens and stop - first <= _LONGEST_CLOSURE and not is_keyed[take, first:stop].any():
                closed[take, first:stop] = True
    fixed: Flags = closed[:, :, None] & parts_lips
    return fixed


def _runs(flags: Flags) -> list[tuple[int, int]]:
    """First index and the one after the last of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(stop)) for first, stop in edges.reshape(-1, 2)]


def _drawn_on(clean: Motion, keyframe_mask: Flags, step: int) -> Motion:
    """What a frame would be by the two frames before it (step 1) or after it (-1), on a straight line.

    Where the farther one is given it is another key's affair: the nearer one alone is held. A value that stands alone
    is read from both sides, from the cubic through them: motion that curves there is then no miss.
    """
    one, other, beyond, behind = (_shifted(clean, step * away) for away in (-1, 1, -2, 2))
    slope = np.where(_shifted(keyframe_mask, -2 * step), np.float32(0.0), one - beyond)
    alone = ~(_shifted(keyframe_mask, -1) | _shifted(keyframe_mask, 1))
    alone &= ~(_shifted(keyframe_mask, -2) | _shifted(keyframe_mask, 2))
    alone[:, :2] = alone[:, -2:] = False
    cubic = (np.float32(4.0) * (one + other) - (beyond + behind)) / np.float32(6.0)
    return np.where(alone, cubic, one + slope)


def _shifted(array: NDArray[Kind], frames: int) -> NDArray[Kind]:
    """Each frame's neighbour, `frames` later, of (B, N, C); the last there is beyond the ends."""
    N = array.shape[1]
    return array[:, np.clip(np.arange(N) + frames, 0, N - 1)]


def _fade(distance: NDArray[np.float64]) -> Motion:
    """Raised cosine: 1 at 0, 0 from 1 on; two of them facing each other sum to 1."""
    return (0.5 + 0.5 * np.cos(np.pi * np.clip(distance, 0.0, 1.0))).astype(np.float32)


def _gather(missing: Motion, frames: NDArray[np.int64]) -> Motion:
    """Take each channel's value at its own frames (B, N, C); what lies outside is faded to nothing anyway."""
    gathered: Motion = np.take_along_axis(missing, np.clip(frames, 0, missing.shape[1] - 1), axis=1)
    return gathered
