# SPDX-License-Identifier: GPL-3.0-or-later
"""A `generate` result, checked before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import ShapeError
from ...backend.protocol import CHANNEL_NAMES, MODEL_FPS
from .channels import channels_of
from .request import RequestValues
from .timing import Span


@dataclass(frozen=True)
class GenerateResult:
    """A checked `generate` result, cut to the parts that were generated.

    Attributes:
        seeds: One a take.
        start_frame: Model frame of values[:, 0].
        channel_names: (C,) channels of the parts.
        values: (K, N, C) float32.
    """

    seeds: tuple[int, ...]
    start_frame: int
    channel_names: tuple[str, ...]
    values: NDArray[np.float32]


def read_result(
    message: Mapping[str, Any],
    arrays: Mapping[str, NDArray[Any]],
    parts: Sequence[str],
    span: Span,
    given: RequestValues,
) -> GenerateResult:
    """Check a `generate` result and cut it to some parts.

    At given keys, what was imputed gives way to what the frames beside it lead to: a take holds the performance, and
    `render` bends it onto the keys over 0.15 s. Where the network flows into its keys that changes little; where it
    misses one, an imputed value would stand out by itself. (The network's own prediction there, `given_raw`, is no
    better: measured, it is farther from its neighbours than the imputed value.)

    Args:
        message: The result's message.
        arrays: Its arrays.
        parts: Parts that were generated.
        span: The range that was asked for, s; the frames must cover it up to one model frame.
        given: What was sent.

    Raises:
        ShapeError: Message and arrays do not fit together, a value is not finite, or the range is not covered.
    """
    names, channels = [str(name) for name in message.get("channel_names", ())], arrays.get("channels")
    seeds, start = message.get("seeds", ()), message.get("start_frame")
    wanted = channels_of(parts)
    if channels is None or not isinstance(start, int) or channels.shape[::2] != (len(seeds), len(names)):
        shape = None if channels is None else channels.shape
        raise ShapeError(f"The result's channels {shape} do not fit {len(seeds)} seeds and {len(names)} names.")
    if message.get("fps") != MODEL_FPS or set(wanted) - set(names):
        raise ShapeError(f"The result is not at {MODEL_FPS} fps or lacks channels of {', '.join(parts)}.")
    if start > span.start * MODEL_FPS + 1.01 or start + channels.shape[1] - 1 < span.end * MODEL_FPS - 1.01:
        raise ShapeError(f"The result has {channels.shape[1]} frames from frame {start}: not the range asked for.")
    values = np.array(channels[:, :, [names.index(name) for name in wanted]], np.float32)
    _smooth_at_keys(values, given, start, wanted)
    if not np.isfinite(values).all():
        raise ShapeError("The result holds values that are not finite numbers.")
    return GenerateResult(tuple(int(seed) for seed in seeds), start, wanted, values)


def _smooth_at_keys(
    values: NDArray[np.float32], given: RequestValues, start: int, channel_names: Sequence[str]
) -> None:
    """Replace values (K, N, C) at given keys that stand alone by the cubic through two frames on either side."""
    column_of = np.array([channel_names.index(name) if name in channel_names else -1 for name in CHANNEL_NAMES])
    rows = np.floor(given.times * MODEL_FPS + 0.5).astype(np.int64) - start
    columns = column_of[given.channels]
    inside = (columns >= 0) & (rows >= 2) & (rows < values.shape[1] - 2)
    is_given = np.zeros(values.shape[1:], bool)
    is_given[rows[inside], columns[inside]] = True
    at, on = rows[inside & given.is_key], columns[inside & given.is_key]
    alone = ~(is_given[at - 1, on] | is_given[at + 1, on])
    at, on = at[alone], on[alone]
    near, far = values[:, at - 1, on] + values[:, at + 1, on], values[:, at - 2, on] + values[:, at + 2, on]
    values[:, at, on] = (4 * near - far) / 6
