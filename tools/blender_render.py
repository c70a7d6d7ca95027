# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for pictures of heads in Blender: material colours, lights, camera. Runs inside bpy 4.2 to 5.2.

Workbench draws a 480 px picture of the built-in head in about half a second on a CPU.
Blender's axes: Z up, the head looks along -Y. `to_blender` converts from the model's axes (Y up, +Z front).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Vector

from .head_model.colors import PALETTE

EXPOSURE = 1.0  # stops; the background is darkened to keep its colour
BACKGROUND = (0.235, 0.25, 0.275)
VIEWS = {"front": 0.0, "three_quarter": 38.0, "side": 90.0}


def to_blender(points: np.ndarray) -> np.ndarray:
    """Model axes (Y up, +Z front) to Blender's (Z up, front -Y), (..., 3) each."""
    return np.stack([points[..., 0], -points[..., 2], points[..., 1]], axis=-1)


def linear(color: Sequence[float]) -> tuple[float, float, float, float]:
    """Turn sRGB into scene-linear RGBA."""
    c = np.asarray(color[:3], float)
    c = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return (float(c[0]), float(c[1]), float(c[2]), 1.0)


def material(name: str) -> Any:
    """The material of that name, made with the palette's colour where it is missing."""
    found = bpy.data.materials.get(name)
    if found is not None:
        return found
    made = bpy.data.materials.new(name)
    color = linear(np.array(PALETTE.get(name, PALETTE["skin"])) / 255.0)
    made.diffuse_color = color
    made.roughness = 0.25 if name in {"pupil", "iris", "iris_rim", "sclera", "teeth", "tongue"} else 0.55
    made.use_nodes = True
    shader = made.node_tree.nodes.get("Principled BSDF")
    shader.inputs["Base Color"].default_value = color
    shader.inputs["Roughness"].default_value = made.roughness
    return made


def make_object(
    name: str,
    vertices: np.ndarray,
    faces: np.ndarray,
    material_names: Sequence[str],
    material_index: np.ndarray,
    colors: np.ndarray | None = None,
) -> Any:
    """A smooth-shaded object in the scene.

    Args:
        name: Its name.
        vertices: (V, 3) m, model axes.
        faces: (F, 4) ids, -1 last for a triangle.
        material_names: One name a slot.
        material_index: (F,) slot of each face.
        colors: (V, 3) sRGB 0 to 1, drawn by Workbench in place of the materials' colours.

    Returns:
        The object.
    """
    mesh = bpy.data.meshes.new(name)
    polygons = [[int(i) for i in face if i >= 0] for face in faces]
    mesh.from_pydata(to_blender(vertices).tolist(), [], polygons)
    for slot in material_names:
        mesh.materials.append(material(str(slot)))
    mesh.polygons.foreach_set("material_index", np.asarray(material_index, np.int32))
    mesh.polygons.foreach_set("use_smooth", np.ones(len(polygons), bool))
    if colors is not None:
        _paint(mesh, colors)
    made = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(made)
    return made


def _paint(mesh: Any, colors: np.ndarray) -> None:
    layer = mesh.color_attributes.new("color", "FLOAT_COLOR", "POINT")
    flat = np.array([linear(c) for c in colors], np.float32)
    layer.data.foreach_set("color", flat.ravel())
    mesh.color_attributes.active_color = layer


def move_vertices(target: Any, vertices: np.ndarray) -> None:
    """Give an object without shape keys new vertex positions (V, 3) m, model axes."""
    target.data.vertices.foreach_set("co", to_blender(vertices).astype(np.float32).ravel())
    target.data.update()


def set_camera(view: str | float, center: Sequence[float], height: float) -> Any:
    """Aim the scene's camera at a point.

    Args:
        view: A name of VIEWS, or the angle in degrees about the vertical (0 front, positive sees the character's left).
        center: Point looked at, m, model axes.
        height: Height in m that fills the picture there.

    Returns:
        The camera object.
    """
    scene = bpy.context.scene
    camera = scene.camera
    if camera is None:
        camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
        scene.collection.objects.link(camera)
        scene.camera = camera
    angle = np.radians(VIEWS[view] if isinstance(view, str) else view)
    camera.data.sensor_fit = "VERTICAL"
    camera.data.lens = 85.0
    camera.data.clip_start = 0.01
    distance = height * camera.data.lens / camera.data.sensor_height
    target = Vector(to_blender(np.asarray(center, float)))
    camera.location = target + Vector((np.sin(angle), -np.cos(angle), 0.06)) * distance
    camera.rotation_euler = (target - camera.location).to_track_quat("-Z", "Y").to_euler()
    return camera


def set_workbench(width: int, height: int, vertex_colors: bool) -> None:
    """Set the scene up for quick, soft studio pictures by Workbench."""
    scene = bpy.context.scene
    scene.render.engine = "BLENDER_WORKBENCH"
    _set_output(width, height)
    shading = scene.display.shading
    shading.light = "STUDIO"
    shading.studio_light = "Default"
    _studio_lights()
    shading.color_type = "VERTEX" if vertex_colors else "MATERIAL"
    shading.show_specular_highlight = False
    shading.show_cavity = True
    shading.cavity_type = "WORLD"
    shading.cavity_ridge_factor = 0.0
    shading.cavity_valley_factor = 0.9
    shading.show_shadows = False
    scene.display.matcap_ssao_distance = 0.012
    scene.display.render_aa = "8"


# Direction toward the light in the camera's axes, diffuse colour, specular colour, wrap.
_STUDIO = (
    ((-0.45, 0.62, 0.64), (1.15, 1.11, 1.05), (0.035, 0.035, 0.035), 0.35),
    ((0.78, 0.10, 0.62), (0.55, 0.56, 0.60), (0.01, 0.01, 0.01), 0.6),
    ((0.65, 0.35, -0.68), (0.45, 0.45, 0.48), (0.015, 0.015, 0.015), 0.2),
    ((-0.1, -0.85, 0.5), (0.12, 0.10, 0.09), (0.0, 0.0, 0.0), 0.7),
)


def _studio_lights() -> None:
    """A warm key from the upper left, a cool fill, a rim: set in the preferences' four studio lights."""
    system = bpy.context.preferences.system
    system.light_ambient = (0.33, 0.32, 0.32)
    for lamp, (direction, diffuse, specular, wrap) in zip(system.solid_lights, _STUDIO, strict=True):
        lamp.use = True
        lamp.direction, lamp.diffuse_color, lamp.specular_color, lamp.smooth = direction, diffuse, specular, wrap


def _set_output(width: int, height: int) -> None:
    scene = bpy.context.scene
    scene.render.resolution_x, scene.render.resolution_y = width, height
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    scene.render.image_settings.compression = 100
    scene.render.dither_intensity = 0.0
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.exposure = EXPOSURE
    world = scene.world or bpy.data.worlds.new("world")
    scene.world = world
    backdrop = [c * 2.0**-EXPOSURE for c in linear(BACKGROUND)[:3]]
    world.color = backdrop
    world.use_nodes = True
    world.node_tree.nodes["Background"].inputs[0].default_value = (*backdrop, 1.0)


def render(path: Path) -> None:
    """Render the scene to a PNG file."""
    bpy.context.scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)


def clear_scene() -> None:
    """Start from an empty file."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
