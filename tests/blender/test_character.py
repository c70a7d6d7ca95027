# SPDX-License-Identifier: GPL-3.0-or-later
"""A character's other meshes, what turns its head, and the table of channels on any property."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from mathutils import Quaternion

from retake.addon.operators.character import driven_targets, presets
from retake.addon.operators.common import current_shot
from retake.addon.scene.rig import lip_model
from retake.addon.scene.shot import find_head
from retake.addon.scene.turning import find_neck
from retake.backend.protocol import CHANNEL_NAMES, HEAD_ROTATION

from .helpers import Stage, error_of, evaluated_points


def add_mesh(stage: Stage, name: str, shapes: tuple[str, ...]) -> bpy.types.Object:
    """Another mesh of the character: one triangle with some shape keys."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(0, 0, 0), (0.01, 0, 0), (0, 0, 0.01)], [], [(0, 1, 2)])
    thing = bpy.data.objects.new(name, mesh)
    stage.scene.collection.objects.link(thing)
    thing.parent = stage.rig
    thing.shape_key_add(name="Basis", from_mix=False)
    for shape in shapes:
        thing.shape_key_add(name=shape, from_mix=False).value = 0.0
    return thing


def values_of(thing: bpy.types.Object, name: str, frames: np.ndarray) -> np.ndarray:
    """(F,) values of a shape key as drawn."""
    found = []
    for frame in frames.tolist():
        bpy.context.scene.frame_set(int(frame))
        key = thing.data.shape_keys.evaluated_get(bpy.context.evaluated_depsgraph_get())
        found.append(key.key_blocks[name].value)
    return np.array(found)


FRAMES = np.arange(5.0, 45.0, 3.0)


def test_other_meshes_move_with_the_head(stage: Stage) -> None:
    teeth = add_mesh(stage, "Teeth", ("jawOpen", "JawForward"))
    tongue = add_mesh(stage, "Tongue", ("tongueOut", "Key 7"))
    stage.generate(count=2)
    for take in (1, 2):
        bpy.ops.retake.show_take(take=take)
        for channel, own in (("jawOpen", "jawOpen"), ("jawForward", "JawForward")):
            shown = np.clip(values_of(stage.head, channel, FRAMES), 0.0, 1.0)  # the slider of a new shape key
            assert np.array_equal(values_of(teeth, own, FRAMES), shown)
        assert np.array_equal(
            values_of(tongue, "tongueOut", FRAMES), np.clip(values_of(stage.head, "tongueOut", FRAMES), 0, 1)
        )
    stage.key_value("jawOpen", 20.0, 0.6)
    bpy.ops.retake.update_take()
    assert values_of(teeth, "jawOpen", np.array([20.0]))[0] == pytest.approx(0.6, abs=1e-6)
    near = np.arange(15.0, 26.0)
    assert np.abs(values_of(teeth, "jawOpen", near) - values_of(stage.head, "jawOpen", near)).max() < 1e-6
    bpy.ops.retake.show_original()
    assert not Stage.all_keys_of(teeth.data.shape_keys)
    assert Stage.all_keys_of(stage.key) == {('key_blocks["jawOpen"].value', 0): [(20.0, pytest.approx(0.6))]}


def test_a_mesh_that_is_left_alone_stays(stage: Stage) -> None:
    teeth = add_mesh(stage, "Teeth", ("jawOpen",))
    bpy.ops.retake.toggle_mesh(mesh="Teeth")
    stage.generate(count=1)
    assert teeth.data.shape_keys.animation_data is None
    assert "show the Original first" in error_text(lambda: bpy.ops.retake.toggle_mesh(mesh="Teeth"))


def error_text(operation: Callable[[], object]) -> str:
    """What Blender says where it does not run an operator."""
    try:
        operation()
    except RuntimeError as error:
        return str(error)
    raise AssertionError("It ran.")


def test_eyes_of_their_own_lead(stage: Stage) -> None:
    looks = tuple(name for name in CHANNEL_NAMES if name.startswith("eyeLook"))
    for name in looks:
        stage.head.shape_key_remove(stage.key.key_blocks[name])
    eyes = add_mesh(stage, "Eyes", looks)
    stage.generate(count=1)
    moved = [np.ptp(values_of(eyes, name, FRAMES)) for name in looks]
    assert max(moved) > 0.01
    bpy.context.view_layer.objects.active = eyes
    assert find_head(bpy.context) == stage.head, "who selects the eyes means the head"


@pytest.mark.parametrize(
    ("names", "neck"),
    [
        (("root", "neck", "head"), "neck"),
        (("mixamorig:Spine", "mixamorig:Neck", "mixamorig:Head"), "mixamorig:Neck"),
        (("spine_01", "head", "neck_01"), "neck_01"),
        (("c_neck.x", "c_head.x"), "c_neck.x"),
        (("Hips", "Head"), "Head"),
        (("DEF-neck", "MCH-head", "headphones", "jaw"), ""),
    ],
)
def test_the_neck_is_found_by_its_name(names: tuple[str, ...], neck: str) -> None:
    assert find_neck(names) == neck or (neck == "neck_01" and find_neck(names) == "head")


def turned(thing: bpy.types.Object, frames: np.ndarray) -> np.ndarray:
    """(F, 4) world rotations of an object."""
    found = []
    for frame in frames.tolist():
        bpy.context.scene.frame_set(int(frame))
        evaluated = thing.evaluated_get(bpy.context.evaluated_depsgraph_get())
        found.append(tuple(evaluated.matrix_world.to_quaternion()))
    return np.array(found)


@pytest.mark.parametrize("mode", ["QUATERNION", "XYZ", "AXIS_ANGLE"])
def test_an_object_turns_the_head_from_how_it_stands(make_stage: Callable[..., Stage], mode: str) -> None:
    bone = make_stage()
    bone.generate(count=1, seed=3)
    neck = bone.rig.pose.bones["neck"]
    wanted = []
    for frame in FRAMES.tolist():
        bpy.context.scene.frame_set(int(frame))
        rest = neck.bone.matrix_local.to_3x3()
        wanted.append(tuple((rest @ neck.matrix_basis.to_3x3() @ rest.inverted()).to_quaternion()))
    stage = make_stage()
    hat = bpy.data.objects.new("Turner", None)
    stage.scene.collection.objects.link(hat)
    base = Quaternion((0.8, 0.6, 0.0, 0.0))
    hat.rotation_mode = "QUATERNION"
    hat.rotation_quaternion = base
    hat.rotation_mode = mode
    bpy.context.view_layer.update()
    stage.record.turned_by = "OBJECT"
    stage.record.turn_object = hat
    bpy.context.view_layer.objects.active = stage.head
    stage.generate(count=1, seed=3)
    assert stage.shot.turn is not None
    found = turned(hat, FRAMES)
    expected = np.array([tuple(Quaternion(row) @ base) for row in wanted])
    assert np.abs(np.abs((found * expected).sum(axis=1)) - 1.0).max() < 1e-5
    bpy.ops.retake.show_original()
    assert np.allclose(turned(hat, FRAMES[:1])[0], tuple(base), atol=1e-6)


def test_nothing_turns_the_head_where_nothing_shall(stage: Stage) -> None:
    stage.record.turned_by = "NOTHING"
    stage.generate(count=1)
    assert "head" not in stage.shot.parts
    assert not any(target.channels == HEAD_ROTATION for target in stage.shot.targets)


def add_controls(stage: Stage, gain: float, offset: float) -> bpy.types.Object:
    """An armature that drives every shape key: key = (bone - offset) / gain, some by location, some by property."""
    data = bpy.data.armatures.new("Controls")
    rig = bpy.data.objects.new("Controls", data)
    stage.scene.collection.objects.link(rig)
    names = [block.name for block in stage.key.key_blocks][1:]
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for name in names:
        bone = data.edit_bones.new(f"ctl {name}")
        bone.head, bone.tail = (0, 0, 0), (0, 0, 0.1)
    bpy.ops.object.mode_set(mode="OBJECT")
    for number, name in enumerate(names):
        driver = stage.key.key_blocks[name].driver_add("value").driver
        driver.type = "SCRIPTED"
        variable = driver.variables.new()
        variable.name = "v"
        source = variable.targets[0]
        if number % 2:
            rig.pose.bones[f"ctl {name}"]["amount"] = offset
            source.id, source.data_path = rig, f'pose.bones["ctl {name}"]["amount"]'
        else:
            variable.type = "TRANSFORMS"
            source.id, source.bone_target = rig, f"ctl {name}"
            source.transform_type, source.transform_space = "LOC_Y", "LOCAL_SPACE"
            rig.pose.bones[f"ctl {name}"].location[1] = offset
        driver.expression = f"(v - {offset}) / {gain}"
    bpy.context.view_layer.objects.active = stage.head
    bpy.context.view_layer.update()
    return rig


def test_driven_shape_keys_are_performed_by_what_drives_them(make_stage: Callable[..., Stage]) -> None:
    plain = make_stage()
    plain.generate(count=1, seed=5)
    wanted = {name: values_of(plain.head, name, FRAMES) for name in ("jawOpen", "mouthSmileLeft", "browInnerUp")}
    points = evaluated_points(plain)
    stage = make_stage()
    rig = add_controls(stage, gain=0.08, offset=0.02)
    assert len(driven_targets(bpy.context)) == 52
    bpy.ops.retake.use_drivers()
    assert len(stage.record.rows) == 52
    row = next(row for row in stage.record.rows if row.channel == "jawOpen")
    assert (row.gain, row.offset) == (pytest.approx(0.08, rel=1e-3), pytest.approx(0.02, abs=1e-4))
    assert lip_model(stage.shot).slopes[CHANNEL_NAMES.index("jawOpen")] > 10.0
    stage.generate(count=1, seed=5)
    assert not Stage.all_keys_of(stage.key), "driven keys are never written"
    assert len(Stage.all_keys_of(rig)) == 52
    for name, track in wanted.items():
        assert np.abs(values_of(stage.head, name, FRAMES) - track).max() < 2e-4
    assert np.abs(evaluated_points(stage) - points).max() < 1e-4
    bpy.ops.retake.show_original()
    assert not Stage.all_keys_of(rig)


def test_a_keyed_control_bone_is_kept(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage()
    rig = add_controls(stage, gain=0.08, offset=0.02)
    bpy.ops.retake.use_drivers()
    stage.generate(count=2)
    row = next(row for row in stage.record.rows if row.channel == "mouthSmileLeft")
    bone = rig.pose.bones[row.name] if row.kind == "BONE" else None
    if bone is not None:
        bone.location[1] = 0.08
        bone.keyframe_insert("location", index=1, frame=24)
    else:
        rig.path_resolve(row.path.rpartition("[")[0])["amount"] = 0.08
        rig.keyframe_insert(row.path, frame=24)
    target = stage.target("mouthSmileLeft row")
    next(point for point in target.fcurve.keyframe_points if abs(point.co[0] - 24) < 0.01).type = "KEYFRAME"
    bpy.ops.retake.update_take()
    for take in (1, 2):
        bpy.ops.retake.show_take(take=take)
        assert values_of(stage.head, "mouthSmileLeft", np.array([24.0]))[0] == pytest.approx(0.75, abs=1e-4)


def first_row() -> Any:
    """The first row of the first head's table; a shot cannot be opened while it names nothing."""
    return bpy.context.scene.retake.heads[0].rows[0]


def test_rows_that_name_nothing_are_refused_in_a_sentence(stage: Stage) -> None:
    bpy.ops.retake.add_row(channel="jawOpen")
    row = first_row()
    row.name = "no such bone"
    assert "has no bone 'no such bone'" in error_of(bpy.ops.retake.new_takes, count=1)
    row.name, row.gain = "jaw", 0.0
    assert "gain of Jaw Open is 0" in error_of(bpy.ops.retake.new_takes, count=1)
    row.kind, row.path, row.gain = "PROPERTY", "name", 1.0
    assert "has no number at 'name'" in error_of(bpy.ops.retake.new_takes, count=1)
    row.kind, row.thing, row.name = "SHAPE_KEY", stage.head, "cheekPuff"
    told = error_of(bpy.ops.retake.new_takes, count=1)
    assert "'cheekPuff' is to show Jaw Open, but it shows Cheek Puff already. Give Cheek Puff another" in told
    row.name = "jawOpen"
    bpy.ops.retake.add_row(channel="jawOpen")
    second = bpy.context.scene.retake.heads[0].rows[1]
    second.kind, second.thing, second.name = "SHAPE_KEY", stage.head, "jawOpen"
    assert "Two rows of Jaw Open are on 'jawOpen'. Remove one" in error_of(bpy.ops.retake.new_takes, count=1)
    for _ in range(2):
        bpy.ops.retake.remove_row()
    stage.generate(count=1)
    assert len(stage.generated("jawOpen"))


def test_limits_hold(stage: Stage) -> None:
    stage.rig["open"] = 0.0
    bpy.ops.retake.add_row(channel="jawOpen")
    row = first_row()
    row.kind, row.thing, row.path, row.gain, row.offset = "PROPERTY", stage.rig, '["open"]', 10.0, 1.0
    stage.generate(count=1, seed=2)
    free = stage.at("jawOpen row", FRAMES)
    assert np.ptp(free) > 0.1
    bpy.ops.retake.show_original()
    middle = float(np.median(free))
    row = first_row()
    row.limited, row.low, row.high = True, 1.0, middle
    bpy.ops.retake.show_take(take=1)
    assert np.allclose(stage.at("jawOpen row", FRAMES), np.clip(free, 1.0, middle), atol=1e-5)
    paths = {path for path, _ in Stage.all_keys_of(stage.key)}
    assert 'key_blocks["jawOpen"].value' not in paths


def test_tables_are_kept_as_presets(
    make_stage: Callable[..., Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLENDER_USER_SCRIPTS", str(tmp_path))  # Blender's own way to another user folder
    stage = make_stage()
    add_controls(stage, gain=0.08, offset=0.02)
    bpy.ops.retake.use_drivers()
    rows = [(row.channel, row.thing.name, row.name, row.path, row.gain) for row in stage.record.rows]
    bpy.ops.retake.save_table(name="Somebody's rig!")
    saved = tmp_path / "presets" / "retake" / "tables" / "Somebodys rig.json"
    assert presets() == [saved]
    stage.record.rows.clear()
    stage.rig.parent = None
    missing = bpy.ops.retake.load_table(filepath=str(saved))
    assert missing == {"FINISHED"}
    assert len(stage.record.rows) == 0, "the controls hang on nothing of this head"
    bpy.data.objects["Controls"].parent = None
    modifier = stage.head.modifiers.new("Controls", "ARMATURE")
    modifier.object = bpy.data.objects["Controls"]
    stage.head.modifiers.move(len(stage.head.modifiers) - 1, 0)
    bpy.ops.retake.load_table(filepath=str(saved))
    again = [(row.channel, row.thing.name, row.name, row.path, row.gain) for row in stage.record.rows]
    assert again == rows
    saved.write_text('{"format": "retake-table-1", "rows": [{"channel": "jawOpen"}]}', encoding="utf-8")
    assert "no table of Retake" in error_of(bpy.ops.retake.load_table, filepath=str(saved))
    assert [(row.channel, row.thing.name, row.name, row.path, row.gain) for row in stage.record.rows] == rows


def test_a_driven_rig_works_linked_and_overridden(make_stage: Callable[..., Stage], tmp_path: Path) -> None:
    stage = make_stage()
    rig = add_controls(stage, gain=0.08, offset=0.02)
    hero = bpy.data.collections.new("Hero")
    for thing in (stage.head, stage.rig, rig):
        for collection in list(thing.users_collection):
            collection.objects.unlink(thing)
        hero.objects.link(thing)
    stage.scene.collection.children.link(hero)
    name, library = stage.head.name, tmp_path / "hero.blend"
    bpy.data.libraries.write(str(library), {hero})
    speech = stage.recording.path
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(library), link=True) as (_, wanted):
        wanted.collections = ["Hero"]
    instance = bpy.data.objects.new("Hero", None)
    instance.instance_type, instance.instance_collection = "COLLECTION", wanted.collections[0]
    bpy.context.scene.collection.objects.link(instance)
    bpy.context.view_layer.objects.active = instance
    bpy.ops.retake.make_editable()
    head = next(obj for obj in bpy.context.scene.objects if obj.type == "MESH" and obj.name.startswith(name))
    bpy.context.view_layer.objects.active = head
    bpy.ops.retake.import_audio(filepath=str(speech), frame=1)
    bpy.ops.retake.use_drivers()
    assert len(current_shot(bpy.context).record.rows) == 52
    bpy.ops.retake.new_takes(count=2, seed=1)
    first = values_of(head, "jawOpen", FRAMES)
    assert np.ptp(first) > 0.05
    path = tmp_path / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    head = current_shot(bpy.context).head
    assert np.array_equal(values_of(head, "jawOpen", FRAMES), first)
    bpy.ops.retake.show_take(take=2)
    assert not np.array_equal(values_of(head, "jawOpen", FRAMES), first)


def test_a_mesh_left_alone_is_so_in_a_reopened_file(stage: Stage, tmp_path: Path) -> None:
    add_mesh(stage, "Teeth", ("jawOpen",))
    bpy.ops.retake.toggle_mesh(mesh="Teeth")
    path = tmp_path / "shot.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert not current_shot(bpy.context).meshes
    bpy.ops.retake.toggle_mesh(mesh="Teeth")
    assert [thing.name for thing in current_shot(bpy.context).meshes] == ["Teeth"]
