# SPDX-License-Identifier: GPL-3.0-or-later
"""Finishing in the scene: live, given values exact, closures closed, undone by setting it back."""

from __future__ import annotations

from typing import Any

import bpy
import numpy as np
import pytest

from retake.addon.scene import state
from retake.addon.scene.rig import lip_model
from retake.addon.scene.sparse import reaches_mm
from retake.backend.protocol import CHANNEL_NAMES
from retake.tests.blender.helpers import Stage, error_of

FRAMES = np.arange(-10, 70)


@pytest.fixture
def takes(stage: Stage) -> Stage:
    """A head with a keyed smile and two takes."""
    stage.key_value("mouthSmileLeft", 30, 0.7)
    bpy.ops.retake.new_takes(count=2, seed=5)
    return stage


def record() -> state.RETAKE_PG_head:
    return bpy.context.scene.retake.heads[0]


def values(takes: Stage, name: str) -> np.ndarray:
    curve = takes.curve(name)
    return np.array([curve.evaluate(frame) for frame in FRAMES])


def test_strength_is_live_and_set_back_exactly(takes: Stage) -> None:
    brows, jaw = values(takes, "browInnerUp"), values(takes, "jawOpen")
    record().strength_upper_face = 0.5
    assert np.abs(values(takes, "browInnerUp") - 0.5 * brows)[12:70].max() < 0.02
    assert np.array_equal(values(takes, "jawOpen"), jaw)
    record().strength_upper_face = 1.0
    assert np.array_equal(values(takes, "browInnerUp"), brows)


def test_given_values_stay_exact_at_any_setting(takes: Stage) -> None:
    record().strength_mouth, record().smoothing_mouth, record().lead = 1.8, 1.0, 2.0
    assert takes.curve("mouthSmileLeft").evaluate(30) == pytest.approx(0.7, abs=1e-6)
    bpy.ops.retake.show_take(take=2)
    assert takes.curve("mouthSmileLeft").evaluate(30) == pytest.approx(0.7, abs=1e-6)


def test_the_lead_moves_the_mouth_and_nothing_else(takes: Stage) -> None:
    jaw, brows = values(takes, "jawOpen"), values(takes, "browInnerUp")
    record().lead = 2.0
    moved = values(takes, "jawOpen")
    inside = slice(20, 60)
    assert np.abs(moved[inside] - jaw[22:62]).mean() < 0.2 * np.abs(moved - jaw)[inside].mean()
    assert np.array_equal(values(takes, "browInnerUp"), brows)


def test_smoothing_makes_the_mouth_calmer(takes: Stage) -> None:
    before = np.abs(np.diff(values(takes, "jawOpen"), 2)).mean()
    record().smoothing_mouth = 1.0
    assert np.abs(np.diff(values(takes, "jawOpen"), 2)).mean() < 0.8 * before


def test_no_key_is_taken_for_a_correction_and_reset_plays_the_take(takes: Stage) -> None:
    jaw = values(takes, "jawOpen")
    record().strength_mouth = 0.4
    record().lead = -1.0
    bpy.ops.retake.show_take(take=2)
    bpy.ops.retake.show_take(take=1)
    bpy.ops.retake.reset_finishing()
    assert np.array_equal(values(takes, "jawOpen"), jaw)
    assert all(point.type == "GENERATED" for point in takes.curve("jawOpen").keyframe_points)


def test_it_is_saved_with_the_file(takes: Stage, tmp_path: object) -> None:
    record().strength_head = 0.25
    path = f"{tmp_path}/shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert record().strength_head == pytest.approx(0.25)


def test_blinks_come_and_go_live_and_not_in_quiet_spans(stage: Stage) -> None:
    bpy.ops.retake.new_takes(count=1, seed=3)
    stage.key_value("eyeBlinkLeft", 30, 1.0)
    frames = np.arange(-20, 70)

    def shut() -> Any:
        return np.array([stage.curve("eyeBlinkRight").evaluate(frame) for frame in frames])

    before = shut()
    stage.record.blinks = 0.0
    assert shut().max() < 0.4
    assert stage.curve("eyeBlinkLeft").evaluate(30) == pytest.approx(1.0)
    stage.record.blinks = 1.0
    assert shut() == pytest.approx(before, abs=1e-5)
    bpy.ops.retake.no_blinks(range_mode="AUDIO")
    assert shut().max() < 0.4
    bpy.ops.retake.no_blinks(release=0)
    assert shut() == pytest.approx(before, abs=1e-5)
    assert "There is no span 8" in error_of(bpy.ops.retake.no_blinks, release=7)
    assert "preview range" in error_of(bpy.ops.retake.no_blinks, range_mode="PREVIEW")
    assert state.load_notes(stage.record).quiet == []
    bpy.ops.retake.no_blinks(range_mode="AUDIO")
    bpy.ops.retake.reset_finishing()
    assert shut() == pytest.approx(before, abs=1e-5)


def test_aimed_eyes_are_left_to_their_constraint(stage: Stage) -> None:
    armature = stage.rig
    bone = next(bone for bone in armature.pose.bones if "eye" in bone.name.lower())
    constraint = bone.constraints.new("DAMPED_TRACK")
    bpy.ops.retake.new_takes(count=1, seed=3)
    assert stage.curve("eyeLookInLeft") is None
    assert stage.curve("eyeBlinkLeft") is not None
    constraint.mute = True
    bpy.ops.retake.show_take(take=1)
    assert stage.curve("eyeLookInLeft") is not None


def test_sparse_keys_stay_near_the_take_and_keep_closures(takes: Stage) -> None:
    dense = takes.tracks(FRAMES)
    count = sum(len(takes.generated(name)) for name in takes.curve_ids())
    record().sparse = True
    sparse = takes.tracks(FRAMES)
    fewer = sum(len(takes.generated(name)) for name in takes.curve_ids())
    assert fewer < 0.6 * count
    reach = reaches_mm(takes.shot)
    off = {name: float(np.abs(sparse[name] - dense[name]).max()) * reach[name] for name in dense if name in reach}
    assert max(off.values()) < 0.3, max(off, key=lambda name: off[name])
    lips = lip_model(takes.shot)
    names = [name for name in CHANNEL_NAMES if name in dense]
    slopes = lips.slopes[[CHANNEL_NAMES.index(name) for name in names]]

    def opening(tracks: dict[str, Any]) -> Any:
        return np.stack([tracks[name] for name in names], axis=1) @ slopes

    closed = opening(dense) < 0.5
    assert np.abs(opening(sparse) - opening(dense))[closed].max(initial=0.0) < 0.05
    assert takes.at("mouthSmileLeft", [30.0])[0] == pytest.approx(0.7, abs=1e-6)
    record().tolerance = 1.0
    assert sum(len(takes.generated(name)) for name in takes.curve_ids()) < fewer
    point = next(p for p in takes.curve("browInnerUp").keyframe_points if p.type == "GENERATED" and 10 < p.co[0] < 40)
    frame, value = point.co[0], point.co[1] + 0.2
    point.co[1] = value
    bpy.ops.retake.update_take()
    assert takes.at("browInnerUp", [frame])[0] == pytest.approx(value, abs=1e-6)
    record().sparse = False
    assert sum(len(takes.generated(name)) for name in takes.curve_ids()) > 0.95 * count
    assert not any("scratch" in action.name for action in bpy.data.actions)


def test_curves_are_grouped_by_part(takes: Stage) -> None:
    groups = {name: takes.curve(name).group.name for name in ("jawOpen", "browInnerUp", "eyeBlinkLeft")}
    assert groups == {"jawOpen": "Mouth", "browInnerUp": "Upper Face", "eyeBlinkLeft": "Eyes"}
