# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes, the comp that tells which of them plays where, and Take 0 (design.md, "Takes")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ...backend.protocol import DEFAULT_SAMPLER
from .channels import CHANNEL_INDEX
from .given import Given
from .request import RequestValues
from .timing import AudioClock, FloatArray, Span

ORIGINAL = 0
"""Id of Take 0, "Original": what was there before the first write."""

TIME_TOLERANCE = 1e-4  # s; frames are float32 in Blender
LENGTH_TOLERANCE = 0.05  # s; Blender with and without sound read the length of a file differently
KEY_TOLERANCE = 1e-5  # weights or rad; values are float32, rotations went through a matrix


@dataclass(frozen=True)
class Settings:
    """How a take was made, as the request said it.

    Attributes:
        guidance: Guidance scale.
        steps: Steps of the sampler.
        scheduler: "dpmpp_2m", "ddim" or "ddpm".
        style: Name of the style.
        model: Name of the model, as the backend's hello told.
        recording: File name of the recording; empty where it is not known.
        seconds: Length of the recording.
        speaking: Spans of its seconds in which the head speaks; none: everywhere.
    """

    guidance: float = 1.0
    steps: int = 10
    scheduler: str = DEFAULT_SAMPLER
    style: str = "neutral"
    model: str = ""
    recording: str = ""
    seconds: float = 0.0
    speaking: tuple[tuple[float, float], ...] = ()

    def is_for(self, recording: str, seconds: float) -> bool:
        """Whether a take was made for a recording, or does not remember for which."""
        return not self.recording or (self.recording == recording and abs(self.seconds - seconds) <= LENGTH_TOLERANCE)


@dataclass(frozen=True)
class GivenSet:
    """The given keys (no dense values) a take was made with, to see whether it is stale.

    Attributes:
        times: (G,) s.
        channels: (G,) indices into CHANNEL_NAMES.
        values: (G,).
    """

    times: FloatArray
    channels: NDArray[np.int32]
    values: NDArray[np.float32]

    @classmethod
    def of_request(cls, given: RequestValues, channel_names: tuple[str, ...], span: Span) -> GivenSet:
        """The keys of a request that lie on some channels within a span of seconds."""
        wanted = given.is_key & np.isin(given.channels, [CHANNEL_INDEX[name] for name in channel_names])
        wanted &= (given.times >= span.start - TIME_TOLERANCE) & (given.times <= span.end + TIME_TOLERANCE)
        return cls(given.times[wanted], given.channels[wanted], given.values[wanted])

    @classmethod
    def of_given(cls, given: Given, clock: AudioClock) -> GivenSet:
        """All keys that are given now; those of a channel with an obstacle are none, as in a request."""
        free = {name: channel for name, channel in given.channels.items() if not channel.obstacle}
        counts = [len(channel.frames) for channel in free.values()]
        indices = np.array([CHANNEL_INDEX[name] for name in free], np.int32)
        return cls(
            clock.seconds(np.concatenate([np.zeros(0), *(channel.frames for channel in free.values())])),
            np.repeat(indices, counts).astype(np.int32),
            np.concatenate([np.zeros(0), *(channel.values for channel in free.values())]).astype(np.float32),
        )

    def within(self, take: Take) -> GivenSet:
        """Those keys that a take has to follow: on its channels, in its range."""
        wanted = np.isin(self.channels, [CHANNEL_INDEX[name] for name in take.channel_names])
        wanted &= (self.times >= take.span.start - TIME_TOLERANCE) & (self.times <= take.span.end + TIME_TOLERANCE)
        return GivenSet(self.times[wanted], self.channels[wanted], self.values[wanted])

    def without(self, channel_names: tuple[str, ...], span: Span) -> GivenSet:
        """The same without the keys of some channels within a span of seconds."""
        gone = np.isin(self.channels, [CHANNEL_INDEX[name] for name in channel_names])
        gone &= (self.times >= span.start - TIME_TOLERANCE) & (self.times <= span.end + TIME_TOLERANCE)
        return GivenSet(self.times[~gone], self.channels[~gone], self.values[~gone])

    def joined(self, other: GivenSet) -> GivenSet:
        """Both together."""
        return GivenSet(
            np.concatenate([self.times, other.times]),
            np.concatenate([self.channels, other.channels]),
            np.concatenate([self.values, other.values]),
        )

    def equals(self, other: GivenSet) -> bool:
        """Whether both hold the same keys, in any order."""
        if len(self.times) != len(other.times):
            return False
        mine, theirs = np.lexsort((self.times, self.channels)), np.lexsort((other.times, other.channels))
        return bool(
            (self.channels[mine] == other.channels[theirs]).all()
            and (np.abs(self.times[mine] - other.times[theirs]) <= TIME_TOLERANCE).all()
            and (np.abs(self.values[mine] - other.values[theirs]) <= KEY_TOLERANCE).all()
        )


@dataclass(frozen=True, eq=False)
class Take:
    """One performance, in audio time at the model's rate. It never changes: an update makes another object.

    Attributes:
        id: Number in the library, from 1; ids are never used again.
        name: What the animator reads.
        seed: Seed of its noise.
        parts: Parts it performs.
        span: Its range, s.
        start_frame: Model frame of values[0].
        channel_names: (C,) channels that are stored: those of its parts.
        values: (N, C) float32.
        settings: How it was made.
        given: Keys it was made with.
        pinned: Survives clearing and is never overwritten.
        note: What the animator wrote beside it.
    """

    id: int
    name: str
    seed: int
    parts: tuple[str, ...]
    span: Span
    start_frame: int
    channel_names: tuple[str, ...]
    values: NDArray[np.float32]
    settings: Settings
    given: GivenSet
    pinned: bool = False
    note: str = ""


@dataclass(frozen=True, eq=False)
class OriginalCurve:
    """A curve as it was before the first write, for Take 0, and what of the animator's Retake took away since.

    Attributes:
        existed: Whether there was a curve at all.
        arrays: Whatever `scene` needs to make it again, key by key: "frames" (K,) is required, the others, e.g.
            "values", "handle_left" (K, 2), "types", have K rows as well. "replaced" (K,) bool tells which keys
            Retake itself took away (a bake that was replaced): only these come back, not what the animator moved or
            deleted.
        properties: Properties of the whole curve, JSON-able, e.g. extrapolation.
    """

    existed: bool
    arrays: Mapping[str, NDArray[np.generic]]
    properties: Mapping[str, object] = field(default_factory=dict)

    @property
    def frames(self) -> NDArray[np.float64]:
        """(K,) frames of the keys."""
        return np.asarray(self.arrays.get("frames", ()), np.float64)

    @property
    def replaced(self) -> NDArray[np.bool_]:
        """(K,) which keys Retake took away."""
        return np.asarray(self.arrays.get("replaced", np.zeros(len(self.frames))), np.bool_)

    def replacing(self, gone: NDArray[np.floating], standing: NDArray[np.floating], tolerance: float) -> OriginalCurve:
        """The curve after a write.

        Args:
            gone: Frames of the animator's keys that the write took away.
            standing: Frames of the keys of the animator that stand now.
            tolerance: Frames within which two keys are one.
        """
        if not len(gone) and "replaced" not in self.arrays:
            return self
        replaced = (self.replaced | _near(self.frames, gone, tolerance)) & ~_near(self.frames, standing, tolerance)
        if np.array_equal(replaced, self.replaced):
            return self
        return replace(self, arrays={**self.arrays, "replaced": replaced})

    def taken_away(self, frames: Span) -> dict[str, NDArray[np.generic]]:
        """The rows of all arrays whose key Retake took away, within a span of frames, ends included."""
        inside = self.replaced & (self.frames >= frames.start) & (self.frames <= frames.end)
        return {name: array[inside] for name, array in self.arrays.items()}


def _near(frames: NDArray[np.float64], others: NDArray[np.floating], tolerance: float) -> NDArray[np.bool_]:
    """(K,) which frames have one of some others (unsorted) within a tolerance."""
    if not len(others):
        return np.zeros(len(frames), np.bool_)
    ordered = np.sort(np.asarray(others, np.float64))
    right = np.clip(np.searchsorted(ordered, frames), 0, len(ordered) - 1)
    apart = np.minimum(np.abs(ordered[right] - frames), np.abs(ordered[np.maximum(right - 1, 0)] - frames))
    return np.asarray(apart < tolerance, np.bool_)


@dataclass(frozen=True)
class CompEntry:
    """One part plays one take in one span.

    Attributes:
        part: A part.
        span: Seconds of audio time.
        take: Id of the take; ORIGINAL for what was there before.
    """

    part: str
    span: Span
    take: int
