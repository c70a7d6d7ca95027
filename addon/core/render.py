# SPDX-License-Identifier: GPL-3.0-or-later
"""From the comp to the keys to write: tracks bent onto given values and onto what stands beside them.

A part's entries are painted into a track (`track`), which is then bent channel by channel: at the edges onto the value
and slope of the curve that goes on there (the head slowly, over 0.6 s), at given keys onto their values at their own
sub-frame times. A bend on a channel that moves the lips ends before the next closed frame, so that no closure breaks;
a key within a closure overrules it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...backend.protocol import HEAD_ROTATION, PARTS
from .bend import BEND_SECONDS, HEAD_EASE_SECONDS, HEAD_SWING_SECONDS, Anchor, bend
from .channels import CHANNEL_INDEX, LipModel
from .curves import Evaluate
from .given import HALF_FRAME, Given, GivenChannel, distance_to, within_spans
from .library import Library
from .remembered import Asked, PlanMemory, key_of
from .resample import interpolate
from .steps import Steps, finish
from .timing import AudioClock, FloatArray, Span
from .track import Track, painting, runs

_LEAST_SWING = 0.02  # rad
_MEMORY = PlanMemory()
_LIP_TOLERANCE = 0.2  # mm a single channel's bend may move the gap at a closed frame


@dataclass(frozen=True)
class ChannelPlan:
    """What to write on one channel.

    Within `rewrite` the scene removes every key that is not given (KeyState tells), then writes these. Outside it
    nothing is touched.

    Attributes:
        channel: Its name; the neck's three channels have the same frames.
        rewrite: Spans of scene frames, ends included, whose generated keys are replaced.
        frames: (K,) scene frames of the keys to write, ascending, type GENERATED: whole frames, none within half a
            frame of a given key; for the neck also the exact times of given keys, where a component may lack its own
            key (write it only on the components that do, so that the whole rotation is met). Where a `rewrite` span
            begins or ends beside a curve that goes on, the key there lies on that curve.
        values: (K,) channel values.
        restore: Spans of scene frames where Take 0 plays: the keys of `Library.original` there come back.
        cleared: Spans of scene frames, ends excluded, that a hold of the animator gives up to and beyond an edge of
            the range: no generated key may stand there, not even one that joined the range to what was beside it.
        needed: (K,) keys that stay where fewer are written: the lips are closed there; None where all may go.
    """

    channel: str
    rewrite: tuple[Span, ...]
    frames: FloatArray
    values: FloatArray
    restore: tuple[Span, ...]
    cleared: tuple[Span, ...] = ()
    needed: NDArray[np.bool_] | None = None


def render(
    library: Library,
    clock: AudioClock,
    given: Given,
    lips: LipModel,
    parts: Iterable[str] | None = None,
    limit: Span | None = None,
    outside: Mapping[str, Evaluate] | None = None,
) -> dict[str, ChannelPlan]:
    """Render the comp at the scene's frame rate.

    Args:
        library: Takes and comp.
        clock: Audio time to scene frames.
        given: What is given now; takes are bent onto it, stale ones too. Its `evaluate` is what stands now.
        lips: What closes the mouth.
        parts: Parts to render; all if None.
        limit: Scene frames beyond which nothing may change, e.g. the range that was generated; the result joins what
            stands there. The whole comp if None.
        outside: Channel -> its values (F,) at scene frames (F,) where Retake writes nothing, for channels where that
            is not what `given` evaluates to: where Take 0 plays again, the original curve.

    Returns:
        A plan a channel that is mapped (present in `given`), may be written, and has an entry in the comp.
    """
    return finish(rendering(library, clock, given, lips, parts, limit, outside))


def rendering(
    library: Library,
    clock: AudioClock,
    given: Given,
    lips: LipModel,
    parts: Iterable[str] | None = None,
    limit: Span | None = None,
    outside: Mapping[str, Evaluate] | None = None,
) -> Steps[dict[str, ChannelPlan]]:
    """`render`, a channel at a time."""
    plans: dict[str, ChannelPlan] = {}
    for part in PARTS if parts is None else parts:
        beside = {name: function for name, function in (outside or {}).items() if name in PARTS[part]}
        key, takes = key_of(library, part, clock, given, lips, limit, frozenset(beside))
        found = _MEMORY.find(key, given, beside)
        yield False
        if found is None:
            asked = Asked.of(part, given, beside)
            track = yield from painting(library, part, clock, given, lips, limit)
            found = {} if track is None else (yield from _render_part(track, clock, asked.given, lips, asked.outside))
            _MEMORY.keep(key, found, asked.questions, takes)
        plans.update(found)
    return plans


def _render_part(
    track: Track, clock: AudioClock, given: Given, lips: LipModel, outside: Mapping[str, Evaluate]
) -> Steps[dict[str, ChannelPlan]]:
    """Plans of one part's channels."""
    writable = {
        name: column
        for column, name in enumerate(track.channels)
        if name in given.channels and not given.channels[name].obstacle
    }
    jobs = {
        name: _Job(
            given.channels[name],
            track,
            track.values[:, column],
            track.beyond[:, column],
            outside.get(name, given.channels[name].evaluate),
            BEND_SECONDS * clock.fps,
            _Ease.of(name, clock.fps),
            float(lips.slopes[CHANNEL_INDEX[name]]),
        )
        for name, column in writable.items()
    }
    bent = yield from _each(_bent, jobs)
    if _breaks_closure(track, jobs, bent, lips):
        bent = yield from _each(lambda job: _bent(replace(job, tolerance=0.0)), jobs)
    plans = {}
    for name, job in jobs.items():
        plans[name] = _plan(job, bent[name])
        yield False
    return plans


def _each(work: Callable[[_Job], FloatArray], jobs: Mapping[str, _Job]) -> Steps[dict[str, FloatArray]]:
    """Some work on every job."""
    done = {}
    for name, job in jobs.items():
        done[name] = work(job)
        yield False
    return done


@dataclass(frozen=True)
class _Ease:
    """How a channel joins what stands beside a range, in frames. A head that had to join within 0.15 s would jerk.

    Attributes:
        reach: Of the join, at most; a third of the range where that is less.
        swing: Within which the slope is taken over.
        most: How far taking it over may lead the channel away, where the join itself does not lead farther.
    """

    reach: float
    swing: float = np.inf
    most: float = np.inf

    @classmethod
    def of(cls, channel: str, fps: float) -> _Ease:
        """The ease of a channel."""
        if channel in HEAD_ROTATION:
            return cls(HEAD_EASE_SECONDS * fps, HEAD_SWING_SECONDS * fps, _LEAST_SWING)
        return cls(BEND_SECONDS * fps)

    def slope_reach(self, residual: float, slope: float) -> float:
        """Frames within which a slope is taken over; a slope bend leads away by 4/27 of its reach times the slope."""
        if not slope or not np.isfinite(self.most):
            return self.swing
        return min(self.swing, max(abs(residual), self.most) * 27 / (4 * abs(slope)))


@dataclass(frozen=True)
class _Job:
    """One channel to bend: its given values, track (F,), the curve beside it, reaches (frames), slope (mm a unit).

    `beyond` (2,) is what the track holds a frame before and after it; `ease` is of its ends.
    """

    given: GivenChannel
    track: Track
    values: FloatArray
    beyond: FloatArray
    outside: Evaluate
    reach: float
    ease: _Ease
    slope: float
    tolerance: float = _LIP_TOLERANCE

    @property
    def active(self) -> NDArray[np.bool_]:
        """(F,) frames that are ours on this channel."""
        if not self.given.locked:
            return self.track.painted
        return self.track.painted & ~within_spans(self.track.frames, self.given.locked)

    @property
    def islands(self) -> list[tuple[int, int]]:
        """First index and index after the last of each stretch that is ours."""
        return runs(self.active) if self.given.locked else self.track.islands


def _bent(job: _Job) -> FloatArray:
    """(F,) the channel's track through its given values and joined to what stands beside each of its islands."""
    values = job.values.copy()
    for first, end in job.islands:
        frames = job.track.frames[first:end].astype(np.float64)
        anchors = _anchors(job, frames, job.values[first:end])
        values[first:end] += bend(frames, [_kept_off_closures(job, anchor) for anchor in anchors])
    return values


def _anchors(job: _Job, frames: FloatArray, values: FloatArray) -> list[Anchor]:
    """Anchors of one island: its two edges, and the given keys within it."""
    keys = job.given.frames
    near = (keys > frames[0] - 1) & (keys < frames[-1] + 1)
    times, wanted = keys[near], job.given.values[near]
    missing = wanted - interpolate(values[:, None], times - frames[0])[:, 0] if len(times) else wanted
    anchors = [
        Anchor(float(time), float(residual), job.reach, job.reach)
        for time, residual in zip(times, missing, strict=True)
    ]
    if not len(times) or times[0] > frames[0] + HALF_FRAME:
        anchors.insert(0, _edge(job, frames, values, is_start=True))
    if len(frames) > 1 and (not len(times) or times[-1] < frames[-1] - HALF_FRAME):
        anchors.append(_edge(job, frames, values, is_start=False))
    return anchors


def _edge(job: _Job, frames: FloatArray, values: FloatArray, *, is_start: bool) -> Anchor:
    """Anchor at an end of an island, onto the value and slope of the curve that goes on there."""
    frame, step = (frames[0], -1.0) if is_start else (frames[-1], 1.0)
    here, beside = np.asarray(job.outside(np.array([frame, frame + step])), np.float64).reshape(-1)
    slope = float((beside - here) * step - _inner_slope(job, frames, values, is_start))
    residual = float(here - values[0 if is_start else -1])
    reach = min(job.ease.reach, max(job.reach, float(frames[-1] - frames[0]) / 3))
    left, right = (0.0, reach) if is_start else (reach, 0.0)
    return Anchor(float(frame), residual, left, right, slope, job.ease.slope_reach(residual, slope))


def _inner_slope(job: _Job, frames: FloatArray, values: FloatArray, is_start: bool) -> float:
    """Slope of the track at an end of an island.

    It is that of the outer side where the track goes on there: then a curve that already follows it is left as it is.
    """
    edge, end = (values[0], 0) if is_start else (values[-1], -1)
    beyond = job.beyond[end]
    if frames[end] == job.track.frames[end] and np.isfinite(beyond):
        return float(edge - beyond if is_start else beyond - edge)
    if len(values) == 1:
        return 0.0
    return float(values[1] - values[0] if is_start else values[-1] - values[-2])


def _kept_off_closures(job: _Job, anchor: Anchor) -> Anchor:
    """The anchor with its reach cut at the closed frames that its bend would open; those around itself are its own."""
    moved = max(abs(anchor.residual), abs(anchor.slope) * max(anchor.left, anchor.right)) * abs(job.slope)
    if moved <= job.tolerance:
        return anchor
    left, right = anchor.left, anchor.right
    for first, end in job.track.closures:
        start, last = job.track.frames[first], job.track.frames[end - 1]
        if start > anchor.frame + HALF_FRAME:
            right = min(right, start - anchor.frame)
        elif last < anchor.frame - HALF_FRAME:
            left = min(left, anchor.frame - last)
    return replace(anchor, left=float(left), right=float(right))


def _breaks_closure(track: Track, jobs: Mapping[str, _Job], bent: Mapping[str, FloatArray], lips: LipModel) -> bool:
    """Whether the bends of all channels together open a frame that was closed."""
    if not track.closed.any():
        return False
    moved = np.zeros(len(track.frames))
    for name, job in jobs.items():
        moved += lips.slopes[CHANNEL_INDEX[name]] * (bent[name] - job.values)
    return bool((moved[track.closed] > 2 * _LIP_TOLERANCE).any())


def _plan(job: _Job, values: FloatArray) -> ChannelPlan:
    """Keys of a bent channel: where it is free, where a component's hold needs company, and at the neck's keys."""
    given, frames = job.given, job.track.frames.astype(np.float64)
    active = job.active
    if not (len(given.frames) or given.held or job.track.original.any()):
        ours = tuple(_span(job.track.frames, first, end) for first, end in job.islands)
        return ChannelPlan(given.channel, ours, frames[active], values[active], (), (), job.track.closed[active])
    written = active & given.free(frames)
    times, found = [frames[written]], [values[written]]
    partly = active & within_spans(frames, given.held) & ~within_spans(frames, (*given.bare, *given.locked))
    partly &= distance_to(frames, given.frames) > HALF_FRAME
    if partly.any():
        times.append(frames[partly])
        found.append(given.evaluate(frames[partly]))
    if (given.shared or given.channel in HEAD_ROTATION) and active.any():
        inside = within_spans(given.frames, _spans(job.track.frames, active))
        inside &= ~within_spans(given.frames, given.locked)
        times.append(given.frames[inside])
        found.append(given.values[inside])
    order = np.argsort(np.concatenate(times), kind="stable")
    needed = np.isin(np.concatenate(times)[order], frames[job.track.closed])
    restored = _spans(job.track.frames, job.track.original & ~within_spans(frames, given.locked))
    ours = _spans(job.track.frames, active)
    return ChannelPlan(
        given.channel,
        (*_outside_holds(ours, given.bare), *restored),
        np.concatenate(times)[order],
        np.concatenate(found)[order],
        restored,
        tuple(hold for span in ours for hold in _holds_at_ends(span, given.bare)),
        needed,
    )


def _outside_holds(spans: Sequence[Span], holds: Sequence[Span]) -> tuple[Span, ...]:
    """Spans that end where a hold begins that lasts beyond their end, and begin where one ends; none within a hold."""
    found = []
    for span in spans:
        start = max([span.start, *(hold.end for hold in holds if hold.start < span.start < hold.end)])
        end = min([span.end, *(hold.start for hold in holds if hold.start < span.end < hold.end)])
        if start <= end:
            found.append(Span(start, end))
    return tuple(found)


def _holds_at_ends(span: Span, holds: Sequence[Span]) -> list[Span]:
    """What holds that last beyond an end of a span have of it, with the frame at that end."""
    near = Span(span.start - HALF_FRAME, span.end + HALF_FRAME)
    return [
        part
        for hold in holds
        if any(hold.start < end < hold.end for end in (span.start, span.end)) and (part := hold.intersection(near))
    ]


def _spans(frames: NDArray[np.int64], flags: NDArray[np.bool_]) -> tuple[Span, ...]:
    return tuple(_span(frames, first, end) for first, end in runs(flags))


def _span(frames: NDArray[np.int64], first: int, end: int) -> Span:
    """From one frame to the one before another, by their indices."""
    return Span(float(frames[first]), float(frames[end - 1]))
