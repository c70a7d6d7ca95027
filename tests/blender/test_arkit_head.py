# SPDX-License-Identifier: GPL-3.0-or-later
"""A real head that others made, in centimetres, its shape keys spelled their way, without an armature."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest

from retake.addon.core.channels import LipModel
from retake.addon.scene.rig import lip_model
from retake.addon.scene.shot import find_head, lip_pairs, metres_a_unit, open_shot
from retake.addon.scene.targets import control_keys
from retake.backend.protocol import CHANNEL_NAMES
from retake.tools.arrays_head import add_head_of

from .helpers import Stage

ROOT = Path(__file__).resolve().parents[2]
ICT = ROOT.parent / "shared" / "data" / "ict_facekit" / "ict_facekit_light.npz"
SAMPLE = ROOT / "backend" / "assets" / "sample.flac"

pytestmark = pytest.mark.skipif(not ICT.is_file(), reason="the ICT head is not on this computer")


@pytest.fixture
def head(empty_scene: bpy.types.Scene) -> Stage:
    with np.load(ICT) as file:
        points, faces = to_blender(file["neutral"]), file["faces"].tolist()
        names, fields = [str(name) for name in file["expression_names"]], file["expressions"]
    mesh = bpy.data.meshes.new("Somebody")
    mesh.from_pydata(points.tolist(), [], [face[:3] if face[3] < 0 else face for face in faces])
    thing = bpy.data.objects.new("Somebody", mesh)
    empty_scene.collection.objects.link(thing)
    thing.shape_key_add(name="Basis", from_mix=False)
    for name, field in zip(names, fields, strict=True):
        key = thing.shape_key_add(name=name, from_mix=False)
        key.points.foreach_set("co", (points + to_blender(field)).ravel())
        key.value = 0.0
    bpy.context.view_layer.objects.active = thing
    return Stage(thing)


def to_blender(points: np.ndarray) -> np.ndarray:
    return np.stack((points[..., 0], -points[..., 2], points[..., 1]), axis=-1).astype(np.float32)


def test_its_lips_close_where_the_takes_do(head: Stage) -> None:
    assert metres_a_unit(head.head) == 0.01
    assert {"mouthSmileLeft", "jawOpen", "eyeBlinkRight"} <= set(control_keys(head.key))
    bpy.ops.retake.import_audio(filepath=str(SAMPLE), frame=1)
    bpy.ops.retake.new_takes(count=1, seed=0)
    pairs = lip_pairs(head.head)
    frames = np.arange(1, bpy.context.scene.frame_end + 1)
    gaps = np.array([gap_mm(head, pairs, frame) for frame in frames.tolist()])
    model = lip_model(open_shot(bpy.context.scene, find_head(bpy.context)))
    assert 0.0 <= model.neutral_mm < 1.5
    expected = gap_of_channels(head, model, frames)
    assert np.abs(gaps - expected).max() < 0.05
    assert gaps.max() > 5.0
    assert np.percentile(gaps, 15) < 1.5, "it rests and closes"


def gap_mm(head: Stage, pairs: np.ndarray, frame: int) -> float:
    """Gap of the lips on the evaluated mesh at a frame, mm."""
    bpy.context.scene.frame_set(frame)
    evaluated = head.head.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    heights = [[evaluated.vertices[vertex].co.z for vertex in pair] for pair in pairs.tolist()]
    return float(np.mean([upper - lower for upper, lower in heights])) * 10.0


def gap_of_channels(head: Stage, model: LipModel, frames: np.ndarray) -> np.ndarray:
    """The same by what the curves hold, as its sliders clamp it, and the model of the lips."""
    tracks = head.tracks(frames.astype(float))
    track = np.stack([tracks.get(name, np.zeros(len(frames))) for name in CHANNEL_NAMES], axis=-1)
    return model.neutral_mm + np.clip(track, 0.0, 1.0) @ model.slopes


def test_a_head_without_armature_has_no_part_head(head: Stage) -> None:
    assert "head" not in open_shot(bpy.context.scene, head.head).parts
    assert {"mouth", "eyes", "upper_face"} <= set(open_shot(bpy.context.scene, head.head).parts)


def test_the_demos_head_has_a_neck_and_its_real_size(
    empty_scene: bpy.types.Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    add_head_of(ICT)
    head = bpy.context.view_layer.objects.active
    assert "a unit is taken for 0.01 m; 51 controls, without tongueOut." in capsys.readouterr().out
    shot = open_shot(empty_scene, head)
    assert "head" in shot.parts
    assert shot.neck.name == "neck"
    bpy.context.view_layer.update()
    assert 0.2 < head.dimensions.z < 0.5
