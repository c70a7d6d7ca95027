# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio time, scene frames and the model's frames.

Audio time 0 is the first sample of the untrimmed recording; it lies at scene frame `start_frame`, so audio time t lies
at frame start_frame + t * fps / fps_base, as a float (measures.md). Model frame n, any integer, stands for n / 30 s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...backend.errors import InputError
from ...backend.protocol import MODEL_FPS

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

AUDIO_PADDING = 1.0  # s, silence that is performed before and after the recording
_EPSILON = 1e-6  # frames; a time this close to a frame is that frame


@dataclass(frozen=True)
class Span:
    """A stretch of time, both ends included.

    Attributes:
        start: First second (audio time), or first scene frame where a name says frames.
        end: Last second or frame, not before `start`.
    """

    start: float
    end: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start) and math.isfinite(self.end)) or self.end < self.start:
            raise InputError(
                f"The range from {self.start:g} to {self.end:g} ends before it starts.",
                "Choose a range of some length.",
            )

    @property
    def length(self) -> float:
        """End minus start."""
        return self.end - self.start

    def contains(self, time: float, margin: float = 0.0) -> bool:
        """Whether a time lies within, or up to `margin` beside it."""
        return self.start - margin <= time <= self.end + margin

    def overlaps(self, other: Span) -> bool:
        """Whether the two share more than a point."""
        return self.start < other.end and other.start < self.end

    def intersection(self, other: Span) -> Span | None:
        """What the two share, None if nothing."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Span(start, end) if end >= start else None


@dataclass(frozen=True)
class AudioClock:
    """Maps audio time to scene frames and back.

    Attributes:
        fps: Scene frames a second, i.e. fps / fps_base, e.g. 23.976.
        start_frame: Scene frame of audio time 0, not an integer in general.
    """

    fps: float
    start_frame: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.fps) or self.fps <= 0 or not math.isfinite(self.start_frame):
            raise InputError(
                f"A frame rate of {self.fps:g} with the audio at frame {self.start_frame:g} cannot be used.",
                "Set the scene's frame rate.",
            )

    @classmethod
    def of_strip(cls, fps: float, fps_base: float, content_start: float) -> AudioClock:
        """Clock of a sound strip.

        Args:
            fps: Blender's render.fps.
            fps_base: Blender's render.fps_base.
            content_start: Frame at which the untrimmed sound would start (Blender's `strip.frame_start`, not
                `frame_final_start`, which a trim moves).

        Raises:
            InputError: The frame rate is not positive or something is not finite.
        """
        if not math.isfinite(fps_base) or fps_base <= 0:
            raise InputError(f"A frame rate base of {fps_base:g} cannot be used.", "Set the scene's frame rate.")
        return cls(fps / fps_base, content_start)

    def frames(self, seconds: ArrayLike) -> FloatArray:
        """Scene frames (float) of audio times in seconds; any shape."""
        return self.start_frame + np.asarray(seconds, np.float64) * self.fps

    def seconds(self, frames: ArrayLike) -> FloatArray:
        """Audio times in seconds of scene frames; any shape."""
        return (np.asarray(frames, np.float64) - self.start_frame) / self.fps

    def frame(self, second: float) -> float:
        """Scene frame of one audio time."""
        return self.start_frame + second * self.fps

    def second(self, frame: float) -> float:
        """Audio time of one scene frame."""
        return (frame - self.start_frame) / self.fps

    def frame_span(self, span: Span) -> Span:
        """A span of seconds as a span of scene frames."""
        return Span(self.frame(span.start), self.frame(span.end))

    def second_span(self, frames: Span) -> Span:
        """A span of scene frames as a span of seconds."""
        return Span(self.second(frames.start), self.second(frames.end))


def whole_frames_within(frames: Span) -> IntArray:
    """Integer frames within a span of frames, ends included up to 1e-6, in order."""
    first, last = math.ceil(frames.start - _EPSILON), math.floor(frames.end + _EPSILON)
    return np.arange(first, last + 1, dtype=np.int64)


def model_frames(span: Span) -> IntArray:
    """Model frames whose times lie within a span of seconds, ends included up to 1e-6 frames."""
    return whole_frames_within(Span(span.start * MODEL_FPS, span.end * MODEL_FPS))
