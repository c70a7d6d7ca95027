# SPDX-License-Identifier: GPL-3.0-or-later
"""A linked character: refused in a sentence, made editable, directed, saved, reopened, switched; two of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
import pytest

from retake.addon.scene import state
from retake.addon.scene.editable import is_locked_by_link
from retake.tests.blender.helpers import Stage, error_of

FRAMES = np.arange(-10, 60)


@pytest.fixture
def library(make_stage: Callable[..., Stage], tmp_path: Path) -> Path:
    """A file with a character in a collection of its own."""
    stage = make_stage()
    collection = bpy.data.collections.new("Character")
    bpy.context.scene.collection.children.link(collection)
    for obj in (stage.head, stage.rig):
        for holder in obj.users_collection:
            holder.objects.unlink(obj)
        collection.objects.link(obj)
    path = tmp_path / "character.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.context.scene.render.fps = 24
    return path


def link_instance(path: Path) -> bpy.types.Object:
    """An instance of the linked collection, active."""
    with bpy.data.libraries.load(str(path), link=True) as (_, wanted):
        wanted.collections = ["Character"]
    empty = bpy.data.objects.new("Character", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", wanted.collections[0]
    bpy.context.scene.collection.objects.link(empty)
    bpy.context.view_layer.objects.active = empty
    return empty


def test_two_overrides_of_one_character_are_directed_saved_and_switched(
    library: Path, speech: Path, tmp_path: Path
) -> None:
    stages = []
    for _ in range(2):
        link_instance(library)
        bpy.ops.retake.make_editable()
        head = bpy.context.object
        assert not is_locked_by_link(head)
        stages.append(Stage(head))
        bpy.ops.retake.import_audio(filepath=str(speech), frame=1)
    one, two = stages
    assert one.name != two.name
    for number, stage in enumerate(stages):
        bpy.context.view_layer.objects.active = stage.head
        stage.generate(count=2, seed=10 * number)
    tracks = [activate(stage).tracks(FRAMES) for stage in stages]
    assert np.abs(tracks[0]["jawOpen"] - tracks[1]["jawOpen"]).max() > 1e-3
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    for stage, before in zip(stages, tracks, strict=True):
        activate(stage)
        after = stage.tracks(FRAMES)
        assert max(np.abs(after[name] - before[name]).max() for name in before) < 1e-6
        assert sorted(state.load_library(stage.record).takes) == [1, 2]
    other = activate(two).tracks(FRAMES)
    activate(one)
    bpy.ops.retake.show_take(take=2)
    assert np.abs(one.tracks(FRAMES)["jawOpen"] - tracks[0]["jawOpen"]).max() > 1e-3
    bpy.ops.retake.show_take(take=1)
    assert max(np.abs(one.tracks(FRAMES)[name] - tracks[0][name]).max() for name in other) < 1e-6
    still = activate(two).tracks(FRAMES)
    assert all(np.array_equal(still[name], other[name]) for name in other)


def activate(stage: Stage) -> Stage:
    bpy.context.view_layer.objects.active = stage.head
    return stage


def test_a_linked_object_is_refused_then_made_editable(library: Path, speech: Path) -> None:
    with bpy.data.libraries.load(str(library), link=True) as (found, wanted):
        wanted.objects = list(found.objects)
    for obj in wanted.objects:
        bpy.context.scene.collection.objects.link(obj)
    linked = next(obj for obj in wanted.objects if obj.type == "MESH" and obj.data.shape_keys)
    bpy.context.view_layer.objects.active = linked
    assert "Make Editable" in error_of(bpy.ops.retake.import_audio, filepath=str(speech))
    bpy.ops.retake.make_editable()
    head = bpy.context.object
    assert head.library is None
    bpy.ops.retake.import_audio(filepath=str(speech), frame=1)
    stage = Stage(head)
    stage.generate(count=1)
    assert len(stage.generated("jawOpen"))
    assert len(stage.generated(stage.neck_ids()[0]))


def test_nothing_linked_is_nothing_to_make_editable(stage: Stage) -> None:
    assert "Select a linked character" in error_of(bpy.ops.retake.make_editable)
