# SPDX-License-Identifier: GPL-3.0-or-later
"""A head that others made, kept as arrays (ICT's Face Model Light), as an animator would have it. Runs inside Blender.

The file holds `neutral` (V, 3), `faces` (F, 4), `expression_names`, `expressions` (E, V, 3) and `landmarks68`, in any
unit: it is judged by the head's size, and said.
"""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from ..addon.core.rig_names import unmapped
from ..addon.scene.shot import metres_a_unit
from ..addon.scene.targets import shape_groups
from ..backend.protocol import CONTROL_NAMES
from .blender_render import to_blender

_EYES = slice(36, 48)  # of the landmarks
_EARS = (0, 16)
_BONES = ("neck", "left eye")  # one that turns the head, and one that tells where its eyes are


def add_arrays_head(path: Path) -> bpy.types.Object:
    """Make the head at real size, with a bone `neck` that turns all of it, and make it active."""
    with np.load(path, allow_pickle=False) as file:
        points, faces, marks = file["neutral"].astype(np.float64), file["faces"].tolist(), file["landmarks68"]
        names, fields = [str(name) for name in file["expression_names"]], file["expressions"]
    mesh = bpy.data.meshes.new(path.stem)
    mesh.from_pydata(to_blender(points).tolist(), [], [face[:3] if face[3] < 0 else face for face in faces])
    mesh.polygons.foreach_set("use_smooth", np.ones(len(faces), bool))
    head = bpy.data.objects.new(path.stem, mesh)
    bpy.context.scene.collection.objects.link(head)
    head.shape_key_add(name="Basis", from_mix=False)
    for name, field in zip(names, fields, strict=True):
        key = head.shape_key_add(name=name, from_mix=False)
        key.points.foreach_set("co", to_blender(points + field).astype(np.float32).ravel())
        key.value = 0.0
    unit = metres_a_unit(head)
    left = unmapped(shape_groups(mesh.shape_keys))
    count = len(CONTROL_NAMES) - len(left)
    print(f"{path.name}: a unit is taken for {unit:g} m; {count} controls, without {', '.join(left)}.", flush=True)
    places = {_BONES[0]: points[list(marks[list(_EARS)])].mean(axis=0), _BONES[1]: points[marks[_EYES]].mean(axis=0)}
    rig = _make_rig({name: to_blender(place) for name, place in places.items()}, 0.2 * float(np.ptp(points[:, 1])))
    rig.scale = (unit, unit, unit)
    head.vertex_groups.new(name=_BONES[0]).add(list(range(len(points))), 1.0, "REPLACE")
    head.modifiers.new("Rig", "ARMATURE").object = rig
    head.parent = rig
    bpy.context.view_layer.objects.active = head
    return head


def add_head_of(file: Path) -> None:
    """Add the head of a file: a FLAME model, or another head kept as arrays."""
    if is_arrays_head(file):
        add_arrays_head(file)
    else:
        bpy.ops.retake.add_flame_head(filepath=str(file))


def _make_rig(places: dict[str, np.ndarray], length: float) -> bpy.types.Object:
    """An armature with upright bones at some places."""
    rig = bpy.data.objects.new("Rig", bpy.data.armatures.new("Rig"))
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for name, place in places.items():
        bone = rig.data.edit_bones.new(name)
        bone.head = place.tolist()
        bone.tail = (place + np.array([0.0, 0.0, length])).tolist()
        bone.use_deform = name == _BONES[0]
    bpy.ops.object.mode_set(mode="OBJECT")
    return rig


def is_arrays_head(path: Path) -> bool:
    """Whether a file is such a head, not a FLAME model."""
    if path.suffix != ".npz":
        return False
    with np.load(path, allow_pickle=False) as file:
        return "expression_names" in file.files
