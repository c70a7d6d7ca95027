# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads whose shape keys are not ARKit's one by one: both sides in one, one control in two, visemes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import bpy
import numpy as np
import pytest

from retake.addon.core.poses import GROUPS
from retake.addon.core.rig_names import VISEMES, shape_of
from retake.addon.core.steps import finish
from retake.addon.operators.session import session
from retake.addon.scene.rig import build_rig, lip_model
from retake.addon.scene.shot import lip_pairs
from retake.backend.protocol import CHANNEL_NAMES, CONTROL_NAMES, HEAD_ROTATION

from .helpers import Stage, evaluated_points
from .test_character import add_mesh, values_of

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "backend" / "assets" / "sample.flac"
MERGED = ("mouthSmile", "eyeBlink", "browOuterUp")


def points_of(block: bpy.types.ShapeKey) -> np.ndarray:
    """(V, 3) points of a shape key."""
    flat = np.empty(3 * len(block.points), np.float32)
    block.points.foreach_get("co", flat)
    return flat.reshape(-1, 3)


def displacements(stage: Stage) -> dict[str, np.ndarray]:
    """Control -> (V, 3) displacement."""
    basis = points_of(stage.key.reference_key)
    return {name: points_of(stage.key.key_blocks[name]) - basis for name in CONTROL_NAMES}


def remake(stage: Stage, shapes: Mapping[str, np.ndarray]) -> None:
    """Give the head other shape keys than its own."""
    basis = points_of(stage.key.reference_key)
    for name in [block.name for block in stage.key.key_blocks][1:]:
        stage.head.shape_key_remove(stage.key.key_blocks[name])
    for name, field in shapes.items():
        block = stage.head.shape_key_add(name=name, from_mix=False)
        block.points.foreach_set("co", (basis + field).ravel().astype(np.float32))
        block.value = 0.0


@pytest.fixture
def halves(make_stage: Callable[..., Stage]) -> Stage:
    """A head with some shapes for both sides in one, and browInnerUp in two."""
    stage = make_stage(audio=SAMPLE)
    shapes = displacements(stage)
    for name in MERGED:
        shapes[name] = shapes.pop(f"{name}Left") + shapes.pop(f"{name}Right")
    inner = shapes.pop("browInnerUp")
    left = points_of(stage.key.reference_key)[:, :1] > 0.0
    shapes |= {"browInnerUp_L": inner * left, "browInnerUp_R": inner * ~left}
    remake(stage, shapes)
    return stage


@pytest.fixture
def viseme_head(make_stage: Callable[..., Stage]) -> Stage:
    """A head whose mouth has Ready Player Me's visemes and a smile, and no jaw of its own."""
    stage = make_stage(audio=SAMPLE)
    fields = displacements(stage)
    shapes = {name: field for name, field in fields.items() if name.startswith(("brow", "eye"))}
    shapes["mouthSmile"] = fields["mouthSmileLeft"] + fields["mouthSmileRight"]
    spelled = {name: name.upper() if len(name) < 2 or name in ("pp", "ff", "th") else name for name in VISEMES}
    shapes["viseme_sil"] = np.zeros_like(fields["jawOpen"])
    for viseme, name in spelled.items():
        shapes[f"viseme_{name}"] = sum(value * fields[channel] for channel, value in shape_of(viseme).items())
    remake(stage, shapes)
    return stage


def test_merged_and_split_shapes_are_performed(halves: Stage) -> None:
    halves.generate(count=2)
    ids = halves.curve_ids()
    assert {*MERGED, "browInnerUp.left", "browInnerUp.right"} <= set(ids)
    assert {channel for target in halves.shot.targets for channel in target.channels} == set(CHANNEL_NAMES)
    frames = np.arange(1, halves.scene.frame_end + 1)
    tracks = halves.tracks(frames)
    assert np.array_equal(tracks["browInnerUp.left"], tracks["browInnerUp.right"])
    assert np.ptp(tracks["browInnerUp.left"]) > 0.02
    assert tracks["eyeBlink"].max() > 0.8, "it blinks"
    assert np.ptp(tracks["mouthSmile"]) > 0.01


def test_the_merged_head_moves_as_the_one_it_was_made_of(make_stage: Callable[..., Stage], halves: Stage) -> None:
    halves.generate(count=1)
    frame = int(np.argmax(halves.tracks(np.arange(1, 60))["jawOpen"])) + 1
    halves.scene.frame_set(frame)
    merged = evaluated_points(halves)
    whole = make_stage(audio=SAMPLE)
    whole.generate(count=1)
    whole.scene.frame_set(frame)
    apart = np.linalg.norm(evaluated_points(whole) - merged, axis=1)
    assert apart.max() < 2e-3  # m; what differs is what one slider for both sides cannot show, and the take's own draw
    assert np.median(apart) < 2e-4


def test_keys_on_merged_and_split_shapes_are_kept(halves: Stage) -> None:
    halves.generate(count=2)
    key_block(halves, "mouthSmile", 40, 0.7)
    key_block(halves, "browInnerUp_L", 30, 0.5)
    bpy.ops.retake.update_take()
    for take in (1, 2):
        bpy.ops.retake.show_take(take=take)
        assert halves.at("mouthSmile", [40.0])[0] == pytest.approx(0.7, abs=1e-6)
        assert halves.at("browInnerUp.left", [30.0])[0] == pytest.approx(0.5, abs=1e-6)
        for curve_id in ("mouthSmile", "browInnerUp.left", "browInnerUp.right"):
            values = halves.at(curve_id, np.arange(20.0, 60.0, 0.25))
            assert np.abs(np.diff(values, 2)).max() < 0.05, "nothing pops"


def key_block(stage: Stage, name: str, frame: int, value: float) -> None:
    """Key a shape key as an animator does."""
    block = stage.key.key_blocks[name]
    block.value = value
    block.keyframe_insert("value", frame=frame)
    curves = [target.fcurve for target in stage.shot.targets if target.block == block]
    point = next(point for point in curves[0].keyframe_points if abs(point.co[0] - frame) < 0.01)
    point.type = "KEYFRAME"


def gaps_mm(stage: Stage, frames: np.ndarray) -> np.ndarray:
    """(F,) gap of the lips as drawn, mm."""
    pairs, found = lip_pairs(stage.head), []
    for frame in frames.tolist():
        stage.scene.frame_set(int(frame))
        heights = evaluated_points(stage)[pairs][:, :, 2]
        found.append(1000.0 * float((heights[:, 0] - heights[:, 1]).mean()))
    return np.array(found)


def test_visemes_speak(make_stage: Callable[..., Stage], viseme_head: Stage) -> None:
    viseme_head.generate(count=1)
    assert {f"viseme.{name}" for name in VISEMES} <= set(viseme_head.curve_ids())
    frames = np.arange(1, 180, 2)
    tracks = viseme_head.tracks(np.arange(1.0, 180.0))
    for name in VISEMES:
        track = tracks[f"viseme.{name}"]
        assert track.min() > -1e-6
        assert track.max() < 1.0 + 1e-6
    gaps = gaps_mm(viseme_head, frames)
    whole = make_stage(audio=SAMPLE)
    whole.generate(count=1)
    bpy.context.view_layer.objects.active = whole.head
    wanted = gaps_mm(whole, frames)
    assert np.corrcoef(gaps, wanted)[0, 1] > 0.98
    assert np.percentile(gaps, 10) < 1.5, "its lips close"


def test_keyed_visemes_are_kept(viseme_head: Stage) -> None:
    viseme_head.generate(count=2)
    frame = 20 + int(np.argmax(viseme_head.at("viseme.aa", np.arange(20.0, 120.0))))  # not beside closed lips
    key_block(viseme_head, "viseme_aa", frame, 0.9)
    bpy.ops.retake.update_take()
    for take in (2, 1):
        bpy.ops.retake.show_take(take=take)
        assert viseme_head.at("viseme.aa", [float(frame)])[0] == pytest.approx(0.9, abs=1e-6)
        shown = viseme_head.at("viseme.aa", np.arange(frame - 10.0, frame + 10.0))
        assert np.abs(np.diff(shown)).max() < 0.6, "it comes and goes, no pop of one frame"
    before = viseme_head.tracks(np.arange(1.0, 100.0))
    bpy.ops.retake.show_take(take=2)
    bpy.ops.retake.show_take(take=1)
    after = viseme_head.tracks(np.arange(1.0, 100.0))
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_other_meshes_with_visemes_move_with_the_head(viseme_head: Stage) -> None:
    teeth = add_mesh(viseme_head, "Teeth", tuple(block.name for block in viseme_head.key.key_blocks[1:]))
    viseme_head.generate(count=1)
    frames = np.arange(5.0, 150.0, 5.0)
    for name in ("viseme_aa", "viseme_U", "viseme_PP", "mouthSmile", "eyeBlinkLeft"):
        shown = np.clip(values_of(viseme_head.head, name, frames), 0.0, 1.0)
        assert np.allclose(values_of(teeth, name, frames), shown, atol=1e-6)
    assert np.ptp(values_of(teeth, "viseme_aa", frames)) > 0.05


def test_what_would_follow_several_shapes_is_told(viseme_head: Stage) -> None:
    teeth = add_mesh(viseme_head, "Teeth", ("jawOpen",))
    viseme_head.generate(count=1)
    told = "'Teeth' keeps its own jawOpen (it would show several of the head's)."
    assert told in session.job.order.notices
    assert not Stage.all_keys_of(teeth.data.shape_keys)


def test_visemes_rest_once_the_mouth_has_shapes_of_its_own(viseme_head: Stage) -> None:
    viseme_head.generate(count=2)
    for name in CONTROL_NAMES:
        if name.startswith(("mouth", "jaw")):
            viseme_head.head.shape_key_add(name=name, from_mix=False).value = 0.0
    bpy.ops.retake.show_take(take=2)
    paths = {path for path, _ in Stage.all_keys_of(viseme_head.key)}
    assert 'key_blocks["jawOpen"].value' in paths
    assert not any("viseme" in path for path in paths)
    bpy.ops.retake.show_original()
    assert not Stage.all_keys_of(viseme_head.key)
    assert all(block.value == 0.0 for block in viseme_head.key.key_blocks[1:])


def test_mouth_shapes_and_blinks_find_what_shows_them(viseme_head: Stage) -> None:
    viseme_head.scene.frame_set(20)
    bpy.ops.retake.mouth_shape(shape="Oo W", strength=1.0)
    assert viseme_head.at("viseme.u", [20.0])[0] > 0.6
    assert viseme_head.at("viseme.aa", [20.0])[0] < 0.1
    bpy.ops.retake.add_blink()
    assert viseme_head.at("eyeBlinkLeft", [20.0])[0] == pytest.approx(1.0)


def test_original_takes_all_of_it_away(viseme_head: Stage) -> None:
    before = Stage.all_keys_of(viseme_head.key)
    viseme_head.generate(count=1)
    bpy.ops.retake.show_original()
    assert Stage.all_keys_of(viseme_head.key) == before


def test_sparse_keys_stand_on_the_same_frames(viseme_head: Stage) -> None:
    viseme_head.generate(count=1)
    dense = len(viseme_head.table("viseme.aa"))
    viseme_head.record.sparse = True
    frames = [viseme_head.table(f"viseme.{name}")["co"][:, 0] for name in VISEMES]
    assert len(frames[0]) < dense
    assert all(np.array_equal(frames[0], each) for each in frames)


def test_the_rig_tells_what_channels_do(halves: Stage, viseme_head: Stage) -> None:
    bpy.context.view_layer.objects.active = halves.head
    rig = finish(build_rig(halves.shot))
    smile = rig.controls[rig.control_names.index("mouthSmileLeft")]
    assert np.linalg.norm(smile, axis=1).max() > 1e-3
    assert set(rig.channel_names) == set(CHANNEL_NAMES)
    bpy.context.view_layer.objects.active = viseme_head.head
    slopes = lip_model(viseme_head.shot).slopes
    assert slopes[CHANNEL_NAMES.index("jawOpen")] > 10.0
    assert set(GROUPS["head"]) == set(HEAD_ROTATION)
