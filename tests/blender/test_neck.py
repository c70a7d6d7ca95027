# SPDX-License-Identifier: GPL-3.0-or-later
"""The neck in every rotation mode, constrained, driven, and in NLA tweak mode."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from retake.addon import compat
from retake.addon.operators.session import session
from retake.addon.scene.axes import components_to_matrix, pose_to_model
from retake.addon.scene.state import load_library

from .helpers import Stage, error_of

MODES = ("QUATERNION", "XYZ", "ZXY", "YZX", "AXIS_ANGLE")
HEAD = {"HEAD"}


def rotations(stage: Stage, frames: np.ndarray) -> np.ndarray:
    """Neck rotation in model axes, as the curves play."""
    columns = np.stack([stage.at(name, frames) for name in stage.neck_ids()], axis=-1)
    rest = stage.neck.bone.matrix_local.to_3x3()
    return np.stack([pose_to_model(components_to_matrix(row, stage.neck.rotation_mode), rest) for row in columns])


@pytest.mark.parametrize("mode", MODES)
def test_the_curves_turn_the_head_as_the_take_says(stage: Stage, mode: str) -> None:
    stage.neck.rotation_mode = mode
    stage.generate(count=1, parts=HEAD)
    take = load_library(stage.record).takes[1]
    frames = np.arange(-10, 60)
    seconds = stage.recording.clock.seconds(frames)
    made = np.stack(
        [
            np.interp(seconds * 30 - take.start_frame, np.arange(len(take.values)), column)
            for column in take.values[:, [take.channel_names.index(f"head_rotation.{axis}") for axis in "xyz"]].T
        ],
        axis=-1,
    )
    assert np.abs(rotations(stage, frames) - made).max() < 0.01
    assert np.abs(made).max() > 0.005


@pytest.mark.parametrize("mode", MODES)
def test_components_never_jump(stage: Stage, mode: str) -> None:
    stage.neck.rotation_mode = mode
    stage.generate(count=1, parts=HEAD)
    frames = np.arange(-22, 73, 0.25)
    for name in stage.neck_ids():
        if mode != "AXIS_ANGLE":
            assert np.abs(np.diff(stage.at(name, frames))).max() < 0.15, name


@pytest.mark.parametrize("mode", MODES)
def test_a_key_on_one_component_gives_the_whole_rotation(stage: Stage, mode: str) -> None:
    stage.neck.rotation_mode = mode
    stage.generate(count=2, parts=HEAD)
    name = stage.neck_ids()[1]
    target = stage.target(name)
    target.set_static(0.2)
    path = target.data_path.rpartition(".")[2]
    stage.neck.keyframe_insert(path, index=target.index, frame=20.25)
    stage.point(name, 20.25).type = "KEYFRAME"
    given = rotations(stage, np.array([20.25]))
    components = stage.tracks([20.25])
    bpy.ops.retake.update_take(all_takes=True)
    for take in (1, 2):
        bpy.ops.retake.show_take(take=take)
        assert np.abs(rotations(stage, np.array([20.25])) - given).max() <= 1e-5
        for other in stage.neck_ids():
            assert abs(stage.at(other, [20.25])[0] - components[other][0]) <= 1e-5
            ours = stage.generated(other)
            assert ((np.abs(ours - 20.25) > 0.5) | (np.abs(ours - 20.25) < 0.01)).all()


def test_a_quaternion_key_on_the_far_side_is_met(stage: Stage) -> None:
    stage.neck.rotation_mode = "QUATERNION"
    stage.neck.rotation_quaternion = (-0.995, 0.0, -0.0998, 0.0)
    stage.neck.keyframe_insert("rotation_quaternion", frame=20)
    stage.generate(count=1, parts=HEAD)
    assert np.abs(stage.at(stage.neck_ids()[0], [20])[0] + 0.995) < 1e-6
    near = np.arange(15, 25, 0.25)
    assert np.abs(np.diff(stage.at(stage.neck_ids()[0], near))).max() < 0.1


def test_a_constrained_neck_is_reported_and_given(stage: Stage) -> None:
    stage.neck.rotation_mode = "XYZ"
    constraint = stage.neck.constraints.new("LIMIT_ROTATION")
    constraint.use_limit_x, constraint.min_x, constraint.max_x = True, 0.2, 0.3
    constraint.owner_space = "LOCAL"
    stage.generate(count=1, parts={"MOUTH", "HEAD"})
    assert any("constraint" in notice for notice in session.job.order.notices)
    assert not any(stage.curve(name) for name in stage.neck_ids())
    given = session.job.order.given
    rest = stage.neck.bone.matrix_local.to_3x3()
    wanted = pose_to_model(components_to_matrix(np.array([0.2, 0.0, 0.0]), "XYZ"), rest)
    for channel, value in zip((52, 53, 54), wanted, strict=True):
        assert np.abs(given.values[given.channels == channel] - value).max() < 1e-4


def test_a_driven_component_keeps_the_whole_neck_unwritten(stage: Stage) -> None:
    stage.neck.rotation_mode = "XYZ"
    driver = stage.neck.driver_add("rotation_euler", 1).driver
    driver.expression = "frame / 100"
    stage.scene.frame_set(12)
    stage.generate(count=1, parts={"MOUTH", "HEAD"})
    assert not any(stage.curve(name) for name in stage.neck_ids())
    assert stage.scene.frame_current == 12
    assert len(bpy.data.scenes) == 1


def tweak(stage: Stage, start: float) -> bpy.types.NlaStrip:
    """An action of the shape keys as an NLA strip that is being tweaked."""
    stage.key_value("jawOpen", 1, 0.1)
    stage.key_value("jawOpen", 60, 0.3)
    data = stage.key.animation_data
    action = data.action
    track = data.nla_tracks.new()
    strip = track.strips.new("Face", int(start), action)
    if hasattr(strip, "action_slot"):
        strip.action_slot = action.slots[0]
    data.action = None
    track.select = strip.select = True
    data.nla_tracks.active = track
    data.use_tweak_mode = True
    assert data.action == action
    return strip


def test_tweaked_strips_have_their_times_mapped(stage: Stage) -> None:
    tweak(stage, 101)
    scene = stage.scene
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 5, 40
    stage.generate(count=1, range_mode="PREVIEW", parts={"MOUTH"})
    ours = stage.generated("mouthPucker")
    assert (ours.min(), ours.max()) == (5 - 100, 40 - 100), "scene frame 5 is frame -95 of the action"
    bpy.ops.retake.show_original()
    assert stage.curve("mouthPucker") is None


@pytest.mark.parametrize("change", ["scale", "repeat", "use_reverse"])
def test_strips_whose_time_is_bent_are_refused(stage: Stage, change: str) -> None:
    strip = tweak(stage, 1)
    setattr(strip, change, True if change == "use_reverse" else 2.0)
    sentence = error_of(bpy.ops.retake.new_takes)
    assert sentence.startswith("The NLA strip 'Face' that is being tweaked is ")
    assert "Traceback" not in sentence


def test_another_rotation_mode_leaves_no_curves_behind(stage: Stage) -> None:
    stage.neck.rotation_mode = "QUATERNION"
    stage.neck.keyframe_insert("rotation_quaternion", frame=90)
    stage.generate(count=2, parts={"HEAD"})
    stage.neck.rotation_mode = "XYZ"
    bpy.ops.retake.show_take(take=2)

    def by_path() -> dict[str, list[str]]:
        curves = compat.fcurves_of(stage.rig) or ()
        return {curve.data_path: [point.type for point in curve.keyframe_points] for curve in curves}

    paths = by_path()
    assert paths[stage.neck.path_from_id("rotation_quaternion")] == ["KEYFRAME"]
    assert len(paths[stage.neck.path_from_id("rotation_euler")]) > 40
    bpy.ops.retake.show_original()
    assert set(by_path()) == {stage.neck.path_from_id("rotation_quaternion")}
