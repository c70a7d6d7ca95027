# SPDX-License-Identifier: GPL-3.0-or-later
"""What is never touched: everything but the mapped channels in the range, to the last bit if it is the animator's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import bpy
import numpy as np
import pytest

from retake.addon import compat
from retake.addon.operators.session import session
from retake.addon.scene.key_table import Table

from .helpers import GENERATED, Stage

HANDLES = ("AUTO", "AUTO_CLAMPED", "VECTOR", "ALIGNED", "FREE")
FIRST, LAST = 101 - 24, 101 + 48 + 24


def set_keys(stage: Stage, channel: str, keys: dict[float, float], handles: str, interpolation: str = "BEZIER") -> None:
    """Keys with a kind of handle; handles of the animator's own stand where no automatic one would."""
    for frame, value in keys.items():
        stage.key_value(channel, frame, value, interpolation=interpolation)
    for index, point in enumerate(stage.curve(channel).keyframe_points):
        point.handle_left_type = point.handle_right_type = handles
        if handles in ("ALIGNED", "FREE"):
            x, y = point.co
            point.handle_left, point.handle_right = (x - 9.5, y - 0.05 * index), (x + 21.0, y + 0.11 * index)
    stage.curve(channel).update()


def the_animators(table: Table) -> Table:
    return table[table["type"] != GENERATED]


def bits(table: Table, names: tuple[str, ...]) -> list[bytes]:
    return [table[name].tobytes() for name in names]


KEPT = ("co", "interpolation", "easing", "type", "back", "amplitude", "period", "select_control_point")
OUTSIDE = np.concatenate((np.arange(20, FIRST + 0.01, 0.25), np.arange(LAST, 320, 0.25)))


@pytest.mark.parametrize("interpolation", ["BEZIER", "LINEAR", "CONSTANT"])
@pytest.mark.parametrize("extrapolation", ["CONSTANT", "LINEAR"])
@pytest.mark.parametrize("handles", HANDLES)
def test_outside_the_range_every_quarter_frame_stays(
    make_stage: Callable[..., Stage], handles: str, extrapolation: str, interpolation: str
) -> None:
    stage = make_stage(frame=101)
    plans = {
        "mouthSmileLeft": {60: 0.1, 70: 0.7, 130: 0.3, 190: 0.9, 210: 0.2},
        "jawOpen": {65: 0.8, 72: 0.7, 220: 0.5, 240: 0.9},
        "browInnerUp": {40: 0.4, 66: 0.9},
        "cheekPuff": {200: 0.4, 230: 0.9},
        "noseSneerLeft": {120: 0.4, 140.5: 0.9},
    }
    for channel, keys in plans.items():
        set_keys(stage, channel, keys, handles, interpolation)
        stage.curve(channel).extrapolation = extrapolation
    before = {channel: (stage.at(channel, OUTSIDE), stage.table(channel)) for channel in plans}
    stage.generate(count=2)
    for take in (1, 2):
        bpy.ops.retake.show_take(take=take)
        for channel, (values, table) in before.items():
            worst = np.abs(stage.at(channel, OUTSIDE) - values) / np.maximum(1.0, np.abs(values))
            assert worst.max() <= 1e-6, channel
            kept = the_animators(stage.table(channel))
            assert bits(kept, KEPT) == bits(table, KEPT), channel
            if handles in ("ALIGNED", "FREE"):
                assert bits(kept, ("handle_left", "handle_right")) == bits(table, ("handle_left", "handle_right"))
    assert interpolation == "CONSTANT" or len(stage.generated("mouthSmileLeft")) > 50
    bpy.ops.retake.show_original()
    for channel, (values, table) in before.items():
        assert stage.table(channel).tobytes() == table.tobytes(), channel
        assert np.array_equal(stage.at(channel, OUTSIDE), values)


@pytest.mark.parametrize("reaches", [(20, 20), (26, 26), (35, 35), (35, 26), (35, None)])
@pytest.mark.parametrize("frame", [101, 111])
def test_handles_longer_than_their_segment_keep_the_curve_outside(
    make_stage: Callable[..., Stage], reaches: tuple[int, int | None], frame: int
) -> None:
    """Free handles that overlap; without the second reach, a vector handle faces a free one."""
    stage, (first, second) = make_stage(frame=frame), reaches
    for place, value in ((60, 0.1), (90, 0.9), (184, 0.2), (214, 0.7)):
        stage.key_value("jawOpen", place, value)
    for index, point in enumerate(stage.curve("jawOpen").keyframe_points):
        point.handle_left_type = point.handle_right_type = "FREE" if second or index % 2 == 0 else "VECTOR"
        if second or index % 2 == 0:
            x, y = point.co
            point.handle_left, point.handle_right = (x - (second or first), y - 0.2), (x + first, y + 0.03)
    stage.curve("jawOpen").update()
    outside = np.concatenate((np.arange(40, frame - 23.99, 0.25), np.arange(frame + 72, 230, 0.25)))
    values, table = stage.at("jawOpen", outside), stage.table("jawOpen")
    stage.generate(count=1, parts={"MOUTH"})
    is_vertical = np.isin(outside, (75, 199)) & (reaches == (35, 35))  # no better defined
    assert (np.abs(stage.at("jawOpen", outside) - values) <= np.where(is_vertical, 5e-6, 1e-6)).all()
    kept = the_animators(stage.table("jawOpen"))
    assert bits(kept, KEPT) == bits(table, KEPT)


def test_easings_that_cross_an_edge_stay(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(frame=101)
    for channel, easing in (("mouthSmileLeft", "ELASTIC"), ("jawOpen", "SINE")):
        for frame, value in ((60, 0.1), (90, 0.7), (140, 0.2), (200, 0.9)):
            stage.key_value(channel, frame, value, interpolation=easing)
    before = {channel: stage.at(channel, OUTSIDE) for channel in ("mouthSmileLeft", "jawOpen")}
    stage.generate(count=1)
    for channel, values in before.items():
        assert np.abs(stage.at(channel, OUTSIDE) - values).max() <= 1e-6


def furnish(stage: Stage) -> bpy.types.Object:
    """A body action in the same action and slot, a driver, an NLA track, modifiers, markers."""
    rig, scene = stage.rig, stage.scene
    rig.location = (1.0, 2.0, 3.0)
    for frame, height in ((90, 0.0), (120, 0.5), (180, 0.1)):
        rig.location.z = height
        rig.keyframe_insert("location", frame=frame)
        rig.pose.bones["root"].keyframe_insert("location", frame=frame)
    driver = stage.key.key_blocks["cheekPuff"].driver_add("value").driver
    driver.expression = "frame / 1000"
    other = bpy.data.actions.new("Breathing")
    track = rig.animation_data.nla_tracks.new()
    strip = track.strips.new("Breathing", 1, other)
    strip.mute = True
    stage.head.modifiers.new("Smooth", "SMOOTH")
    scene.timeline_markers.new("Line", frame=111)
    curve = compat.fcurves_of(rig).find("location", index=2)
    curve.modifiers.new("NOISE").strength = 0.2
    cube = bpy.data.objects.new("Bystander", None)
    scene.collection.objects.link(cube)
    return cube


def slot_name(owner: bpy.types.ID) -> str:
    """Identifier of the assigned slot; empty where there is none or actions have no slots."""
    slot = getattr(owner.animation_data, "action_slot", None)
    return slot.identifier if slot else ""


def everything_else(stage: Stage) -> dict[str, Any]:
    rig, scene = stage.rig, stage.scene
    mapped = {(target.data_path, target.index) for target in stage.shot.targets}
    curves = compat.fcurves_of(rig)
    from retake.addon.scene.key_table import read_table

    return {
        "action": rig.animation_data.action.name,
        "slot": slot_name(rig),
        "curves": {
            (curve.data_path, curve.array_index): read_table(curve).tobytes()
            for curve in curves
            if (curve.data_path, curve.array_index) not in mapped
        },
        "noise": [modifier.strength for curve in curves for modifier in curve.modifiers],
        "drivers": [(driver.data_path, driver.driver.expression) for driver in stage.key.animation_data.drivers],
        "nla": [(track.name, [strip.name for strip in track.strips]) for track in rig.animation_data.nla_tracks],
        "modifiers": [modifier.name for modifier in stage.head.modifiers],
        "markers": [(marker.name, marker.frame) for marker in scene.timeline_markers],
        "selected": [obj.name for obj in bpy.context.view_layer.objects if obj.select_get()],
        "active": bpy.context.view_layer.objects.active.name,
        "mode": bpy.context.mode,
        "frame": (scene.frame_current, scene.frame_subframe),
        "range": (scene.frame_start, scene.frame_end),
        "limits": [(block.slider_min, block.slider_max) for block in stage.key.key_blocks],
        "scenes": len(bpy.data.scenes),
        "actions": sorted(action.name for action in bpy.data.actions if action.name != f"{stage.name} takes"),
    }


def test_everything_else_stays(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(frame=101)
    furnish(stage)
    stage.scene.frame_set(117, subframe=0.25)
    stage.key_value("jawOpen", 110, 0.5)
    before = everything_else(stage)
    stage.generate(count=2, parts={"MOUTH", "UPPER_FACE", "EYES", "HEAD"})
    assert everything_else(stage) == before
    bpy.ops.retake.show_take(take=2)
    assert everything_else(stage) == before
    assert len(stage.generated(stage.neck_ids()[0])) > 50, "the neck's curves are in the body's action"
    bpy.ops.retake.update_take()
    assert everything_else(stage) == before
    assert stage.curve("cheekPuff") is None, "a driven channel is not written"
    bpy.ops.retake.show_original()
    assert everything_else(stage) == before


def test_pose_mode_and_its_selection_stay(stage: Stage) -> None:
    bpy.context.view_layer.objects.active = stage.rig
    stage.rig.select_set(True)
    bpy.ops.object.mode_set(mode="POSE")
    stage.generate(count=1)
    assert bpy.context.mode == "POSE"
    assert bpy.context.view_layer.objects.active == stage.rig
    bpy.ops.object.mode_set(mode="OBJECT")


def test_a_driven_channel_is_reported_and_given(stage: Stage) -> None:
    from retake.addon.operators.session import session

    stage.key.key_blocks["jawOpen"].driver_add("value").driver.expression = "0.3 + frame / 1000"
    stage.generate(count=1)
    assert any("driver" in notice and "jawOpen" in notice for notice in session.job.order.notices)
    given, channel = session.job.order.given, 17
    sent = given.values[given.channels == channel]
    frames = stage.recording.clock.frames(given.times[given.channels == channel])
    assert len(sent) > 60
    assert np.abs(sent - (0.3 + frames / 1000)).max() < 1e-5
    assert stage.curve("jawOpen") is None


def test_a_curve_modifier_stays_and_is_not_baked_in(stage: Stage) -> None:
    stage.key_value("mouthPucker", 20, 0.4)
    noise = stage.curve("mouthPucker").modifiers.new("NOISE")
    noise.strength, noise.scale = 0.5, 3.0
    stage.generate(count=1)
    assert abs(stage.point("mouthPucker", 20).co[1] - 0.4) < 1e-6
    curve = stage.curve("mouthPucker")
    edge = stage.generated("mouthPucker").min()
    assert abs(stage.point("mouthPucker", edge).co[1] - 0.4) < 1e-5, "the edge lies on the bare curve"
    assert [modifier.type for modifier in curve.modifiers] == ["NOISE"]
    assert not curve.modifiers[0].mute


@pytest.mark.parametrize("kind", ["CYCLES", "GENERATOR"])
def test_a_modifier_that_overrides_keys_keeps_the_curve_unwritten(stage: Stage, kind: str) -> None:
    for frame in (10, 20):
        stage.key_value("mouthPucker", frame, frame / 50)
    modifier = stage.curve("mouthPucker").modifiers.new(kind)
    if kind == "GENERATOR":
        modifier.coefficients = (0.2, 0.001)
    before = stage.table("mouthPucker").tobytes()
    stage.generate(count=1)
    assert stage.table("mouthPucker").tobytes() == before


def test_a_static_value_beside_the_range_stays_and_comes_back(stage: Stage) -> None:
    stage.key.key_blocks["cheekPuff"].value = 0.35
    stage.generate(count=1)
    curve = stage.curve("cheekPuff")
    assert abs(curve.evaluate(-200) - 0.35) < 1e-6
    assert abs(curve.evaluate(900) - 0.35) < 1e-6
    stage.scene.frame_set(20)
    bpy.ops.retake.show_original()
    assert stage.curve("cheekPuff") is None
    assert abs(stage.key.key_blocks["cheekPuff"].value - 0.35) < 1e-6


def test_limits_of_a_users_shape_keys_stay_and_are_named(stage: Stage) -> None:
    from retake.addon.scene.state import load_library

    stage.key_value("jawOpen", 20, 1.4)
    stage.key.key_blocks["jawOpen"].slider_max = 1.0
    stage.generate(count=1)
    assert stage.key.key_blocks["jawOpen"].slider_max == 1.0
    assert abs(stage.point("jawOpen", 20).co[1] - 1.4) < 1e-6
    assert load_library(stage.record).takes


NLA_FRAMES = np.arange(1.0, 300.0, 0.5)


def push_own_animation(stage: Stage) -> None:
    """An NLA strip of the animator's over the whole shot, and no action."""
    for frame, value in ((1, 0.0), (90, 0.8), (130, 0.1), (200, 0.7), (299, 0.3)):
        stage.key_value("browInnerUp", frame, value)
    compat.push_down(stage.key, "Own")


def played(stage: Stage, channel: str, frames: Sequence[float]) -> np.ndarray:
    return np.array([stage.weights(float(frame))[channel] for frame in frames])


def test_the_nla_plays_on_beside_the_range(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(frame=101)
    push_own_animation(stage)
    before = played(stage, "browInnerUp", NLA_FRAMES)
    stage.scene.frame_set(133)  # what plays at the playhead must not matter
    stage.generate(count=2)
    ours = stage.generated("browInnerUp")
    outside = (ours.min() > NLA_FRAMES) | (ours.max() < NLA_FRAMES)
    assert outside.sum() > 100
    for take in (1, 2):
        bpy.ops.retake.show_take(take=take)
        after = played(stage, "browInnerUp", NLA_FRAMES)
        assert np.abs(after - before)[outside].max() <= 1e-6
        edges = played(stage, "browInnerUp", [ours.min(), ours.max()])
        assert np.abs(edges - np.interp([ours.min(), ours.max()], NLA_FRAMES, before)).max() <= 1e-4
        assert np.abs(after - before)[~outside].max() > 0.01
    bpy.ops.retake.show_original()
    assert np.abs(played(stage, "browInnerUp", NLA_FRAMES) - before).max() <= 1e-6
    assert stage.key.animation_data.action_extrapolation == "HOLD"


def test_what_only_the_nla_plays_is_given_in_an_action_of_the_animators(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage(frame=101)
    push_own_animation(stage)
    stage.key_value("cheekPuff", 50, 0.2)
    before = played(stage, "browInnerUp", NLA_FRAMES)
    stage.generate(count=1)
    assert stage.curve("browInnerUp") is None
    assert np.abs(played(stage, "browInnerUp", NLA_FRAMES) - before).max() <= 1e-6
    assert any("NLA: browInnerUp" in notice for notice in session.job.order.notices)
    assert len(stage.generated("jawOpen"))
