# SPDX-License-Identifier: GPL-3.0-or-later
"""Given values by channel: keys, holds, and channels that may not be written (design.md, "Given values")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import InputError
from .curves import Evaluate, Interpolation, KeyType
from .keys import CurveState, KeyState, KeyStatus
from .timing import FloatArray, Span, whole_frames_within

FOREVER = 1e7  # frames; where a hold ends that no given key ends
HALF_FRAME = 0.5 + 1e-6  # no generated key stands this near to a given key of its channel
_SAME_FRAME = 1e-4


class NothingFreeError(InputError):
    """Everything in the range is given; the sentence names what holds it."""

    code = "nothing_free"


@dataclass(frozen=True)
class GivenChannel:
    """What is given on one channel.

    Attributes:
        channel: Its name.
        frames: (G,) scene frames of its given keys (for the neck: of any component's), ascending, distinct.
        values: (G,) channel values there.
        held: Spans of frames in which every frame is given: moving holds, constant keys, locked spans.
        bare: Those of `held` that need no key of ours, because every curve of the channel holds by itself.
        locked: Those of `held` that are not touched at all.
        obstacle: Why all of it is given ("driver", "constraint", "muted curve", "locked curve"); empty if it is not.
        evaluate: Channel values (F,) at any frames (F,), as they stand, and within `held` as they are held.
        shared: Several curves carry it, so that one may lack the key that another has.
    """

    channel: str
    frames: FloatArray
    values: FloatArray
    held: tuple[Span, ...]
    bare: tuple[Span, ...]
    locked: tuple[Span, ...]
    obstacle: str
    evaluate: Evaluate
    shared: bool = False

    def free(self, frames: NDArray[np.number]) -> NDArray[np.bool_]:
        """(F,) which scene frames are free: no obstacle, outside holds, over half a frame from any given key."""
        if self.obstacle:
            return np.zeros(len(frames), bool)
        return ~within_spans(frames, self.held) & (distance_to(frames, self.frames) > HALF_FRAME)


@dataclass(frozen=True)
class Given:
    """Everything that is given, by channel; a channel that is absent is not mapped.

    Attributes:
        channels: Channel name -> what is given there.
    """

    channels: Mapping[str, GivenChannel]

    def key_frames(self, channels: Iterable[str] | None = None) -> FloatArray:
        """Distinct frames of the given keys of some channels (of all if None), ascending."""
        names = self.channels if channels is None else channels
        found = [self.channels[name].frames for name in names if name in self.channels]
        return _distinct(np.concatenate(found)) if found else np.zeros(0)


def within_spans(frames: NDArray[np.number], spans: Iterable[Span]) -> NDArray[np.bool_]:
    """(F,) which frames lie in one of some spans, ends included."""
    inside = np.zeros(len(frames), bool)
    for span in spans:
        inside |= (frames >= span.start - _SAME_FRAME) & (frames <= span.end + _SAME_FRAME)
    return inside


def distance_to(frames: NDArray[np.number], keys: FloatArray) -> FloatArray:
    """(F,) distance of each frame to the nearest of some ascending key frames; infinite if there is none."""
    if not len(keys):
        return np.full(len(frames), np.inf)
    right = np.clip(np.searchsorted(keys, frames), 0, len(keys) - 1)
    left = np.maximum(right - 1, 0)
    return np.asarray(np.minimum(np.abs(frames - keys[left]), np.abs(frames - keys[right])), np.float64)


def collect(state: KeyState) -> Given:
    """Given values of all curves.

    The neck rotation is one group: a key on any component gives all three channels at its time, as they evaluate. So
    are all curves that carry the same channels.

    Args:
        state: Classified and decided keys.

    Raises:
        InputError: Two curves claim the same channel without being one group: they carry others beside it.
    """
    groups: dict[tuple[str, ...], list[CurveState]] = {}
    for curve in state.curves:
        groups.setdefault(curve.keys.channels, []).append(curve)
    channels: dict[str, GivenChannel] = {}
    for names, curves in groups.items():
        twice = next((name for name in names if name in channels), "")
        if twice:
            raise InputError(f"Two groups of curves drive the channel '{twice}'.", "Map one of them only.")
        channels.update(_collect_group(names, curves))
    return Given(channels)


def check_free(given: Given, channels: Iterable[str], frames: Span) -> None:
    """Refuse a range in which nothing is free.

    Args:
        given: What is given.
        channels: Channels that are to be generated.
        frames: The range, scene frames.

    Raises:
        NothingFreeError: No channel has a free frame; the sentence names the keys, drivers or locks that hold them.
    """
    whole = whole_frames_within(frames)
    mapped = [given.channels[name] for name in channels if name in given.channels]
    if not any(channel.free(whole).any() for channel in mapped):
        raise NothingFreeError(*_nothing_free(mapped, frames))


def _distinct(frames: FloatArray) -> FloatArray:
    """Frames in order, those nearer than 1e-4 to the one before left out."""
    ordered = np.sort(frames)
    return ordered[np.diff(ordered, prepend=-np.inf) > _SAME_FRAME]


def _collect_group(names: tuple[str, ...], curves: Sequence[CurveState]) -> dict[str, GivenChannel]:
    """Given channels of one group from its curves (several for the neck)."""
    if len(names) == len(curves) == 1 and (curves[0].status == KeyStatus.GENERATED).all():
        return {names[0]: _nothing_given(curves[0])}
    leading = [curve for curve in curves if not curve.keys.follows]
    frames = _distinct(np.concatenate([curve.keys.frames[curve.given] for curve in leading]))
    holds = [holds_of(curve) for curve in curves]
    locked = tuple(span for curve in leading for span in curve.keys.locked_spans)
    bare = tuple(span for span in holds[0] if all(_covers(other, span) for other in holds[1:]))
    led = (spans for curve, spans in zip(curves, holds, strict=True) if not curve.keys.follows)
    held = tuple(span for spans in led for span in spans) + locked
    obstacle = next((curve.keys.obstacle for curve in curves if curve.keys.obstacle), "")
    evaluate = _held_evaluation(curves, bare)
    values = evaluate(frames) if len(frames) else np.zeros((0, len(names)))
    return {
        name: GivenChannel(
            name, frames, values[:, column], held, bare, locked, obstacle, _column(evaluate, column), len(curves) > 1
        )
        for column, name in enumerate(names)
    }


def _nothing_given(curve: CurveState) -> GivenChannel:
    """The one channel of a curve whose keys, if any, are all ours."""
    keys, none = curve.keys, np.zeros(0)
    locked = tuple(keys.locked_spans)
    return GivenChannel(keys.channels[0], none, none, locked, (), locked, keys.obstacle, _column(keys.evaluate, 0))


def _column(evaluate: Evaluate, column: int) -> Evaluate:
    return lambda frames: np.asarray(evaluate(np.asarray(frames, np.float64)), np.float64).reshape(len(frames), -1)[
        :, column
    ]


def holds_of(curve: CurveState) -> tuple[Span, ...]:
    """Spans in which a curve's given keys give every frame: CONSTANT keys and pairs of MOVING_HOLD."""
    given = np.flatnonzero(curve.given)
    if not len(given):
        return ()
    frames, types = curve.keys.frames[given], np.asarray(curve.keys.types)[given]
    is_constant = np.asarray(curve.keys.interpolations)[given] == Interpolation.CONSTANT
    ends = np.append(frames[1:], FOREVER)
    is_pair = (types == KeyType.MOVING_HOLD) & (np.append(types[1:], -1) == KeyType.MOVING_HOLD)
    return tuple(
        Span(float(start), float(end))
        for start, end, holds in zip(frames, ends, is_constant | is_pair, strict=True)
        if holds and end > start
    )


def _covers(spans: Iterable[Span], span: Span) -> bool:
    return any(other.start <= span.start + _SAME_FRAME and other.end >= span.end - _SAME_FRAME for other in spans)


def _held_evaluation(curves: Sequence[CurveState], bare: tuple[Span, ...]) -> Evaluate:
    """Evaluation of a group without the generated keys that stand within its holds, which the next write removes."""
    keys = curves[0].keys
    ours = _distinct(np.concatenate([curve.keys.frames[~curve.given] for curve in curves]))
    disturbed = [span for span in bare if ((ours > span.start) & (ours < span.end)).any()]
    if not disturbed:
        return keys.evaluate
    constant = [span for span in disturbed if _is_constant_at(curves, span.start)]

    def evaluate(frames: FloatArray) -> FloatArray:
        values = np.array(keys.evaluate(frames), np.float64).reshape(len(frames), -1)
        for span in disturbed:
            inside = (frames > span.start + _SAME_FRAME) & (frames < span.end - _SAME_FRAME)
            ends = np.asarray(keys.evaluate(np.array([span.start, span.end])), np.float64).reshape(2, -1)
            share = (frames[inside] - span.start) / span.length
            eased = np.zeros_like(share) if span in constant else share * share * (3 - 2 * share)
            values[inside] = ends[0] + eased[:, None] * (ends[1] - ends[0])
        return values

    return evaluate


def _is_constant_at(curves: Sequence[CurveState], frame: float) -> bool:
    """Whether the key at a frame has CONSTANT interpolation (on the first curve that has a key there)."""
    for curve in curves:
        at = np.flatnonzero(np.abs(curve.keys.frames - frame) <= _SAME_FRAME)
        if len(at):
            return int(curve.keys.interpolations[at[0]]) == Interpolation.CONSTANT
    return False


def _nothing_free(channels: Sequence[GivenChannel], frames: Span) -> tuple[str, str]:
    """Sentence and remedy for a range without a free frame."""
    where = f"Nothing is free between frames {frames.start:g} and {frames.end:g}"
    if not channels:
        return f"{where}: the head has none of the channels.", "Map its channels, or choose another part."
    reasons = [f"{channel.channel} by {_holder(channel, frames)}" for channel in channels]
    listed = "; ".join(reasons[:4]) + (f"; and {len(reasons) - 4} more channels" if len(reasons) > 4 else "")
    return f"{where}: {listed}.", "Remove or unlock one of these, or choose a longer range."


def _holder(channel: GivenChannel, frames: Span) -> str:
    """What holds a channel within a range, in words."""
    if channel.obstacle:
        return f"its {channel.obstacle}"
    near = channel.frames[(channel.frames >= frames.start - 1) & (channel.frames <= frames.end + 1)]
    holds = [span for span in channel.held if span.overlaps(frames)]
    if holds and holds[0] in channel.locked:
        return "a locked span"
    if holds:
        end = "on" if holds[0].end >= FOREVER else f"to {holds[0].end:g}"
        return f"the hold from frame {holds[0].start:g} {end}"
    if not len(near):
        return "the shortness of the range"
    listed = ", ".join(f"{frame:g}" for frame in near[:4]) + (", ..." if len(near) > 4 else "")
    return f"its keys at frames {listed}"
