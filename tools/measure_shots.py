# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of `measure_scene` in Blender: makes each shot with the extension's operators and reads what it shows."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..addon import compat
from ..addon.operators import session
from ..addon.scene.axes import model_to_pose, pose_to_model
from ..addon.scene.shot import find_head, open_shot
from ..backend.protocol import CONTROL_NAMES, PARTS
from .demo_backend import start_backend
from .measure_scene import FIRST_FRAME

_BESIDE = 3  # frames, so that the range's edges can be judged
_HEAD = Path(__file__).parents[1] / "backend" / "assets" / "head.npz"


def shots(options: argparse.Namespace) -> int:
    """Make all shots of plan.json."""
    root = sys.modules["retake"]
    plan = json.loads((options.work / "plan.json").read_text(encoding="utf-8"))
    values = np.load(options.work / "values.npz")
    pairs = np.load(_HEAD)["inner_lip_pairs"]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    root.register()
    try:
        start_backend()
        for number, shot in enumerate(plan):
            new_shot(shot)
            given = {}
            if shot["edit"]:
                given = {"mask": values[f"mask_{number}"], "values": values[f"values_{number}"]}
                given["keyed"] = set_keys(given["mask"], given["values"])
            bpy.ops.retake.new_takes(count=1, seed=0, parts={part.upper() for part in PARTS})
            np.savez(options.work / f"shot_{number}.npz", **given, **read_shot(pairs))
            print(f"\r{number + 1} of {len(plan)} shots", end="", flush=True)
        print()
    finally:
        root.unregister()
    return 0


def new_shot(shot: dict[str, Any]) -> None:
    """A scene with the built-in head and a recording that begins between two frames."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    bpy.context.scene.render.fps = shot["fps"]
    bpy.ops.retake.add_head()
    bpy.ops.retake.import_audio(filepath=shot["path"], frame=FIRST_FRAME)
    (strip,) = compat.sequencer_strips(bpy.context.scene)
    strip.sound_offset = shot["phase"] / shot["fps"]  # strips themselves stand at whole frames


def set_keys(mask: NDArray[np.bool_], values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Key what is given (N, C) at the frames 1 to N; returns the values (N, C) as the scene holds them."""
    shot = open_shot(bpy.context.scene, find_head(bpy.context))
    blocks, neck = shot.head.data.shape_keys.key_blocks, shot.neck
    rest = neck.bone.matrix_local.to_3x3()
    neck.rotation_mode = "QUATERNION"
    keyed = values.astype(np.float64)
    for row in np.flatnonzero(mask.any(axis=1)):
        frame = FIRST_FRAME + int(row)
        for column in np.flatnonzero(mask[row, : len(CONTROL_NAMES)]):
            block = blocks[CONTROL_NAMES[column]]
            block.value = values[row, column]
            keyed[row, column] = block.value  # limited by the slider
            block.keyframe_insert("value", frame=frame)
        if mask[row, len(CONTROL_NAMES) :].any():
            turn = values[row, len(CONTROL_NAMES) :].astype(np.float64)
            neck.rotation_quaternion = model_to_pose(turn, rest).to_quaternion()
            neck.keyframe_insert("rotation_quaternion", frame=frame)
    return keyed


def read_shot(pairs: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Channels (N, C) and lip gap (N,), m, around all that was generated, as evaluated, and the backend's result."""
    scene, job = bpy.context.scene, session.session.job
    shot = open_shot(scene, find_head(bpy.context))
    clock, span = job.order.recording.clock, job.order.span
    blocks, neck = shot.head.data.shape_keys.key_blocks, shot.neck
    rest = neck.bone.matrix_local.to_3x3()
    frames = np.arange(int(clock.frame(span.start)) - _BESIDE, int(clock.frame(span.end)) + _BESIDE + 1)
    tracks, gaps = [], []
    for frame in frames:
        scene.frame_set(int(frame))
        turned = neck.matrix_basis.to_3x3()
        tracks.append([*(blocks[name].value for name in CONTROL_NAMES), *pose_to_model(turned, rest)])
        gaps.append(lip_gap(shot.head, neck, pairs))
    result = job.result
    return {
        "frames": frames,
        "tracks": np.array(tracks),
        "gap": np.array(gaps),
        "edges": np.array([clock.frame(span.start), clock.frame(span.end)]),
        "model": result.arrays["channels"][0],
        "model_start": np.array(result.message["start_frame"]),
        "given_raw": result.arrays["given_raw"],
        "given_channels": np.array(job.order.given.channels),
        "given_values": np.array(job.order.given.values),
    }


def lip_gap(head: Any, neck: Any, pairs: NDArray[np.int64]) -> float:
    """Mean height of the upper inner lip over the lower on the evaluated mesh, its turn undone, not below 0, m."""
    evaluated = head.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = np.empty(3 * len(evaluated.data.vertices), np.float32)
    evaluated.data.vertices.foreach_get("co", points)
    upper, lower = (points.reshape(-1, 3)[column] for column in pairs.T)
    moved = np.array((neck.matrix @ neck.bone.matrix_local.inverted()).to_3x3())
    apart = (upper - lower).astype(np.float64) @ moved  # rows times R are R^T times columns
    return max(0.0, float(apart[:, 2].mean()))
