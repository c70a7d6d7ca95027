# SPDX-License-Identifier: GPL-3.0-or-later
"""The built-in head as Blender objects: mesh with materials, shape keys, armature and skinning.

The file `backend/assets/head.npz` is in FLAME's layout and model axes (metres, Y up, +Z front); what is made here is
in Blender's axes at real size, standing at the 3D cursor's origin like any added object.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from mathutils import Vector
from numpy.typing import NDArray

from ...backend.errors import RigError
from ...backend.protocol import JOINT_NAMES
from .axes import to_blender

HEAD_FILE = Path(__file__).resolve().parents[2] / "backend" / "assets" / "head.npz"
BONE_NAMES = JOINT_NAMES
SLIDER_MIN, SLIDER_MAX = -0.25, 1.5

_REQUIRED = ("v_template", "f", "J_regressor", "weights", "kintree_table", "control_names", "controls")
_TAILS = {
    "root": (0.0, 0.05, 0.0),
    "neck": (0.0, 0.06, 0.0),
    "jaw": (0.0, -0.03, 0.06),
    "left eye": (0.0, 0.0, 0.03),
    "right eye": (0.0, 0.0, 0.03),
}
"""Bone name -> from its head to its tail, model axes, m."""

_GLOSSY = {"sclera", "iris", "iris_rim", "pupil", "glint", "teeth", "tongue"}
_SKIN = (226, 180, 154)
PAINT = "Colour"
"""Name of the colour attribute that holds the painted skin tones; the materials read it."""


@dataclass(frozen=True)
class HeadFile:
    """Arrays of a head file.

    Attributes:
        template: (V, 3) m, model axes.
        faces: (F, 4) vertex ids, -1 last for a triangle.
        joints: (5, V) joint regressor.
        weights: (V, 5) skinning weights.
        parents: (5,) parent joint, negative for the root.
        control_names: Names of the shape keys.
        controls: (E, V, 3) m, displacement at weight 1.
        material_names: Names, at least one.
        material_index: (F,) place in `material_names`.
        material_colors: (M, 3) sRGB, 0 to 255.
        colors: (V, 3) sRGB, 0 to 255, the painting of the surface; (0, 3) where the file has none.
        lip_pairs: (P, 2) vertex ids, upper then lower; (0, 2) where the file names none.
        landmarks: (68,) vertex ids in iBUG's order; (0,) where the file names none.
    """

    template: NDArray[np.float32]
    faces: NDArray[np.int32]
    joints: NDArray[np.float32]
    weights: NDArray[np.float32]
    parents: NDArray[np.int64]
    control_names: tuple[str, ...]
    controls: NDArray[np.float32]
    material_names: tuple[str, ...]
    material_index: NDArray[np.int32]
    material_colors: NDArray[np.float32]
    colors: NDArray[np.float32]
    lip_pairs: NDArray[np.int64]
    landmarks: NDArray[np.int64]


def read_head_file(path: Path = HEAD_FILE) -> HeadFile:
    """Read a head file.

    Raises:
        RigError: The file is missing, is no .npz or lacks an array.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RigError(f"The head file {path.name} cannot be read ({error}).", "Install Retake again.") from error
    missing = [name for name in _REQUIRED if name not in arrays]
    if missing:
        raise RigError(f"The head file {path.name} lacks '{missing[0]}'.", "Install Retake again.")
    return _as_head(arrays)


def _as_head(arrays: dict[str, NDArray[Any]]) -> HeadFile:
    """Arrays of a head file in the types used here."""
    parents = np.asarray(arrays["kintree_table"])[0].astype(np.int64)
    count = len(arrays["f"])
    names = tuple(str(name) for name in arrays.get("material_names", ["skin"]))
    return HeadFile(
        template=np.asarray(arrays["v_template"], np.float32),
        faces=np.asarray(arrays["f"], np.int32),
        joints=np.asarray(arrays["J_regressor"], np.float32),
        weights=np.asarray(arrays["weights"], np.float32),
        parents=np.where((parents < 0) | (parents >= len(BONE_NAMES)), -1, parents),
        control_names=tuple(str(name) for name in arrays["control_names"]),
        controls=np.asarray(arrays["controls"], np.float32),
        material_names=names,
        material_index=np.asarray(arrays.get("material_index", np.zeros(count)), np.int32),
        material_colors=np.asarray(arrays.get("material_colors", [_SKIN] * len(names)), np.float32),
        colors=np.asarray(arrays.get("colors", np.zeros((0, 3))), np.float32),
        lip_pairs=np.asarray(arrays.get("inner_lip_pairs", np.zeros((0, 2))), np.int64),
        landmarks=np.asarray(arrays.get("landmarks68", np.zeros(0)), np.int64),
    )


def add_head(scene: bpy.types.Scene, view_layer: bpy.types.ViewLayer, head: HeadFile) -> bpy.types.Object:
    """Make the head's objects in the scene's active collection and make the mesh active.

    Args:
        scene: Scene that gets the head; its 3D cursor's place is the place of the neck's root.
        view_layer: View layer in which the armature is edited for a moment.
        head: The file's arrays.

    Returns:
        The mesh object; its parent is the armature.
    """
    collection = view_layer.active_layer_collection.collection
    mesh_object = _make_mesh(head)
    collection.objects.link(mesh_object)
    tails = {name: np.array(tail) for name, tail in _TAILS.items()}
    armature = make_armature("Retake Rig", head.joints @ head.template, head.parents, tails, view_layer, collection)
    _add_shape_keys(mesh_object, head)
    skin(mesh_object, armature, head.weights)
    armature.location = scene.cursor.location
    select_only(view_layer, mesh_object)
    return mesh_object


def free_height(scene: bpy.types.Scene) -> float:
    """Height above the 3D cursor at which a head is not hidden inside a mesh that stands there, e.g. the usual cube."""
    place, top = scene.cursor.location, 0.0
    for obj in scene.objects:
        if obj.type != "MESH" or obj.data.shape_keys is not None or not obj.visible_get():
            continue
        corners = np.array([obj.matrix_world @ Vector(corner) for corner in obj.bound_box])
        if (corners.min(axis=0) <= place).all() and (corners.max(axis=0) >= place).all():
            top = max(top, float(corners[:, 2].max() - place.z))
    return top


def _make_mesh(head: HeadFile) -> bpy.types.Object:
    """Mesh object with materials and smooth shading."""
    mesh = bpy.data.meshes.new("Retake Head")
    faces = [row[:3] if row[3] < 0 else row for row in head.faces.tolist()]
    mesh.from_pydata(to_blender(head.template).tolist(), [], faces)
    for name, color in zip(head.material_names, head.material_colors, strict=True):
        mesh.materials.append(_material(name, _linear(color), painted=len(head.colors) > 0))
    mesh.polygons.foreach_set("material_index", head.material_index)
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
    if len(head.colors):
        _paint(mesh, head.colors)
    mesh.update()
    return bpy.data.objects.new("Retake Head", mesh)


def _linear(color: NDArray[np.float32]) -> NDArray[np.float32]:
    """(..., 3) sRGB 0 to 255 to scene-linear RGBA (..., 4)."""
    c = color / 255.0
    c = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return np.concatenate([c, np.ones_like(c[..., :1])], axis=-1).astype(np.float32)


def _paint(mesh: bpy.types.Mesh, colors: NDArray[np.float32]) -> None:
    """Store the painting as the mesh's active colour attribute."""
    layer = mesh.color_attributes.new(PAINT, "FLOAT_COLOR", "POINT")
    layer.data.foreach_set("color", _linear(colors).ravel())
    mesh.color_attributes.active_color = layer


def _material(name: str, color: NDArray[np.float32], painted: bool) -> bpy.types.Material:
    """Material of one of the head's surfaces for every engine; with nodes it shows the painting."""
    material = bpy.data.materials.new(f"Retake {name}")
    material.diffuse_color = color
    material.roughness = 0.2 if name in _GLOSSY else 0.55
    if material.node_tree is None:
        material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = color
    shader.inputs["Roughness"].default_value = material.roughness
    if painted:
        paint = nodes.new("ShaderNodeVertexColor")
        paint.layer_name = PAINT
        links.new(paint.outputs["Color"], shader.inputs["Base Color"])
    return material


def _add_shape_keys(mesh_object: bpy.types.Object, head: HeadFile) -> None:
    """One shape key a control, at 0, its slider from -0.25 to 1.5."""
    mesh_object.shape_key_add(name="Basis", from_mix=False)
    for name, displacement in zip(head.control_names, head.controls, strict=True):
        key = mesh_object.shape_key_add(name=name, from_mix=False)
        key.points.foreach_set("co", to_blender(head.template + displacement).astype(np.float32).ravel())
        key.slider_min, key.slider_max, key.value = SLIDER_MIN, SLIDER_MAX, 0.0


def make_armature(
    name: str,
    joints: NDArray[np.floating],
    parents: NDArray[np.integer],
    tails: Mapping[str, NDArray[np.floating]],
    view_layer: bpy.types.ViewLayer,
    collection: bpy.types.Collection,
) -> bpy.types.Object:
    """Armature with FLAME's five bones.

    Args:
        name: Of the object.
        joints: (5, 3) m, where they are, model axes.
        parents: (5,) parent of each, negative for the root.
        tails: Bone name -> from its head to its tail, m, model axes.
        view_layer: View layer in which it is edited for a moment.
        collection: Where it goes.
    """
    armature = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    collection.objects.link(armature)
    select_only(view_layer, armature)
    bpy.ops.object.mode_set(mode="EDIT")
    bones = [armature.data.edit_bones.new(bone) for bone in BONE_NAMES]
    for bone, joint, parent in zip(bones, joints, parents, strict=True):
        bone.head = to_blender(joint).tolist()
        bone.tail = to_blender(joint + tails[bone.name]).tolist()
        bone.parent = bones[parent] if parent >= 0 else None
    bpy.ops.object.mode_set(mode="OBJECT")
    armature.data.display_type = "STICK"
    armature.show_in_front = True
    return armature


def skin(mesh_object: bpy.types.Object, armature: bpy.types.Object, weights: NDArray[np.floating]) -> None:
    """Vertex groups of weights (V, 5) and an armature modifier."""
    for name, column in zip(BONE_NAMES, weights.T, strict=True):
        group = mesh_object.vertex_groups.new(name=name)
        for weight in np.unique(column[column > 0.0]):
            group.add(np.flatnonzero(column == weight).tolist(), float(weight), "REPLACE")
    modifier = mesh_object.modifiers.new(armature.name, "ARMATURE")
    modifier.object = armature
    mesh_object.parent = armature


def select_only(view_layer: bpy.types.ViewLayer, chosen: bpy.types.Object) -> None:
    """Select one object and make it active, as Blender does with what was just added."""
    for other in view_layer.objects:
        other.select_set(other == chosen)
    view_layer.objects.active = chosen
