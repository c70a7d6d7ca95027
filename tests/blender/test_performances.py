# SPDX-License-Identifier: GPL-3.0-or-later
"""Live Link Face onto a head and out again: keys on every frame, nothing else touched."""

from __future__ import annotations

import time
from pathlib import Path

import bpy
import numpy as np
import pytest

from retake.addon import compat
from retake.addon.core.live_link import read_live_link, write_live_link
from retake.addon.core.rotations import angles_between
from retake.addon.operators.session import session
from retake.addon.scene.performance import JITTER
from retake.backend.protocol import CONTROL_NAMES, HEAD_ROTATION

from .helpers import Stage, error_of

COUNT, FIRST = 30, 10
MODES = ("QUATERNION", "AXIS_ANGLE", "XYZ", "ZYX")


def performance(count: int = COUNT, seed: int = 0) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Smooth weights of every control, and turns of the head."""
    rng, time = np.random.default_rng(seed), np.arange(count) / 24.0
    speed, phase = rng.uniform(0.5, 3.0, 52), rng.uniform(0.0, 6.0, 52)
    waves = 0.4 + 0.35 * np.sin(2 * np.pi * speed * time[:, None] + phase)
    turns = 0.4 * np.sin(2 * np.pi * time[:, None] * [0.7, 1.1, 0.4] + [0.0, 1.0, 2.0])
    return {name: waves[:, column] for column, name in enumerate(CONTROL_NAMES)}, turns


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A recording of 24 rows a second."""
    return saved(tmp_path / "take.csv")


def saved(path: Path, fps: float = 24.0, leave_out: tuple[str, ...] = ()) -> Path:
    weights, turns = performance()
    still = np.zeros_like(turns)
    write_live_link(path, np.arange(COUNT) / fps, weights, turns, (still, still))
    if leave_out:
        lines = [line.split(",") for line in path.read_text().splitlines()]
        wanted = {name.lower() for name in leave_out}
        kept = [place for place, title in enumerate(lines[0]) if title.lower() not in wanted]
        path.write_text("\n".join(",".join(line[place] for place in kept) for line in lines))
    return path


@pytest.fixture
def bare(empty_scene: bpy.types.Scene) -> Stage:
    bpy.ops.retake.add_head()
    return Stage(bpy.context.object)


@pytest.mark.parametrize("mode", MODES)
def test_a_recording_comes_back_from_the_head(bare: Stage, recording: Path, tmp_path: Path, mode: str) -> None:
    bare.neck.rotation_mode = mode
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    assert session.sentence == "Keyed 52 shape keys, turn of neck on frames 10 to 39."
    out = tmp_path / "out.csv"
    bpy.ops.retake.export_live_link(filepath=str(out), frame_start=FIRST, frame_end=FIRST + COUNT - 1)
    weights, turns = performance()
    back = read_live_link(out)
    worst = max(np.abs(back.controls[name] - weights[name]).max() for name in CONTROL_NAMES)
    angle = angles_between(back.head, turns).max()
    print(f"Live Link, neck in {mode}: weights {worst:.1e}, angle {angle:.1e} rad")
    assert worst < 1e-5
    assert angle < 1e-5


def test_keys_are_a_bake_on_every_frame(bare: Stage, recording: Path) -> None:
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    for curve_id in bare.curve_ids():
        table = bare.table(curve_id)
        assert table["co"][:, 0].tolist() == list(range(FIRST, FIRST + COUNT))
        assert (table["type"] == JITTER).all()
    actions = {owner.animation_data.action for owner in (bare.key, bare.rig)}
    assert len(actions) == (1 if hasattr(bare.key.animation_data, "action_slot") else 2)


def test_other_rates_keep_the_time(bare: Stage, tmp_path: Path) -> None:
    bpy.ops.retake.import_live_link(filepath=str(saved(tmp_path / "fast.csv", fps=60.0)), frame_start=1)
    weights, _ = performance()
    assert len(bare.table("jawOpen")) == 12  # 29/60 s at 24 fps
    assert bare.at("jawOpen", [3])[0] == pytest.approx(weights["jawOpen"][5], abs=1e-6)  # 2/24 s


def test_without_a_frame_it_starts_at_the_scenes(bare: Stage, recording: Path) -> None:
    bare.scene.frame_start, bare.scene.frame_end = 101, 120
    bpy.ops.retake.import_live_link(filepath=str(recording))
    assert bare.table("jawOpen")["co"][[0, -1], 0].tolist() == [101, 130]
    keyed, told = "Keyed 52 shape keys, turn of neck on frames 101 to 130.", "The scene ends at frame 120"
    assert session.sentence == f"{keyed} {told}, before the performance does."


def test_keys_and_curves_outside_stay(bare: Stage, recording: Path) -> None:
    for frame, value in ((1, 0.2), (5, 0.7), (20, 0.1), (60, 0.9), (70, 0.3)):
        bare.key_value("jawOpen", frame, value)
    bare.key_value("tongueOut", 80, 0.5)
    outside = np.concatenate((np.arange(0, FIRST - 0.99, 0.25), np.arange(FIRST + COUNT, 90, 0.25)))
    before = {name: bare.at(name, outside) for name in ("jawOpen", "tongueOut")}
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    for name, values in before.items():
        assert np.abs(bare.at(name, outside) - values).max() < 1e-6
    weights, _ = performance()
    frames = np.arange(FIRST, FIRST + COUNT)
    assert np.abs(bare.at("jawOpen", frames) - weights["jawOpen"]).max() < 1e-6
    table = bare.table("jawOpen")
    kept = table[np.isin(table["co"][:, 0], [1, 5, 60, 70])]
    assert (kept["type"] == 0).all()
    assert len(kept) == 4


def test_keys_between_frames_at_its_ends_stay(bare: Stage, recording: Path) -> None:
    for frame, value in ((1, 0.2), (FIRST - 0.5, 0.7), (FIRST + COUNT - 0.75, 0.4), (60, 0.9)):
        bare.key_value("jawOpen", frame, value)
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    times = bare.table("jawOpen")["co"][:, 0].tolist()
    assert times == [1.0, FIRST - 0.5, *range(FIRST, FIRST + COUNT), FIRST + COUNT - 0.75, 60.0]
    weights, _ = performance()
    frames = np.arange(FIRST, FIRST + COUNT)
    assert np.abs(bare.at("jawOpen", frames) - weights["jawOpen"]).max() < 1e-6


def test_bringing_another_in_replaces_the_first(bare: Stage, recording: Path, tmp_path: Path) -> None:
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    first = bare.tracks(np.arange(FIRST, FIRST + COUNT))
    write_live_link(
        tmp_path / "still.csv", np.arange(COUNT) / 24.0, {}, np.zeros((COUNT, 3)), (np.zeros((COUNT, 3)),) * 2
    )
    bpy.ops.retake.import_live_link(filepath=str(tmp_path / "still.csv"), frame_start=FIRST)
    now = bare.tracks(np.arange(FIRST, FIRST + COUNT))
    assert np.abs(now["jawOpen"]).max() == 0.0
    neck = [name for name in now if name.startswith("neck")]
    assert all(np.array_equal(now[name], first[name]) for name in neck)  # its head was not tracked
    assert len(bare.table("jawOpen")) == COUNT


def test_one_after_the_other_joins(bare: Stage, recording: Path) -> None:
    for start in (FIRST, FIRST + COUNT, FIRST - COUNT):
        bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=start)
    weights, _ = performance()
    frames = np.arange(FIRST - COUNT, FIRST + 2 * COUNT)
    assert bare.table("jawOpen")["co"][:, 0].tolist() == frames.tolist()
    assert np.abs(bare.at("jawOpen", frames) - np.tile(weights["jawOpen"], 3)).max() < 1e-6


def test_what_may_not_be_written_is_left_and_said(
    bare: Stage, recording: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bare.key_value("jawOpen", 1, 0.25)
    bare.curve("jawOpen").lock = True
    bare.key_value("mouthClose", 1, 0.5)
    bare.curve("mouthClose").mute = True
    bare.key.key_blocks["cheekPuff"].driver_add("value").driver.expression = "0.75"
    bare.neck.constraints.new("COPY_ROTATION").target = bare.rig
    capfd.readouterr()
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    said = capfd.readouterr().out
    assert "Keyed 49 shape keys on frames 10 to 39." in said
    for reason, name in (("driven", "cheekPuff"), ("locked", "jawOpen"), ("muted", "mouthClose")):
        assert f"Left as they are, as they are {reason}: {name}." in said
    assert "Left as they are, as they are constrained: turn of neck." in said
    assert len(bare.table("jawOpen")) == len(bare.table("mouthClose")) == 1
    assert bare.curve("cheekPuff") is None


def test_where_nothing_may_be_written_nothing_is_made(bare: Stage, recording: Path) -> None:
    bare.neck.constraints.new("COPY_ROTATION").target = bare.rig
    for name in CONTROL_NAMES:
        bare.key.key_blocks[name].driver_add("value").driver.expression = "0.75"
    sentence = error_of(bpy.ops.retake.import_live_link, filepath=str(recording))
    assert sentence.startswith("Nothing can be keyed: every curve is driven or constrained.")
    assert bare.key.animation_data.action is None


def test_what_the_head_lacks_is_said(bare: Stage, tmp_path: Path) -> None:
    bare.key.key_blocks["tongueOut"].name = "somethingElse"
    bare.rig.data.bones["neck"].name = "throat"
    bpy.ops.retake.import_live_link(filepath=str(saved(tmp_path / "take.csv")), frame_start=1)
    assert session.sentence.endswith(
        "Left out, as the head has no place for them: tongueOut, the head's turns (nothing turns it: choose what does "
        "under Character)."
    )


@pytest.mark.parametrize("is_parented", [False, True])
def test_an_object_that_turns_the_head_is_keyed_and_read(
    bare: Stage, recording: Path, tmp_path: Path, is_parented: bool
) -> None:
    hat, body = (bpy.data.objects.new(name, None) for name in ("hat", "body"))
    for thing in (hat, body):
        bare.scene.collection.objects.link(thing)
    body.rotation_euler = (0.5, -0.4, 0.3)
    hat.parent = body if is_parented else None
    hat.rotation_mode, hat.rotation_euler = "XYZ", (0.3, 0.1, -0.2)
    bpy.context.view_layer.update()
    bare.shot.record.turned_by, bare.shot.record.turn_object = "OBJECT", hat
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    assert session.sentence == "Keyed 52 shape keys, turn of hat on frames 10 to 39."
    assert set(bare.all_keys_of(hat)) == {("rotation_euler", axis) for axis in range(3)}
    out = tmp_path / "out.csv"
    bpy.ops.retake.export_live_link(filepath=str(out), frame_start=FIRST, frame_end=FIRST + COUNT - 1)
    assert angles_between(read_live_link(out).head, performance()[1]).max() < 1e-5


def test_a_bone_that_was_chosen_is_keyed_under_the_takes(stage: Stage, recording: Path) -> None:
    stage.rig.data.bones["neck"].name = "throat"
    stage.record.turned_by, stage.record.turn_bone = "BONE", "throat"
    stage.generate(count=1)
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    frames = np.arange(FIRST, FIRST + COUNT)
    brought = stage.tracks(frames)
    bpy.ops.retake.show_original()
    assert max(np.abs(stage.at(name, frames) - brought[name]).max() for name in stage.neck_ids()) < 1e-6


def test_a_head_that_nothing_turns_goes_out_at_rest(bare: Stage, tmp_path: Path) -> None:
    bare.key.key_blocks["jawOpen"].value = 0.5
    bare.shot.record.turned_by = "NOTHING"
    bpy.ops.retake.export_live_link(filepath=str(tmp_path / "out.csv"), frame_start=1, frame_end=3)
    back = read_live_link(tmp_path / "out.csv")
    assert back.head is None
    assert back.controls["jawOpen"] == pytest.approx(np.full(3, 0.5))


def test_rows_and_other_meshes_are_counted_and_keyed(bare: Stage, recording: Path) -> None:
    mesh = bpy.data.meshes.new("teeth")
    mesh.from_pydata([(0.0, 0.0, 0.0), (0.0, 0.0, 0.1), (0.1, 0.0, 0.0)], [], [(0, 1, 2)])
    teeth = bpy.data.objects.new("teeth", mesh)
    bare.scene.collection.objects.link(teeth)
    teeth.parent = bare.rig
    for name in ("Basis", "jawOpen", "mouthClose"):
        teeth.shape_key_add(name=name)
    mesh.shape_keys.key_blocks["mouthClose"].slider_max = 0.3
    bare.rig["blink.left"] = 0.0
    bpy.ops.retake.add_row(channel="eyeBlinkLeft")
    row = bare.scene.retake.heads[0].rows[0]
    row.kind, row.thing, row.path, row.gain = "PROPERTY", bare.rig, '["blink.left"]', 2.0
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    assert session.sentence.endswith("These shape keys reach their slider limits: mouthClose.")
    weights, _ = performance()
    path = ('["blink.left"]', 0)
    assert [value for _, value in bare.all_keys_of(bare.rig)[path]] == pytest.approx(2.0 * weights["eyeBlinkLeft"])
    assert len(bare.all_keys_of(mesh.shape_keys)) == 2


def test_controls_that_a_recording_lacks_stay(bare: Stage, tmp_path: Path) -> None:
    bare.key_value("jawOpen", 15, 0.8)
    bpy.ops.retake.import_live_link(filepath=str(saved(tmp_path / "t.csv", leave_out=("JawOpen",))), frame_start=FIRST)
    assert session.sentence.endswith("Left as they are, as the file does not tell them: jawOpen.")
    assert len(bare.table("jawOpen")) == 1
    assert len(bare.table("mouthClose")) == COUNT


def test_it_is_one_undo_step(bare: Stage, recording: Path) -> None:
    bpy.context.preferences.edit.use_global_undo = True
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    bpy.ops.ed.undo_push(message="after")
    bpy.ops.ed.undo()
    assert bare.curve("jawOpen") is None


def test_takes_are_made_through_a_performance_or_over_it(stage: Stage, recording: Path) -> None:
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    brought = stage.tracks(np.arange(FIRST, FIRST + COUNT))
    stage.generate(count=1, parts={"MOUTH"}, bakes="REDO")
    now = stage.tracks(np.arange(FIRST, FIRST + COUNT))
    assert np.abs(now["jawOpen"] - brought["jawOpen"]).max() > 0.05
    for name in ("browInnerUp", *stage.neck_ids()):
        assert np.array_equal(now[name], brought[name])
    bpy.ops.retake.show_original()
    assert np.abs(stage.at("jawOpen", np.arange(FIRST, FIRST + COUNT)) - brought["jawOpen"]).max() < 1e-6


def test_over_a_take_it_is_kept_by_the_next_write(stage: Stage, recording: Path) -> None:
    stage.generate(count=2)
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    frames = np.arange(FIRST, FIRST + COUNT)
    brought = stage.tracks(frames)
    bpy.ops.retake.show_take(take=2)
    now = stage.tracks(frames)
    for name, values in brought.items():
        assert np.abs(now[name] - values).max() < 1e-6
    assert (stage.generated("jawOpen") > FIRST + COUNT).any()


def test_original_brings_back_what_came_in_over_a_take_and_was_replaced(stage: Stage, tmp_path: Path) -> None:
    stage.generate(count=2)
    still = np.zeros((COUNT, 3))
    for level in (0.3, 0.6):
        path = tmp_path / "level.csv"
        write_live_link(
            path, np.arange(COUNT) / 24.0, dict.fromkeys(CONTROL_NAMES, np.full(COUNT, level)), still, (still, still)
        )
        bpy.ops.retake.import_live_link(filepath=str(path), frame_start=FIRST)
        bpy.ops.retake.show_take(take=2)
        stage.generate(count=1, parts={"MOUTH"}, bakes="REDO")
        frames = np.arange(FIRST, FIRST + COUNT)
        assert np.abs(stage.at("jawOpen", frames) - level).max() > 0.05
        bpy.ops.retake.show_original()
        assert stage.at("jawOpen", frames) == pytest.approx(np.full(COUNT, level), abs=1e-6)
        assert stage.at("browInnerUp", frames) == pytest.approx(np.full(COUNT, level), abs=1e-6)


def test_paths_from_the_blend_file_on_are_found(bare: Stage, recording: Path, tmp_path: Path) -> None:
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.retake.import_live_link(filepath=f"//{recording.name}", frame_start=2**31 - 1)
    assert bare.table("jawOpen")["co"][0, 0] == 1_048_574.0
    bpy.ops.retake.export_live_link(filepath="//out.csv", frame_start=1, frame_end=3)
    assert (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("name", ["missing.csv", "folder"])
def test_a_wrong_file_changes_nothing(bare: Stage, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    sentence = error_of(bpy.ops.retake.import_live_link, filepath=str(tmp_path / name))
    assert f"'{name}' cannot be read" in sentence
    assert bare.key.animation_data is None
    assert error_of(bpy.ops.retake.import_live_link) == "No file was chosen. Choose one."


def test_a_place_that_cannot_be_written_is_named(bare: Stage, tmp_path: Path) -> None:
    (tmp_path / "taken.csv").mkdir()
    for place in (tmp_path / "missing" / "out.csv", tmp_path / "taken.csv"):
        sentence = error_of(bpy.ops.retake.export_live_link, filepath=str(place), frame_start=1, frame_end=2)
        assert f"'{place}' cannot be written" in sentence
    sentence = error_of(bpy.ops.retake.export_live_link, filepath=str(tmp_path / "x"), frame_start=9, frame_end=2)
    assert sentence == "The range from frame 9 to 2 is empty. Choose an end after the start."


def test_the_shown_take_goes_out_in_the_preview_range(stage: Stage, tmp_path: Path) -> None:
    stage.generate(count=1)
    stage.scene.use_preview_range = True
    stage.scene.frame_preview_start, stage.scene.frame_preview_end = 5, 20
    stage.scene.frame_set(3)
    bpy.ops.retake.export_live_link(filepath=str(tmp_path / "out"))
    back = read_live_link(tmp_path / "out.csv")
    frames = np.arange(5, 21)
    assert np.abs(back.controls["jawOpen"] - np.clip(stage.at("jawOpen", frames), -0.25, 1.5)).max() < 1e-6
    assert stage.scene.frame_current == 3
    assert back.controls["jawOpen"].max() > 0.05
    assert [target.channels for target in stage.shot.targets].count(HEAD_ROTATION) == len(stage.neck_ids())


def test_a_hidden_rig_plays_and_a_hidden_head_is_said(bare: Stage, recording: Path, tmp_path: Path) -> None:
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    bare.rig.hide_viewport = True
    out, frames = tmp_path / "out.csv", {"frame_start": FIRST, "frame_end": FIRST + COUNT - 1}
    bpy.ops.retake.export_live_link(filepath=str(out), **frames)
    assert angles_between(read_live_link(out).head, performance()[1]).max() < 1e-5
    bare.head.hide_viewport = True
    assert "is hidden from all viewports" in error_of(bpy.ops.retake.export_live_link, filepath=str(out), **frames)
    assert read_live_link(out).head is not None


def test_menus_offer_them(bare: Stage) -> None:
    for menu in (bpy.types.TOPBAR_MT_file_import, bpy.types.TOPBAR_MT_file_export):
        functions = menu.draw._draw_funcs
        assert any(function.__module__.endswith("performances") for function in functions)


def test_what_only_the_nla_plays_goes_on_beside(bare: Stage, recording: Path, tmp_path: Path) -> None:
    bare.key_value("jawOpen", 1, 0.5)
    bare.key_value("jawOpen", 80, 0.9)
    bpy.context.view_layer.update()
    compat.push_down(bare.key, "below")
    assert bare.weights(80)["jawOpen"] == pytest.approx(0.9)
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    weights, _ = performance()
    assert bare.weights(FIRST + 3)["jawOpen"] == pytest.approx(weights["jawOpen"][3], abs=1e-5)
    assert bare.weights(80)["jawOpen"] == pytest.approx(0.9)


def test_in_an_action_of_the_animators_the_nla_is_left(
    bare: Stage, recording: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bare.key_value("jawOpen", 1, 0.5)
    compat.push_down(bare.key, "below")
    bare.key_value("tongueOut", 1, 0.1)
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    assert "Left as they are, as they are played by the NLA: jawOpen." in capfd.readouterr().out
    assert bare.curve("jawOpen") is None
    assert len(bare.table("mouthClose")) == COUNT


def test_muted_shape_keys_are_said(bare: Stage, recording: Path) -> None:
    bare.key.key_blocks["jawOpen"].mute = True
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    assert session.sentence.endswith("These shape keys are muted, so nothing is seen of them: jawOpen.")


def test_limits_that_are_reached_are_said(bare: Stage, recording: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bare.key.key_blocks["cheekPuff"].slider_max = 0.5
    bpy.ops.retake.import_live_link(filepath=str(recording), frame_start=FIRST)
    assert "These shape keys reach their slider limits: cheekPuff." in capfd.readouterr().out


def test_five_minutes_come_in_and_go_out(bare: Stage, tmp_path: Path) -> None:
    count = 5 * 60 * 30
    values = 0.5 + 0.4 * np.sin(np.arange(count) / 7.0)
    turns = 0.2 * np.sin(np.arange(count)[:, None] / [11.0, 13.0, 17.0])
    path = tmp_path / "long.csv"
    write_live_link(path, np.arange(count) / 30.0, dict.fromkeys(CONTROL_NAMES, values), turns, (turns, turns))
    bare.scene.render.fps = 30
    for again in range(2):
        started = time.perf_counter()
        bpy.ops.retake.import_live_link(filepath=str(path), frame_start=1 + again * count)
        print(f"Five minutes in: {time.perf_counter() - started:.1f} s")
    assert len(bare.table("jawOpen")) == 2 * count
    started = time.perf_counter()
    bpy.ops.retake.export_live_link(filepath=str(tmp_path / "out.csv"), frame_start=1, frame_end=900)
    print(f"Half a minute out: {time.perf_counter() - started:.1f} s")
    assert np.abs(read_live_link(tmp_path / "out.csv").controls["jawOpen"] - values[:900]).max() < 1e-5
