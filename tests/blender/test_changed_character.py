# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a character whose table, bones or other meshes change between takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from retake.addon import compat
from retake.addon.operators.character import why_not_changed
from retake.addon.operators.common import current_shot
from retake.addon.operators.session import session

from .helpers import Stage, error_of
from .test_character import FRAMES, add_mesh, first_row, values_of


def add_property_row(channel: str, thing: bpy.types.Object, path: str, gain: float = 1.0) -> Any:
    """A row of the first head's table on a property."""
    bpy.ops.retake.add_row(channel=channel)
    row = bpy.context.scene.retake.heads[0].rows[-1]
    row.kind, row.thing, row.path, row.gain = "PROPERTY", thing, path, gain
    return row


def test_a_row_that_goes_elsewhere_leaves_no_value_of_the_former_property(stage: Stage) -> None:
    stage.rig["a"], stage.rig["b"] = 0.25, 0.75
    add_property_row("jawOpen", stage.rig, '["a"]')
    stage.generate(count=1)
    bpy.ops.retake.show_original()
    assert stage.rig["a"] == pytest.approx(0.25)
    first_row().path = '["b"]'
    bpy.ops.retake.show_take(take=1)
    bpy.ops.retake.show_original()
    assert (stage.rig["a"], stage.rig["b"]) == (pytest.approx(0.25), pytest.approx(0.75))
    assert not Stage.all_keys_of(stage.rig)


def test_another_bone_gets_its_own_rotation_back(stage: Stage) -> None:
    stage.generate(count=1)
    bpy.ops.retake.show_original()
    root = stage.rig.pose.bones["root"]
    root.rotation_mode, root.rotation_quaternion = "QUATERNION", (0.8, 0.6, 0.0, 0.0)
    stage.record.turned_by, stage.record.turn_bone = "BONE", "root"
    bpy.ops.retake.show_take(take=1)
    bpy.ops.retake.show_original()
    assert np.allclose(root.rotation_quaternion, (0.8, 0.6, 0.0, 0.0))


def test_a_mesh_that_may_not_be_written_holds_nothing_up(stage: Stage) -> None:
    teeth, tongue, beard = (add_mesh(stage, name, ("jawOpen",)) for name in ("Teeth", "Tongue", "Beard"))
    driver = teeth.data.shape_keys.key_blocks["jawOpen"].driver_add("value").driver
    source = driver.variables.new().targets[0]
    source.id_type, source.id, source.data_path = "KEY", stage.key, 'key_blocks["jawOpen"].value'
    driver.expression = "var"
    for thing, setting in ((tongue, "lock"), (beard, "mute")):
        key = thing.data.shape_keys
        key.key_blocks["jawOpen"].keyframe_insert("value", frame=5)
        setattr(next(iter(compat.fcurves_of(key))), setting, True)
    stage.generate(count=1)
    assert np.ptp(stage.at("jawOpen", FRAMES)) > 0.05
    shown = np.clip(values_of(stage.head, "jawOpen", FRAMES), 0.0, 1.0)
    assert np.allclose(values_of(teeth, "jawOpen", FRAMES), shown, atol=1e-6), "its driver moves it"
    for thing in (tongue, beard):
        assert Stage.all_keys_of(thing.data.shape_keys) == {('key_blocks["jawOpen"].value', 0): [(5.0, 0.0)]}


def test_a_mesh_that_the_nla_plays_below_its_action_is_left_alone(stage: Stage) -> None:
    teeth = add_mesh(stage, "Teeth", ("jawOpen", "jawForward"))
    key = teeth.data.shape_keys
    for name, value in (("jawOpen", 0.5), ("jawForward", 0.0)):
        key.key_blocks[name].value = value
        key.key_blocks[name].keyframe_insert("value", frame=5)
        if name == "jawOpen":
            compat.push_down(key, "Own")
    stage.generate(count=2)
    assert any("'Teeth' keeps its own jawOpen" in notice for notice in session.job.order.notices)
    assert np.ptp(stage.at("jawOpen", FRAMES)) > 0.05
    bpy.ops.retake.show_take(take=2)
    assert set(values_of(teeth, "jawOpen", FRAMES).tolist()) == {0.5}
    bpy.ops.retake.show_original()
    assert Stage.all_keys_of(key) == {('key_blocks["jawForward"].value', 0): [(5.0, 0.0)]}


def test_a_row_on_another_mesh_is_that_shape_keys_only_use(stage: Stage) -> None:
    teeth = add_mesh(stage, "Teeth", ("jawOpen", "jawForward"))
    bpy.ops.retake.add_row(channel="jawForward")
    row = first_row()
    row.kind, row.thing, row.name = "SHAPE_KEY", teeth, "jawOpen"
    stage.generate(count=1)
    places = [(target.owner, target.data_path, target.index) for target in stage.shot.targets]
    assert len(places) == len(set(places))


def test_a_renamed_mesh_is_cleared_too(stage: Stage) -> None:
    teeth = add_mesh(stage, "Teeth", ("jawOpen",))
    stage.generate(count=1)
    bpy.context.scene.frame_set(int(np.argmax(stage.at("jawOpen", np.arange(1.0, 60.0)))) + 1)
    teeth.name = "Zahn"
    bpy.ops.retake.show_original()
    assert not Stage.all_keys_of(teeth.data.shape_keys)
    assert teeth.data.shape_keys.key_blocks["jawOpen"].value == 0.0


def test_a_row_whose_object_was_deleted_can_be_removed(stage: Stage) -> None:
    control = bpy.data.objects.new("Control", None)
    stage.scene.collection.objects.link(control)
    control["open"] = 0.0
    add_property_row("jawOpen", control, '["open"]')
    stage.generate(count=2)
    bpy.data.objects.remove(control)
    assert "names no object" in error_of(bpy.ops.retake.show_original)
    assert bpy.ops.retake.remove_row() == {"FINISHED"}
    bpy.ops.retake.show_take(take=2)
    assert np.ptp(stage.at("jawOpen", FRAMES)) > 0.05
    bpy.ops.retake.show_original()
    assert not Stage.all_keys_of(stage.key)


def test_a_renamed_bone_is_named_anew(stage: Stage) -> None:
    bpy.ops.retake.add_row(channel="jawOpen")
    row = first_row()
    row.kind, row.thing, row.name, row.component = "BONE", stage.rig, "jaw", "LOC_X"
    stage.generate(count=2)
    assert "show the Original first" in why_not_changed(bpy.context)
    stage.rig.data.bones["jaw"].name = "Kiefer"
    assert not why_not_changed(bpy.context)
    first_row().name = "Kiefer"
    bpy.ops.retake.show_take(take=2)
    assert np.ptp(stage.at("jawOpen row", FRAMES)) > 0.05
    bpy.ops.retake.show_original()
    assert not Stage.all_keys_of(stage.rig)


def test_rows_of_one_channel_each_go_their_whole_way(stage: Stage) -> None:
    teeth = add_mesh(stage, "Teeth", ("jawOpen",))
    stage.rig["turn"], stage.rig["slide"] = 0.0, 0.0
    add_property_row("jawOpen", stage.rig, '["turn"]', gain=1.0)
    add_property_row("jawOpen", stage.rig, '["slide"]', gain=-0.01)
    stage.generate(count=1)
    turn, slide = stage.at("jawOpen row", FRAMES), stage.at("jawOpen row 2", FRAMES)
    assert np.ptp(turn) > 0.05
    assert np.allclose(slide, -0.01 * turn, atol=1e-6)
    assert np.allclose(values_of(teeth, "jawOpen", FRAMES), np.clip(turn, 0.0, 1.0), atol=1e-5)


@pytest.mark.parametrize("path", ["dimensions", "active_shape_key_index", "dimensions[1]"])
def test_what_cannot_be_keyed_is_refused(stage: Stage, path: str) -> None:
    add_property_row("jawOpen", stage.rig, path)
    assert "cannot be keyed" in error_of(bpy.ops.retake.new_takes, count=1)


@pytest.mark.parametrize("path", ["location[1]", 'pose.bones["jaw"].location[1]', '["three"][1]'])
def test_a_place_in_an_array_may_stand_in_the_path(stage: Stage, path: str) -> None:
    stage.rig["three"] = [0.0, 0.5, 1.0]
    row = add_property_row("jawOpen", stage.rig, path)
    row.offset = 0.5
    before = stage.target("jawOpen row").static
    stage.generate(count=1)
    curve = stage.curve("jawOpen row")
    assert (curve.data_path, curve.array_index) == (path.removesuffix("[1]"), 1)
    bpy.context.scene.frame_set(20)
    shown = stage.target("jawOpen row").value_in(bpy.context.evaluated_depsgraph_get())
    assert shown == pytest.approx(curve.evaluate(20), abs=1e-6)
    bpy.ops.retake.show_original()
    assert stage.target("jawOpen row").static == pytest.approx(before)


def test_a_row_on_what_is_linked_is_refused(stage: Stage, tmp_path: Path) -> None:
    other = bpy.data.objects.new("Far", None)
    other["open"] = 0.0
    bpy.data.libraries.write(str(tmp_path / "far.blend"), {other})
    bpy.data.objects.remove(other)
    with bpy.data.libraries.load(str(tmp_path / "far.blend"), link=True) as (_, wanted):
        wanted.objects = ["Far"]
    add_property_row("jawOpen", wanted.objects[0], '["open"]')
    assert "linked from another file" in error_of(bpy.ops.retake.new_takes, count=1)


def test_a_key_on_another_mesh_is_its_own(make_stage: Callable[..., Stage]) -> None:
    plain = make_stage()
    plain.generate(count=1, seed=4)
    frames = np.arange(10.0, 30.0)
    wanted = plain.at("jawOpen", frames)
    stage = make_stage()
    teeth = add_mesh(stage, "Teeth", ("jawOpen",))
    block = teeth.data.shape_keys.key_blocks["jawOpen"]
    block.value = 0.5
    block.keyframe_insert("value", frame=20.25)
    stage.generate(count=2, seed=4)
    assert np.allclose(stage.at("jawOpen", frames), wanted, atol=1e-5), "the head's jaw is given nothing"
    table = stage.table("jawOpen@Teeth")
    assert stage.at("jawOpen@Teeth", [20.25])[0] == pytest.approx(0.5, abs=1e-6)
    near = table["co"][np.abs(table["co"][:, 0] - 20.25) < 0.5]
    assert len(near) == 1
    stage.key_value("jawOpen", 25.0, 0.7)
    bpy.ops.retake.update_take()
    for take in (2, 1):
        bpy.ops.retake.show_take(take=take)
        assert stage.at("jawOpen@Teeth", [25.0, 20.25]) == pytest.approx([0.7, 0.5], abs=1e-6)
    bpy.ops.retake.show_original()
    assert Stage.all_keys_of(teeth.data.shape_keys) == {('key_blocks["jawOpen"].value', 0): [(20.25, 0.5)]}


@pytest.mark.parametrize(("setting", "value"), [("interpolation", "CONSTANT"), ("type", "MOVING_HOLD")])
def test_a_hold_on_another_mesh_holds(stage: Stage, setting: str, value: str) -> None:
    stage.generate(count=2)
    key = add_mesh(stage, "Teeth", ("jawOpen",)).data.shape_keys
    bpy.ops.retake.show_take(take=2)
    for frame in (20.0, 40.0):
        key.key_blocks["jawOpen"].value = 0.5
        key.key_blocks["jawOpen"].keyframe_insert("value", frame=frame)
        point = stage.point("jawOpen@Teeth", frame)
        point.type = "KEYFRAME"
        setattr(point, setting, value)
    stage.scene.use_preview_range, stage.scene.frame_preview_start, stage.scene.frame_preview_end = True, 10, 30
    bpy.ops.retake.update_take(range_mode="PREVIEW")
    ours = stage.generated("jawOpen@Teeth")
    assert not ((ours > 20.0) & (ours < 30.6)).any()
    assert {18.0, 19.0, 31.0} <= set(ours), "outside the range nothing changes"
    bpy.ops.retake.show_take(take=1)
    ours = stage.generated("jawOpen@Teeth")
    assert not ((ours > 20.0) & (ours < 40.0)).any()
    assert np.allclose(stage.at("jawOpen@Teeth", np.arange(20.0, 40.1, 0.25)), 0.5, atol=1e-6)
    assert np.ptp(stage.at("jawOpen", np.arange(20.0, 41.0))) > 0.01, "the head's jaw goes on"


def test_an_eased_segment_of_another_mesh_stays_whole_and_holds_nothing_up(stage: Stage) -> None:
    key = add_mesh(stage, "Teeth", ("jawOpen",)).data.shape_keys
    for frame, value in ((5.0, 0.1), (20.0, 0.6)):
        key.key_blocks["jawOpen"].value = value
        key.key_blocks["jawOpen"].keyframe_insert("value", frame=frame)
    stage.curve("jawOpen@Teeth").keyframe_points[0].interpolation = "ELASTIC"
    within, beyond = np.arange(5.0, 20.1, 0.25), np.arange(31.0, 50.0, 0.25)
    before = [stage.at("jawOpen@Teeth", frames) for frames in (within, beyond)]
    stage.scene.use_preview_range, stage.scene.frame_preview_start, stage.scene.frame_preview_end = True, 10, 30
    stage.generate(count=1, range_mode="PREVIEW")
    assert len(stage.generated("jawOpen")) == 21
    after = [stage.at("jawOpen@Teeth", frames) for frames in (within, beyond)]
    assert all(np.allclose(one, other, atol=1e-6) for one, other in zip(before, after, strict=True))
    assert {22.0, 28.0} <= set(stage.generated("jawOpen@Teeth"))


def test_an_object_with_a_parent_rests_as_it_stood(stage: Stage) -> None:
    parent, hat = bpy.data.objects.new("Parent", None), bpy.data.objects.new("Hat", None)
    for thing in (parent, hat):
        stage.scene.collection.objects.link(thing)
    parent.rotation_euler = (0.0, 0.3, 1.2)
    bpy.context.view_layer.update()
    hat.parent, hat.matrix_parent_inverse = parent, parent.matrix_world.inverted()
    hat.rotation_euler = (0.5, 0.2, 0.1)
    stage.record.turned_by, stage.record.turn_object = "OBJECT", hat
    bpy.context.view_layer.objects.active = stage.head
    bpy.context.view_layer.update()
    turn = stage.shot.turn
    assert turn is not None
    assert np.allclose(turn.rotations(np.array([hat.rotation_euler[:]])), 0.0, atol=1e-6)
    assert np.allclose(turn.evaluated(bpy.context.evaluated_depsgraph_get()), 0.0, atol=1e-6)


def test_other_meshes_of_a_linked_character_move_too(stage: Stage, tmp_path: Path) -> None:
    teeth, tongue = (add_mesh(stage, name, ("jawOpen",)) for name in ("Teeth", "Tongue"))
    hero = bpy.data.collections.new("Hero")
    for thing in (stage.head, stage.rig, teeth, tongue):
        for collection in list(thing.users_collection):
            collection.objects.unlink(thing)
        hero.objects.link(thing)
    stage.scene.collection.children.link(hero)
    bpy.data.libraries.write(str(tmp_path / "hero.blend"), {hero})
    speech = stage.recording.path
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(tmp_path / "hero.blend"), link=True) as (_, wanted):
        wanted.collections = ["Hero"]
    instance = bpy.data.objects.new("Hero", None)
    instance.instance_type, instance.instance_collection = "COLLECTION", wanted.collections[0]
    bpy.context.scene.collection.objects.link(instance)
    bpy.context.view_layer.objects.active = instance
    bpy.ops.retake.make_editable()
    bpy.ops.retake.import_audio(filepath=str(speech), frame=1)
    bpy.ops.retake.new_takes(count=1, seed=1)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    meshes = current_shot(bpy.context).meshes
    assert [mesh.name for mesh in meshes] == ["Teeth", "Tongue"]
    assert all(np.ptp(values_of(mesh, "jawOpen", FRAMES)) > 0.05 for mesh in meshes)


def test_a_rotation_mode_changed_while_a_take_plays_leaves_no_turn(stage: Stage) -> None:
    neck = stage.rig.pose.bones["neck"]
    neck.rotation_mode = "QUATERNION"
    stage.generate(count=1)
    turns = np.abs(stage.tracks(np.arange(1.0, 70.0))[stage.neck_ids()[1]])
    bpy.context.scene.frame_set(int(np.argmax(turns)) + 1)
    neck.rotation_mode = "XYZ"
    bpy.ops.retake.show_take(take=1)
    bpy.ops.retake.show_original()
    assert np.allclose(neck.rotation_euler, 0.0)
    assert np.allclose(neck.rotation_quaternion, (1.0, 0.0, 0.0, 0.0))
