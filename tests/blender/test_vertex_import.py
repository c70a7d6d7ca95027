# SPDX-License-Identifier: GPL-3.0-or-later
"""Sequences of vertices put on heads in Blender: the drawn mesh is the file's, at the scene's frames."""

from __future__ import annotations

import pickle
from pathlib import Path

import bpy
import numpy as np
import pytest

from retake.addon import compat
from retake.addon.core.vertex_fit import FitRig, fit_vertices, show
from retake.addon.operators.session import session
from retake.addon.scene.axes import to_blender
from retake.addon.scene.fitted_head import CORRECTIVE, read_head
from retake.addon.scene.shot import find_head
from retake.tests.flame_files import needs_template

from .helpers import Stage, error_of, evaluated_points

JITTER = 3
N = 24


@pytest.fixture
def ours(empty_scene: bpy.types.Scene) -> Stage:
    bpy.ops.retake.add_head()
    return Stage(bpy.context.object)


def waves(rng: np.random.Generator, count: int, frames: int = N) -> np.ndarray:
    """(frames, count) smooth curves from 0 to 1 that start at 0."""
    time = np.arange(frames)[:, None] / frames
    return 0.5 - 0.5 * np.cos(2 * np.pi * time * rng.integers(1, 3, count))


def motion(rig: FitRig, seed: int = 0, frames: int = N) -> np.ndarray:
    """(frames, V, 3) m, a motion that the head can show: some of its keys, and its jaw."""
    rng = np.random.default_rng(seed)
    weights = waves(rng, len(rig.fields), frames) * 0.6 * (rng.random(len(rig.fields)) < 0.3)
    turn = waves(rng, 3, frames) * np.array([0.15, 0.04, 0.02])
    return rig.template + show(rig, weights, turn + weights @ rig.jaw.turns)


def written(tmp_path: Path, vertices: np.ndarray, name: str = "prediction.npy") -> str:
    path = tmp_path / name
    np.save(path, vertices.astype(np.float32).reshape(len(vertices), -1))
    return str(path)


def apart_mm(stage: Stage, frame: int, vertices: np.ndarray, subframe: float = 0.0) -> float:
    """Largest distance of the drawn mesh at a frame from vertices in model axes, mm."""
    bpy.context.scene.frame_set(frame, subframe=subframe)
    return 1000.0 * float(np.linalg.norm(evaluated_points(stage) - to_blender(vertices), axis=1).max())


def correctives_of(stage: Stage) -> list[str]:
    return [block.name for block in stage.key.key_blocks if block.name.startswith(CORRECTIVE)]


def bumps(template: np.ndarray, count: int, seed: int = 3) -> np.ndarray:
    """(count, V, 3) m, smooth fields of up to 1.5 mm about places of the face that no key knows."""
    rng = np.random.default_rng(seed)
    centres = template[rng.choice(len(template), count)]
    near = np.exp(-0.5 * (np.linalg.norm(template[None] - centres[:, None], axis=2) / 0.02) ** 2)
    ways = rng.standard_normal((count, 1, 3))
    return 1.5e-3 * near[..., None] * ways / np.linalg.norm(ways, axis=2, keepdims=True)


def test_the_built_in_head_shows_the_file(ours: Stage, tmp_path: Path) -> None:
    bpy.context.scene.render.fps = 30
    vertices = motion(read_head(ours.head).rig)
    assert bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), frame_start=5, correctives=False) == {
        "FINISHED"
    }
    assert max(apart_mm(ours, 5 + frame, vertices[frame]) for frame in (0, 7, 12, N - 1)) < 0.02
    assert not correctives_of(ours)
    table = ours.table("jawOpen")
    assert table["co"][:, 0].tolist() == [5.0 + frame for frame in range(N)]
    assert (table["type"] == JITTER).all()


@needs_template
@pytest.mark.parametrize("mode", ["QUATERNION", "XYZ", "AXIS_ANGLE"])
def test_a_flame_head_shows_the_file(empty_scene: bpy.types.Scene, flame_file: Path, tmp_path: Path, mode: str) -> None:
    bpy.ops.retake.add_flame_head(filepath=str(flame_file), identity=4, expression=20)
    stage = Stage(find_head(bpy.context))
    bpy.context.scene.render.fps = 30
    stage.rig.pose.bones["jaw"].rotation_mode = mode
    stage.key.key_blocks["Identity 001"].value = 1.5
    bpy.ops.retake.update_joints()
    vertices = motion(read_head(stage.head).rig)
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), frame_start=1)
    assert max(apart_mm(stage, 1 + frame, vertices[frame]) for frame in (0, 7, 12, N - 1)) < 0.1
    assert not correctives_of(stage), "the keys and the jaw can show it"


def test_what_the_keys_cannot_show_becomes_corrective_keys_and_one_undo_takes_all_away(
    ours: Stage, tmp_path: Path
) -> None:
    bpy.context.scene.render.fps = 30
    rig = read_head(ours.head).rig
    beside = waves(np.random.default_rng(5), 4) @ bumps(rig.template, 4).reshape(4, -1)
    vertices = motion(rig) + beside.reshape(N, -1, 3)
    before = [block.name for block in ours.key.key_blocks]
    bpy.ops.ed.undo_push(message="before")
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), frame_start=1)
    bpy.ops.ed.undo_push(message="after")
    assert 1 <= len(correctives_of(ours)) <= 24
    assert correctives_of(ours)[0] == "retake corrective 01"
    assert max(apart_mm(ours, 1 + frame, vertices[frame]) for frame in range(0, N, 3)) < 0.105
    bpy.ops.ed.undo()
    assert [block.name for block in ours.key.key_blocks] == before
    assert not ours.all_keys_of(ours.key)
    assert not ours.all_keys_of(ours.rig)
    bpy.ops.ed.redo()
    assert correctives_of(ours)
    assert apart_mm(ours, 10, vertices[9]) < 0.105


def test_without_correctives_the_rest_is_told(ours: Stage, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bpy.context.scene.render.fps = 30
    rig = read_head(ours.head).rig
    beside = waves(np.random.default_rng(5), 4) @ bumps(rig.template, 4).reshape(4, -1)
    vertices = motion(rig) + beside.reshape(N, -1, 3)
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), frame_start=1, correctives=False)
    told = capfd.readouterr().out
    fit = fit_vertices(rig, (vertices - rig.template).astype(np.float32))
    assert f"{fit.worst_mm.max():.2f} mm at most: more than 0.1 mm" in told
    worst = int(np.argmax(fit.worst_mm))
    assert f"frame {worst}." in told
    assert apart_mm(ours, 1 + worst, vertices[worst]) == pytest.approx(fit.worst_mm.max(), abs=0.02)


@pytest.mark.parametrize(("fps", "base", "rate"), [(24, 1.0, 60.0), (60, 1.0, 30.0), (24000 / 1001, 1.0, 25.0)])
def test_it_is_resampled_to_the_scenes_rate(ours: Stage, tmp_path: Path, fps: float, base: float, rate: float) -> None:
    render = bpy.context.scene.render
    render.fps, render.fps_base = round(fps), round(fps) / fps * base
    rig = read_head(ours.head).rig
    weights = np.zeros((40, len(rig.fields)))
    weights[:, [block.name for block in ours.key.key_blocks].index("jawOpen") - 1] = (
        np.sin(np.arange(40) / 12.0) * 0.5 + 0.5
    )
    vertices = rig.template + show(rig, weights, np.zeros((40, 3)))
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), frame_start=11, fps=rate, correctives=False)
    frames = ours.table("jawOpen")["co"][:, 0]
    scene_rate = render.fps / render.fps_base
    assert frames[0] == 11
    assert frames[-1] == np.floor(11 + 39 * scene_rate / rate + 1e-6)
    wanted = np.sin((frames - 11) / scene_rate * rate / 12.0) * 0.5 + 0.5
    assert np.abs(ours.at("jawOpen", frames) - wanted).max() < 0.005


def test_locked_muted_and_driven_keys_stay_and_the_others_fit_around_them(
    ours: Stage, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bpy.context.scene.render.fps = 30
    vertices = motion(read_head(ours.head).rig)
    ours.key_value("mouthSmileLeft", 1, 0.4)
    ours.curve("mouthSmileLeft").lock = True
    driver = ours.key.key_blocks["browInnerUp"].driver_add("value").driver
    driver.type, driver.expression = "SCRIPTED", "0.3"
    bpy.context.view_layer.update()
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), frame_start=1, correctives=False)
    assert "mouthSmileLeft (locked)" in capfd.readouterr().out
    assert len(ours.table("mouthSmileLeft")) == 1
    assert ours.curve("browInnerUp") is None
    fitted = read_head(ours.head)
    held = fitted.held_weights(bpy.context.scene, np.arange(1.0, N + 1.0))
    names = [target.curve_id for target in fitted.targets]
    assert np.allclose(held[:, names.index("mouthSmileLeft")], 0.4)
    assert np.allclose(held[:, names.index("browInnerUp")], 0.3)
    fit = fit_vertices(fitted.rig, (vertices - fitted.rig.template).astype(np.float32), held)
    assert apart_mm(ours, 13, vertices[12]) == pytest.approx(fit.worst_mm[12], abs=0.02)


def test_keys_outside_the_stretch_stay(ours: Stage, tmp_path: Path) -> None:
    bpy.context.scene.render.fps = 30
    vertices = motion(read_head(ours.head).rig)
    for frame, value in ((1, 0.2), (20, 0.9), (100, 0.7)):
        ours.key_value("jawOpen", frame, value)
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), frame_start=11, correctives=False)
    table = ours.table("jawOpen")
    assert table["co"][:, 0].tolist() == [1.0, *range(10, 12 + N), 100.0]
    assert table["co"][[0, -1], 1] == pytest.approx([0.2, 0.7])
    assert table["type"][[0, -1]].tolist() == [0, 0]


def test_what_plays_beside_the_stretch_stays(ours: Stage, tmp_path: Path) -> None:
    bpy.context.scene.render.fps = 30
    vertices = motion(read_head(ours.head).rig)
    for frame, value in ((1, 0.2), (5, 0.7), (20, 0.9), (60, 0.7), (70, 0.3)):
        ours.key_value("jawOpen", frame, value)
    outside = np.concatenate((np.arange(0.0, 9.01, 0.25), np.arange(10.0 + N, 90.0, 0.25)))
    before = ours.at("jawOpen", outside)
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), frame_start=10, correctives=False)
    assert np.abs(ours.at("jawOpen", outside) - before).max() < 1e-6


def test_what_only_the_nla_plays_goes_on_beside(ours: Stage, tmp_path: Path) -> None:
    vertices = motion(read_head(ours.head).rig)
    ours.key_value("jawOpen", 1, 0.5)
    ours.key_value("jawOpen", 80, 0.9)
    bpy.context.view_layer.update()
    compat.push_down(ours.key, "below")
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), frame_start=10, correctives=False)
    assert ours.weights(80)["jawOpen"] == pytest.approx(0.9)
    assert ours.weights(15)["jawOpen"] == pytest.approx(float(ours.at("jawOpen", [15])[0]), abs=1e-5)


def test_in_an_action_of_the_animators_the_others_fit_around_what_the_nla_plays(
    ours: Stage, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bpy.context.scene.render.fps = 30
    rig = read_head(ours.head).rig
    ours.key_value("jawOpen", 1, 0.5)
    compat.push_down(ours.key, "below")
    ours.key_value("tongueOut", 1, 0.1)
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, motion(rig)), frame_start=10, correctives=False)
    assert "Not written: jawOpen (played by the NLA)." in capfd.readouterr().out
    assert ours.curve("jawOpen") is None
    held = read_head(ours.head).held_weights(bpy.context.scene, np.arange(10.0, 10.0 + N))
    assert np.nanmax(np.abs(held - 0.5)) < 1e-6
    fit = fit_vertices(rig, (motion(rig) - rig.template).astype(np.float32), held)
    assert apart_mm(ours, 22, motion(rig)[12]) == pytest.approx(fit.worst_mm[12], abs=0.02)


def test_other_meshes_of_the_character_play_along(ours: Stage, tmp_path: Path) -> None:
    mesh = bpy.data.meshes.new("teeth")
    mesh.from_pydata([(0.0, 0.0, 0.0), (0.0, 0.0, 0.1), (0.1, 0.0, 0.0)], [], [(0, 1, 2)])
    teeth = bpy.data.objects.new("teeth", mesh)
    bpy.context.scene.collection.objects.link(teeth)
    teeth.parent = ours.rig
    for name in ("Basis", "jawOpen"):
        teeth.shape_key_add(name=name)
    vertices = motion(read_head(ours.head).rig)
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), frame_start=10, correctives=False)
    path = ('key_blocks["jawOpen"].value', 0)
    assert ours.all_keys_of(mesh.shape_keys)[path] == ours.all_keys_of(ours.key)[path]


def test_what_is_left_out_and_a_scene_that_ends_before_are_said(
    ours: Stage, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    vertices = motion(read_head(ours.head).rig)
    ours.key.key_blocks["jawLeft"].mute = True
    ours.key.key_blocks["mouthPucker"].vertex_group = ours.head.vertex_groups[0].name
    bpy.context.scene.frame_start, bpy.context.scene.frame_end, bpy.context.scene.render.fps = 101, 110, 30
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), correctives=False)
    told = capfd.readouterr().out
    assert f"prediction.npy: {N} frames at 30 fps, keyed on frames 101 to {100 + N}." in told
    assert "Left out, as they are muted or limited to a vertex group: jawLeft, mouthPucker." in told
    assert "The scene ends at frame 110, before the performance does." in told
    assert ours.table("jawOpen")["co"][0, 0] == 101.0


def test_a_motion_of_the_whole_head_goes_onto_the_root(ours: Stage, tmp_path: Path) -> None:
    bpy.context.scene.render.fps = 30
    still = motion(read_head(ours.head).rig)
    angle = 0.3 * np.sin(np.arange(N) / 6.0)
    turn = np.array([[[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]] for a in angle])
    vertices = np.einsum("nab,nvb->nva", turn, still) + np.stack([0 * angle, 0.1 * angle, 0.2 * angle], -1)[:, None]
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), frame_start=1, correctives=False)
    assert max(apart_mm(ours, 1 + frame, vertices[frame]) for frame in (0, 9, 14, N - 1)) < 0.3
    neck = ours.neck.matrix.to_3x3()
    bpy.context.scene.frame_set(10)
    assert ours.neck.matrix.to_3x3() != neck


def test_a_neck_that_is_keyed_does_not_turn_the_head_once_more(ours: Stage, tmp_path: Path) -> None:
    bpy.context.scene.render.fps = 30
    still = motion(read_head(ours.head).rig)
    ours.neck.rotation_quaternion = (0.98, 0.0, 0.2, 0.0)
    ours.neck.keyframe_insert("rotation_quaternion", frame=1)
    angle = 0.3 * np.sin(np.arange(N) / 6.0)
    turn = np.array([[[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]] for a in angle])
    vertices = np.einsum("nab,nvb->nva", turn, still)
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), frame_start=1, correctives=False)
    assert max(apart_mm(ours, 1 + frame, vertices[frame]) for frame in (0, 9, 14, N - 1)) < 0.3
    for name in ours.neck_ids():
        ours.curve(name).lock = True
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), frame_start=1, correctives=False)
    assert "Left as they are, as they are locked: turn of neck." in session.sentence


def test_what_a_take_shows_comes_back_from_its_vertices(stage: Stage, tmp_path: Path) -> None:
    stage.generate(count=1)
    out = tmp_path / "out.npy"
    bpy.ops.retake.export_vertices(filepath=str(out), frame_start=1, frame_end=48)
    vertices = np.load(out, allow_pickle=False)
    frames = np.arange(1, 49)
    neck = [stage.at(name, frames) for name in stage.neck_ids()]
    assert np.ptp(neck[1:], axis=1).max() > 0.01
    bpy.ops.retake.show_original()
    bpy.ops.retake.import_vertices(filepath=str(out), frame_start=1, fps=24.0, correctives=False)
    assert max(apart_mm(stage, int(frame), vertices[frame - 1]) for frame in frames[::6]) < 0.05
    back = [stage.at(name, frames) for name in stage.neck_ids()]
    assert np.abs(np.array(back) - neck).max() < 1e-4


@needs_template
def test_a_flame_head_that_turns_on_its_neck_shows_the_file(
    empty_scene: bpy.types.Scene, flame_file: Path, tmp_path: Path
) -> None:
    bpy.ops.retake.add_flame_head(filepath=str(flame_file), identity=2, expression=20)
    stage = Stage(find_head(bpy.context))
    bpy.context.scene.render.fps = 30
    for frame, angle in ((1, -0.2), (12, 0.2)):
        stage.neck.rotation_mode = "XYZ"
        stage.neck.rotation_euler = (0.3 * angle, angle, 0.2 * angle)
        stage.neck.keyframe_insert("rotation_euler", frame=frame)
        stage.key_value("mouthSmileLeft", frame, 0.4 + angle)
    out = tmp_path / "out.npy"
    bpy.ops.retake.export_vertices(filepath=str(out), frame_start=1, frame_end=12)
    vertices = np.load(out, allow_pickle=False).reshape(12, -1, 3)
    bpy.ops.retake.import_vertices(filepath=str(out), frame_start=21, correctives=False)
    worst = max(apart_mm(stage, 21 + frame, vertices[frame]) for frame in range(12))
    print(f"FLAME head on its neck: {worst:.3f} mm")
    assert worst < 2.0  # the pose correctives of the neck are not undone


def test_wrong_files_change_nothing(ours: Stage, tmp_path: Path) -> None:
    vertices = motion(read_head(ours.head).rig)
    wrong = str(tmp_path / "other.npy")
    np.save(wrong, np.zeros((5, 15069), np.float32))
    sentence = error_of(bpy.ops.retake.import_vertices, filepath=wrong)
    assert "5023 vertices a frame, but the head has" in sentence
    vertices[3, 7] = np.nan
    assert "first in frame 3" in error_of(bpy.ops.retake.import_vertices, filepath=written(tmp_path, vertices))
    assert "cannot be read" in error_of(bpy.ops.retake.import_vertices, filepath=str(tmp_path / "none.npy"))
    assert "No file was chosen" in error_of(bpy.ops.retake.import_vertices)
    assert ours.key.animation_data is None
    assert ours.rig.animation_data is None
    assert not correctives_of(ours)


def test_a_take_stands_back_where_a_sequence_was_imported(stage: Stage, tmp_path: Path) -> None:
    stage.generate(count=2)
    vertices = motion(read_head(stage.head).rig)
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), frame_start=10, fps=24.0, correctives=False)
    imported = stage.table("jawOpen")
    ours = imported[imported["type"] == JITTER]
    assert ours["co"][:, 0].tolist() == [10.0 + frame for frame in range(N)]
    assert len(stage.generated("jawOpen")), "the take goes on beside it"
    shown = stage.weights(20)
    bpy.ops.retake.show_take(take=2)
    after = stage.table("jawOpen")
    kept = after[after["type"] == JITTER]
    assert np.array_equal(kept["co"][np.isin(kept["co"][:, 0], ours["co"][:, 0])], ours["co"])
    assert stage.weights(20) == pytest.approx(shown, abs=1e-6)
    stage.generate(count=1, parts={"MOUTH"}, bakes="REDO")
    assert abs(stage.weights(20)["jawOpen"] - shown["jawOpen"]) > 0.01
    bpy.ops.retake.show_original()
    assert stage.weights(20)["jawOpen"] == pytest.approx(shown["jawOpen"], abs=1e-6)


def test_a_jaw_that_is_locked_is_left_and_said(ours: Stage, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bpy.context.scene.render.fps = 30
    vertices = motion(read_head(ours.head).rig)
    jaw = ours.rig.pose.bones["jaw"]
    jaw.keyframe_insert("rotation_quaternion", frame=1)
    for curve in compat.fcurves_of(ours.rig):
        curve.lock = True
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), frame_start=1, correctives=False)
    assert "The bone 'jaw' is locked" in capfd.readouterr().out
    assert {len(keys) for keys in ours.all_keys_of(ours.rig).values()} == {1}


def test_a_head_in_centimetres_without_armature(empty_scene: bpy.types.Scene, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(0.0, 1.0, (400, 3))
    points *= 10.0 / np.linalg.norm(points, axis=1, keepdims=True)  # a ball of 20 cm
    mesh = bpy.data.meshes.new("Ball")
    mesh.from_pydata(to_blender(points).tolist(), [], [])
    ball = bpy.data.objects.new("Ball", mesh)
    empty_scene.collection.objects.link(ball)
    ball.shape_key_add(name="Basis", from_mix=False)
    fields = 100.0 * bumps(points / 100.0, 3)
    for number, field in enumerate(fields):
        key = ball.shape_key_add(name=f"Swell {number}", from_mix=False)
        key.points.foreach_set("co", to_blender(points + field).astype(np.float32).ravel())
        key.value = 0.0
    bpy.context.view_layer.objects.active = ball
    stage = Stage(ball)
    empty_scene.render.fps = 30
    shown = (points + np.tensordot(waves(rng, 3), fields, 1)) / 100.0
    beside = shown + np.tensordot(waves(rng, 2), bumps(points / 100.0, 2, 8), 1)
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, beside), frame_start=1)
    assert 1 <= len(correctives_of(stage)) <= 4
    bpy.context.scene.frame_set(13)
    assert np.linalg.norm(evaluated_points(stage) / 100.0 - to_blender(beside[12]), axis=1).max() < 1.05e-4


def test_somebody_elses_motion_goes_onto_the_heads_own_face(ours: Stage, tmp_path: Path) -> None:
    bpy.context.scene.render.fps = 30
    rig = read_head(ours.head).rig
    own = motion(rig)
    other = 1.05 * rig.template + 3.0 * bumps(rig.template, 2).sum(axis=0)
    neutral = tmp_path / "templates.pkl"
    neutral.write_bytes(pickle.dumps({"Anna": 1000.0 * other, "Bert": 1000.0 * rig.template}, protocol=2))
    path = written(tmp_path, 1000.0 * (other + own - rig.template), "Anna_sentence01.npy")
    bpy.ops.retake.import_vertices(filepath=path, frame_start=1, neutral=str(neutral))
    assert max(apart_mm(ours, 1 + frame, own[frame]) for frame in (0, 7, 12, N - 1)) < 0.1


def test_all_components_of_a_turn_are_keyed(ours: Stage, tmp_path: Path) -> None:
    rig = read_head(ours.head).rig
    turn = np.linspace(0.0, 0.2, N)[:, None] * np.array([1.0, 0.0, 0.0])
    vertices = rig.template + show(rig, np.zeros((N, len(rig.fields))), turn)
    bpy.ops.retake.import_vertices(filepath=written(tmp_path, vertices), frame_start=1, correctives=False)
    keyed = {index for path, index in ours.all_keys_of(ours.rig) if "jaw" in path}
    assert keyed == {0, 1, 2, 3}
    assert not any("root" in path for path, _ in ours.all_keys_of(ours.rig)), "the head stands"
