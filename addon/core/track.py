# SPDX-License-Identifier: GPL-3.0-or-later
"""One part of the comp painted at scene frames: takes resampled, a later entry fading in over an earlier one.

A fade lies inside the later entry's span, lasts 0.15 s and avoids closures and given keys (design.md, "Takes"): it
starts later, or becomes shorter, where one is in its way. Two takes that both rest with closed lips may fade there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...backend.protocol import MODEL_FPS, PARTS
from .bend import BEND_SECONDS, kernel
from .channels import CHANNEL_INDEX, LipModel
from .finishing import Finishing
from .given import HALF_FRAME, Given, distance_to
from .library import Library
from .resample import find_closures, interpolating, meet_closures
from .steps import Steps, finish
from .takes import ORIGINAL, Take
from .timing import AudioClock, FloatArray, IntArray, Span, whole_frames_within

_LATEST_FADE = 2.0  # fades; how much later than at the join a fade may start


@dataclass(frozen=True)
class Track:
    """A part at scene frames.

    Attributes:
        channels: (C,) the part's channels.
        frames: (F,) consecutive scene frames.
        values: (F, C); 0 where not painted.
        painted: (F,) where a take plays.
        original: (F,) where Take 0 was chosen.
        closed: (F,) where the lips close (only the mouth's track has such).
        joined: (F,) where the motion goes on from the frame before, without a cut.
        beyond: (2, C) the values a frame before the first and after the last frame, where the motion goes on beyond
            the limit; else not a number.
    """

    channels: tuple[str, ...]
    frames: IntArray
    values: FloatArray
    painted: NDArray[np.bool_]
    original: NDArray[np.bool_]
    closed: NDArray[np.bool_]
    joined: NDArray[np.bool_]
    beyond: FloatArray

    @cached_property
    def islands(self) -> list[tuple[int, int]]:
        """First index and index after the last of each stretch in which a take plays."""
        return runs(self.painted)

    @cached_property
    def closures(self) -> list[tuple[int, int]]:
        """First index and index after the last of each stretch in which the lips are closed."""
        return runs(self.closed)


def paint(
    library: Library, part: str, clock: AudioClock, given: Given, lips: LipModel, limit: Span | None
) -> Track | None:
    """`painting`, all at once."""
    return finish(painting(library, part, clock, given, lips, limit))


def painting(
    library: Library, part: str, clock: AudioClock, given: Given, lips: LipModel, limit: Span | None
) -> Steps[Track | None]:
    """Paint the entries of one part, in their order.

    All of them are painted whole and cut to the limit afterwards, so that what plays within it does not depend on it.

    Args:
        library: Takes and comp.
        part: Which part.
        clock: Audio time to scene frames.
        given: Given keys, which fades avoid.
        lips: What closes the mouth.
        limit: Scene frames beyond which nothing is painted; None for no limit.

    Returns:
        The track from the first to the last frame of any entry, None if no entry has a frame.
    """
    entries = [entry for entry in library.comp if entry.part == part]
    placed = [(entry, frames) for entry in entries if len(frames := whole_frames_within(clock.frame_span(entry.span)))]
    if not placed:
        return None
    first, last = min(frames[0] for _, frames in placed), max(frames[-1] for _, frames in placed)
    track = _empty(part, np.arange(first, last + 1))
    blocked = distance_to(track.frames, given.key_frames(_writable(given, part))) <= HALF_FRAME
    for entry, frames in placed:
        at = slice(int(frames[0] - first), int(frames[-1] - first) + 1)
        if entry.take == ORIGINAL:
            track.painted[at], track.original[at], track.closed[at] = False, True, False
            track.joined[at.start : at.stop + 1] = False
        else:
            take = library.take(entry.take)
            jaw_closes = "mouthClose" not in given.channels
            values, closed = yield from reading_take(take, part, clock, frames, lips, library.finishing, jaw_closes)
            _paint_take(track, at, values, closed, blocked[at], clock)
            yield False
    return track if limit is None else _cut(track, limit)


def _empty(part: str, frames: IntArray) -> Track:
    """A track of nothing."""
    names, count = PARTS[part], len(frames)
    painted, original, closed, joined = np.zeros((4, count), bool)
    values, beyond = np.zeros((count, len(names))), np.full((2, len(names)), np.nan)
    return Track(names, frames, values, painted, original, closed, joined, beyond)


def _cut(track: Track, limit: Span) -> Track | None:
    """The track within a limit, None if nothing plays there."""
    inside = (track.frames >= limit.start - 1e-6) & (track.frames <= limit.end + 1e-6)
    kept = np.flatnonzero(inside & (track.painted | track.original))
    if not len(kept):
        return None
    at = slice(int(kept[0]), int(kept[-1]) + 1)
    beyond = track.beyond.copy()
    for row, later, beside in ((0, at.start, at.start - 1), (1, at.stop, at.stop)):
        if later < len(track.frames) and track.joined[later]:
            beyond[row] = track.values[beside]
    return Track(
        track.channels,
        track.frames[at],
        track.values[at],
        track.painted[at],
        track.original[at],
        track.closed[at],
        track.joined[at],
        beyond,
    )


def read_take(
    take: Take,
    part: str,
    clock: AudioClock,
    frames: IntArray,
    lips: LipModel,
    finishing: Finishing = Finishing(),  # noqa: B008 (it cannot change)
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """`reading_take`, all at once."""
    return finish(reading_take(take, part, clock, frames, lips, finishing))


def reading_take(
    take: Take,
    part: str,
    clock: AudioClock,
    frames: IntArray,
    lips: LipModel,
    finishing: Finishing,
    jaw_closes: bool = False,
) -> Steps[tuple[FloatArray, NDArray[np.bool_]]]:
    """Resample one part of a take, closures surviving.

    Closures are met on all frames of the take, so that the same frame reads the same whichever others are asked for.
    A weight that is nowhere negative (or over 1) in the take does not become so between its samples.

    Args:
        take: The take.
        part: Which part.
        clock: Audio time to scene frames.
        frames: (F,) consecutive scene frames.
        lips: What closes the mouth.
        finishing: What the animator changes of it.
        jaw_closes: The head has nothing for mouthClose: the jaw is opened less by as much, or lips would stay apart.

    Returns:
        (F, C) values and (F,) which frames are closed; none are but for the mouth.
    """
    columns = [take.channel_names.index(name) for name in PARTS[part]]
    values = take.values[:, columns].astype(np.float64)
    if part == "mouth" and jaw_closes:
        jaw, close = (PARTS[part].index(name) for name in ("jawOpen", "mouthClose"))
        values[:, jaw] = np.maximum(values[:, jaw] - values[:, close], np.minimum(values[:, jaw], 0.0))
    grid = _take_frames(take, clock, frames)
    asked = slice(int(frames[0] - grid[0]), int(frames[-1] - grid[0]) + 1)
    positions = clock.seconds(grid) * MODEL_FPS - take.start_frame + finishing.shift(part, clock.fps)
    if part == "head":
        return (yield from interpolating(finishing.apply(part, values), positions[asked])), np.zeros(len(frames), bool)
    lowest, highest = np.minimum(values.min(axis=0), 0.0), np.maximum(values.max(axis=0), 1.0)
    if part != "mouth":
        if part == "eyes":
            values = finishing.apply_eyes(values, PARTS[part], take.start_frame)
        else:
            values = finishing.apply(part, values)
        read = yield from interpolating(values, positions[asked])
        return np.clip(read, lowest, highest), np.zeros(len(frames), bool)
    moving = replace(lips, slopes=lips.slopes[[CHANNEL_INDEX[name] for name in PARTS[part]]])
    threshold = moving.threshold(values)
    values = finishing.apply(part, values, moving.opening(values) < threshold)
    yield False
    positions = meet_closures(positions, find_closures(moving.opening(values), threshold))[asked]
    yield False
    read = np.clip((yield from interpolating(values, positions)), lowest, highest)
    return read, moving.opening(read) < threshold


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First index and index after the last of each run of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def fade_weight(clear: NDArray[np.bool_], below: NDArray[np.bool_], length: float) -> FloatArray:
    """Weight of a take that comes in over another.

    Args:
        clear: (F,) frames from the join on at which the two may mix.
        below: (F,) frames at which there is another; it is followed until the fade starts.
        length: Wished length of the fade, frames.

    Returns:
        (F,) weights from 0 to 1: a fade as near to the join and as long, up to `length`, as it can be; 1 everywhere,
        a cut at the join, where the two may not mix at all.
    """
    whole = int(np.ceil(length))
    followed = int(np.argmin(below)) if not below.all() else len(below)
    latest = min(round(_LATEST_FADE * length), followed)
    start, count = 0, 0
    for first, end in runs(clear[: min(latest + whole, followed)]):
        if first <= latest and min(end - first, whole) > count:
            start, count = first, min(end - first, whole)
    if not count:
        return np.ones(len(clear))
    away = np.maximum(np.arange(len(clear)) - start + 1, 0)
    return np.asarray(1 - kernel(away / min(length, count + 1.0)), np.float64)


def _paint_take(
    track: Track,
    at: slice,
    values: FloatArray,
    closed: NDArray[np.bool_],
    blocked: NDArray[np.bool_],
    clock: AudioClock,
) -> None:
    """Paint a resampled take over what the track holds, fading at each end where an earlier take goes on beyond it."""
    below, below_closed = track.painted[at], track.closed[at]
    mixable = ~blocked & (closed == below_closed) & ~_short_closures(closed | below_closed, clock)
    length = BEND_SECONDS * clock.fps
    weight = np.ones(len(values))
    if at.start > 0 and track.painted[at.start - 1]:
        weight = np.minimum(weight, fade_weight(mixable, below, length))
    if at.stop < len(track.painted) and track.painted[at.stop]:
        weight = np.minimum(weight, fade_weight(mixable[::-1], below[::-1], length)[::-1])
    track.values[at] += weight[:, None] * (values - track.values[at])
    track.values[at][weight == 1] = values[weight == 1]
    track.closed[at] = np.where(weight < 0.5, below_closed, closed)
    track.painted[at], track.original[at] = True, False
    _join(track.joined[at.start : at.stop + 1], weight)


def _join(joined: NDArray[np.bool_], weight: FloatArray) -> None:
    """Tell where motion goes on after a take was painted with a weight (F,): within it, and where it fades.

    Args:
        joined: (F,) or, where the track goes on behind the take, (F + 1,); changed.
        weight: The take's.
    """
    alone = weight == 1
    joined[1 : len(weight)] |= alone[1:] & alone[:-1]
    joined[0] &= not alone[0]
    joined[len(weight) :] &= not alone[-1]


def _short_closures(closed: NDArray[np.bool_], clock: AudioClock) -> NDArray[np.bool_]:
    """Closed frames of runs too short to hold a whole fade."""
    short = np.zeros(len(closed), bool)
    for first, end in runs(closed):
        if end - first < BEND_SECONDS * clock.fps + 1:
            short[first:end] = True
    return short


def _take_frames(take: Take, clock: AudioClock, frames: IntArray) -> IntArray:
    """Consecutive scene frames of a whole take, and those asked for."""
    own = whole_frames_within(clock.frame_span(take.span))
    return np.arange(min(frames[0], *own[:1]), max(frames[-1], *own[-1:]) + 1)


def _writable(given: Given, part: str) -> list[str]:
    return [name for name in PARTS[part] if name in given.channels and not given.channels[name].obstacle]
