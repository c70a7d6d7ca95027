# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that were rendered before: an animator goes back and forth between the same takes.

What a plan came of is its key, except the curves that stand beside it; what was asked of these is asked again, and only
where every answer is the same does the plan hold.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...backend.protocol import PARTS
from .curves import Evaluate
from .finishing import Finishing
from .given import Given, GivenChannel
from .timing import FloatArray

if TYPE_CHECKING:
    from .channels import LipModel
    from .library import Library
    from .render import ChannelPlan
    from .timing import AudioClock, Span

_MOST_BYTES = 64 << 20

Questions = list[tuple[str, bool, FloatArray, FloatArray]]
"""Channel, whether what stands beside was asked (else what is given), frames (F,), answers (F,)."""


@dataclass(frozen=True)
class _Entry:
    """Plans of a part, what was asked of the curves for them, and what their key names by its address."""

    plans: Mapping[str, ChannelPlan]
    questions: Questions
    alive: tuple[Any, ...]

    @property
    def nbytes(self) -> int:
        """Memory it takes, about."""
        return 256 + sum(2 * plan.values.nbytes for plan in self.plans.values())


@dataclass(frozen=True)
class Asked:
    """Given values whose evaluations are noted.

    Attributes:
        given: The same, noting.
        outside: Likewise for what stands where Retake writes nothing.
        questions: What was asked and answered so far.
    """

    given: Given
    outside: Mapping[str, Evaluate]
    questions: Questions

    @classmethod
    def of(cls, part: str, given: Given, outside: Mapping[str, Evaluate]) -> Asked:
        """The channels of a part, noting."""
        questions: Questions = []

        def noting(name: str, is_outside: bool, evaluate: Evaluate) -> Evaluate:
            def function(frames: FloatArray) -> FloatArray:
                answers = evaluate(frames)
                questions.append((name, is_outside, np.array(frames), np.array(answers)))
                return answers

            return function

        mine = {name: given.channels[name] for name in PARTS[part] if name in given.channels}
        noted = {name: replace(one, evaluate=noting(name, False, one.evaluate)) for name, one in mine.items()}
        beside = {name: noting(name, True, outside[name]) for name in mine if name in outside}
        return cls(Given({**given.channels, **noted}), beside, questions)


class PlanMemory:
    """The plans used last, at most some bytes of them."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._most_bytes = most_bytes

    def find(self, key: Hashable, given: Given, outside: Mapping[str, Evaluate]) -> Mapping[str, ChannelPlan] | None:
        """Plans that still hold; None where there are none."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        for name, is_outside, frames, answers in entry.questions:
            evaluate = outside[name] if is_outside else given.channels[name].evaluate
            if not np.array_equal(evaluate(frames), answers):
                return None
        self._entries.move_to_end(key)
        return entry.plans

    def keep(
        self, key: Hashable, plans: Mapping[str, ChannelPlan], questions: Questions, alive: tuple[Any, ...]
    ) -> None:
        """Remember plans.

        Args:
            key: Of `key_of`.
            plans: They.
            questions: What was asked of the curves for them.
            alive: Takes that the key names by their address.
        """
        self._entries.pop(key, None)
        self._entries[key] = _Entry(plans, questions, alive)
        while len(self._entries) > 1 and sum(entry.nbytes for entry in self._entries.values()) > self._most_bytes:
            self._entries.popitem(last=False)


def key_of(
    library: Library,
    part: str,
    clock: AudioClock,
    given: Given,
    lips: LipModel,
    limit: Span | None,
    beside: frozenset[str],
) -> tuple[Hashable, tuple[Any, ...]]:
    """What the plans of a part come of, curves aside, and the takes in it."""
    entries = [entry for entry in library.comp if entry.part == part]
    takes = tuple(library.takes.get(entry.take) for entry in entries)
    comp = tuple((entry.span, entry.take, id(take)) for entry, take in zip(entries, takes, strict=True))
    channels = tuple(_channel_key(given.channels[name]) for name in PARTS[part] if name in given.channels)
    moved = (lips.neutral_mm, lips.slopes.tobytes())
    return (part, clock, limit, comp, channels, moved, _finishing_key(library.finishing), beside), takes


def _channel_key(given: GivenChannel) -> Hashable:
    """What is given on a channel, its curve aside."""
    keys = (given.frames.tobytes(), given.values.tobytes()) if len(given.frames) else ()
    return given.channel, keys, given.held, given.bare, given.locked, given.obstacle, given.shared


def _finishing_key(finishing: Finishing) -> Hashable:
    """The settings of a finishing."""
    by_part = tuple(tuple(sorted(each.items())) for each in (finishing.strength, finishing.smoothing))
    return by_part, finishing.lead, finishing.blinks, finishing.gaze, finishing.quiet
