# SPDX-License-Identifier: GPL-3.0-or-later
"""Given values: what the animator fixed, a time, a channel and a value each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import GivenValuesError
from ..protocol import CHANNEL_NAMES, HEAD_ROTATION, MODEL_FPS

_MAX_WEIGHT = 10.0  # shape-key sliders go to 1.5; ten times is a slip of the unit
_MAX_ANGLE = 2.0 * np.pi  # rad
_MAX_TIME = 1e6  # s, either side of 0


@dataclass(frozen=True)
class GivenValues:
    """Values that every take passes through. Where two share a time and a channel, the later entry holds.

    Attributes:
        times: (G,) float64, seconds of audio time; sub-frame and outside the audio too.
        channels: (G,) int64, indices into `CHANNEL_NAMES`.
        values: (G,) float32, weights or radians.
    """

    times: NDArray[np.float64]
    channels: NDArray[np.int64]
    values: NDArray[np.float32]

    @classmethod
    def of(cls, times: ArrayLike, channels: ArrayLike, values: ArrayLike) -> GivenValues:
        """Build from anything array-like and check it.

        Raises:
            GivenValuesError: Lengths differ, a channel is unknown, or a time or value is not finite or absurd.
        """
        raw = [np.asarray(one) for one in (times, channels, values)]
        if any(one.shape != (raw[0].size,) for one in raw):
            shapes = ", ".join(str(one.shape) for one in raw)
            raise GivenValuesError(f"Times, channels and values of the keys have shapes {shapes}, not one length.")
        if raw[0].size and raw[1].dtype.kind not in "iu":
            raise GivenValuesError(f"The keys' channels are of type {raw[1].dtype}, not whole numbers.")
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
            given = cls(raw[0].astype(np.float64), raw[1].astype(np.int64), raw[2].astype(np.float32))
        given._check()
        return given

    @classmethod
    def none(cls) -> GivenValues:
        """Return the empty set: everything is free."""
        return cls.of([], [], [])

    def __len__(self) -> int:
        return len(self.times)

    @property
    def frames(self) -> NDArray[np.int64]:
        """(G,) nearest model frame of each value."""
        return np.floor(self.times * MODEL_FPS + 0.5).astype(np.int64)

    def dense(self, start: int, stop: int, columns: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Lay the values out on model frames, each on the nearest; the nearest of several wins.

        Args:
            start: First absolute model frame.
            stop: The frame after the last.
            columns: Channel index of each column, C of them.

        Returns:
            `keyframe_values` (N, C) float32 and `keyframe_mask` (N, C) bool, True = given.
        """
        keyframe_values = np.zeros((stop - start, len(columns)), np.float32)
        keyframe_mask = np.zeros(keyframe_values.shape, np.bool_)
        column_of = np.full(len(CHANNEL_NAMES), -1)
        column_of[list(columns)] = np.arange(len(columns))
        rows, cols = self.frames - start, column_of[self.channels]
        farthest_first = np.argsort(-np.abs(self.times * MODEL_FPS - self.frames), kind="stable")
        inside = (rows >= 0) & (rows < stop - start) & (cols >= 0)
        order = farthest_first[inside[farthest_first]]
        keyframe_values[rows[order], cols[order]] = self.values[order]
        keyframe_mask[rows[order], cols[order]] = True
        return keyframe_values, keyframe_mask

    def _check(self) -> None:
        unknown = self.channels[(self.channels < 0) | (self.channels >= len(CHANNEL_NAMES))]
        if len(unknown):
            raise GivenValuesError(f"There is no channel number {unknown[0]}: there are {len(CHANNEL_NAMES)}.")
        is_rotation = self.channels >= len(CHANNEL_NAMES) - len(HEAD_ROTATION)
        limit = np.where(is_rotation, _MAX_ANGLE, _MAX_WEIGHT)
        bad = np.flatnonzero(~(np.abs(self.times) <= _MAX_TIME) | ~(np.abs(self.values) <= limit))
        if len(bad):
            self._refuse(int(bad[0]))

    def _refuse(self, index: int) -> None:
        name, time, value = CHANNEL_NAMES[self.channels[index]], self.times[index], self.values[index]
        if not np.abs(time) <= _MAX_TIME:
            raise GivenValuesError(
                f"A key of {name} has the time {time:g}, which is no time in seconds near the audio."
            )
        if not np.isfinite(value):
            raise GivenValuesError(f"The key of {name} at {time:g} s has the value {value}, which is not a number.")
        raise GivenValuesError(f"The key of {name} at {time:g} s has the value {value:g}, which is out of all bounds.")
