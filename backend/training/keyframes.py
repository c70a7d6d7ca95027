# SPDX-License-Identifier: GPL-3.0-or-later
"""Given values to train on: the masks of Algorithm 1, a flag a channel, and keys moved off the performance.

Animators key sparsely: one channel, one pose, a few frames held; they leave parts out; and they set values that the
performance did not have. A key that was moved off the performance bends the target around it by a smooth hump of the
channel's own reach, so that the network learns to carry an edit, not to jump to it, and to leave what is beyond the
hump alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..protocol import CHANNEL_NAMES, PARTS

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

_LARGEST_MOVE = 5.0  # standard deviations
_REACH = {"mouth": 6, "upper_face": 13, "eyes": 6, "head": 16}  # frames at 30 fps until a hump has faded
_CORNERS = ("mouthSmile", "mouthFrown", "mouthDimple", "mouthLeft", "mouthRight")
_CORNER_REACH = 13


@dataclass(frozen=True)
class Given:
    """Targets with their given values: both (B, N, C); `mask` True = given."""

    target: Floats
    mask: Flags


def channel_groups(names: tuple[str, ...]) -> list[NDArray[np.int64]]:
    """Indices of the channels of each part among `names`, parts without any left out."""
    groups = [np.array([i for i, name in enumerate(names) if name in PARTS[part]], np.int64) for part in PARTS]
    return [group for group in groups if len(group)]


def reaches(names: tuple[str, ...]) -> NDArray[np.int64]:
    """Frames until the hump around a moved key has faded, for each channel."""
    part_of = {name: part for part in PARTS for name in PARTS[part]}
    return np.array([_CORNER_REACH if name.startswith(_CORNERS) else _REACH[part_of[name]] for name in names])


class KeyframeSampler:
    """Draws given values for batches of one network's channels."""

    def __init__(self, names: tuple[str, ...], together: bool) -> None:
        """Prepare for channels.

        Args:
            names: Of `protocol.CHANNEL_NAMES`, in the network's order.
            together: All channels are one group (the neck's rotation): a key gives all of them.
        """
        unknown = set(names) - set(CHANNEL_NAMES)
        if unknown:
            raise ValueError(f"Unknown channels: {', '.join(sorted(unknown))}.")
        self._count = len(names)
        self._together = together
        self._groups = channel_groups(names)
        self._reach = reaches(names)

    def draw(self, motion: Floats, generator: np.random.Generator) -> Given:
        """Draw given values for normalised motion (B, N, C); the targets may be bent around moved keys."""
        target, mask = motion.copy(), np.zeros(motion.shape, bool)
        for item in range(len(motion)):
            kind = generator.uniform()
            if kind < 0.30:
                continue
            if kind < 0.42:
                mask[item] |= self._parts_left_out(motion.shape[1], generator)
            if kind > 0.85:
                mask[item] |= self._spans(motion.shape[1], generator)
            if kind > 0.34:
                self._keys(target[item], mask[item], generator)
        return Given(target, mask)

    def _channels(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """The channels of one edit: one, a few of a part, a part, or all."""
        kind = generator.uniform()
        if self._together or kind < 0.2:
            return np.arange(self._count)
        if kind < 0.55:
            return generator.integers(0, self._count, generator.integers(1, 4))
        group = self._groups[generator.integers(len(self._groups))]
        return group if kind < 0.75 else generator.permutation(group)[: generator.integers(1, 5)]

    def _parts_left_out(self, frames: int, generator: np.random.Generator) -> Flags:
        """Whole channels given throughout."""
        mask = np.zeros((frames, self._count), bool)
        if not self._together:
            mask[:, self._channels(generator)] = True
        return mask

    def _spans(self, frames: int, generator: np.random.Generator) -> Flags:
        """Every frame outside a range, or inside some spans, is given."""
        mask = np.zeros((frames, self._count), bool)
        first, last = np.sort(generator.integers(0, frames, 2))
        if generator.uniform() < 0.6:
            mask[:first] = mask[last:] = True
        else:
            mask[first : min(last, first + frames // 3), self._channels(generator)] = True
        return mask

    def _keys(self, target: Floats, mask: Flags, generator: np.random.Generator) -> None:
        """Set keys on one item in place: edits at some moments, moved off the performance or not, held or not."""
        frames = len(target)
        same = generator.uniform() < 0.5
        channels = self._channels(generator)
        moves = generator.uniform() < 0.7
        for _ in range(1 + generator.poisson(frames / generator.choice([90.0, 40.0, 20.0]))):
            channels = channels if same else self._channels(generator)
            first = int(generator.integers(0, frames))
            held = int(generator.integers(2, 16)) if generator.uniform() < 0.15 else 1
            last = min(frames, first + held)
            if moves:
                self._move(target, channels, first, last, generator)
            elif held > 1:
                self._hold(target, channels, first, last, target[first, channels])
            mask[first:last, channels] = True

    def _move(
        self, target: Floats, channels: NDArray[np.int64], first: int, last: int, generator: np.random.Generator
    ) -> None:
        """Bend the target to a value off the performance, through the frames first to last - 1."""
        size = generator.choice([0.5, 1.0, 2.0, 3.0], p=[0.2, 0.3, 0.35, 0.15])
        offset = np.clip(generator.normal(0.0, size, len(channels)), -_LARGEST_MOVE, _LARGEST_MOVE)
        self._hold(target, channels, first, last, target[first, channels] + offset.astype(np.float32))

    def _hold(self, target: Floats, channels: NDArray[np.int64], first: int, last: int, values: Floats) -> None:
        """Draw the target onto values over frames first to last - 1, and back outside within each channel's reach."""
        frames = np.arange(len(target))
        away = np.maximum(np.maximum(first - frames, frames - (last - 1)), 0)[:, None]
        weight = hump(away, self._reach[channels][None, :])
        if last - first == 1:
            target[:, channels] += weight * (values - target[first, channels])
        else:
            target[:, channels] += weight * (values - target[:, channels])


def hump(away: NDArray[np.int64], reach: NDArray[np.int64]) -> Floats:
    """Share of an edit left at a distance in frames: 1 at 0, half a cosine down to 0 at the reach."""
    share: Floats = (0.5 + 0.5 * np.cos(np.pi * np.minimum(away / reach, 1.0))).astype(np.float32)
    return share
