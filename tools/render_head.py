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

TILE = (0.205, 0.262)  # width and height of a tile, metres
CENTER = (0.0, -0.018, 0.0)  # point of the head in the middle of its tile
CUT = -0.148  # faces below this height are left out, so that rows of a sheet stay apart
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
    """The ICT Face Model Light, in metres, its names brought to ARKit's spelling."""
    z = np.load(path)
    controls = {}
    for name, field in zip(z["expression_names"], z["expressions"], strict=True):
        key = str(name).replace("_L", "Left").replace("_R", "Right")
        controls[key] = field * 0.01
    controls["browInnerUp"] = controls.pop("browInnerUpLeft") + controls.pop("browInnerUpRight")
    controls["cheekPuff"] = controls.pop("cheekPuffLeft") + controls.pop("cheekPuffRight")
    names = ["skin", "mouth", "gums", "teeth", "sclera", "lashes"]
    first = z["faces"].min(axis=1, where=z["faces"] >= 0, initial=10**6)
    bounds = [11248, 14062, 17039, 21451, 24591]
    index = np.searchsorted(bounds, first, side="right")
    return Head(z["neutral"] * 0.01 + ict_offset(z), z["faces"], controls, names, index)


def ict_offset(z: Any) -> np.ndarray:
    """Shift that brings the eyes of the ICT head to the origin's height."""
    eyes = z["neutral"][z["landmarks68"][36:48]].mean(axis=0) * 0.01
    return np.array([0.0, -eyes[1], 0.0])


class Sheet:
    """A grid of posed heads with labels; `save` renders it."""

    def __init__(self, columns: int, tile_pixels: int, vertex_colors: bool) -> None:
        look.clear_scene()
        self.columns, self.tile_pixels, self.vertex_colors = columns, tile_pixels, vertex_colors
        self.count = 0
        self._meshes: dict[int, Any] = {}

    def add(self, head: Head, pose: dict[str, float], label: str, angle: float = 0.0) -> None:
        """Append a tile: the head at `pose`, turned by `angle` degrees toward its right, `label` below."""
        column, row = self.count % self.columns, self.count // self.columns
        at = Vector((column * TILE[0], 0.0, -row * TILE[1]))
        body = self._object(head)
        look.move_vertices(body, head.posed(pose))
        body.rotation_euler = (0.0, 0.0, -np.radians(angle))
        body.location = at - Vector(look.to_blender(np.array(CENTER)))
        if label:
            self._label(label, at)
        self.count += 1

    def _object(self, head: Head) -> Any:
        if id(head) not in self._meshes:
            shown = np.min(np.where(head.faces >= 0, head.vertices[head.faces, 1], 9.0), axis=1) > CUT
            made = look.make_object(
                "head", head.vertices, head.faces[shown], head.material_names, head.material_index[shown], head.colors
            )
            self._meshes[id(head)] = made.data.copy()
            return made
        copy = bpy.data.objects.new("head", self._meshes[id(head)].copy())
        bpy.context.scene.collection.objects.link(copy)
        return copy

    def _label(self, text: str, at: Vector) -> None:
        font = bpy.data.curves.new("label", "FONT")
        font.body, font.size, font.align_x = text, 0.0165, "CENTER"
        made = bpy.data.objects.new("label", font)
        made.rotation_euler = (np.pi / 2, 0, 0)
        made.location = at + Vector((0, -0.3, -TILE[1] * 0.5 + 0.006))
        ink = look.material("label")
        ink.diffuse_color = (0.9, 0.9, 0.9, 1)
        font.materials.append(ink)
        bpy.context.scene.collection.objects.link(made)

    def save(self, path: Path) -> None:
        """Render the sheet to a PNG."""
        rows = -(-self.count // self.columns)
        width, height = self.columns * TILE[0], rows * TILE[1]
        pixels = self.tile_pixels
        look.set_workbench(self.columns * pixels, round(rows * pixels * TILE[1] / TILE[0]), self.vertex_colors)
        camera = look.set_camera("front", (0, 0, 0), 1.0)
        camera.data.type = "ORTHO"
        camera.data.sensor_fit = "HORIZONTAL"
        camera.data.ortho_scale = width
        camera.location = ((width - TILE[0]) / 2, -3.0, -(height - TILE[1]) / 2)
        camera.rotation_euler = (np.pi / 2, 0, 0)
        look.render(path)
