# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of `speech_pictures` in Blender: heads at frames of a track."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import bpy
import numpy as np

from ..addon.scene import keying
from ..addon.scene.axes import model_to_pose
from ..addon.scene.shot import find_head, open_shot
from ..backend.protocol import CONTROL_NAMES
from . import blender_render as look
from .arrays_head import add_head_of
from .demo_video import eye_height

_VIEWS = {"front": 0.0, "turned": 38.0}
_NECK = 1  # joint that the head's rotation turns, with those that hang from it
_SIZE = 256  # px
_LOOK_AT, _HEIGHT = (0.0, -0.03, 0.04), 0.235  # the whole head, m
_HEADS_ANGLE, _BELOW_THE_EYES = 15.0, 0.035  # of the camera, degrees and m
_FACE_AT, _FACE_HEIGHT = (0.0, -0.045, 0.06), 0.165


class TurningHead:
    """The built-in head's vertices, moved by channels."""

    def __init__(self, path: Path) -> None:
        head = np.load(path)
        names = [str(name) for name in head["control_names"]]
        self.data = head
        self._template = head["v_template"].astype(np.float64)
        self._controls = head["controls"][[names.index(name) for name in CONTROL_NAMES]].astype(np.float64)
        self._pivot = (head["J_regressor"] @ head["v_template"])[_NECK]
        self._turned = head["weights"][:, _NECK:].sum(axis=1, keepdims=True).astype(np.float64)

    def __call__(self, channels: np.ndarray) -> np.ndarray:
        """Vertices (V, 3), m, of channels (55,)."""
        vertices = self._template + np.tensordot(channels[: len(CONTROL_NAMES)], self._controls, axes=1)
        arm = vertices - self._pivot
        return vertices + self._turned * (arm @ rotation_matrix(channels[len(CONTROL_NAMES) :]).T - arm)


def rotation_matrix(axis_angle: np.ndarray) -> np.ndarray:
    """Matrix (3, 3) of a rotation, axis-angle in rad (Rodrigues)."""
    angle = float(np.linalg.norm(axis_angle))
    if angle < 1e-9:
        return np.eye(3)
    x, y, z = axis_angle / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def render(options: argparse.Namespace) -> int:
    """Render what `speech_tracks` asked for, a PNG a frame and view, or a frame and head."""
    if options.kind == "heads":
        return _render_heads(options)
    head = TurningHead(Path(__file__).parents[1] / "backend" / "assets" / "head.npz")
    look.clear_scene()
    names = [str(name) for name in head.data["material_names"]]
    template, faces, index = head.data["v_template"], head.data["f"], head.data["material_index"]
    body = look.make_object("head", template, faces, names, index, head.data["colors"] / 255.0)
    look.set_workbench(_SIZE, _SIZE, True)
    tracks = np.load(options.work / "tracks.npz")
    close = options.kind == "phones"
    for shown in json.loads((options.work / "rendered.json").read_text(encoding="utf-8")):
        for number, frame in enumerate(shown["frames"]):
            look.move_vertices(body, head(tracks[shown["track"]][frame].astype(np.float64)))
            for view, angle in _VIEWS.items():
                look.set_camera(angle, *((_FACE_AT, _FACE_HEIGHT) if close else (_LOOK_AT, _HEIGHT)))
                look.render(options.work / shown["track"] / view / f"{number:04d}.png")
        print(f"rendered {shown['track']}", flush=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return 0


def _render_heads(options: argparse.Namespace) -> int:
    """Render the take on each head as the extension makes it, by its shape keys and its bones."""
    root = sys.modules["retake"]
    (shown,) = json.loads((options.work / "rendered.json").read_text(encoding="utf-8"))
    track = np.load(options.work / "tracks.npz")["take"].astype(np.float64)
    root.register()
    try:
        for number, file in enumerate([None, *options.heads]):
            look.clear_scene()
            if file is None:
                bpy.ops.retake.add_head()
            else:
                add_head_of(file)
            look.set_workbench(_SIZE, _SIZE, file is None)
            place = (0.0, eye_height() - _BELOW_THE_EYES, _FACE_AT[2])
            for column, frame in enumerate(shown["frames"]):
                _pose(track[frame])
                look.set_camera(_HEADS_ANGLE, place, _FACE_HEIGHT)
                look.render(options.work / "take" / str(number) / f"{column:04d}.png")
            print(f"rendered {'the built-in head' if file is None else file.name}", flush=True)
    finally:
        root.unregister()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    return 0


def _pose(channels: np.ndarray) -> None:
    """Set the active head's controls and its neck to channels (55,)."""
    shot = open_shot(bpy.context.scene, find_head(bpy.context))
    values = keying.values_for(shot, dict(zip(CONTROL_NAMES, channels.tolist(), strict=False)))
    for target in shot.targets:
        if target.curve_id in values:
            target.set_static(values[target.curve_id])
    if shot.neck is not None:
        rest = shot.neck.bone.matrix_local.to_3x3()
        shot.neck.rotation_mode = "QUATERNION"
        shot.neck.rotation_quaternion = model_to_pose(channels[len(CONTROL_NAMES) :], rest).to_quaternion()
    bpy.context.view_layer.update()
