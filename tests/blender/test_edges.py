# SPDX-License-Identifier: GPL-3.0-or-later
"""Where ranges begin and end: several on one curve, and what the animator does beside them afterwards."""

from __future__ import annotations

from collections.abc import Callable

import bpy
import numpy as np
import pytest

from retake.addon.scene.key_table import AUTO_CLAMPED
from retake.addon.scene.state import load_notes, save_notes

from .helpers import GENERATED, Stage


def generate_preview(stage: Stage, first: int, last: int) -> None:
    scene = stage.scene
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, first, last
    stage.generate(count=1, parts={"UPPER_FACE"}, range_mode="PREVIEW")


@pytest.mark.parametrize("handles", ["AUTO", "AUTO_CLAMPED"])
def test_a_second_range_keeps_the_curve_up_to_the_first(stage: Stage, handles: str) -> None:
    for frame, value in ((10, 0.9), (37, 0.6), (75, 0.95)):
        point = stage.key_value("browInnerUp", frame, value)
        point.handle_left_type = point.handle_right_type = handles
    stage.curve("browInnerUp").update()
    between = np.arange(42, 48.01, 0.25)
    before = stage.at("browInnerUp", between)
    generate_preview(stage, 48, 60)
    generate_preview(stage, 20, 42)
    assert np.abs(stage.at("browInnerUp", between) - before).max() <= 1e-6


def test_a_flat_end_has_short_handles(stage: Stage) -> None:
    stage.key_value("jawOpen", 20, 0.9)
    stage.generate(count=1, parts={"MOUTH"})
    for point in stage.curve("jawOpen").keyframe_points:
        assert abs(point.handle_left[0] - point.co[0]) < 1.0
        assert abs(point.handle_right[0] - point.co[0]) < 1.0
    assert np.abs(stage.at("jawOpen", [-900, -23, 73, 900]) - 0.9).max() <= 1e-6


@pytest.mark.parametrize("slope", [0.0, 0.01])
def test_a_straight_end_goes_on_far_away(stage: Stage, slope: float) -> None:
    for frame in (10, 30):
        stage.key_value("jawOpen", frame, 0.4 + slope * frame, interpolation="LINEAR")
    stage.curve("jawOpen").extrapolation = "LINEAR"
    far = np.array([-500.0, -100.25, -24.0, 75.5, 120.0, 500.0])
    before = stage.at("jawOpen", far)
    stage.generate(count=1, parts={"MOUTH"})
    assert (np.abs(stage.at("jawOpen", far) - before) <= 1e-6 * np.maximum(1.0, np.abs(before))).all()


@pytest.mark.parametrize("change", ["deleted", "moved", "moved with its helper", "changed"])
def test_a_pose_beside_a_range_does_not_outlive_its_key(make_stage: Callable[..., Stage], change: str) -> None:
    stage = make_stage(frame=101)
    for frame, value in ((60, 0.1), (70, 0.9), (200, 0.2)):
        stage.key_value("jawOpen", frame, value)
    for point in stage.curve("jawOpen").keyframe_points:
        x, y = point.co
        point.handle_left_type = point.handle_right_type = "ALIGNED"
        point.handle_left, point.handle_right = (x - 8, y - 0.02), (x + 8, y + 0.02)
    stage.curve("jawOpen").update()
    stage.generate(count=2, parts={"MOUTH"})
    assert 70.015625 in stage.generated("jawOpen")
    curve = stage.curve("jawOpen")
    if change == "deleted":
        curve.keyframe_points.remove(stage.point("jawOpen", 70))
    elif change == "changed":
        stage.point("jawOpen", 70).co[1] = 0.3
    else:
        for frame in (70.0, 70.015625)[: 2 if "helper" in change else 1]:
            stage.point("jawOpen", frame).co[0] = frame - 6
    curve.update()
    bpy.ops.retake.show_take(take=2)
    assert not ((stage.generated("jawOpen") > 60) & (stage.generated("jawOpen") < 76.9)).any()
    table = stage.table("jawOpen")
    kept = table["co"][(table["type"] != GENERATED) & (table["co"][:, 0] < 90)]
    wanted = {"deleted": [(60, 0.1)], "changed": [(60, 0.1), (70, 0.3)]}.get(change, [(60, 0.1), (64, 0.9)])
    assert np.allclose(kept, wanted, rtol=0.0, atol=1e-6)


@pytest.mark.parametrize("is_old_file", [False, True])
@pytest.mark.parametrize("moved", [(0.0, 0.0), (-4.0, 0.0), (0.0, -0.4), (-4.0, 0.05)])
def test_a_key_that_was_moved_gets_its_handle_types_back(
    make_stage: Callable[..., Stage], moved: tuple[float, float], is_old_file: bool
) -> None:
    stage = make_stage(frame=101)
    for frame, value in ((50, 0.2), (70, 0.9), (200, 0.3), (220, 0.6)):
        point = stage.key_value("jawOpen", frame, value)
        point.handle_left_type = point.handle_right_type = "AUTO_CLAMPED"
    stage.generate(count=2, parts={"MOUTH"})
    point = stage.point("jawOpen", 70)
    assert point.handle_right_type == "FREE"
    if is_old_file:
        notes = load_notes(stage.record)
        for note in notes.frozen["jawOpen"]:
            del note["value"]
        save_notes(stage.record, notes)
    for name in ("co", "handle_left", "handle_right"):  # as dragging a key does
        x, y = getattr(point, name)
        setattr(point, name, (x + moved[0], y + moved[1]))
    stage.curve("jawOpen").update()
    bpy.ops.retake.show_take(take=2)
    bpy.ops.retake.show_original()
    table = stage.table("jawOpen")
    row = int(np.abs(table["co"][:, 0] - 70 - moved[0]).argmin())
    if not is_old_file or moved == (0.0, 0.0):
        assert (table[row]["handle_left_type"], table[row]["handle_right_type"]) == (AUTO_CLAMPED, AUTO_CLAMPED)
    assert np.allclose(table["co"][row], (70 + moved[0], 0.9 + moved[1]), rtol=0.0, atol=1e-6)
