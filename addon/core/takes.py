# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes, the comp that tells which of them plays where, and the library that holds them (design.md, "Takes")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .given import Given, RequestValues
from .timing import AudioClock, FloatArray, Span

ORIGINAL = 0
"""Id of Take 0, "Original": what was there before the first write."""


@dataclass(frozen=True)
class Settings:
    """How a take was made, as the request said it.

    Attributes:
        guidance: Guidance scale.
        steps: Steps of the sampler.
        scheduler: "ddim" or "ddpm".
        style: Name of the style.
        model: Name of the model, as the backend's hello told.
    """

    guidance: float = 1.0
    steps: int = 10
    scheduler: str = "ddim"
    style: str = "neutral"
    model: str = ""


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


@dataclass(frozen=True)
class Take:
    """One performance, in audio time at the model's rate.

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


@dataclass(frozen=True)
class OriginalCurve:
    """A curve as it was before the first write, for Take 0.

    Attributes:
        existed: Whether there was a curve at all.
        arrays: Whatever `scene` needs to make it again, key by key: "frames" (K,) is required, the others, e.g.
            "values", "handle_left" (K, 2), "types", have K rows as well.
        properties: Properties of the whole curve, JSON-able, e.g. extrapolation.
    """

    existed: bool
    arrays: Mapping[str, NDArray[np.generic]]
    properties: Mapping[str, object] = field(default_factory=dict)

    def within(self, frames: Span) -> dict[str, NDArray[np.generic]]:
        """The rows of all arrays whose key lies in a span of scene frames, ends included."""
        raise NotImplementedError


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


@dataclass
class Library:
    """Takes, comp and Take 0 of one shot.

    Attributes:
        takes: Id -> take, without Take 0.
        comp: What plays, in the order of assignment: a later entry lies over an earlier one and fades in inside its
            own span, so that nothing outside changes.
        original: Curve id -> the curve before the first write.
        next_id: Id of the next take.
        deleted: Takes that can still be recovered; not saved with the file.
    """

    takes: dict[int, Take] = field(default_factory=dict)
    comp: list[CompEntry] = field(default_factory=list)
    original: dict[str, OriginalCurve] = field(default_factory=dict)
    next_id: int = 1
    deleted: dict[int, Take] = field(default_factory=dict)

    def remember_original(self, curve_id: str, curve: OriginalCurve) -> None:
        """Store a curve for Take 0; only the first time counts, so call it before every write."""
        raise NotImplementedError

    def add_result(
        self,
        message: Mapping[str, object],
        arrays: Mapping[str, NDArray[np.generic]],
        parts: Sequence[str],
        span: Span,
        given: RequestValues,
        settings: Settings,
    ) -> list[int]:
        """New Takes: append one take a seed of a `generate` result.

        Args:
            message: The result's message.
            arrays: Its arrays; channels (K, N, C).
            parts: Parts that were generated.
            span: The range that was generated, s.
            given: What was sent.
            settings: How.

        Returns:
            Ids of the new takes, in the order of the seeds. The comp is not changed: call `show`.

        Raises:
            ShapeError: Message and arrays do not fit together.
        """
        raise NotImplementedError

    def update_result(
        self,
        ids: Sequence[int],
        message: Mapping[str, object],
        arrays: Mapping[str, NDArray[np.generic]],
        parts: Sequence[str],
        span: Span,
        given: RequestValues,
    ) -> None:
        """Update Take: put a result with the same seeds into existing takes, the rest of each staying as it is.

        Args:
            ids: Takes, in the order of the result's seeds.
            message: The result's message.
            arrays: Its arrays.
            parts: Parts that were generated; new ones are added to the takes.
            span: The range that was generated, s.
            given: What was sent.

        Raises:
            InputError: A take is pinned, unknown, or its seed is not the result's.
            ShapeError: Message and arrays do not fit together.
        """
        raise NotImplementedError

    def show(self, take: int, parts: Sequence[str] | None = None, span: Span | None = None) -> None:
        """Let a take play in its parts and range (or in some of it): an entry of the comp a part.

        Args:
            take: Its id; for ORIGINAL parts and span are required.
            parts: Parts that play it; those the take has if None.
            span: Seconds; the take's range if None.

        Raises:
            InputError: There is no such take, or it does not cover the parts or the span.
        """
        raise NotImplementedError

    def shown(self, part: str, second: float) -> int | None:
        """Id of the take that plays a part at a time, None where nothing of ours does."""
        raise NotImplementedError

    def rename(self, take: int, name: str) -> None:
        """Give a take another name."""
        raise NotImplementedError

    def pin(self, take: int, pinned: bool = True) -> None:
        """Protect a take from deletion and from Update Take, or release it."""
        raise NotImplementedError

    def delete(self, take: int) -> None:
        """Remove a take; it can be recovered until Blender closes.

        Raises:
            InputError: It is pinned, plays in the comp, or does not exist; the sentence says which.
        """
        raise NotImplementedError

    def recover(self, take: int) -> None:
        """Bring a deleted take back under its id."""
        raise NotImplementedError

    def stale(self, take: int, given: Given, clock: AudioClock) -> bool:
        """Whether keys of the take's parts in its range changed since it was made."""
        raise NotImplementedError
