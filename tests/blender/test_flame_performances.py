# SPDX-License-Identifier: GPL-3.0-or-later
"""FLAME parameters onto a head and out again; vertices out."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest

from retake.addon import compat
from retake.addon.core.flame_file import flame_of
from retake.addon.core.flame_layouts import read_performance
from retake.addon.core.flame_sequence import FlameSequence, write_sequence
from retake.addon.core.rotations import angles_between
from retake.addon.operators.session import session
from retake.addon.scene.axes import MODEL_TO_BLENDER
from retake.addon.scene.flame_head import control_expressions, jaw_turns, joints_are_due, key_name
from retake.addon.scene.shot import find_head
from retake.backend.protocol import JOINT_NAMES
from retake.tests.flame_files import needs_template, standin

from .helpers import Stage, error_of, evaluated_points

pytestmark = needs_template
COUNT, FIRST = 12, 5
IDENTITIES, EXPRESSIONS = 12, 20
MODES = ("QUATERNION", "AXIS_ANGLE", "XYZ", "ZYX", "YXZ")


@pytest.fixture
def head(empty_scene: bpy.types.Scene, flame_file: Path) -> Stage:
    bpy.ops.retake.add_flame_head(filepath=str(flame_file), identity=IDENTITIES, expression=EXPRESSIONS)
    return Stage(find_head(bpy.context))


def sequence(expressions: int = EXPRESSIONS, identities: int = IDENTITIES, fps: float | None = 24.0) -> FlameSequence:
    """A smooth performance of everything that a FLAME head can do."""
    rng, time = np.random.default_rng(4), np.arange(COUNT)[:, None] / COUNT
    expression = 1.5 * np.sin(6.0 * time * rng.uniform(0.2, 1.5, expressions) + rng.uniform(0.0, 6.0, expressions))
    poses = {
        joint: 0.5 * np.sin(6.0 * time * rng.uniform(0.2, 1.2, 3) + rng.uniform(0.0, 6.0, 3)) for joint in JOINT_NAMES
    }
    place = 0.05 * np.sin(5.0 * time + [0.0, 1.0, 2.0])
    return FlameSequence(expression, poses, rng.normal(0.0, 1.0, identities), place, fps, "somebody")


def written(path: Path, performance: FlameSequence | None = None) -> Path:
    write_sequence(path, performance or sequence())
    return path


def taken_out(folder: Path) -> FlameSequence:
    path = folder / "out.npz"
    bpy.ops.retake.export_flame_parameters(filepath=str(path), frame_start=FIRST, frame_end=FIRST + COUNT - 1)
    found, layout = read_performance(path)
    assert layout == "Retake"
    return found


def turn_modes(head: Stage, mode: str) -> None:
    for joint in JOINT_NAMES:
        head.rig.pose.bones[joint].rotation_mode = mode


@pytest.mark.parametrize("mode", MODES)
def test_parameters_come_back_from_the_head(head: Stage, tmp_path: Path, mode: str) -> None:
    turn_modes(head, mode)
    bpy.ops.retake.import_flame_parameters(filepath=str(written(tmp_path / "in.npz")), frame_start=FIRST)
    back, there = taken_out(tmp_path), sequence()
    worst = np.abs(back.expression[:, :EXPRESSIONS] - there.expression).max()
    angle = max(angles_between(back.poses[joint], there.poses[joint]).max() for joint in JOINT_NAMES)
    assert back.translation is not None
    assert there.translation is not None
    place = np.abs(back.translation - there.translation).max()
    print(f"FLAME, bones in {mode}: expression {worst:.1e}, angle {angle:.1e} rad, place {place:.1e} m")
    assert worst < 1e-5
    assert angle < 1e-5
    assert place < 1e-5
    assert np.abs(back.expression[:, EXPRESSIONS:]).max() == 0.0
    assert np.abs(back.identity - there.identity).max() < 1e-5
    assert (back.fps, back.model) == (24.0, "somebody")


@pytest.mark.parametrize("mode", MODES)
def test_the_head_is_the_models(head: Stage, tmp_path: Path, mode: str) -> None:
    turn_modes(head, mode)
    bpy.ops.retake.import_flame_parameters(filepath=str(written(tmp_path / "in.npz")), frame_start=FIRST)
    assert not joints_are_due(head.head, head.rig)
    model, there = flame_of(standin().arrays, "stand-in"), sequence()
    assert there.translation is not None
    out = tmp_path / "out.npy"
    bpy.ops.retake.export_vertices(filepath=str(out), frame_start=FIRST, frame_end=FIRST + COUNT - 1)
    vertices = np.load(out, allow_pickle=False)
    assert vertices.shape == (COUNT, 15069)
    for frame in range(COUNT):
        turns = np.stack([there.poses[joint][frame] for joint in JOINT_NAMES])
        wanted = model.vertices(there.identity, there.expression[frame], turns) + there.translation[frame]
        off = np.abs(vertices[frame].reshape(-1, 3) - wanted).max()
        assert off < 1e-4
    bpy.context.scene.frame_set(FIRST + COUNT - 1)
    assert np.abs(evaluated_points(head) - vertices[-1].reshape(-1, 3) @ MODEL_TO_BLENDER.T).max() < 1e-6


def test_keys_are_a_bake_and_identity_is_none(head: Stage, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    bpy.ops.retake.import_flame_parameters(filepath=str(written(tmp_path / "in.npz")), frame_start=FIRST)
    said = capfd.readouterr().out
    assert "Keyed 20 shape keys, turn of root, turn of neck, turn of jaw, turn of left eye, turn of right eye, " in said
    assert "place of root on frames 5 to 16." in said
    assert "Recognised as Retake, 12 frames at 24 a second." in said
    assert "Identity: 12 keys set." in said
    curves = Stage.all_keys_of(head.key)
    assert set(curves) == {(f'key_blocks["{key_name("Expression", n)}"].value', 0) for n in range(EXPRESSIONS)}
    assert all([frame for frame, _ in keys] == list(range(FIRST, FIRST + COUNT)) for keys in curves.values())
    assert len(Stage.all_keys_of(head.rig)) == 5 * 4 + 3
    assert all(point.type == "JITTER" for curve in compat.fcurves_of(head.rig) for point in curve.keyframe_points)


def test_more_and_fewer_components_are_said(head: Stage, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bpy.ops.retake.import_flame_parameters(filepath=str(written(tmp_path / "more.npz", sequence(50, 100))))
    said = capfd.readouterr().out
    assert "Left out, as the head has no place for them: Expression 021 to 050." in said
    assert "Of identity, the head has no keys for Identity 013 to 100." in said
    bpy.ops.retake.import_flame_parameters(filepath=str(written(tmp_path / "fewer.npz", sequence(10, 3))))
    said = capfd.readouterr().out
    assert "Keyed 10 shape keys" in said
    assert "Left as they are, as the file does not tell them: Expression 011 to 020." in said


def test_identity_and_place_can_be_left(head: Stage, tmp_path: Path) -> None:
    path = written(tmp_path / "in.npz")
    bpy.ops.retake.import_flame_parameters(filepath=str(path), frame_start=FIRST, identity=False, place=False)
    assert head.key.key_blocks[key_name("Identity", 0)].value == 0.0
    assert not any("location" in data_path for data_path, _ in Stage.all_keys_of(head.rig))


def test_an_identity_that_is_animated_is_left(head: Stage, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    head.key.key_blocks[key_name("Identity", 2)].driver_add("value").driver.expression = "0.25"
    bpy.ops.retake.import_flame_parameters(filepath=str(written(tmp_path / "in.npz")))
    said = capfd.readouterr().out
    assert "Identity: 11 keys set." in said
    assert "Left as they are, as they are animated: Identity 003." in said
    assert head.key.key_blocks[key_name("Identity", 1)].value == pytest.approx(sequence().identity[1])


def test_a_rate_that_the_file_does_not_tell_is_asked(head: Stage, tmp_path: Path) -> None:
    turns = np.zeros((COUNT, 6))
    np.savez(tmp_path / "talk.npz", exp=sequence().expression, pose=turns, shape=np.zeros((COUNT, 100)))
    bpy.ops.retake.import_flame_parameters(filepath=str(tmp_path / "talk.npz"), frame_start=1, fps=12.0)
    keys = Stage.all_keys_of(head.key)[(f'key_blocks["{key_name("Expression", 0)}"].value', 0)]
    assert len(keys) == 2 * COUNT - 1
    assert [value for _, value in keys[::2]] == pytest.approx(sequence().expression[:, 0], abs=1e-6)


def test_a_folder_is_one_performance(head: Stage, tmp_path: Path) -> None:
    there = sequence()
    for frame in range(COUNT):
        pose = np.concatenate([there.poses[joint][frame] for joint in ("root", "jaw")])[None]
        np.savez(tmp_path / f"{frame}.npz", exp=there.expression[[frame]], pose=pose, cam=np.zeros((1, 3)))
    bpy.ops.retake.import_flame_parameters(filepath=str(tmp_path), frame_start=FIRST, fps=24.0)
    back = taken_out(tmp_path)
    assert np.abs(back.expression[:, :EXPRESSIONS] - there.expression).max() < 1e-5
    assert angles_between(back.poses["jaw"], there.poses["jaw"]).max() < 1e-5


def test_what_the_controls_do_goes_out_as_parameters(head: Stage, tmp_path: Path) -> None:
    for name, value in (("jawOpen", 0.8), ("mouthSmileLeft", 0.6), ("browInnerUp", 0.5)):
        head.key.key_blocks[name].value = value
    head.key.key_blocks[key_name("Expression", 3)].value = 0.7
    back = taken_out(tmp_path)
    model = flame_of(standin().arrays, "stand-in")
    assert back.expression.shape == (COUNT, 100)
    turns = np.stack([back.poses[joint][0] for joint in JOINT_NAMES])
    assert np.linalg.norm(back.poses["jaw"][0]) > 0.1
    wanted = model.vertices(back.identity, back.expression[0], turns) @ MODEL_TO_BLENDER.T
    assert np.abs(evaluated_points(head) - wanted).max() < 1e-4


def test_a_take_goes_out_as_parameters(head: Stage, speech: Path, tmp_path: Path) -> None:
    bpy.ops.retake.import_audio(filepath=str(speech), frame=1)
    bpy.ops.retake.new_takes(count=1, seed=0)
    back = taken_out(tmp_path)
    bpy.ops.retake.export_vertices(filepath=str(tmp_path / "v"), frame_start=FIRST, frame_end=FIRST + COUNT - 1)
    vertices = np.load(tmp_path / "v.npy", allow_pickle=False).reshape(COUNT, -1, 3)
    model = flame_of(standin().arrays, "stand-in")
    assert np.ptp(back.expression, axis=0).max() > 0.05
    for frame in range(COUNT):
        turns = np.stack([back.poses[joint][frame] for joint in JOINT_NAMES])
        assert np.abs(model.vertices((), back.expression[frame], turns) - vertices[frame]).max() < 1e-4


def test_controls_that_play_on_top_are_said(head: Stage, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path / "in.npz")
    bpy.ops.retake.import_flame_parameters(filepath=str(path))
    assert "on top" not in capfd.readouterr().out
    head.key_value("jawOpen", 3, 0.5)
    bpy.ops.retake.import_flame_parameters(filepath=str(path))
    assert "The named controls play on top of it" in capfd.readouterr().out


@pytest.fixture
def whole_head(empty_scene: bpy.types.Scene, flame_file: Path) -> Stage:
    """A FLAME head with all its expression."""
    bpy.ops.retake.add_flame_head(filepath=str(flame_file), identity=2, expression=100)
    return Stage(find_head(bpy.context))


def spoken(head: Stage) -> tuple[FlameSequence, dict[str, np.ndarray]]:
    """A performance that some controls show, and their weights."""
    time = np.arange(COUNT) / COUNT
    weights = {"jawOpen": 0.5 - 0.5 * np.cos(6.0 * time), "mouthSmileLeft": 0.6 * time, "mouthPucker": 0.3 - 0.3 * time}
    expressions, turns = control_expressions(head.head), jaw_turns(head.head)
    expression = sum(values[:, None] * expressions[name] for name, values in weights.items())
    jaw = sum(values[:, None] * turns[name] for name, values in weights.items() if name in turns)
    neck = 0.2 * np.sin(5.0 * time)[:, None] * [1.0, 0.5, 0.2]
    return FlameSequence(expression, {JOINT_NAMES[1]: neck, JOINT_NAMES[2]: jaw}, fps=24.0), weights


def drawn(folder: Path) -> np.ndarray:
    bpy.ops.retake.export_vertices(filepath=str(folder / "v"), frame_start=FIRST, frame_end=FIRST + COUNT - 1)
    return np.load(folder / "v.npy", allow_pickle=False).reshape(COUNT, -1, 3)


def test_a_performance_comes_onto_the_controls(
    whole_head: Stage, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    performance, weights = spoken(whole_head)
    path = written(tmp_path / "in.npz", performance)
    bpy.ops.retake.import_flame_parameters(filepath=str(path), frame_start=FIRST)
    assert "Takes add to it: import it On the Controls where they shall replace it." in capfd.readouterr().out
    exact = drawn(tmp_path)
    bpy.ops.retake.import_flame_parameters(filepath=str(path), frame_start=FIRST, controls=True)
    told = capfd.readouterr().out
    worst = 1000.0 * np.linalg.norm(drawn(tmp_path) - exact, axis=2).max()
    print(f"FLAME on the controls: {worst:.3f} mm")
    assert worst < 0.3
    assert "The controls come within 0.0" in told
    assert "add to it" not in told
    frames = np.arange(FIRST, FIRST + COUNT)
    for name, values in weights.items():
        assert np.abs(whole_head.at(name, frames) - values).max() < 0.03
    curves = Stage.all_keys_of(whole_head.key)
    expression = curves[(f'key_blocks["{key_name("Expression", 0)}"].value', 0)]
    assert {value for frame, value in expression if frame in frames} == {0.0}


def test_takes_replace_a_performance_on_the_controls(whole_head: Stage, speech: Path, tmp_path: Path) -> None:
    path = written(tmp_path / "in.npz", spoken(whole_head)[0])
    bpy.ops.retake.import_audio(filepath=str(speech), frame=1)
    bpy.ops.retake.import_flame_parameters(filepath=str(path), frame_start=FIRST, controls=True)
    brought = drawn(tmp_path)
    whole_head.generate(count=1, parts={"MOUTH"}, bakes="REDO")
    assert np.linalg.norm(drawn(tmp_path) - brought, axis=2).max() > 1e-3
    assert not any("expression keys" in notice for notice in session.job.order.notices)
    bpy.ops.retake.show_original()
    assert np.abs(drawn(tmp_path) - brought).max() < 1e-6
    bpy.ops.retake.import_flame_parameters(filepath=str(path), frame_start=FIRST)
    whole_head.generate(count=1, parts={"MOUTH"}, bakes="REDO")
    assert any("expression keys are animated, and takes add" in notice for notice in session.job.order.notices)
    bpy.ops.retake.import_flame_parameters(filepath=str(path), frame_start=FIRST, controls=True)
    whole_head.generate(count=1, parts={"MOUTH"}, bakes="REDO")
    assert not any("expression keys" in notice for notice in session.job.order.notices), "they rest"


def test_other_heads_and_files_are_refused(empty_scene: bpy.types.Scene, tmp_path: Path) -> None:
    bpy.ops.retake.add_head()
    assert not bpy.ops.retake.import_flame_parameters.poll()
    assert not bpy.ops.retake.export_flame_parameters.poll()


def test_a_wrong_file_changes_nothing(head: Stage, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros(3), b=np.zeros(4))
    sentence = error_of(bpy.ops.retake.import_flame_parameters, filepath=str(tmp_path / "x.npz"))
    assert sentence.startswith("'x.npz' holds a, b: no FLAME parameters that are known. Known are the files of ")
    assert head.key.animation_data is None or head.key.animation_data.action is None


def test_joints_that_cannot_be_moved_are_said(head: Stage, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    head.rig.hide_set(True)
    bpy.ops.retake.import_flame_parameters(filepath=str(written(tmp_path / "in.npz")))
    assert "The bones of 'somebody Rig' cannot be edited." in capfd.readouterr().out
    assert joints_are_due(head.head, head.rig)


def test_centimetres_go_out_as_metres(empty_scene: bpy.types.Scene, tmp_path: Path) -> None:
    mesh = bpy.data.meshes.new("small")
    mesh.from_pydata([(0.0, 0.0, 0.0), (0.0, 0.0, 30.0), (20.0, 0.0, 10.0)], [], [(0, 1, 2)])
    small = bpy.data.objects.new("small", mesh)
    empty_scene.collection.objects.link(small)
    small.shape_key_add(name="Basis")
    small.shape_key_add(name="jawOpen")
    bpy.context.view_layer.objects.active = small
    bpy.ops.retake.export_vertices(filepath=str(tmp_path / "v"), frame_start=1, frame_end=2)
    assert np.load(tmp_path / "v.npy")[0] == pytest.approx(np.array([[0, 0, 0], [0, 0.3, 0], [0.2, 0.1, 0]]))


def test_vertices_of_any_head_are_in_metres(empty_scene: bpy.types.Scene, tmp_path: Path) -> None:
    bpy.ops.retake.add_head()
    stage = Stage(bpy.context.object)
    stage.key_value("jawOpen", 1, 0.0)
    stage.key_value("jawOpen", 3, 1.0)
    bpy.ops.retake.export_vertices(filepath=str(tmp_path / "v"), frame_start=1, frame_end=3)
    vertices = np.load(tmp_path / "v.npy", allow_pickle=False)
    assert vertices.shape == (3, len(stage.head.data.vertices), 3)
    assert 0.2 < np.ptp(vertices[0, :, 1]) < 0.5  # Y is up
    assert np.abs(vertices[2] - vertices[0]).max() > 0.01
    stage.head.modifiers.new("Subdivision", "SUBSURF").levels = 1
    sentence = error_of(bpy.ops.retake.export_vertices, filepath=str(tmp_path / "w"), frame_start=1, frame_end=3)
    assert "but its mesh has" in sentence
    assert not (tmp_path / "w.npy").exists()
