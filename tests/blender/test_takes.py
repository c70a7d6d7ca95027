# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes in the scene: switching, updating, Original, pinning, deleting, saving, undo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from retake.addon.core.library import Library
from retake.addon.operators.generate import shown_and_stale
from retake.addon.operators.session import session
from retake.addon.scene.state import load_library

from .helpers import Stage, error_of

ALL = {"MOUTH", "UPPER_FACE", "EYES", "HEAD"}
FRAMES = np.arange(-30, 90)


def library(stage: Stage) -> Library:
    return load_library(stage.record)


def tables(stage: Stage) -> dict[str, bytes]:
    return {name: stage.table(name).tobytes() for name in stage.curve_ids() if stage.curve(name) is not None}


def difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


@pytest.fixture
def taken(stage: Stage) -> Stage:
    stage.generate(count=2, parts=ALL)
    return stage


def test_switching_back_gives_the_same_bits(taken: Stage) -> None:
    first = tables(taken)
    bpy.ops.retake.show_take(take=2)
    second = tables(taken)
    assert first != second
    bpy.ops.retake.show_take(take=1)
    assert tables(taken) == first
    bpy.ops.retake.show_take(take=2)
    assert tables(taken) == second


def test_new_takes_are_added_with_new_seeds(taken: Stage) -> None:
    bpy.ops.retake.new_takes(count=2)
    assert [take.seed for take in library(taken).takes.values()] == [0, 1, 2, 3]
    assert list(library(taken).takes) == [1, 2, 3, 4]


def test_the_same_seed_is_the_same_take(taken: Stage) -> None:
    taken.generate(count=1, seed=1, parts=ALL)
    takes = library(taken).takes
    assert np.abs(takes[3].values - takes[2].values).max() <= 1e-4


def test_original_is_what_was_there(stage: Stage) -> None:
    stage.key_value("jawOpen", 15, 0.4)
    stage.key.key_blocks["mouthClose"].value = 0.2
    before = tables(stage)
    actions = {action.name for action in bpy.data.actions}
    stage.generate(count=1, parts=ALL)
    bpy.ops.retake.show_original()
    assert tables(stage) == before
    assert {action.name for action in bpy.data.actions} == actions
    assert abs(stage.key.key_blocks["mouthClose"].value - 0.2) < 1e-6
    bpy.ops.retake.show_take(take=1)
    assert len(stage.generated("mouthClose")) > 40


def test_a_key_set_on_a_take_stays_on_the_original(taken: Stage) -> None:
    taken.key_value("jawOpen", 15, 0.4)
    bpy.ops.retake.show_original()
    table = taken.table("jawOpen")
    assert table["co"].tolist() == [[15.0, np.float32(0.4)]]


def test_changing_one_key_leaves_the_take_alone_elsewhere(taken: Stage) -> None:
    bpy.ops.retake.show_take(take=1)
    before = taken.tracks(FRAMES)
    spread = {name: max(float(np.std(values)), 1e-3) for name, values in before.items()}
    taken.key_value("mouthSmileLeft", 25, 0.9)
    bpy.ops.retake.update_take()
    after = taken.tracks(FRAMES)
    far = np.abs(FRAMES - 25) > 0.75 * 24
    worst = {name: float(np.abs(after[name] - before[name])[far].max()) / spread[name] for name in before}
    print("worst beyond 0.75 s, in sd of the track:", max(worst, key=worst.get), max(worst.values()))
    assert abs(taken.at("mouthSmileLeft", [25])[0] - 0.9) <= 1e-5
    assert max(worst.values()) < 0.1


def test_updating_a_range_without_a_changed_key_moves_nothing(taken: Stage) -> None:
    scene = taken.scene
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 10, 30
    bpy.ops.retake.show_take(take=1)
    before = taken.tracks(FRAMES)
    bpy.ops.retake.update_take(range_mode="PREVIEW")
    after = taken.tracks(FRAMES)
    assert difference(before, after) <= 1e-5


def test_a_stale_take_is_shown_through_the_present_keys(taken: Stage) -> None:
    taken.key_value("browInnerUp", 22.5, 0.95)
    bpy.ops.retake.show_take(take=2)
    assert abs(taken.at("browInnerUp", [22.5])[0] - 0.95) <= 1e-5
    assert shown_and_stale(bpy.context) == (2, [1, 2])
    bpy.ops.retake.update_take(all_takes=True)
    assert shown_and_stale(bpy.context) == (2, [])


def test_a_pinned_take_is_neither_deleted_nor_updated(taken: Stage) -> None:
    bpy.ops.retake.pin_take(take=1)
    bpy.ops.retake.show_take(take=2)
    assert "pinned" in error_of(bpy.ops.retake.delete_take, take=1)
    assert "pinned" in error_of(bpy.ops.retake.update_take, take=1)
    bpy.ops.retake.pin_take(take=1, pinned=False)
    bpy.ops.retake.delete_take(take=1)
    assert list(library(taken).takes) == [2]


def test_a_shown_take_is_not_deleted(taken: Stage) -> None:
    assert "is shown" in error_of(bpy.ops.retake.delete_take, take=1)


def test_deleted_takes_are_recovered(taken: Stage) -> None:
    values = library(taken).takes[2].values
    bpy.ops.retake.delete_take(take=2)
    assert session.sentence == "Take 2 is deleted; Recover Takes brings it back until Blender closes."
    bpy.ops.retake.recover_takes()
    assert session.sentence == "Back in the list: Take 2. Click one to show it."
    assert np.array_equal(library(taken).takes[2].values, values)
    with pytest.raises(RuntimeError, match="No take was deleted or undone"):
        bpy.ops.retake.recover_takes()


def test_recovering_does_not_bring_back_what_an_update_replaced(taken: Stage) -> None:
    bpy.ops.retake.new_takes(count=1)
    taken.key_value("jawOpen", 40, 0.7)
    bpy.ops.retake.show_take(take=1)
    bpy.ops.retake.update_take()
    updated = library(taken).takes[1].values
    bpy.ops.retake.delete_take(take=3)
    bpy.ops.retake.recover_takes()
    assert [(take.id, take.seed) for take in library(taken).takes.values()] == [(1, 0), (2, 1), (3, 2)]
    bpy.ops.retake.show_take(take=2)
    bpy.ops.retake.delete_take(take=1)
    bpy.ops.retake.recover_takes()
    assert list(library(taken).takes) == [1, 2, 3]
    assert np.array_equal(library(taken).takes[1].values, updated)


def test_a_take_whose_update_was_undone_can_be_recovered(taken: Stage) -> None:
    old = library(taken).takes[1].values
    bpy.ops.retake.show_take(take=1)
    taken.key_value("jawOpen", 40, 0.7)
    bpy.ops.ed.undo_push(message="Before")
    bpy.ops.retake.update_take()
    bpy.ops.ed.undo_push(message="Updated")
    bpy.ops.ed.undo()
    assert np.array_equal(library(taken).takes[1].values, old)
    bpy.ops.retake.show_take(take=2)
    bpy.ops.retake.delete_take(take=1)
    bpy.ops.retake.recover_takes()
    assert any(np.array_equal(take.values, old) for take in library(taken).takes.values())


def test_renaming(taken: Stage) -> None:
    bpy.ops.retake.rename_take(take=2, name="Shy")
    assert library(taken).takes[2].name == "Shy"
    assert "needs a name" in error_of(bpy.ops.retake.rename_take, take=2, name=" ")


def test_an_unknown_take_is_one_sentence(taken: Stage) -> None:
    assert error_of(bpy.ops.retake.show_take, take=7) == "There is no take 7. The takes are: 1, 2."


def test_takes_survive_saving_and_renaming(taken: Stage, tmp_path: Path) -> None:
    bpy.ops.retake.show_take(take=2)
    shown = tables(taken)
    path = tmp_path / "shot.blend"
    taken.head.name = taken.name = "Hero"
    taken.scene.name = "Shot 10"
    bpy.ops.wm.save_as_mainfile(filepath=str(path))
    bpy.ops.wm.open_mainfile(filepath=str(path))
    assert tables(taken) == shown
    assert list(library(taken).takes) == [1, 2]
    bpy.ops.retake.show_take(take=1)
    assert tables(taken) != shown
    bpy.ops.retake.show_take(take=2)
    assert tables(taken) == shown
    bpy.ops.retake.show_original()
    assert not any(taken.curve(name) for name in taken.curve_ids())


def test_undo_takes_everything_back_at_once(stage: Stage) -> None:
    stage.key_value("jawOpen", 15, 0.4)
    bpy.ops.ed.undo_push(message="Before")
    before = tables(stage)
    stage.generate(count=2)
    bpy.ops.ed.undo_push(message="Generated")
    shown = tables(stage)
    bpy.ops.ed.undo()
    assert tables(stage) == before
    assert not library(stage).takes
    bpy.ops.ed.redo()
    assert tables(stage) == shown
    assert list(library(stage).takes) == [1, 2]
    bpy.ops.ed.undo()
    bpy.ops.retake.recover_takes()
    assert list(library(stage).takes) == [1, 2]
    bpy.ops.retake.show_take(take=1)
    assert tables(stage) == shown


def test_a_take_of_one_phrase_lies_over_another(taken: Stage) -> None:
    scene = taken.scene
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 20, 40
    before = taken.tracks(FRAMES)
    taken.generate(count=1, seed=20, parts=ALL, range_mode="PREVIEW")
    after = taken.tracks(FRAMES)
    outside = (FRAMES <= 20) | (FRAMES >= 40)
    assert max(float(np.abs(after[name] - before[name])[outside].max()) for name in before) <= 1e-6
    assert difference(before, after) > 0.01
    steps = max(float(np.abs(np.diff(after[name])).max()) for name in after)
    usual = max(float(np.abs(np.diff(before[name])).max()) for name in before)
    assert steps < 1.5 * usual + 0.05, "no pop at the joins"


def test_moving_the_strip_moves_the_take(taken: Stage) -> None:
    from retake.addon import compat
    from retake.addon.scene.audio import find_strip

    if not compat.has_audio():
        pytest.skip("this bpy was built without Audaspace: no strip to move")
    before = taken.tracks(FRAMES)
    strip = find_strip(taken.scene, taken.record.uid)
    setattr(strip, "content_start" if hasattr(strip, "content_start") else "frame_start", 101)
    bpy.ops.retake.show_take(take=1)
    after = taken.tracks(FRAMES + 100)
    assert difference(before, after) < 1e-4
    assert taken.generated("jawOpen").min() == 101 - 24


@pytest.mark.parametrize("mode", ["NEIGHBOURS", "SELECTED", "PHRASE", "PREVIEW", "AUDIO"])
def test_every_range_mode_writes_its_range(stage: Stage, mode: str) -> None:
    from retake.addon import compat

    if mode == "PHRASE" and not compat.has_audio():
        pytest.skip("this bpy was built without Audaspace: pauses cannot be found")
    stage.key_value("jawOpen", 10, 0.2)
    stage.key_value("browInnerUp", 35.5, 0.6)
    for name in ("jawOpen", "browInnerUp"):
        stage.curve(name).keyframe_points[0].select_control_point = True
    scene = stage.scene
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 5, 30
    scene.frame_set(22)
    stage.generate(count=1, range_mode=mode)
    ours = stage.generated("mouthPucker")
    wanted = {"NEIGHBOURS": (10, 35), "SELECTED": (10, 35), "PREVIEW": (5, 30), "AUDIO": (-23, 73)}.get(mode)
    if wanted is not None:
        assert (ours.min(), ours.max()) == wanted
    else:
        assert ours.min() < 22 < ours.max()
    assert scene.frame_current == 22


def test_ranges_that_do_not_exist_are_one_sentence(stage: Stage) -> None:
    assert "no preview range" in error_of(bpy.ops.retake.new_takes, range_mode="PREVIEW")
    assert "selected keys" in error_of(bpy.ops.retake.new_takes, range_mode="SELECTED")
    assert stage.curve("jawOpen") is None
