# SPDX-License-Identifier: GPL-3.0-or-later
"""Only takes that were deleted or undone in this scene of this file can be recovered."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest

from retake.addon.core.library import Library
from retake.addon.scene.state import load_library

from .helpers import Stage, error_of

PARTS = {"EYES"}
NONE = "No take was deleted or undone"


@pytest.fixture
def taken(stage: Stage) -> Stage:
    stage.generate(count=1, parts=PARTS)
    return stage


def library(stage: Stage) -> Library:
    return load_library(stage.record)


def save(path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(path))


def copy_scene(stage: Stage) -> Stage:
    """A full copy of the scene, which becomes the current one."""
    bpy.ops.scene.new(type="FULL_COPY")
    scene = bpy.context.scene
    scene.view_layers[0].objects.active = scene.retake.heads[0].head
    return Stage(scene.retake.heads[0].head)


def test_takes_of_a_copied_scene_are_not_the_first_scenes(taken: Stage) -> None:
    first = taken.scene
    copy = copy_scene(taken)
    copy.generate(count=2, seed=9, parts=PARTS)
    bpy.context.window.scene = first
    first.view_layers[0].objects.active = taken.head
    assert NONE in error_of(bpy.ops.retake.recover_takes)
    assert list(library(taken).takes) == [1]


def test_a_take_deleted_in_a_copied_scene_is_recovered_there(taken: Stage) -> None:
    taken.generate(count=1, seed=4, parts=PARTS)
    copy = copy_scene(taken)
    bpy.ops.retake.delete_take(take=1)
    bpy.ops.retake.recover_takes()
    assert list(library(copy).takes) == [1, 2]


def test_takes_of_a_later_version_are_not_the_earlier_ones(taken: Stage, tmp_path: Path) -> None:
    save(tmp_path / "v1.blend")
    taken.generate(count=2, seed=9, parts=PARTS)
    save(tmp_path / "v2.blend")
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "v1.blend"))
    assert NONE in error_of(bpy.ops.retake.recover_takes)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "v2.blend"))
    assert NONE in error_of(bpy.ops.retake.recover_takes)
    assert list(library(taken).takes) == [1, 2, 3]


def test_takes_lost_by_reverting_are_recovered(taken: Stage, tmp_path: Path) -> None:
    save(tmp_path / "shot.blend")
    taken.generate(count=1, seed=9, parts=PARTS)
    made = library(taken).takes[2].values
    bpy.ops.wm.revert_mainfile()
    assert list(library(taken).takes) == [1]
    bpy.ops.retake.recover_takes()
    assert (library(taken).takes[2].values == made).all()


def test_a_take_deleted_before_saving_under_another_name_is_recovered(taken: Stage, tmp_path: Path) -> None:
    taken.generate(count=1, seed=9, parts=PARTS)
    bpy.ops.retake.delete_take(take=1)
    save(tmp_path / "v1.blend")
    taken.scene.name = "Renamed"
    save(tmp_path / "v2.blend")
    bpy.ops.retake.recover_takes()
    assert list(library(taken).takes) == [1, 2]


def test_takes_come_along_when_a_scene_is_appended(taken: Stage, tmp_path: Path) -> None:
    taken.generate(count=1, seed=9, parts=PARTS)
    name, shown = taken.scene.name, taken.table("eyeBlinkLeft").tobytes()
    save(tmp_path / "shot.blend")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(tmp_path / "shot.blend"), link=False) as (_, wanted):
        wanted.scenes = [name]
    scene = wanted.scenes[0]
    bpy.context.window.scene = scene
    head = scene.retake.heads[0].head
    scene.view_layers[0].objects.active = head
    appended = Stage(head)
    assert list(library(appended).takes) == [1, 2]
    assert appended.table("eyeBlinkLeft").tobytes() == shown
    bpy.ops.retake.show_take(take=1)
    assert appended.table("eyeBlinkLeft").tobytes() != shown
    bpy.ops.retake.show_take(take=2)
    assert appended.table("eyeBlinkLeft").tobytes() == shown


def test_a_head_that_is_appended_alone_keeps_what_plays(taken: Stage, tmp_path: Path) -> None:
    name, shown = taken.name, taken.table("eyeBlinkLeft").tobytes()
    save(tmp_path / "shot.blend")
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    with bpy.data.libraries.load(str(tmp_path / "shot.blend"), link=False) as (_, wanted):
        wanted.objects = [name]
    bpy.context.scene.collection.objects.link(wanted.objects[0])
    bpy.context.view_layer.objects.active = wanted.objects[0]
    appended = Stage(wanted.objects[0])
    assert appended.table("eyeBlinkLeft").tobytes() == shown
    assert not library(appended).takes
