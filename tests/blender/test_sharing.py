# SPDX-License-Identifier: GPL-3.0-or-later
"""One set of curves, several records: what one wrote is no correction to another, and no question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
import pytest

from retake.addon import compat
from retake.addon.operators.session import session

from .helpers import GENERATED, Stage, error_of

ALL = {"MOUTH", "UPPER_FACE", "EYES", "HEAD"}
CORRECTION = 0.83


def select(head: bpy.types.Object) -> None:
    bpy.context.view_layer.objects.active = head


def in_second_scene(stage: Stage) -> Callable[[bool], None]:
    """The head and its rig linked into another scene."""
    first, second = stage.scene, bpy.data.scenes.new("Second")
    for thing in (stage.head, stage.rig):
        second.collection.objects.link(thing)
    second.render.fps = first.render.fps

    def switch(to_other: bool) -> None:
        bpy.context.window.scene = second if to_other else first
        select(stage.head)

    return switch


def duplicate(stage: Stage, linked: bool) -> Callable[[bool], None]:
    """The mesh duplicated on the same rig, with its own shape keys or with the same."""
    bpy.ops.object.select_all(action="DESELECT")
    first = stage.name
    stage.head.select_set(True)
    select(stage.head)
    bpy.ops.object.duplicate(linked=linked)
    return between(stage, first, bpy.context.object.name)


def with_shared_action(stage: Stage) -> Callable[[bool], None]:
    """Another head whose shape keys play the same slot of the same action."""
    first, shared = stage.name, stage.key.animation_data
    bpy.ops.retake.add_head()
    other = bpy.context.object.data.shape_keys.animation_data_create()
    other.action = shared.action
    if hasattr(other, "action_slot"):
        other.action_slot = shared.action_slot
    return between(stage, first, bpy.context.object.name)


def between(stage: Stage, first: str, second: str) -> Callable[[bool], None]:
    def switch(to_other: bool) -> None:
        stage.name = second if to_other else first
        select(stage.head)

    return switch


SHARED: dict[str, Callable[[Stage], Callable[[bool], None]]] = {
    "two scenes": in_second_scene,
    "linked duplicate": lambda stage: duplicate(stage, linked=True),
    "copy on one rig": lambda stage: duplicate(stage, linked=False),
    "one action": with_shared_action,
}


@pytest.fixture(params=SHARED)
def switch(stage: Stage, speech: Path, request: pytest.FixtureRequest) -> Callable[[bool], None]:
    """Two records on one set of curves, both with takes, the second having written last."""
    stage.key_value("jawOpen", 10, 0.9)
    stage.generate(count=2, parts=ALL)
    switch = SHARED[request.param](stage)
    switch(True)
    bpy.ops.retake.import_audio(filepath=str(speech), frame=1)
    stage.generate(count=2, seed=50, parts=ALL)
    return switch


def shared_names(stage: Stage, switch: Callable[[bool], None]) -> list[str]:
    """Those of two curves that both records drive; the first record's is the current one then."""
    curves = {stage.curve(name).as_pointer(): name for name in ("mouthPucker", stage.neck_ids()[-1])}
    switch(False)
    return [name for name in curves.values() if stage.curve(name).as_pointer() in curves]


def given_keys(stage: Stage) -> dict[str, list[float]]:
    found = {}
    for name in stage.curve_ids():
        table = stage.table(name) if stage.curve(name) is not None else None
        if table is not None and (table["type"] != GENERATED).any():
            found[name] = table["co"][table["type"] != GENERATED, 0].tolist()
    return found


def test_what_another_record_wrote_is_switched_without_a_question(stage: Stage, switch: Callable[[bool], None]) -> None:
    second = stage.tracks(range(73))
    switch(False)
    bpy.ops.retake.show_take(take=2)
    assert given_keys(stage) == {"jawOpen": [10.0]}
    assert np.abs(stage.at("mouthPucker", range(73)) - second["mouthPucker"]).max() > 0.01
    switch(True)
    bpy.ops.retake.show_take(take=1)
    assert given_keys(stage) == {"jawOpen": [10.0]}
    again = stage.tracks(range(73))
    assert max(float(np.abs(again[name] - second[name]).max()) for name in second) <= 1e-5


def test_new_takes_over_another_records_keys_show(stage: Stage, switch: Callable[[bool], None]) -> None:
    before = stage.tracks(range(73))
    switch(False)
    bpy.ops.retake.new_takes(count=1, parts=ALL)
    assert not any("changed" in notice for notice in session.job.order.notices)
    assert given_keys(stage) == {"jawOpen": [10.0]}
    assert np.abs(stage.at("mouthPucker", range(73)) - before["mouthPucker"]).max() > 0.01


def test_a_correction_of_another_records_key_is_given(stage: Stage, switch: Callable[[bool], None]) -> None:
    stage.point("browInnerUp", 30).co[1] = CORRECTION
    switch(False)
    is_shared = abs(stage.point("browInnerUp", 30).co[1] - CORRECTION) < 1e-6  # a copy has shape keys of its own
    bpy.ops.retake.show_take(take=2)
    assert given_keys(stage) == {"jawOpen": [10.0]} | ({"browInnerUp": [30.0]} if is_shared else {})


def test_a_shift_of_another_records_keys_is_asked_about(stage: Stage, switch: Callable[[bool], None]) -> None:
    for name in ("mouthPucker", stage.neck_ids()[-1]):
        for point in stage.curve(name).keyframe_points:
            point.co[1] += 0.1
    assert shared_names(stage, switch)
    assert "were shifted in value by 0.1" in error_of(bpy.ops.retake.show_take, take=2)


def test_the_original_is_what_was_there_before_either(stage: Stage, switch: Callable[[bool], None]) -> None:
    names = shared_names(stage, switch)
    stage.scene.frame_set(30)
    bpy.ops.retake.show_take(take=2)
    switch(True)
    bpy.ops.retake.show_original()
    assert given_keys(stage) == {"jawOpen": [10.0]}
    assert not any(len(stage.generated(name)) for name in stage.curve_ids())
    assert max(abs(stage.target(name).static) for name in names) < 1e-6


def test_what_another_record_baked_is_no_correction(stage: Stage, switch: Callable[[bool], None]) -> None:
    bpy.ops.retake.bake_take()
    names = shared_names(stage, switch)
    bpy.ops.retake.show_take(take=2)
    assert "baked: 97 keys" in session.sentence
    bpy.ops.retake.show_original()
    assert all(len(stage.table(name)) == 97 for name in names)


def test_slots_of_one_action_are_not_one_set_of_curves(stage: Stage) -> None:
    stage.generate(count=1, parts=ALL)
    assert compat.have_same_curves(stage.key, stage.key)
    assert not compat.have_same_curves(stage.key, stage.rig)
