# SPDX-License-Identifier: GPL-3.0-or-later
"""What turns a head: a bone of its armature, found by name or chosen, or an object.

A rotation of the head is told in model axes, relative to rest. A bone rests where its armature says; an object, in the
axes of its parent, as it stood when it was chosen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix, Quaternion
from numpy.typing import NDArray

from ...backend.protocol import HEAD_ROTATION
from .. import compat
from . import state
from .axes import components_to_matrix, model_to_quaternions, pose_to_model, rotation_path
from .edit import GENERATED
from .key_table import read_table
from .targets import Target, bone_is_constrained

FloatArray = NDArray[np.float64]

_NECK = re.compile(
    r"(.*[:|])?(c[_.]|ctrl[_.]?|con[_.])?(neck|head)([._ -]?(0?1|x|c|m|fk|ctrl|control))*", re.IGNORECASE
)
_TURNING = re.compile(r'pose\.bones\["((?:[^"\\]|\\.)*)"\]\.(rotation_\w+)')
_MODES = ("QUATERNION", "AXIS_ANGLE", "XYZ")


@dataclass(frozen=True)
class Turn:
    """What turns a head.

    Attributes:
        owner: Object whose animation data holds the curves.
        thing: The pose bone, or the object itself.
    """

    owner: bpy.types.Object
    thing: bpy.types.PoseBone | bpy.types.Object
    base: Quaternion

    @property
    def mode(self) -> str:
        """Its rotation mode."""
        return str(self.thing.rotation_mode)

    @property
    def rest(self) -> Matrix:
        """(3, 3) axes in which it turns at rest, in those of the character."""
        return self.thing.bone.matrix_local.to_3x3() if self.is_bone else Matrix.Identity(3)

    @property
    def is_bone(self) -> bool:
        """Whether it is a bone."""
        return isinstance(self.thing, bpy.types.PoseBone)

    def targets(self) -> list[Target]:
        """Targets of its rotation in its rotation mode."""
        return self._in_mode(self.mode)

    def former_targets(self) -> list[Target]:
        """Targets that it would have in the rotation modes that are not its own."""
        own = rotation_path(self.mode)
        return [target for mode in _MODES if rotation_path(mode) != own for target in self._in_mode(mode)]

    def _in_mode(self, mode: str) -> list[Target]:
        name, count = rotation_path(mode)
        path, group = self.thing.path_from_id(name), self.thing.name if self.is_bone else "Object Transforms"
        return [
            Target(f"neck.{name}[{index}]", HEAD_ROTATION, self.owner, path, index, group) for index in range(count)
        ]

    def is_constrained(self) -> bool:
        """Whether keys on its rotation would not be what turns it."""
        return bone_is_constrained(self.thing) or rotation_mode_is_animated(self.owner, self.thing)

    def rotations(self, components: FloatArray) -> FloatArray:
        """Components (F, 3 or 4) of its rotation mode -> axis-angle (F, 3) in model axes, relative to rest."""
        if not len(components):
            return np.zeros((0, 3))
        rest, back, mode = self.rest, self.base.inverted().to_matrix(), self.mode
        return np.stack([pose_to_model(components_to_matrix(row, mode) @ back, rest) for row in components])

    def quaternions(self, rotations: FloatArray) -> FloatArray:
        """Quaternions (F, 4), w first, of the property for rotations (F, 3) in model axes."""
        turned = model_to_quaternions(rotations, self.rest)
        if self.base.angle < 1e-9:
            return turned
        return np.array([tuple(Quaternion(row) @ self.base) for row in turned.tolist()])

    def rest_value(self, target: Target) -> float:
        """Value of a target at rest."""
        if self.is_bone:
            name = target.data_path.rpartition(".")[2]
            return float(self.thing.bl_rna.properties[name].default_array[target.index])
        if self.mode == "QUATERNION":
            return float(self.base[target.index])
        if self.mode == "AXIS_ANGLE":
            axis, angle = self.base.to_axis_angle()
            return float((angle, *axis)[target.index])
        return float(self.base.to_euler(self.mode)[target.index])

    def standing(self) -> FloatArray:
        """Components (3,) or (4,) of its rotation mode as they stand now."""
        name, count = rotation_path(self.mode)
        return np.array([getattr(self.thing, name)[index] for index in range(count)], np.float64)

    def stand(self, components: FloatArray) -> None:
        """Set the components of its rotation mode."""
        setattr(self.thing, rotation_path(self.mode)[0], components.tolist())

    def evaluated(self, depsgraph: bpy.types.Depsgraph) -> list[float]:
        """Rotation relative to rest in an evaluated scene, drivers and constraints included, in model axes."""
        owner = self.owner.evaluated_get(depsgraph)
        if self.is_bone:
            bone = owner.pose.bones[self.thing.name]
            local = owner.convert_space(pose_bone=bone, matrix=bone.matrix, from_space="POSE", to_space="LOCAL")
        elif owner.parent is not None:
            local = owner.convert_space(matrix=owner.matrix_world, from_space="WORLD", to_space="LOCAL")
        else:
            local = owner.matrix_world  # what Blender calls local of it lacks its own turn
        turned = local.to_3x3().normalized() @ self.base.inverted().to_matrix()
        return [float(value) for value in pose_to_model(turned, self.rest)]


def rotation_mode_is_animated(owner: bpy.types.Object, thing: bpy.types.PoseBone | bpy.types.Object) -> bool:
    """Whether a rotation mode itself has a curve: then no property of one mode tells the rotation."""
    curves = compat.fcurves_of(owner)
    return curves is not None and curves.find(thing.path_from_id("rotation_mode")) is not None


def turn_of(record: bpy.types.PropertyGroup | None, armature: bpy.types.Object | None) -> Turn | None:
    """What turns a head.

    Args:
        record: What is stored for it, None where nothing is: then a bone is found by its name.
        armature: Its armature, None where there is none whose bones can be keyed.
    """
    choice = record.turned_by if record is not None else "AUTO"
    if choice == "OBJECT" and record is not None:
        chosen = record.turn_object
        can_turn = chosen is not None and compat.is_editable(chosen)
        return Turn(chosen, chosen, Quaternion(record.turn_base)) if can_turn else None
    if choice == "NOTHING" or armature is None or armature.pose is None:
        return None
    bones = armature.pose.bones
    if record is not None and choice == "BONE":
        bone = bones.get(record.turn_bone) or bones.get(_renamed(record, armature))
    else:
        bone = bones.get(find_neck([bone.name for bone in bones]))
    return None if bone is None else Turn(armature, bone, Quaternion())


def _renamed(record: bpy.types.PropertyGroup, armature: bpy.types.Object) -> str:
    """What the chosen bone is called now, told by our keys, which went along; empty where there are none."""
    written = state.load_ledger(record).curves
    for curve in compat.fcurves_of(armature) or ():
        found = _TURNING.fullmatch(curve.data_path)
        known = written.get(f"neck.{found[2]}[{curve.array_index}]") if found is not None else None
        if found is not None and known is not None:
            table = read_table(curve)
            ours = table["co"][table["type"] == GENERATED]
            if len(ours) and known.tells(ours[:, 0], ours[:, 1]):
                return bpy.utils.unescape_identifier(found[1])
    return ""


def why_no_turn(record: bpy.types.PropertyGroup | None, armature: bpy.types.Object | None) -> str:
    """Why nothing turns a head although something shall, and what to do; empty where there is nothing to say."""
    choice = record.turned_by if record is not None else "AUTO"
    if choice == "NOTHING" or turn_of(record, armature) is not None:
        return ""
    if record is not None and choice == "OBJECT":
        if record.turn_object is None:
            return "Choose the object that turns the head."
        return f"'{record.turn_object.name}' is linked from another file: override it, or choose another object."
    if armature is None or armature.pose is None:
        return "This head has no armature: choose an object that turns it, or Nothing." if choice == "BONE" else ""
    if record is None or choice == "AUTO":
        return f"No bone of '{armature.name}' is named neck or head: choose what turns the head."
    if not record.turn_bone:
        return "Choose the bone that turns the head."
    return f"'{armature.name}' has no bone '{record.turn_bone}' any more: choose the bone that turns the head."


def find_neck(names: Sequence[str]) -> str:
    """The bone among some that turns a head by its name, the neck before the head; empty where there is none."""
    for word in ("neck", "head"):
        if word in names:
            return word
        for name in names:
            if _NECK.fullmatch(name) and word in name.lower().rpartition(":")[2]:
                return name
    return ""
