# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of properties that show channels together: one shape for both sides, two for one, visemes for the mouth.

A unit of a property shows an amount of each of its group's channels; channels are read as the sum of what the
properties show, and written as the properties, within their limits, that come nearest to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .bounded import solve_within
from .timing import FloatArray

_RIDGE = 1e-5  # keeps properties that show the same apart from nothing: they share
_WEIGHTS = (("mouthClose", 0.5), ("mouthPress", 2.0), ("mouthRoll", 1.5))
"""How much a channel counts where not all can be met, by how its name begins; 1 for the others."""
_OPENS = (
    ("jawOpen", 1.0),
    ("mouthClose", -1.0),
    ("mouthFunnel", 0.3),
    ("mouthLowerDown", 0.14),
    ("mouthUpperUp", 0.13),
)
"""What channels do to the gap of the lips, in units of the jaw's, on the built-in head."""
_GAP = 6.0  # how much the gap counts beside them


@dataclass(frozen=True)
class Property:
    """What one property shows.

    Attributes:
        shows: (C,) of each channel of its group, a unit; all 0 where it only follows.
        offset: Value at which it shows nothing.
        low: Least value that it takes.
        high: Greatest one.
        leader: Place in its group of the property whose showing it repeats, None where it leads.
        gain: A unit of the leader's, above its offset, in units of this one; of a leader 1.
    """

    shows: tuple[float, ...] = (1.0,)
    offset: float = 0.0
    low: float = -np.inf
    high: float = np.inf
    leader: int | None = None
    gain: float = 1.0


AS_IT_IS = Property()
"""A property that is its channel."""


@dataclass(frozen=True)
class Binding:
    """A group of K properties that carries C channels.

    Attributes:
        channels: Their names.
        properties: In order.
    """

    channels: tuple[str, ...]
    properties: tuple[Property, ...]

    @cached_property
    def is_plain(self) -> bool:
        """Whether one property is one channel as it is."""
        return len(self.properties) == len(self.channels) == 1 and self.properties[0] == AS_IT_IS

    @cached_property
    def _leaders(self) -> list[int]:
        return [place for place, one in enumerate(self.properties) if one.leader is None]

    @cached_property
    def _shows(self) -> FloatArray:
        """(L, C) what the leaders show."""
        return np.array([self.properties[place].shows for place in self._leaders], np.float64)

    def _column(self, name: str) -> FloatArray:
        """(L,) an attribute of the leaders."""
        return np.array([getattr(self.properties[place], name) for place in self._leaders], np.float64)

    def channels_of(self, values: FloatArray) -> FloatArray:
        """Channels (F, C) that values (F, K) of the properties show."""
        if self.is_plain:
            return np.asarray(values, np.float64)
        return np.asarray((values[:, self._leaders] - self._column("offset")) @ self._shows, np.float64)

    def values_of(self, channels: FloatArray) -> FloatArray:
        """Values (F, K) of the properties that come nearest to channels (F, C), within their limits."""
        if self.is_plain:
            return np.asarray(channels, np.float64)
        offset, low, high = (self._column(name) for name in ("offset", "low", "high"))
        unit = 1.0 / np.abs(self._shows[:, 0]) if len(self.channels) == 1 else np.ones(len(offset))  # each goes its way
        limits = ((low - offset) / unit, (high - offset) / unit)
        led = offset + unit * _nearest(unit[:, None] * self._shows, channels, self.channels, *limits)
        return self.with_followers(led)

    def following(self, values: FloatArray) -> FloatArray:
        """Values (F, K) whose followers follow the leaders among them."""
        return self.with_followers(np.asarray(values, np.float64)[:, self._leaders])

    def with_followers(self, led: FloatArray) -> FloatArray:
        """Values (F, K) of all properties from those of the leaders (F, L)."""
        values = np.empty((len(led), len(self.properties)))
        values[:, self._leaders] = led
        for place, one in enumerate(self.properties):
            if one.leader is not None:
                above = values[:, one.leader] - self.properties[one.leader].offset
                values[:, place] = np.clip(one.offset + one.gain * above, one.low, one.high)
        return values


def _nearest(
    shows: FloatArray, channels: FloatArray, names: Sequence[str], low: FloatArray, high: FloatArray
) -> FloatArray:
    """Amounts (F, L) within limits with amounts @ shows as near as can be to channels (F, C)."""
    metric = _metric(names)
    weighted = shows @ metric
    amounts = channels @ (metric @ np.linalg.pinv(weighted))
    beyond = ((amounts < low - 1e-9) | (amounts > high + 1e-9)).any(axis=1)
    amounts = np.clip(amounts, low, high)
    if not beyond.any():
        return np.asarray(amounts, np.float64)
    normal = weighted @ weighted.T
    normal[np.diag_indices(len(normal))] += _RIDGE * max(float(np.trace(normal)) / len(normal), 1e-12)
    start = amounts[beyond]
    gradient = channels[beyond] @ (metric @ weighted.T) - start @ normal
    change = solve_within(normal[None], gradient, low - start, high - start)
    amounts[beyond] = np.clip(start + change, low, high)
    return np.asarray(amounts, np.float64)


def _metric(names: Sequence[str]) -> FloatArray:
    """(C, C + 1) what differences of channels count, themselves and in the gap of the lips."""

    def of(table: Sequence[tuple[str, float]], other: float) -> FloatArray:
        return np.array([next((weight for start, weight in table if name.startswith(start)), other) for name in names])

    return np.concatenate((np.diag(of(_WEIGHTS, 1.0)), _GAP * of(_OPENS, 0.0)[:, None]), axis=1)
