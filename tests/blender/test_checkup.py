# SPDX-License-Identifier: GPL-3.0-or-later
"""Every cause of "Nothing moves?" is planted, found and mended."""

from __future__ import annotations

from collections.abc import Callable

import bpy
import numpy as np
import pytest

from retake.addon.operators.checkup import causes_in
from retake.tests.blender.helpers import Stage
from retake.tests.blender.test_character import add_mesh


@pytest.fixture
def playing(stage: Stage) -> Stage:
    """A head on which a take plays."""
    bpy.ops.retake.new_takes(count=1, seed=3)
    return stage


def codes() -> list[str]:
    return [cause.code for cause in causes_in(bpy.context)]


def another_action(stage: Stage) -> None:
    stage.key.animation_data.action.use_fake_user = True
    stage.key.animation_data.action = bpy.data.actions.new("Other")


def no_action(stage: Stage) -> None:
    stage.key.animation_data.action.use_fake_user = True
    stage.key.animation_data.action = None


def solo(stage: Stage) -> None:
    track = stage.key.animation_data.nla_tracks.new()
    track.is_solo = True


def influence(stage: Stage) -> None:
    stage.key.animation_data.action_influence = 0.3


def blend(stage: Stage) -> None:
    stage.key.animation_data.nla_tracks.new()
    stage.key.animation_data.action_blend_type = "ADD"


def muted(stage: Stage) -> None:
    stage.curve("jawOpen").mute = True


def clamped(stage: Stage) -> None:
    stage.key.key_blocks["jawOpen"].slider_max = 0.01


def shape_mute(stage: Stage) -> None:
    stage.key.key_blocks["jawOpen"].mute = True


def armature(stage: Stage) -> None:
    next(one for one in stage.head.modifiers if one.type == "ARMATURE").show_viewport = False


def cache(stage: Stage) -> None:
    stage.head.modifiers.new("Cache", "MESH_CACHE")


def solo_shape(stage: Stage) -> None:
    stage.head.show_only_shape_key = True


def absolute(stage: Stage) -> None:
    stage.key.use_relative = False


def selection(stage: Stage) -> None:
    empty = bpy.data.objects.new("Empty", None)
    bpy.context.scene.collection.objects.link(empty)
    bpy.context.view_layer.objects.active = empty


def hidden(stage: Stage) -> None:
    stage.head.hide_set(True)


def original(stage: Stage) -> None:
    bpy.ops.retake.show_original()


PLANTS: dict[str, Callable[[Stage], None]] = {
    "action": another_action,
    "no action": no_action,
    "solo": solo,
    "influence": influence,
    "blend": blend,
    "muted": muted,
    "clamped": clamped,
    "shape_mute": shape_mute,
    "armature": armature,
    "cache": cache,
    "solo_shape": solo_shape,
    "absolute": absolute,
    "selection": selection,
    "hidden": hidden,
    "original": original,
}


def mesh(stage: Stage, frame: int) -> np.ndarray:
    """The evaluated mesh."""
    bpy.context.scene.frame_set(frame)
    evaluated = stage.head.evaluated_get(bpy.context.evaluated_depsgraph_get())
    vertices = evaluated.to_mesh().vertices
    points = np.empty(3 * len(vertices), np.float32)
    vertices.foreach_get("co", points)
    evaluated.to_mesh_clear()
    return points


def test_where_nothing_overrides_it_says_so(playing: Stage) -> None:
    assert codes() == []
    assert bpy.ops.retake.nothing_moves() == {"FINISHED"}


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_cause_is_found_and_mended(playing: Stage, name: str) -> None:
    before = mesh(playing, 30)
    PLANTS[name](playing)
    code = "action" if name == "no action" else name
    assert code in codes()
    bpy.ops.retake.mend(code=code)
    assert codes() == []
    assert np.abs(mesh(playing, 30) - before).max() < 1e-6


def test_tweak_mode_is_found_and_left(playing: Stage) -> None:
    data = playing.key.animation_data
    track = data.nla_tracks.new()
    track.strips.new("strip", 1, bpy.data.actions.new("Below"))
    action = data.action
    data.action = None
    track.select = True
    data.use_tweak_mode = True
    if not data.use_tweak_mode:
        pytest.skip("this Blender enters tweak mode only in a window")
    assert "tweak" in codes()
    bpy.ops.retake.mend(code="tweak")
    assert not data.use_tweak_mode
    assert action is not None


def test_a_driven_channel_is_named_and_freed_by_its_own_button(playing: Stage) -> None:
    playing.key.key_blocks["browInnerUp"].driver_add("value").driver.expression = "0.5"
    found = next(cause for cause in causes_in(bpy.context) if cause.code == "driven")
    assert "browInnerUp" in found.sentence
    bpy.ops.retake.mend()
    assert "driven" in codes(), "drivers are the animator's: only the button of their own removes them"
    bpy.ops.retake.mend(code="driven")
    assert "driven" not in codes()
    assert np.ptp(playing.at("browInnerUp", np.arange(1.0, 40.0))) > 0.0, "the take plays there now"


def test_what_overrides_another_mesh_of_the_character_is_found_too(stage: Stage) -> None:
    teeth = add_mesh(stage, "Teeth", ("jawOpen",))
    teeth.data.shape_keys.key_blocks["jawOpen"].slider_min = -1.0
    stage.generate(count=1)
    assert codes() == []
    teeth.data.shape_keys.use_relative = False
    teeth.show_only_shape_key = True
    assert ["'Teeth'" in cause.sentence for cause in causes_in(bpy.context)] == [True, True]
    for code in codes():
        bpy.ops.retake.mend(code=code)
    assert codes() == []
    assert teeth.data.shape_keys.use_relative
