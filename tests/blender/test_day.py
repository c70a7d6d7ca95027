# SPDX-License-Identifier: GPL-3.0-or-later
"""An animator's day through the operators, as tests/gui has it by clicks; and every step kept for good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from retake.addon import compat
from retake.addon.operators.session import session
from retake.addon.scene import state
from retake.tests.blender.helpers import Stage

FRAMES = np.arange(-10.0, 60.0, 0.5)
SMILE = ("mouthSmileLeft", "mouthSmileRight")


def library(stage: Stage) -> Any:
    return state.load_library(stage.record)


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(np.array_equal(one[name], other[name]) for name in one)


def step(name: str) -> None:
    bpy.ops.ed.undo_push(message=name)


def undo_and_redo(stage: Stage) -> None:
    """Take the last step back and do it again: the curves are the same, bit for bit."""
    before = stage.tracks(FRAMES)
    bpy.ops.ed.undo()
    bpy.ops.ed.redo()
    assert same(stage.tracks(FRAMES), before)


def test_a_day(make_stage: Callable[..., Stage], tmp_path: Path) -> None:
    stage = make_stage()
    step("set up")
    bpy.ops.retake.new_takes(count=3, seed=0)
    step("takes")
    undo_and_redo(stage)
    assert list(library(stage).takes) == [1, 2, 3]
    for frame in (10, 25):
        bpy.context.scene.frame_set(frame)
        for name in SMILE:
            stage.key.key_blocks[name].value = 0.8
        bpy.ops.retake.key_pose(group="CHANGED")
    step("smile")
    undo_and_redo(stage)
    for target in stage.shot.targets:  # two columns of the Dope Sheet
        for point in target.fcurve.keyframe_points if target.fcurve is not None else ():
            point.select_control_point = min(abs(point.co[0] - 10), abs(point.co[0] - 25)) < 0.1
    bpy.ops.retake.hold_keys()
    step("hold")
    undo_and_redo(stage)
    bpy.ops.retake.update_take()
    step("update")
    undo_and_redo(stage)
    for name in SMILE:
        assert stage.at(name, np.arange(10.0, 25.1, 0.25)) == pytest.approx(0.8, abs=1e-5)
    seen = [stage.tracks(FRAMES)]
    for take in (2, 3):
        bpy.context.window_manager.retake_takes.shown = str(take)
        if not library(stage).comp or library(stage).comp[-1].take != take:
            bpy.ops.retake.show_take(take=take)  # without a window nothing runs what the dropdown put off
        step("switch")
        undo_and_redo(stage)
        seen.append(stage.tracks(FRAMES))
    assert not same(seen[0], seen[1])
    assert not same(seen[1], seen[2])
    bpy.ops.retake.use_take(take=2, parts={"HEAD"}, range_mode="AUDIO")
    step("mix")
    undo_and_redo(stage)
    mixed = stage.tracks(FRAMES)
    assert np.array_equal(mixed["jawOpen"], seen[2]["jawOpen"])
    assert not np.array_equal(mixed[stage.neck_ids()[1]], seen[2][stage.neck_ids()[1]])
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert same(stage.tracks(FRAMES), mixed)
    bpy.ops.retake.show_take(take=1)
    assert same(stage.tracks(FRAMES), seen[0])
    assert not session.running


STEPS: dict[str, Callable[[], Any]] = {
    "generate": lambda: bpy.ops.retake.new_takes(count=1, seed=9),
    "switch": lambda: bpy.ops.retake.show_take(take=1),
    "pin": lambda: bpy.ops.retake.pin_take(take=1, pinned=True),
    "delete": lambda: bpy.ops.retake.delete_take(take=1),
    "mix": lambda: bpy.ops.retake.use_take(take=1, parts={"MOUTH"}, range_mode="AUDIO"),
    "keep": lambda: bpy.ops.retake.keep_take(),
    "push": lambda: bpy.ops.retake.push_to_nla(),
}


@pytest.mark.parametrize("name", STEPS)
def test_every_step_is_the_same_after_undo_redo_save_and_reload(stage: Stage, tmp_path: Path, name: str) -> None:
    stage.key_value("browInnerUp", 20, 0.6)
    bpy.ops.retake.new_takes(count=2, seed=0)
    bpy.ops.retake.show_take(take=2)
    step("before")
    before = everything(stage)
    STEPS[name]()
    step(name)
    after = everything(stage)
    assert after != before
    bpy.ops.ed.undo()
    assert everything(stage) == before
    bpy.ops.ed.redo()
    assert everything(stage) == after
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert everything(stage) == after


def everything(stage: Stage) -> tuple[Any, ...]:
    """Takes, comp, every action's keys, and the tracks of the NLA."""
    made = library(stage)
    takes = [(take.id, take.name, take.pinned, take.values.tobytes()) for take in made.takes.values()]
    curves = {target.curve_id: stage.table(target.curve_id).tobytes() for target in stage.shot.targets if target.fcurve}
    tracks = [
        [(strip.name, strip.action.name, strip.frame_start, strip.frame_end) for strip in track.strips]
        for owner in (stage.key, stage.rig)
        for track in (owner.animation_data.nla_tracks if owner.animation_data else ())
    ]
    actions = sorted((action.name, action.use_fake_user) for action in bpy.data.actions)
    playing = {name: values.tobytes() for name, values in stage.tracks(FRAMES).items()}
    return takes, [*made.comp], curves, tracks, actions, playing, bool(compat.fcurves_of(stage.key))
