# SPDX-License-Identifier: GPL-3.0-or-later
"""What the named controls are on a FLAME head: looked at, and corrected by what an animator sets on the sliders."""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.errors import InputError
from ...backend.protocol import CONTROL_NAMES
from ..core.poses import label_of
from .axes import pose_to_model, rotation_path
from .flame_head import EXPRESSION, control_expressions, drive_jaw_anew, jaw_turns, key_name, remember_control

FloatArray = NDArray[np.float64]

_LEAST_WEIGHT = 0.1  # of the control that is corrected: what is set beside it is divided by it
_TOLD = 4  # coefficients that are named
_SEEN = 1e-6


@dataclass(frozen=True)
class ControlOnFlame:
    """What a control at weight 1 is on a FLAME head.

    Attributes:
        name: The control.
        expression: (E,) its coefficients.
        turn: (3,) axis-angle by which it turns the jaw, rad, model axes.
    """

    name: str
    expression: FloatArray
    turn: FloatArray

    def sentences(self) -> list[str]:
        """For the panel: the greatest coefficients, and the jaw's turn."""
        greatest = np.argsort(-np.abs(self.expression))[:_TOLD]
        named = ", ".join(f"{place + 1:03d} {self.expression[place]:+.2f}" for place in greatest.tolist())
        degrees = float(np.degrees(np.linalg.norm(self.turn)))
        return [f"Expression {named}", *([f"Turns the jaw by {degrees:.1f} degrees"] if degrees > 0.05 else [])]


def control_on_flame(head: bpy.types.Object, name: str) -> ControlOnFlame | None:
    """What a control is on a FLAME head; None on another head, or where it is not told."""
    expressions = control_expressions(head)
    if name not in expressions:
        return None
    return ControlOnFlame(name, expressions[name], jaw_turns(head).get(name, np.zeros(3)))


def correct_control(head: bpy.types.Object, armature: bpy.types.Object | None, name: str) -> list[str]:
    """Let a control be what it is now together with the Expression sliders and the jaw's own rotation.

    Both are then back at rest, so that the face stays as it stands.

    Args:
        head: A FLAME head; the control stands at a weight of .1 or more.
        armature: Its armature.
        name: The control.

    Returns:
        Sentences for the animator.

    Raises:
        InputError: The control is not one of the head's, stands at rest, or nothing beside it is set.
    """
    key, before = head.data.shape_keys, control_on_flame(head, name)
    if key is None or before is None or name not in key.key_blocks:
        raise InputError(f"'{head.name}' does not tell what {label_of(name)} is.", "Choose a head that FLAME... added.")
    block = key.key_blocks[name]
    if block.value < _LEAST_WEIGHT:
        raise InputError(
            f"{label_of(name)} stands at {block.value:.2f}.",
            "Set it to 1, then correct the face with the Expression keys.",
        )
    added = np.zeros(len(before.expression))
    sliders = [key.key_blocks.get(key_name(EXPRESSION, place)) for place in range(len(added))]
    for place, slider in enumerate(sliders):
        added[place] = slider.value / block.value if slider is not None and not slider.mute else 0.0
    turned = _own_turn(armature) / block.value
    if not np.abs(added).max(initial=0.0) > _SEEN and not np.abs(turned).max() > _SEEN:
        raise InputError(
            "No Expression key and no turn of the jaw stands beside it.",
            "Set some until the face looks right, then press again.",
        )
    _move_points(key, block, [(slider, amount) for slider, amount in zip(sliders, added, strict=True) if amount])
    remember_control(head, name, before.expression + added, before.turn + turned)
    for slider in sliders:
        if slider is not None and not slider.mute:
            slider.value = 0.0
    if armature is not None and np.abs(turned).max() > _SEEN:
        drive_jaw_anew(head, armature)
        _rest_jaw(armature)
    after = control_on_flame(head, name)
    assert after is not None
    return [f"{label_of(name)} is corrected. {'. '.join(after.sentences())}."]


def corrected_names(head: bpy.types.Object) -> list[str]:
    """Controls of a FLAME head that can be corrected, in their order."""
    known = control_expressions(head)
    return [name for name in CONTROL_NAMES if name in known]


def _own_turn(armature: bpy.types.Object | None) -> FloatArray:
    """(3,) axis-angle of the jaw bone's own rotation, rad, model axes."""
    bone = armature.pose.bones.get("jaw") if armature is not None else None
    if bone is None:
        return np.zeros(3)
    return pose_to_model(bone.matrix_basis.to_3x3().normalized(), bone.bone.matrix_local.to_3x3())


def _rest_jaw(armature: bpy.types.Object) -> None:
    """Put the jaw bone's own rotation to rest."""
    bone = armature.pose.bones["jaw"]
    name, _ = rotation_path(bone.rotation_mode)
    setattr(bone, name, bone.bl_rna.properties[name].default_array[: len(getattr(bone, name))])


def _move_points(key: bpy.types.Key, block: bpy.types.ShapeKey, parts: list[tuple[bpy.types.ShapeKey, float]]) -> None:
    """Add amounts of other shape keys to one."""
    points = _points(block)
    for other, amount in parts:
        points += np.float32(amount) * (_points(other) - _points(other.relative_key))
    block.points.foreach_set("co", points.ravel())
    key.update_tag()


def _points(block: bpy.types.ShapeKey) -> NDArray[np.float32]:
    """(V, 3) points of a shape key."""
    flat = np.empty(3 * len(block.points), np.float32)
    block.points.foreach_get("co", flat)
    return flat.reshape(-1, 3)
