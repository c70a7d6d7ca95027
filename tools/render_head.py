# SPDX-License-Identifier: GPL-3.0-or-later
"""Contact sheets of a head's controls, rendered as one Blender scene a sheet: a grid of heads with names under them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Vector

from . import blender_render as look

HEAD_TILE = (0.236, 0.285)  # width and height of a tile, metres: the whole head
FACE_TILE = (0.148, 0.176)  # the face alone
LABEL = 0.015  # height of the strip for the name
THREE_QUARTER = 34.0


@dataclass
class Head:
    """A head to draw: (V, 3) m, (F, 4), controls by name (V, 3), materials, optional colours (V, 3)."""

    vertices: np.ndarray
    faces: np.ndarray
    controls: dict[str, np.ndarray]
    material_names: list[str]
    material_index: np.ndarray
    colors: np.ndarray | None = None

    def posed(self, pose: dict[str, float]) -> np.ndarray:
        """Vertices with controls at the given weights; a name without Left or Right sets both sides."""
        moved = self.vertices.copy()
        for name, weight in pose.items():
            for key in (name, f"{name}Left", f"{name}Right"):
                if key in self.controls:
                    moved += weight * self.controls[key]
        return moved


def load_head(path: Path) -> Head:
    """The built-in head."""
    z = np.load(path)
    controls = {str(n): c for n, c in zip(z["control_names"], z["controls"], strict=True)}
    colors = z["colors"] / 255.0 if "colors" in z else None
    return Head(z["v_template"], z["f"], controls, [str(n) for n in z["material_names"]], z["material_index"], colors)


def load_arkit(path: Path) -> Head:
    """The ICT Face Model Light, in metres, its eyes at the height of ours, its names brought to ARKit's spelling."""
    z = np.load(path)
    controls = {}
    for name, field in zip(z["expression_names"], z["expressions"], strict=True):
        controls[str(name).replace("_L", "Left").replace("_R", "Right")] = field * 0.01
    for name in ("browInnerUp", "cheekPuff"):
        controls[name] = controls.pop(f"{name}Left") + controls.pop(f"{name}Right")
    names = ["skin", "mouth", "gums", "teeth", "sclera"]
    faces = z["faces"][z["faces"].max(axis=1) < 24591]  # beyond: eye sockets and lashes, which hide the eyes
    first = faces.min(axis=1, where=faces >= 0, initial=10**6)
    index = np.searchsorted([11248, 14062, 17039, 21451], first, side="right")
    eyes = z["neutral"][z["landmarks68"][36:48]].mean(axis=0)
    return Head((z["neutral"] - [0, eyes[1], 1.3]) * 0.01, faces, controls, names, index)


class Sheet:
    """A grid of posed heads with names under them; `save` renders it.

    What of a head lies outside its tile is drawn in to the tile's edge: an orthographic camera sees such faces edge-on.
    """

    def __init__(self, columns: int, tile_pixels: int, tile: tuple[float, float], vertex_colors: bool) -> None:
        look.clear_scene()
        self.columns, self.tile_pixels, self.tile, self.vertex_colors = columns, tile_pixels, tile, vertex_colors
        self.count = 0
        self._meshes: dict[int, Any] = {}

    def add(self, head: Head, pose: dict[str, float], label: str, angle: float = 0.0) -> None:
        """Append a tile: the head at `pose`, turned by `angle` degrees toward its right, `label` below."""
        column, row = self.count % self.columns, self.count // self.columns
        at = Vector((column * self.tile[0], 0.0, -row * self.tile[1]))
        body = self._object(head)
        look.move_vertices(body, self._cropped(head.posed(pose), angle))
        body.location = at
        if label:
            self._label(label, at)
        self.count += 1

    def _cropped(self, vertices: np.ndarray, angle: float) -> np.ndarray:
        cos, sin = np.cos(np.radians(-angle)), np.sin(np.radians(-angle))
        turned = vertices @ np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
        width, height = self.tile
        whole = self.tile == HEAD_TILE
        turned[:, 0] -= (0.006 if whole else 0.055) * sin
        turned[:, 1] += 0.012 if whole else 0.042
        low = np.array([-width / 2 + 0.001, -height / 2 + LABEL, -1.0])
        return np.clip(turned, low, [width / 2 - 0.001, height / 2 - 0.001, 1.0])

    def _object(self, head: Head) -> Any:
        if id(head) not in self._meshes:
            made = look.make_object(
                "head", head.vertices, head.faces, head.material_names, head.material_index, head.colors
            )
            self._meshes[id(head)] = made.data.copy()
            return made
        copy = bpy.data.objects.new("head", self._meshes[id(head)].copy())
        bpy.context.scene.collection.objects.link(copy)
        return copy

    def _label(self, text: str, at: Vector) -> None:
        font = bpy.data.curves.new("label", "FONT")
        font.body, font.size, font.align_x = text, LABEL * 0.95, "CENTER"
        made = bpy.data.objects.new("label", font)
        made.rotation_euler = (np.pi / 2, 0, 0)
        made.location = at + Vector((0, -0.3, -self.tile[1] * 0.5 + LABEL * 0.3))
        ink = look.material("label")
        ink.diffuse_color = (0.8, 0.8, 0.8, 1)
        font.materials.append(ink)
        bpy.context.scene.collection.objects.link(made)

    def save(self, path: Path) -> None:
        """Render the sheet to a PNG."""
        rows = -(-self.count // self.columns)
        width, height = self.columns * self.tile[0], rows * self.tile[1]
        pixels = self.columns * self.tile_pixels
        look.set_workbench(pixels, round(pixels * height / width), self.vertex_colors)
        camera = look.set_camera("front", (0, 0, 0), 1.0)
        camera.data.type = "ORTHO"
        camera.data.sensor_fit = "HORIZONTAL"
        camera.data.ortho_scale = width
        camera.location = ((width - self.tile[0]) / 2, -3.0, -(height - self.tile[1]) / 2)
        camera.rotation_euler = (np.pi / 2, 0, 0)
        look.render(path)


# ---------------------------------------------------------------- what the pictures show
COMBINATIONS: dict[str, dict[str, float]] = {
    "M": {"mouthPress": 0.45, "mouthRollLower": 0.25, "mouthRollUpper": 0.2},
    "F": {"jawOpen": 0.05, "mouthRollLower": 0.85, "mouthUpperUp": 0.32, "mouthShrugLower": 0.2},
    "Oo": {"jawOpen": 0.16, "mouthPucker": 0.65, "mouthFunnel": 0.35},
    "Ah": {"jawOpen": 0.6, "mouthLowerDown": 0.25, "mouthUpperUp": 0.1},
    "Ee": {"jawOpen": 0.12, "mouthStretch": 0.35, "mouthSmile": 0.3, "mouthUpperUp": 0.3, "mouthLowerDown": 0.45},
    "Th": {"jawOpen": 0.2, "tongueOut": 0.5, "mouthUpperUp": 0.15, "mouthLowerDown": 0.2},
    "Sh": {"jawOpen": 0.1, "mouthFunnel": 0.75, "mouthPucker": 0.15},
    "L": {"jawOpen": 0.3, "tongueOut": 0.2, "mouthLowerDown": 0.2, "mouthUpperUp": 0.15},
    "smile + M": {"mouthSmile": 0.8, "mouthPress": 0.4, "cheekSquint": 0.4},
    "smile + F": {"mouthSmile": 0.7, "jawOpen": 0.07, "mouthRollLower": 0.7, "mouthUpperUp": 0.35, "cheekSquint": 0.4},
    "smile + Oo": {"mouthSmile": 0.5, "jawOpen": 0.16, "mouthPucker": 0.6, "mouthFunnel": 0.3, "cheekSquint": 0.3},
    "smile + Ah": {"mouthSmile": 0.8, "jawOpen": 0.5, "mouthUpperUp": 0.2, "cheekSquint": 0.5},
    "laugh": {"mouthSmile": 1.0, "jawOpen": 0.32, "mouthUpperUp": 0.35, "cheekSquint": 0.8, "eyeSquint": 0.5},
    "blink + brows up": {"eyeBlink": 1.0, "browInnerUp": 0.8, "browOuterUp": 0.8},
    "gaze down": {"eyeLookDown": 1.0},
    "half blink": {"eyeBlink": 0.5},
    "jawOpen .3": {"jawOpen": 0.3},
    "jawOpen .6": {"jawOpen": 0.6},
    "jawOpen 1": {"jawOpen": 1.0},
    "jaw open, lips closed": {"jawOpen": 0.7, "mouthClose": 0.7},
    "surprise": {"browInnerUp": 1, "browOuterUp": 0.9, "eyeWide": 0.9, "jawOpen": 0.45, "mouthFunnel": 0.2},
    "anger": {"browDown": 1, "eyeSquint": 0.3, "noseSneer": 0.6, "mouthUpperUp": 0.2, "mouthStretch": 0.5},
    "sadness": {"browInnerUp": 1, "mouthFrown": 0.8, "mouthShrugLower": 0.4, "eyeLookDown": 0.3, "eyeSquint": 0.2},
    "disgust": {"noseSneer": 1, "mouthUpperUp": 0.4, "browDown": 0.5, "mouthFrown": 0.4, "cheekSquint": 0.5},
}  # fmt: skip


def control_poses(head: Head) -> dict[str, dict[str, float]]:
    """Every control of the head alone at weight 1."""
    return {name: {name: 1.0} for name in head.controls}


def both_views(sheet: Sheet, head: Head, poses: dict[str, dict[str, float]]) -> None:
    """Add each pose from the front and from three quarters."""
    for label, pose in poses.items():
        sheet.add(head, pose, label)
        sheet.add(head, pose, "", THREE_QUARTER)


def draw_neutral(head: Head, path: Path) -> None:
    """Four views of the neutral face and two of a smile."""
    sheet = Sheet(4, 420, HEAD_TILE, head.colors is not None)
    smile = {"mouthSmile": 0.8, "cheekSquint": 0.5, "mouthUpperUp": 0.2, "jawOpen": 0.12}
    for pose, angle, label in (({}, 0, "neutral"), ({}, THREE_QUARTER, ""), ({}, 90, ""), (smile, 18, "a smile")):
        sheet.add(head, pose, label, angle)
    sheet.save(path)


def draw_controls(head: Head, path: Path) -> None:
    """All controls, two views each."""
    sheet = Sheet(14, 128, FACE_TILE, head.colors is not None)
    both_views(sheet, head, control_poses(head))
    sheet.save(path)


def draw_combinations(head: Head, path: Path) -> None:
    """The combinations that speech and feeling make, two views each."""
    sheet = Sheet(8, 176, FACE_TILE, head.colors is not None)
    both_views(sheet, head, COMBINATIONS)
    sheet.save(path)


def draw_beside(head: Head, arkit: Head, path: Path) -> None:
    """Each control of one head beside the same control of another, in plain materials."""
    plain = Head(head.vertices, head.faces, head.controls, head.material_names, head.material_index)
    sheet = Sheet(14, 128, FACE_TILE, False)
    for label, pose in control_poses(head).items():
        if label in arkit.controls:
            sheet.add(plain, pose, label, 20)
            sheet.add(arkit, pose, "", 20)
    sheet.save(path)


def main(arguments: Sequence[str]) -> int:
    """Draw all sheets; returns the exit code."""
    root = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description="Render the built-in head's controls into pictures.")
    parser.add_argument("--head", type=Path, default=root / "backend" / "assets" / "head.npz")
    parser.add_argument("--out", type=Path, default=root / "docs" / "images")
    parser.add_argument("--beside", type=Path, help="ict_facekit_light.npz, to draw the same poses beside it")
    parser.add_argument("--only", choices=("neutral", "controls", "combinations", "beside"))
    options = parser.parse_args(arguments)
    if options.only == "beside" and options.beside is None:
        sys.exit("'--only beside' needs the other head's file: add --beside PATH.")
    options.out.mkdir(parents=True, exist_ok=True)
    head = load_head(options.head)
    sheets = {"neutral": draw_neutral, "controls": draw_controls, "combinations": draw_combinations}
    for name, draw in sheets.items():
        if options.only in (None, name):
            draw(head, options.out / f"head_{name}.png")
    if options.beside is not None and options.only in (None, "beside"):
        draw_beside(head, load_arkit(options.beside), options.out / "head_beside_arkit.png")
    return 0
