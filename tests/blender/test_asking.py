# SPDX-License-Identifier: GPL-3.0-or-later
"""What only the animator decides, and what no switch may change: changed keys, locked curves, locked spans, copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy
import numpy as np
import pytest

from retake.addon import compat
from retake.addon.operators import direct
from retake.addon.operators.session import session
from retake.addon.scene.audio import find_strip
from retake.addon.scene.state import load_library

from .helpers import GENERATED, Stage, error_of

ALL = {"MOUTH", "UPPER_FACE", "EYES", "HEAD"}


@pytest.fixture
def taken(stage: Stage) -> Stage:
    stage.generate(count=2, seed=0, parts=ALL)
    return stage


def bits(stage: Stage) -> dict[str, bytes]:
    return {name: stage.table(name).tobytes() for name in stage.curve_ids() if stage.curve(name) is not None}


def shift(stage: Stage, name: str, frames: float = 0.0, value: float = 0.0) -> None:
    """Move all keys of a curve, as in the Graph Editor."""
    for point in stage.curve(name).keyframe_points:
        point.co = (point.co[0] + frames, point.co[1] + value)
    stage.curve(name).update()


def given_count(stage: Stage, name: str) -> int:
    return int((stage.table(name)["type"] != GENERATED).sum())


@pytest.mark.parametrize("moved", [{"frames": 10.0}, {"value": 0.1}])
@pytest.mark.parametrize("operator", ["show_take", "show_original"])
def test_a_shift_is_asked_about_before_switching(taken: Stage, moved: dict[str, float], operator: str) -> None:
    shift(taken, "jawOpen", **moved)
    before, stored = bits(taken), bytes(taken.record.library)
    options = {"take": 2} if operator == "show_take" else {}
    sentence = error_of(getattr(bpy.ops.retake, operator), **options)
    assert sentence.startswith("Most generated keys of jawOpen were shifted")
    assert all(word in sentence for word in ("Keep", "Keep Peaks Only", "Redo", "Changed Keys"))
    assert bits(taken) == before
    assert bytes(taken.record.library) == stored
    assert len(load_library(taken.record).comp) == 4


def test_a_reshaped_span_is_asked_about_before_switching(taken: Stage) -> None:
    for frame in range(20, 31):
        taken.point("jawOpen", frame).co[1] = 0.5 + 0.04 * (frame % 3)
    assert "in a row of jawOpen" in error_of(bpy.ops.retake.show_take, take=2)


def test_a_shift_is_kept_when_chosen(taken: Stage) -> None:
    shift(taken, "jawOpen", value=0.1)
    before = taken.at("jawOpen", range(-23, 74))
    bpy.ops.retake.show_take(take=2, corrected="KEEP")
    assert np.abs(taken.at("jawOpen", range(-23, 74)) - before).max() <= 1e-6
    assert "shifted" in session.sentence
    bpy.ops.retake.show_take(take=1)


def test_only_peaks_of_a_shift_are_kept_when_chosen(taken: Stage) -> None:
    shift(taken, "jawOpen", value=0.1)
    before = taken.table("jawOpen")
    bpy.ops.retake.show_take(take=2, corrected="PEAKS")
    after = taken.table("jawOpen")
    kept = after[after["type"] != GENERATED]["co"]
    assert 0 < len(kept) < len(before) / 3
    assert all(np.abs(before["co"] - point).max(axis=1).min() <= 1e-6 for point in kept)


@pytest.mark.parametrize("moved", [{"frames": 10.0}, {"value": 0.1}])
def test_a_shift_is_undone_by_redo(taken: Stage, moved: dict[str, float]) -> None:
    before = bits(taken)
    shift(taken, "jawOpen", **moved)
    bpy.ops.retake.show_take(take=1, corrected="REDO")
    assert bits(taken) == before


@pytest.mark.parametrize(("choice", "left"), [("KEEP", 97), ("REDO", 0)])
def test_the_original_follows_the_choice(taken: Stage, choice: str, left: int) -> None:
    shift(taken, "jawOpen", value=0.1)
    bpy.ops.retake.show_original(corrected=choice)
    assert (given_count(taken, "jawOpen") if taken.curve("jawOpen") else 0) == left
    assert taken.curve("mouthPucker") is None


def test_what_another_part_has_to_decide_does_not_hold_a_take(stage: Stage) -> None:
    stage.generate(count=1, seed=0, parts=ALL)
    stage.generate(count=1, seed=5, parts={"EYES"})
    shift(stage, "jawOpen", value=0.1)
    before = stage.table("jawOpen").tobytes()
    bpy.ops.retake.show_take(take=2)
    assert stage.table("jawOpen").tobytes() == before
    assert "shifted" in error_of(bpy.ops.retake.show_take, take=1)


def test_generating_keeps_and_reports(taken: Stage) -> None:
    shift(taken, "jawOpen", value=0.1)
    bpy.ops.retake.update_take()
    assert any("shifted in value" in notice for notice in session.job.order.notices)
    assert given_count(taken, "jawOpen") == 97


@pytest.mark.parametrize("state", ["lock", "mute"])
def test_the_original_leaves_locked_and_muted_curves(taken: Stage, state: str) -> None:
    setattr(taken.curve("jawOpen"), state, True)
    before = taken.table("jawOpen").tobytes()
    bpy.ops.retake.show_original()
    assert taken.table("jawOpen").tobytes() == before
    assert taken.curve("mouthPucker") is None
    assert session.sentence.startswith("Not written because of a ")
    assert session.sentence.endswith("curve: jawOpen.")
    setattr(taken.curve("jawOpen"), state, False)
    bpy.ops.retake.show_original()
    assert taken.curve("jawOpen") is None


def test_the_original_leaves_locked_spans(taken: Stage) -> None:
    taken.key_value("browInnerUp", 20.3, 0.7)
    bpy.ops.retake.show_take(take=2)
    bpy.ops.retake.lock_span(frame_start=20, frame_end=30)
    inside = np.arange(20, 30.01, 0.25)
    before = taken.tracks(inside)
    bpy.ops.retake.show_original()
    after = taken.tracks(inside)
    assert max(float(np.abs(after[name] - before[name]).max()) for name in before) <= 1e-5
    assert taken.generated("jawOpen").tolist() == list(range(20, 31))
    assert session.sentence == "The locked spans stay as they are."
    bpy.ops.retake.lock_span(frame_start=20, frame_end=30, unlock=True)
    assert session.sentence == "Frames 20 to 30 are released: show a take there."
    bpy.ops.retake.show_original()
    assert taken.curve("jawOpen") is None


def test_moved_audio_leaves_locked_curves_and_spans(taken: Stage) -> None:
    if not compat.has_audio():
        pytest.skip("this bpy was built without Audaspace: no strip to move")
    taken.curve("mouthFunnel").lock = True
    bpy.ops.retake.lock_span(frame_start=20, frame_end=30)
    locked, inside = taken.table("mouthFunnel").tobytes(), np.arange(20, 30.01, 0.25)
    before = taken.tracks(inside)
    strip = find_strip(taken.scene, taken.record.uid)
    setattr(strip, "content_start" if hasattr(strip, "content_start") else "frame_start", 101)
    for take in (1, 2):
        bpy.ops.retake.show_take(take=take)
        after = taken.tracks(inside)
        assert max(float(np.abs(after[name] - before[name]).max()) for name in before) <= 1e-5
        assert taken.table("mouthFunnel").tobytes() == locked
        assert taken.generated("jawOpen").max() == 173


def test_baking_leaves_locked_curves_and_spans(taken: Stage) -> None:
    taken.curve("mouthFunnel").lock = True
    bpy.ops.retake.lock_span(frame_start=20, frame_end=30)
    before = taken.table("mouthFunnel").tobytes()
    bpy.ops.retake.bake_take()
    assert taken.table("mouthFunnel").tobytes() == before
    assert taken.generated("jawOpen").tolist() == list(range(20, 31))
    taken.curve("mouthFunnel").lock = False
    bpy.ops.retake.lock_span(frame_start=20, frame_end=30, unlock=True)
    bpy.ops.retake.show_original()
    assert taken.curve("mouthFunnel") is None


def animate_neck(stage: Stage) -> None:
    stage.neck.rotation_mode = "XYZ"
    for frame, angle in ((1, 0.0), (40, 0.4)):
        stage.neck.rotation_euler.y = angle
        stage.neck.keyframe_insert("rotation_euler", frame=frame)


@pytest.mark.parametrize("is_muted", [False, True])
def test_a_neck_animated_in_the_nla_is_left_out_at_first(stage: Stage, is_muted: bool) -> None:
    animate_neck(stage)
    compat.push_down(stage.rig, "turning")
    stage.rig.animation_data.nla_tracks[0].strips[0].mute = is_muted
    stage.generate(count=1)
    assert ("head" in session.job.order.parts) == is_muted
    assert any("animated already" in notice for notice in session.job.order.notices) == (not is_muted)


def test_only_our_own_animation_of_the_neck_does_not_count(taken: Stage) -> None:
    for take in (2, 1):
        if take == 1:
            load_library(taken.record).comp.clear()
        bpy.ops.retake.delete_take(take=take)
    taken.generate(count=1)
    assert "head" in session.job.order.parts


def test_keep_leaves_curves_that_are_not_the_heads(taken: Stage) -> None:
    taken.rig.keyframe_insert("location", index=0, frame=5)
    curves = compat.fcurves_of(taken.rig)
    curves.find("location", index=0).keyframe_points[0].type = "GENERATED"
    known = set(bpy.data.actions)
    bpy.ops.retake.keep_take()
    kept = [curve for action in set(bpy.data.actions) - known for curve in compat.all_fcurves(action)]
    types: dict[str, set[Any]] = {curve.data_path: {point.type for point in curve.keyframe_points} for curve in kept}
    assert types.pop("location") == {"GENERATED"}
    assert set.union(*types.values()) == {"KEYFRAME"}


def test_a_copied_head_takes_no_key_of_ours_for_its_original(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage()
    stage.key_value("browInnerUp", 20.3, 0.7)
    stage.generate(count=1, parts=ALL)
    copy = stage.head.copy()
    copy.data = stage.head.data.copy()
    key = copy.data.shape_keys
    if key.animation_data is None or key.animation_data.action is None:
        compat.share_action(key, stage.key.animation_data.action)
    key.animation_data.action = stage.key.animation_data.action.copy()
    bpy.context.collection.objects.link(copy)
    bpy.context.view_layer.objects.active = copy
    path = bpy.path.abspath(stage.scene.retake.heads[0].audio_path)
    stage.name = copy.name
    assert len(stage.generated("jawOpen")) > 40
    bpy.ops.retake.import_audio(filepath=path)
    stage.generate(count=1, seed=7, parts={"MOUTH", "UPPER_FACE", "EYES"})
    bpy.ops.retake.show_original()
    assert stage.curve("jawOpen") is None
    assert stage.table("browInnerUp")["co"].tolist() == [[np.float32(20.3), np.float32(0.7)]]


def test_no_file_is_said_as_such(stage: Stage) -> None:
    assert error_of(bpy.ops.retake.import_audio, filepath="").startswith("No file was chosen.")


def test_options_ask_only_where_told() -> None:
    assert direct.Options().corrected is direct.Choice.KEEP
