# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's keys and the frames of its sheet, for recordings of any length."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retake.backend.protocol import CHANNEL_NAMES
from retake.tools import demo_plan


@given(st.integers(-500, 2000), st.integers(24, 20000))
def test_keys_lie_within_in_order_and_on_the_sheet(first: int, length: int) -> None:
    plan = demo_plan.plan_keys(first, first + length)
    assert first <= plan.smile_start < plan.smile_end < plan.turn < first + length
    frames = demo_plan.sheet_frames(first, first + length, plan.frames)
    assert len(frames) == demo_plan.SHEET_COLUMNS
    assert frames == sorted(set(frames))
    assert set(plan.frames) <= set(frames)
    assert first <= frames[0]
    assert frames[-1] <= first + length


def test_the_rest_of_the_sheet_is_spread() -> None:
    frames = demo_plan.sheet_frames(1, 121, [30, 40, 90])
    assert max(after - before for before, after in pairwise(frames)) <= 16


def test_a_clip_of_few_frames_shows_all() -> None:
    assert demo_plan.sheet_frames(5, 9, [7]) == [5, 6, 7, 8, 9]


def test_too_short_a_recording_is_said() -> None:
    with pytest.raises(ValueError, match="lasts 5 frames"):
        demo_plan.plan_keys(1, 6)


def test_the_pose_is_of_channels() -> None:
    assert set(demo_plan.SMILE) <= set(CHANNEL_NAMES)
