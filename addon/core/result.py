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

_FAST = (
    *("jaw", "mouthClose", "mouthFunnel", "mouthPucker", "mouthRoll", "mouthShrug", "mouthPress", "mouthLowerDown"),
    *("mouthUpperUp", "tongueOut", "cheekPuff", "eyeBlink", "eyeLook"),
)


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
    """Replace values (K, N, C) at given keys that stand alone by the cubic through two frames on either side.

    On channels that articulate or blink that is the key's own frame; on the others, which move slowly by nature, the
    frame before and after it as well, where the network climbs to its keys as to a peak.
    """
    column_of = np.array([channel_names.index(name) if name in channel_names else -1 for name in CHANNEL_NAMES])
    rows, columns = np.floor(given.times * MODEL_FPS + 0.5).astype(np.int64) - start, column_of[given.channels]
    inside = (columns >= 0) & (rows >= 0) & (rows < values.shape[1])
    is_given = np.zeros(values.shape[1:], bool)
    is_given[rows[inside], columns[inside]] = True
    for row, column in set(zip(rows[inside & given.is_key], columns[inside & given.is_key], strict=True)):
        half = 0 if channel_names[column].startswith(_FAST) else 1
        near = slice(max(row - half - 1, 0), row + half + 2)
        if half + 2 <= row < values.shape[1] - half - 2 and is_given[near, column].sum() == 1:
            values[:, near, column][:, 1:-1] = _through(values[:, row - half - 2 : row + half + 3, column], half)


def _through(values: NDArray[np.float32], half: int) -> NDArray[np.float32]:
    """The 2 half + 1 middle ones of values (K, 2 half + 5) by the cubic through the two at either end."""
    known = np.array([-half - 2, -half - 1, half + 1, half + 2])
    wanted = np.arange(-half, half + 1)
    weights = np.linalg.solve(np.vander(known, 4).T.astype(np.float64), np.vander(wanted, 4).T.astype(np.float64))
    return np.asarray(values[:, [0, 1, -2, -1]] @ weights, np.float32)
