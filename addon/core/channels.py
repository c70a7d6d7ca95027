# SPDX-License-Identifier: GPL-3.0-or-later
"""Channels by part, side and group, and what they do to the gap of the lips.

The neck rotation is one group of three channels: they are given, generated and written together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import InputError
from ...backend.protocol import CHANNEL_NAMES, PARTS
from .timing import FloatArray

CHANNEL_INDEX: Mapping[str, int] = MappingProxyType({name: index for index, name in enumerate(CHANNEL_NAMES)})
"""Channel name -> its place on the channel axis."""

PART_OF: Mapping[str, str] = MappingProxyType({name: part for part, names in PARTS.items() for name in names})
"""Channel name -> the part it belongs to."""

CLOSED_SHARE = 0.12  # of the track's 95th percentile of the gap: closed below it (measures.md)
CLOSED_MM = 1.5  # and below this, mm over the neutral gap


def channels_of(parts: Iterable[str]) -> tuple[str, ...]:
    """Channels of some parts, in the order of CHANNEL_NAMES.

    Raises:
        InputError: A part is unknown.
    """
    chosen = set(parts)
    unknown = sorted(chosen - set(PARTS))
    if unknown:
        raise InputError(f"There is no part '{unknown[0]}'.", f"The parts are {', '.join(PARTS)}.")
    return tuple(name for name in CHANNEL_NAMES if PART_OF[name] in chosen)


@dataclass(frozen=True)
class LipModel:
    """Gap of the lips as the channels move it: max(0, neutral + channels @ slopes), in mm.

    Attributes:
        neutral_mm: Mean over the inner lip pairs of y(upper) - y(lower) of the neutral head, mm.
        slopes: (C,) mm of that mean a unit of each channel, in the order of CHANNEL_NAMES unless cut to some.
    """

    neutral_mm: float
    slopes: FloatArray

    @classmethod
    def of_head(
        cls, template: NDArray[np.floating], controls: Mapping[str, NDArray[np.floating]], pairs: NDArray[np.integer]
    ) -> LipModel:
        """Model of a head.

        Args:
            template: (V, 3) m, Y up.
            controls: Channel name -> (V, 3) m displacement at weight 1; channels without one move no lip.
            pairs: (P, 2) vertex ids, upper then lower.

        Raises:
            InputError: There is no pair, or one names a vertex that does not exist.
        """
        pairs = np.asarray(pairs)
        is_list = pairs.ndim == 2 and pairs.shape[1] == 2 and len(pairs) > 0
        if not is_list or pairs.min() < 0 or pairs.max() >= len(template):
            raise InputError(f"The lip pairs of shape {pairs.shape} do not fit a head of {len(template)} vertices.")

        def gap(points: NDArray[np.floating]) -> float:
            return float(np.mean(points[pairs[:, 0], 1] - points[pairs[:, 1], 1])) * 1000.0

        slopes = np.zeros(len(CHANNEL_NAMES))
        for name, displacement in controls.items():
            if name in CHANNEL_INDEX:
                slopes[CHANNEL_INDEX[name]] = gap(displacement)
        return cls(max(gap(template), 0.0), slopes)  # lips that overlap at rest, as FLAME's do, are closed

    def opening(self, track: FloatArray) -> FloatArray:
        """Gap over the neutral gap of a track (..., C), mm, not below minus the neutral gap."""
        return np.maximum(track @ self.slopes, -self.neutral_mm)

    def threshold(self, track: FloatArray) -> float:
        """Opening in mm below which a frame of this track (N, C) counts as closed, as measures.md defines it."""
        if not len(track):
            return 0.0
        return min(CLOSED_SHARE * float(np.percentile(self.opening(track) + self.neutral_mm, 95)), CLOSED_MM)
