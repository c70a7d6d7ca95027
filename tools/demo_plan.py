# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo keys, and which frames its contact sheet shows. No bpy: both sides of the demo read it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

SMILE = {
    "mouthSmileLeft": 0.75,
    "mouthSmileRight": 0.75,
    "cheekSquintLeft": 0.45,
    "cheekSquintRight": 0.45,
    "browInnerUp": 0.6,
    "browOuterUpLeft": 0.7,
    "browOuterUpRight": 0.7,
}
"""Shape key -> weight of the pose that is held."""

TURN = (0.05, 0.42, 0.06)
"""Neck rotation of the head turn, axis-angle in rad, model axes: towards the character's left."""

# Shares of the recording's length, so that any recording gets its keys; in the sample the smile is held through the
# end of the first phrase and the turn stands in the second.
_SMILE_START, _SMILE_END, _TURN = 0.30, 0.44, 0.72
_LEAST_HELD_FRAMES = 4
SHEET_COLUMNS = 12


@dataclass(frozen=True)
class Plan:
    """Scene frames of the demo's keys.

    Attributes:
        smile_start: First frame of the held smile.
        smile_end: Its last frame.
        turn: Frame of the head turn.
    """

    smile_start: int
    smile_end: int
    turn: int

    @property
    def frames(self) -> tuple[int, int, int]:
        """All of them, in order."""
        return (self.smile_start, self.smile_end, self.turn)


def plan_keys(first: int, last: int) -> Plan:
    """Choose the frames that get keys.

    Args:
        first: First scene frame of the recording.
        last: Its last.

    Returns:
        Three different frames within.

    Raises:
        ValueError: The recording is too short for them.
    """
    length = last - first
    start, turn = first + round(_SMILE_START * length), first + round(_TURN * length)
    end = max(first + round(_SMILE_END * length), start + _LEAST_HELD_FRAMES)
    if not first <= start < end < turn < last:
        raise ValueError(f"The recording lasts {length} frames, too few for the demo: use one of a second or more.")
    return Plan(start, end, turn)


def sheet_frames(first: int, last: int, keys: Sequence[int], count: int = SHEET_COLUMNS) -> list[int]:
    """Choose frames that show a clip: those at keys, and others that fill the widest gaps.

    Args:
        first: First frame that may be shown.
        last: Last frame that may be shown.
        keys: Frames that are shown in any case, within, fewer than `count`.
        count: How many are wanted.

    Returns:
        `count` frames in order, or all there are where they are fewer.
    """
    chosen = {first, last, *keys}
    while len(chosen) < min(count, last - first + 1):
        ordered = sorted(chosen)
        before, after = max(pairwise(ordered), key=lambda gap: gap[1] - gap[0])
        chosen.add((before + after) // 2)
    return sorted(chosen)
