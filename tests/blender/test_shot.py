# SPDX-License-Identifier: GPL-3.0-or-later
"""Which head is meant, heads that are not ours, and what the panel's operators say when they cannot run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
import pytest

from retake.addon import compat
from retake.addon.operators.common import why_no_generation, why_no_head, why_no_takes
from retake.addon.operators.session import session
from retake.addon.scene.shot import find_head, open_shot
from retake.backend.errors import RigError

from .helpers import Stage, error_of


def bystander(scene: bpy.types.Scene, kind: str) -> bpy.types.Object:
    data = bpy.data.meshes.new("Cube") if kind == "MESH" else None
    obj = bpy.data.objects.new("Bystander", data)
    scene.collection.objects.link(obj)
    bpy.context.view_layer.objects.active = obj
    return obj


@pytest.mark.parametrize("kind", ["MESH", "EMPTY"])
def test_the_scenes_only_head_is_meant_whatever_is_active(stage: Stage, kind: str) -> None:
    bystander(stage.scene, kind)
    assert find_head(bpy.context) == stage.head


def test_the_armature_means_its_head(stage: Stage) -> None:
    bpy.ops.retake.add_head()
    bpy.context.view_layer.objects.active = stage.rig
    assert find_head(bpy.context) == stage.head


def test_of_two_heads_the_active_one_is_meant(stage: Stage) -> None:
    bpy.ops.retake.add_head()
    second = bpy.context.object
    assert find_head(bpy.context) == second != stage.head
    bpy.context.view_layer.objects.active = stage.head
    assert find_head(bpy.context) == stage.head


def test_two_heads_keep_their_takes_apart(stage: Stage, speech: object) -> None:
    stage.generate(count=1)
    before = stage.table("jawOpen").tobytes()
    bpy.ops.retake.add_head()
    second = Stage(bpy.context.object)
    bpy.ops.retake.import_audio(filepath=str(speech), frame=10)
    second.generate(count=2, seed=7)
    assert len(second.generated("jawOpen")) > 40
    bpy.context.view_layer.objects.active = stage.head
    assert stage.table("jawOpen").tobytes() == before
    assert stage.recording.clock.start_frame == 1.0


def test_a_mesh_without_controls_says_so(empty_scene: bpy.types.Scene) -> None:
    mesh = bystander(empty_scene, "MESH")
    with pytest.raises(RigError, match="has no shape keys"):
        open_shot(empty_scene, mesh)
    mesh.data.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    for name in ("Basis", "Surprise"):
        mesh.shape_key_add(name=name)
    with pytest.raises(RigError, match="has the name of a control"):
        open_shot(empty_scene, mesh)
    with pytest.raises(RigError, match="There is no head"):
        open_shot(empty_scene, None)


def test_reasons_why_nothing_can_be_done(empty_scene: bpy.types.Scene) -> None:
    assert why_no_head(bpy.context) == "Select a head, or add the built-in one"
    bpy.ops.retake.add_head()
    assert why_no_generation(bpy.context) == "Import a recording first"
    assert why_no_takes(bpy.context) == "There are no takes yet: press New Takes"
    with pytest.raises(RuntimeError, match="There are no takes yet"):
        bpy.ops.retake.show_take(take=1)


def test_a_head_without_an_armature_and_with_few_controls(stage: Stage) -> None:
    """A user's own mesh: some ARKit names, other limits, no bones."""
    for name in [block.name for block in stage.key.key_blocks if block.name.startswith(("eye", "brow", "nose"))]:
        stage.head.shape_key_remove(stage.key.key_blocks[name])
    stage.head.modifiers.clear()
    stage.head.parent = None
    assert stage.shot.parts == ("mouth", "upper_face")
    stage.generate(count=1)
    assert session.job.order.parts == ("mouth", "upper_face")
    assert len(stage.generated("jawOpen")) > 40
    assert "has no channel of the chosen parts" in error_of(bpy.ops.retake.new_takes, parts={"EYES"})


def test_the_evaluated_mesh_moves_with_the_take(stage: Stage) -> None:
    stage.key_value("jawOpen", 20, 1.0)
    stage.generate(count=1)
    stage.scene.frame_set(20)
    evaluated = stage.head.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = np.empty(3 * len(evaluated.data.vertices), np.float32)
    evaluated.data.vertices.foreach_get("co", points)
    rest = np.empty_like(points)
    stage.head.data.vertices.foreach_get("co", rest)
    drop = (rest - points).reshape(-1, 3)[:, 2].max()
    assert drop > 0.01, "the chin goes down by centimetres"


def test_a_switch_shows_without_moving_the_playhead(stage: Stage) -> None:
    stage.generate(count=2)
    stage.scene.frame_set(25)
    before = [block.value for block in stage.key.key_blocks]
    bpy.ops.retake.show_take(take=2)
    bpy.context.view_layer.update()
    assert [block.value for block in stage.key.key_blocks] != before
    curve = stage.curve("eyeLookUpLeft")
    assert abs(stage.key.key_blocks["eyeLookUpLeft"].value - curve.evaluate(25)) < 1e-6


def test_a_linked_head_is_one_sentence(stage: Stage, tmp_path: Path) -> None:
    path, name = tmp_path / "library.blend", stage.name
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
        wanted.objects = [name]
    head = bpy.data.objects[name]
    bpy.context.scene.collection.objects.link(head)
    with pytest.raises(RigError, match="are linked from another file"):
        open_shot(bpy.context.scene, head)
    overridden = head.override_create(remap_local_usages=True)
    with pytest.raises(RigError, match="Make Editable"):
        open_shot(bpy.context.scene, overridden)
    overridden.data.override_create(remap_local_usages=True)
    assert "mouth" in open_shot(bpy.context.scene, overridden).parts


def linked(path: Path, kind: str) -> bpy.types.ID:
    """The first datablock of a kind in a saved file, linked."""
    with bpy.data.libraries.load(str(path), link=True) as (found, wanted):
        setattr(wanted, kind, list(getattr(found, kind)))
    return next(block for block in getattr(bpy.data, kind) if block.library is not None)


def test_a_linked_action_is_one_sentence_and_stays_as_it_is(make_stage: Callable[..., Stage], tmp_path: Path) -> None:
    stage = make_stage()
    stage.key_value("jawOpen", 10, 0.9)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "library.blend"))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    stage = make_stage()
    action = linked(tmp_path / "library.blend", "actions")
    data = stage.key.animation_data_create()
    data.action = action
    if hasattr(data, "action_slot"):
        data.action_slot = action.slots[0]
    keys = stage.all_keys_of(stage.key)
    assert keys
    assert "is linked from another file" in error_of(bpy.ops.retake.new_takes, count=1)
    assert stage.all_keys_of(stage.key) == keys


def test_a_linked_rig_leaves_the_head_out(make_stage: Callable[..., Stage], tmp_path: Path) -> None:
    stage = make_stage()
    stage.neck.keyframe_insert("rotation_quaternion", frame=5)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "rig.blend"))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    stage = make_stage()
    with bpy.data.libraries.load(str(tmp_path / "rig.blend"), link=True) as (found, wanted):
        wanted.objects = list(found.objects)
    rig = next(obj for obj in bpy.data.objects if obj.library is not None and obj.type == "ARMATURE")
    bpy.context.scene.collection.objects.link(rig)
    stage.head.parent = rig
    for modifier in stage.head.modifiers:
        if modifier.type == "ARMATURE":
            modifier.object = rig
    keys = stage.all_keys_of(rig)
    assert keys
    stage.generate(count=1)
    assert any("override it" in notice for notice in session.job.order.notices)
    assert stage.all_keys_of(rig) == keys
    assert len(stage.generated("jawOpen"))


def test_an_action_that_does_not_play_as_it_stands_is_reported(stage: Stage) -> None:
    stage.generate(count=1)
    stage.key.animation_data.action_influence = 0.5
    stage.rig.animation_data.nla_tracks.new().is_solo = True
    stage.generate(count=1)
    notices = " ".join(session.job.order.notices)
    assert "is blended (replace, influence 0.5)" in notices
    assert "plays solo" in notices


def spelled(name: str) -> str:
    """A control's name as an exporter may have left it."""
    for side in ("Left", "Right"):
        if name.endswith(side):
            return f"blendShape1.{name.removesuffix(side)}_{side[0]}"
    return f"blendShape1.{name}"


def test_a_head_that_spells_its_controls_otherwise_is_driven_alike(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage()
    bpy.ops.retake.new_takes(count=1, seed=5)
    frames = np.arange(1.0, 40.0)
    wanted = stage.tracks(frames)
    other = make_stage()
    for block in other.key.key_blocks[1:]:
        block.name = spelled(block.name)
    bpy.ops.retake.new_takes(count=1, seed=5)
    assert other.key.key_blocks["blendShape1.mouthSmile_L"].path_from_id() in {
        curve.data_path.removesuffix(".value") for curve in compat.fcurves_of(other.key)
    }
    found = other.tracks(frames)
    assert found.keys() == wanted.keys()
    assert max(float(np.abs(found[name] - wanted[name]).max()) for name in wanted) < 1e-6
    assert not bpy.ops.retake.show_original() - {"FINISHED"}
