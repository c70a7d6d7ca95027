# SPDX-License-Identifier: GPL-3.0-or-later
"""Given values as the arrays of a `generate` request.

All times are audio time. Dense values stand at model frames; a dense value within half a model frame of a given key of
its channel is left out, the key being what counts there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...backend.protocol import MODEL_FPS
from .channels import CHANNEL_INDEX, channels_of
from .given import Given, GivenChannel, distance_to, within_spans
from .timing import AudioClock, FloatArray, IntArray, Span, model_frames

REACH_SECONDS = 12.0  # beyond it no value can touch the range: the backend's windows are 11.2 s long
CONTEXT_SECONDS = 1.0  # of present curves beside the range, so that the result continues them


@dataclass(frozen=True)
class RequestValues:
    """Arrays of a `generate` request.

    Attributes:
        times: (G,) float64 s, audio time.
        channels: (G,) int32 indices into CHANNEL_NAMES.
        values: (G,) float32.
        is_key: (G,) bool: a given key, not a dense value (context, a left-out part, a hold, a driver).
    """

    times: FloatArray
    channels: NDArray[np.int32]
    values: NDArray[np.float32]
    is_key: NDArray[np.bool_]


def request_values(
    given: Given, clock: AudioClock, span: Span, parts: Iterable[str], context: Iterable[Span] = ()
) -> RequestValues:
    """Given values of a request.

    All given keys within reach are sent, in the range or not, so that a take does not depend on its range. Channels of
    left-out parts, and those with an obstacle, are dense, one value a model frame, as far around the range as the
    backend's windows reach; holds are dense within their spans.

    Args:
        given: What is given.
        clock: Audio time to scene frames.
        span: The range to generate, s.
        parts: Parts that are generated; the others are context.
        context: Spans of seconds beside the range whose present curves the result shall continue (dense, up to
            CONTEXT_SECONDS from the range): where another take or other animation stands. Give none where the same
            take stands there (Update Take), since it continues itself.
    """
    generated = set(channels_of(parts))
    reach = Span(span.start - REACH_SECONDS, span.end + REACH_SECONDS)
    grid = model_frames(reach)
    beside = _beside(grid, span, tuple(context))
    found: list[tuple[IntArray, FloatArray, FloatArray, bool]] = []
    for name, channel in given.channels.items():
        index = CHANNEL_INDEX[name]
        keys = _keys(channel, clock, reach)
        found.append((np.full(len(keys[0]), index), *keys, True))
        is_dense = bool(channel.obstacle) or name not in generated
        chosen = np.ones(len(grid), bool) if is_dense else beside | _held(channel, clock, grid)
        times, values = _dense(channel, clock, grid[chosen], keys[0])
        found.append((np.full(len(times), index), times, values, False))
    return _joined(found)


def _beside(grid: IntArray, span: Span, context: tuple[Span, ...]) -> NDArray[np.bool_]:
    """Which model frames of a grid are context: outside the range, near it, and within the spans named."""
    times = grid / MODEL_FPS
    outside = (times < span.start - 1e-9) | (times > span.end + 1e-9)
    near = (times >= span.start - CONTEXT_SECONDS) & (times <= span.end + CONTEXT_SECONDS)
    return outside & near & within_spans(times, context)


def _held(channel: GivenChannel, clock: AudioClock, grid: IntArray) -> NDArray[np.bool_]:
    return within_spans(clock.frames(grid / MODEL_FPS), channel.held)


def _keys(channel: GivenChannel, clock: AudioClock, reach: Span) -> tuple[FloatArray, FloatArray]:
    """Times and values of the given keys within reach; none for a channel that is dense anyway."""
    if channel.obstacle:
        return np.zeros(0), np.zeros(0)
    times = clock.seconds(channel.frames)
    inside = (times >= reach.start) & (times <= reach.end)
    return times[inside], channel.values[inside]


def _dense(
    channel: GivenChannel, clock: AudioClock, grid: IntArray, key_times: FloatArray
) -> tuple[FloatArray, FloatArray]:
    times = grid / MODEL_FPS
    times = times[distance_to(times, key_times) > 0.5 / MODEL_FPS]
    return times, channel.evaluate(clock.frames(times)) if len(times) else np.zeros(0)


def _joined(found: list[tuple[IntArray, FloatArray, FloatArray, bool]]) -> RequestValues:
    if not found:
        return RequestValues(np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, bool))
    return RequestValues(
        np.concatenate([times for _, times, _, _ in found]),
        np.concatenate([channels for channels, _, _, _ in found]).astype(np.int32),
        np.concatenate([values for _, _, values, _ in found]).astype(np.float32),
        np.concatenate([np.full(len(times), is_key) for _, times, _, is_key in found]),
    )
