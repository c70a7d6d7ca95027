# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing what plays: the dropdown, next and previous, comparing, one take for a part or a span."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from retake.addon.scene import state
from retake.addon.ui import overlay
from retake.tests.blender.helpers import Stage, error_of

BROW, LIP = "browInnerUp", "jawOpen"
FRAMES = np.arange(1.0, 60.0, 0.25)


@pytest.fixture
def takes(stage: Stage) -> Stage:
    """A head with three takes, the first shown."""
    bpy.ops.retake.new_takes(count=3, seed=5)
    return stage


def shown() -> int:
    return int(state.load_notes(bpy.context.scene.retake.heads[0]).shown)


def values(takes: Stage) -> np.ndarray:
    """The jaw at every quarter of a frame."""
    curve = takes.curve(LIP)
    return np.array([curve.evaluate(frame) for frame in FRAMES])


def dropdown() -> bpy.types.PropertyGroup:
    return bpy.context.window_manager.retake_takes


def test_the_dropdown_switches_and_names_the_frames(takes: Stage) -> None:
    first = takes.table(LIP)
    assert dropdown().shown == "1"
    dropdown().shown = "2"
    assert shown() == 2
    assert len(takes.table(LIP)) == len(first)
    assert not np.array_equal(takes.table(LIP), first)
    dropdown().shown = "1"
    assert np.array_equal(takes.table(LIP), first)
    dropdown().shown = "0"
    assert shown() == 0
    assert takes.curve(LIP) is None


def test_next_and_previous_go_round_through_the_original(takes: Stage) -> None:
    seen = []
    for _ in range(4):
        bpy.ops.retake.step_take()
        seen.append(shown())
    assert seen == [2, 3, 0, 1]
    bpy.ops.retake.step_take(back=True)
    assert shown() == 0


def test_compare_switches_between_the_two_shown_last(takes: Stage) -> None:
    bpy.ops.retake.show_take(take=3)
    bpy.ops.retake.compare_takes()
    assert shown() == 1
    bpy.ops.retake.compare_takes()
    assert shown() == 3


def test_the_brows_of_another_take_leave_the_lips_as_they_are(takes: Stage) -> None:
    lips, brows = takes.table(LIP), takes.table(BROW)
    bpy.ops.retake.show_take(take=2)
    others = takes.table(BROW)
    bpy.ops.retake.show_take(take=1)
    bpy.ops.retake.use_take(take=2, parts={"UPPER_FACE"})
    assert np.array_equal(takes.table(LIP), lips)
    assert np.array_equal(takes.table(BROW), others)
    assert not np.array_equal(takes.table(BROW), brows)


def test_another_take_for_some_frames_leaves_the_others(takes: Stage) -> None:
    scene = bpy.context.scene
    before = values(takes)
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 20, 34
    bpy.ops.retake.use_take(take=3, range_mode="PREVIEW")
    after = values(takes)
    outside = (FRAMES < 20) | (FRAMES > 34)
    assert np.abs(after - before)[outside].max() < 1e-6, FRAMES[(np.abs(after - before) > 1e-6) & outside]
    assert np.abs(after[~outside] - before[~outside]).max() > 1e-3
    bpy.ops.retake.use_take(take=1, range_mode="PREVIEW")
    back = np.abs(values(takes) - before)
    assert back[FRAMES % 1.0 == 0.0].max() < 1e-6
    assert back.max() < 1e-3  # between frames, where the take now ends in handles of its own


def test_a_locked_range_plays_on_under_other_takes(takes: Stage) -> None:
    scene = bpy.context.scene
    before = values(takes)
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 20, 34
    bpy.ops.retake.lock_range(range_mode="PREVIEW")
    bpy.ops.retake.show_take(take=2)
    inside = (FRAMES >= 20) & (FRAMES <= 34)
    assert np.abs(values(takes) - before)[inside].max() < 1e-6
    assert np.abs(values(takes) - before)[~inside].max() > 1e-3


def test_a_part_that_a_take_lacks_is_said(stage: Stage) -> None:
    bpy.ops.retake.new_takes(count=1, parts={"MOUTH"})
    assert "has none of the chosen parts" in error_of(bpy.ops.retake.use_take, take=1, parts={"HEAD"})


def test_a_note_is_kept_with_the_take(takes: Stage) -> None:
    bpy.ops.retake.rename_take(take=2, name="Angry", note="for the close-up")
    take = state.load_library(bpy.context.scene.retake.heads[0]).takes[2]
    assert (take.name, take.note) == ("Angry", "for the close-up")


def test_the_slider_and_the_style_reach_the_take(stage: Stage) -> None:
    bpy.ops.retake.new_takes(count=1, style="smiling", guidance=0.5)
    take = state.load_library(bpy.context.scene.retake.heads[0]).takes[1]
    assert (take.settings.style, take.settings.guidance) == ("smiling", 0.5)


def test_the_overlay_knows_range_locks_pauses_and_phones(takes: Stage) -> None:
    marks = overlay.marks_in(bpy.context)
    take = state.load_library(bpy.context.scene.retake.heads[0]).takes[1]
    assert marks.range.start == pytest.approx(1 + 24 * take.span.start)
    assert marks.phones
    assert all(start < end for start, end, _ in marks.phones)
    scene = bpy.context.scene
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 20, 34
    bpy.ops.retake.lock_range(range_mode="PREVIEW")
    seen = overlay.visible(overlay.marks_in(bpy.context), 25, 30)
    assert [(round(span.start), round(span.end)) for span in seen.locked] == [(20, 34)]
    assert all(end > 25 and start < 30 for start, end, _ in seen.phones)
