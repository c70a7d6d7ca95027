# SPDX-License-Identifier: GPL-3.0-or-later
"""Update Take: a new result put into a part of an existing take, in the model's own frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...backend.protocol import MODEL_FPS
from .bend import BEND_SECONDS, kernel
from .takes import GivenSet, Take
from .timing import FloatArray, Span


def splice(
    take: Take,
    channel_names: tuple[str, ...],
    parts: tuple[str, ...],
    span: Span,
    start_frame: int,
    values: NDArray[np.float32],
    given: GivenSet,
) -> Take:
    """A take with some of its parts renewed in a range.

    The new motion fades in and out inside the range, within 0.15 s, where the take goes on beside it. Both were made
    with the same noise, so that they differ only as far as the changed keys reach.

    Args:
        take: The take as it was.
        channel_names: (C,) channels that were generated.
        parts: Their parts; those the take lacks are added.
        span: The range that was generated, s; it touches the take's.
        start_frame: Model frame of values[0].
        values: (N, C).
        given: Keys on these channels in the range.
    """
    first = min(take.start_frame, start_frame)
    end = max(take.start_frame + len(take.values), start_frame + len(values))
    whole = Span(min(take.span.start, span.start), max(take.span.end, span.end))
    names = tuple(dict.fromkeys((*take.channel_names, *channel_names)))
    result = np.zeros((end - first, len(names)), np.float32)
    columns = [names.index(name) for name in take.channel_names]
    result[:, columns] = _extended(take.values, take.start_frame - first, end - first)
    columns = [names.index(name) for name in channel_names]
    old_here = np.array([name in take.channel_names for name in channel_names])
    weight = _weight(np.arange(first, end) / MODEL_FPS, take.span, span)[:, None]
    fresh = _extended(values, start_frame - first, end - first)
    mixed = np.where(weight >= 1, fresh, result[:, columns] + weight * (fresh - result[:, columns]))
    result[:, columns] = np.where(old_here, mixed, fresh)
    return replace(
        take,
        parts=tuple(dict.fromkeys((*take.parts, *parts))),
        span=whole,
        start_frame=first,
        channel_names=names,
        values=result,
        given=take.given.without(channel_names, span).joined(given),
    )


def _extended(values: NDArray[np.float32], before: int, count: int) -> NDArray[np.float32]:
    """Values on a longer grid, the ends held."""
    return values[np.clip(np.arange(count) - before, 0, len(values) - 1)]


def _weight(times: FloatArray, old: Span, new: Span) -> FloatArray:
    """Weight of the new motion: 1 in its range and beyond the old one's, fading inside the range where both meet."""
    weight = np.ones(len(times))
    if new.start > old.start + 1e-6:
        weight = np.minimum(weight, 1 - kernel(np.maximum(times - new.start, 0) / BEND_SECONDS))
    if new.end < old.end - 1e-6:
        weight = np.minimum(weight, 1 - kernel(np.maximum(new.end - times, 0) / BEND_SECONDS))
    return weight
