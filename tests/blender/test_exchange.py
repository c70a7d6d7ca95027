# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's own exporters carry a finished head: what plays here plays after export and import, frame by frame."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
import pytest
from mathutils.kdtree import KDTree

from retake.addon.core.live_link import write_live_link
from retake.backend.protocol import CONTROL_NAMES
from retake.tests.flame_files import needs_template, standin

from .helpers import Stage

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:io_scene_fbx.*")  # of Blender's own
COUNT = 16
FRAMES = (2, 7, 11, 15)
Points = dict[int, np.ndarray]
Exchange = Callable[[Path], None]


_EXPORT_GLTF = """
import os, sys, bpy
bpy.ops.wm.open_mainfile(filepath=sys.argv[1])
bpy.ops.export_scene.gltf(filepath=sys.argv[2], export_animation_mode="ACTIVE_ACTIONS")
os._exit(0)
"""


def gltf(folder: Path) -> None:
    """Active actions merged: where actions have no slots, face and head are two, and would become two clips.

    Exported from the saved file by a Blender without Retake, which skips its own end: the bpy module 4.2 crashes there
    once its glTF exporter was imported, whatever the scene.
    """
    saved, made = folder / "head.blend", folder / "head.glb"
    bpy.ops.wm.save_as_mainfile(filepath=str(saved), copy=True)
    subprocess.run([sys.executable, "-c", _EXPORT_GLTF, str(saved), str(made)], check=True, timeout=300)
    start_anew()
    bpy.ops.import_scene.gltf(filepath=str(made))


def fbx(folder: Path) -> None:
    bpy.ops.export_scene.fbx(filepath=str(folder / "head.fbx"), bake_anim_simplify_factor=0.0, add_leaf_bones=False)
    start_anew()
    bpy.ops.import_scene.fbx(filepath=str(folder / "head.fbx"))


def alembic(folder: Path) -> None:
    bpy.ops.wm.alembic_export(filepath=str(folder / "head.abc"), start=1, end=COUNT)
    start_anew()
    bpy.ops.wm.alembic_import(filepath=str(folder / "head.abc"), as_background_job=False)


def usd(folder: Path) -> None:
    bpy.ops.wm.usd_export(filepath=str(folder / "head.usdc"), export_animation=True)
    start_anew()
    bpy.ops.wm.usd_import(filepath=str(folder / "head.usdc"))


EXCHANGES: dict[str, Exchange] = {"glTF": gltf, "FBX": fbx, "Alembic": alembic, "USD": usd}


def start_anew() -> None:
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.context.scene.render.fps = 24
    bpy.context.scene.frame_start, bpy.context.scene.frame_end = 1, COUNT


def recording(folder: Path) -> Path:
    """A short performance: every control moves, the head turns."""
    time = np.arange(COUNT) / 24.0
    speeds = np.linspace(0.8, 4.0, len(CONTROL_NAMES))
    weights = {
        name: 0.4 + 0.4 * np.sin(speed * 6.0 * time + speed) for name, speed in zip(CONTROL_NAMES, speeds, strict=True)
    }
    head = 0.3 * np.sin(7.0 * time[:, None] + [0.0, 1.0, 2.0])
    still = np.zeros((COUNT, 3))
    write_live_link(folder / "take.csv", time, weights, head, (still, still))
    return folder / "take.csv"


def widen_sliders() -> None:
    """Importers give every shape key the limits 0 to 1; FLAME's pose keys go below."""
    for key in bpy.data.shape_keys:
        for block in key.key_blocks:
            block.slider_min, block.slider_max = -10.0, 10.0


def drawn(frames: tuple[int, ...] = FRAMES) -> Points:
    """Vertices (V, 3) of the only mesh that moves, as drawn in the world, m, a frame."""
    found: Points = {}
    head = max((obj for obj in bpy.context.scene.objects if obj.type == "MESH"), key=lambda obj: len(obj.data.vertices))
    for frame in frames:
        bpy.context.scene.frame_set(frame)
        evaluated = head.evaluated_get(bpy.context.evaluated_depsgraph_get())
        points = np.empty(3 * len(evaluated.data.vertices), np.float32)
        evaluated.data.vertices.foreach_get("co", points)
        matrix = np.array(evaluated.matrix_world)
        found[frame] = points.reshape(-1, 3) @ matrix[:3, :3].T + matrix[:3, 3]
    return found


def apart_mm(one: np.ndarray, other: np.ndarray) -> float:
    """How far the vertices of one are from the nearest ones of the other at most, mm; formats may split vertices."""
    if len(one) == len(other):
        return 1000.0 * float(np.linalg.norm(one - other, axis=1).max())
    tree = KDTree(len(other))
    for place, point in enumerate(other):
        tree.insert(point, place)
    tree.balance()
    return 1000.0 * max(tree.find(point)[2] for point in one)


def check(name: str, before: Points, folder: Path, tolerance_mm: float) -> None:
    EXCHANGES[name](folder)
    widen_sliders()
    after = drawn()
    worst = max(apart_mm(before[frame], after[frame]) for frame in FRAMES)
    moved = max(apart_mm(before[FRAMES[0]], before[frame]) for frame in FRAMES)
    print(f"{name}: {worst:.4f} mm off where the head moves by {moved:.1f} mm")
    assert moved > 10.0
    assert worst < tolerance_mm


@pytest.mark.parametrize("name", EXCHANGES)
def test_exporters_carry_a_finished_head(empty_scene: bpy.types.Scene, tmp_path: Path, name: str) -> None:
    bpy.ops.retake.add_head()
    bpy.ops.retake.import_live_link(filepath=str(recording(tmp_path)), frame_start=1)
    empty_scene.frame_start, empty_scene.frame_end = 1, COUNT
    check(name, drawn(), tmp_path, 0.1)


@needs_template
@pytest.mark.parametrize("name", EXCHANGES)
def test_exporters_carry_a_flame_head(empty_scene: bpy.types.Scene, tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / "somebody.npz", **standin().arrays)
    bpy.ops.retake.add_flame_head(filepath=str(tmp_path / "somebody.npz"), identity=2, expression=4)
    bpy.ops.retake.import_live_link(filepath=str(recording(tmp_path)), frame_start=1)
    empty_scene.frame_start, empty_scene.frame_end = 1, COUNT
    check(name, drawn(), tmp_path, 0.1)


def test_weights_arrive_by_name(empty_scene: bpy.types.Scene, tmp_path: Path) -> None:
    bpy.ops.retake.add_head()
    bpy.ops.retake.import_live_link(filepath=str(recording(tmp_path)), frame_start=1)
    empty_scene.frame_start, empty_scene.frame_end = 1, COUNT
    stage = Stage(bpy.context.object)
    before = {frame: stage.weights(frame) for frame in FRAMES}
    gltf(tmp_path)
    stage = Stage(next(obj for obj in bpy.context.scene.objects if obj.type == "MESH" and obj.data.shape_keys))
    for frame in FRAMES:
        after = stage.weights(frame)
        assert max(abs(after[name] - before[frame][name]) for name in CONTROL_NAMES) < 1e-5
