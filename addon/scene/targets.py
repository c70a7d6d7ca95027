# SPDX-License-Identifier: GPL-3.0-or-later
"""Which properties of a head carry which channels, and how they are read.

A channel of the 52 named controls is the value of the shape key of that name, or is shown by a group of shape keys
(`core.rig_names`); the neck rotation is that of what turns the head (`turning`), three or four components by its
rotation mode.
A target is one animated number: one F-curve at most. Targets of the same channels are a group.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import compat
from ..core.binding import AS_IT_IS, Property
from ..core.channels import PART_OF
from ..core.rig_names import ShapeGroup, match_shapes
from ..core.spelling import match_controls

FloatArray = NDArray[np.float64]

_EYE = re.compile(r"(.*[._ -])?eye(ball)?([._ -]?(l|r|left|right))?", re.IGNORECASE)
_REPLACING = ("GENERATOR", "FNGENERATOR")


@dataclass(frozen=True)
class Target:
    """One animated number of a head.

    Attributes:
        curve_id: Stable name of its curve: the channel, or neck.PROPERTY[COMPONENT].
        channels: Channels it carries.
        owner: Datablock whose animation data holds the curve.
        data_path: RNA path from the owner.
        index: Place in an array property, 0 for a shape key.
        group: Name of the group a new curve goes into.
        shown: What it shows of its channels; of the neck's targets it tells nothing.
    """

    curve_id: str
    channels: tuple[str, ...]
    owner: bpy.types.ID
    data_path: str
    index: int
    group: str
    shown: Property = AS_IT_IS

    @property
    def fcurve(self) -> Any | None:
        """Its curve in the assigned action and slot, None where there is none."""
        curves = compat.fcurves_of(self.owner)
        return None if curves is None else curves.find(self.data_path, index=self.index)

    @property
    def driver(self) -> Any | None:
        """The driver that owns its value, None where there is none that works."""
        data = self.owner.animation_data
        driver = data.drivers.find(self.data_path, index=self.index) if data else None
        return driver if driver is not None and not driver.mute else None

    @property
    def block(self) -> bpy.types.ShapeKey | None:
        """The shape key whose value it is, None where it is another property."""
        if not isinstance(self.owner, bpy.types.Key) or not self.data_path.endswith(".value"):
            return None
        return self.owner.path_resolve(self.data_path.removesuffix(".value"))

    @property
    def is_scalar(self) -> bool:
        """Whether the property is one number, not a place in an array."""
        return isinstance(self.owner.path_resolve(self.data_path), (int, float))

    @property
    def is_there(self) -> bool:
        """Whether there is such a property: the curve of a shape key or a bone stays when that is removed."""
        try:
            self.owner.path_resolve(self.data_path)
        except ValueError:
            return False
        return True

    @property
    def rest(self) -> float:
        """Its value at rest."""
        return self.shown.offset

    def value_in(self, depsgraph: bpy.types.Depsgraph) -> float:
        """Its value in an evaluated scene."""
        value = self.owner.evaluated_get(depsgraph).path_resolve(self.data_path)
        return float(value if isinstance(value, (int, float)) else value[self.index])

    @property
    def static(self) -> float:
        """Value of the property as it stands now."""
        value = self.owner.path_resolve(self.data_path)
        return float(value if isinstance(value, (int, float)) else value[self.index])

    def set_static(self, value: float) -> None:
        """Set the property's value."""
        if self.data_path.endswith('"]'):
            self._set_custom(value)
            return
        holder, _, name = self.data_path.rpartition(".")
        struct = self.owner.path_resolve(holder) if holder else self.owner
        standing = getattr(struct, name)
        if isinstance(standing, (int, float)):
            setattr(struct, name, type(standing)(value))
        else:
            standing[self.index] = value

    def _set_custom(self, value: float) -> None:
        """Set a custom property, which lies in its holder as in a dictionary."""
        holder, _, name = self.data_path[:-2].rpartition('["')
        struct = self.owner.path_resolve(holder) if holder else self.owner
        standing = struct[name]
        if isinstance(standing, (int, float)):
            struct[name] = type(standing)(value)
        else:
            standing[self.index] = value
        self.owner.update_tag()


def place_in(target: Target) -> tuple[bpy.types.ID, str, int]:
    """The property that a target is."""
    return target.owner, target.data_path, target.index


def control_keys(key: bpy.types.Key) -> dict[str, bpy.types.ShapeKey]:
    """Control -> the shape key that is named like it, in any usual spelling, in the order of CONTROL_NAMES."""
    blocks = key.key_blocks
    found = {control: blocks[name] for control, name in match_controls(tuple(blocks.keys())).items()}
    return {control: block for control, block in found.items() if block != key.reference_key}


def shape_groups(key: bpy.types.Key) -> tuple[ShapeGroup, ...]:
    """What the shape keys of a mesh carry, by their names; the neutral one carries nothing."""
    reference = key.reference_key.name if key.reference_key is not None else ""
    return match_shapes(tuple(name for name in key.key_blocks.keys() if name != reference))  # noqa: SIM118 (a collection)


def shape_key_targets(key: bpy.types.Key) -> list[Target]:
    """Targets of a mesh's shape keys, in the order of CONTROL_NAMES."""
    return [
        Target(
            curve_id,
            group.channels,
            key,
            f'key_blocks["{bpy.utils.escape_identifier(name)}"].value',
            0,
            _group_of(group.channels[0]),
            shown,
        )
        for group in shape_groups(key)
        for name, curve_id, shown in zip(group.names, group.ids, group.binding.properties, strict=True)
    ]


def shown_blocks(key: bpy.types.Key) -> dict[str, list[bpy.types.ShapeKey]]:
    """Channel -> the shape keys that a slider of it moves as they are: its own, that of both sides, one for each."""
    return {
        channel: [key.key_blocks[name] for name in group.names]
        for group in shape_groups(key)
        if len(group.channels) <= 2
        for channel in group.channels
    }


def _group_of(channel: str) -> str:
    """Name of the group of curves that a channel's curve goes into: its part."""
    return PART_OF[channel].replace("_", " ").title()


def bone_is_constrained(bone: bpy.types.PoseBone | bpy.types.Object) -> bool:
    """Whether a constraint works on a bone or an object."""
    return any(not constraint.mute and constraint.influence > 0.0 for constraint in bone.constraints)


def eyes_are_aimed(armature: bpy.types.Object | None) -> bool:
    """Whether a constraint turns an eye bone of an armature, e.g. towards a target."""
    bones = armature.pose.bones if armature is not None and armature.pose is not None else ()
    return any(_EYE.fullmatch(bone.name) and bone_is_constrained(bone) for bone in bones)


@dataclass(frozen=True)
class Obstacles:
    """Why a target may not be written; all False where it may."""

    driven: bool = False
    constrained: bool = False
    muted: bool = False
    locked: bool = False
    layered: bool = False

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self.driven or self.constrained or self.muted or self.locked or self.layered


def obstacles(target: Target, fcurve: Any | None) -> Obstacles:
    """What keeps a target from being written, except constraints of its bone, given its curve."""
    if fcurve is None:
        return Obstacles(driven=target.driver is not None)
    group = fcurve.group
    return Obstacles(
        driven=target.driver is not None,
        constrained=_modifiers_replace_keys(fcurve),
        muted=fcurve.mute or bool(group and group.mute),
        locked=fcurve.lock or bool(group and group.lock),
    )


def _modifiers_replace_keys(fcurve: Any) -> bool:
    """Whether keys written into a curve would not be what it plays: cycles, generators, baked samples."""
    if len(fcurve.sampled_points):
        return True
    active = [modifier for modifier in fcurve.modifiers if not modifier.mute]
    return any(
        modifier.type == "CYCLES" or (modifier.type in _REPLACING and not modifier.use_additive) for modifier in active
    )


def evaluate(target: Target, frames: FloatArray, with_modifiers: bool) -> FloatArray:
    """Values (F,) of a target's curve at frames of its action; the property's value where no curve plays."""
    fcurve = target.fcurve
    playing = fcurve is not None and (len(fcurve.keyframe_points) or len(fcurve.sampled_points))
    if not playing or fcurve.mute or (fcurve.group and fcurve.group.mute):
        return np.full(len(frames), target.static)
    modifiers = [] if with_modifiers else [modifier for modifier in fcurve.modifiers if not modifier.mute]
    for modifier in modifiers:
        modifier.mute = True
    try:
        return np.array([fcurve.evaluate(frame) for frame in frames.tolist()], np.float64)
    finally:
        for modifier in modifiers:
            modifier.mute = False


def selected_frames(targets: Sequence[Target], shifts: Mapping[str, float]) -> FloatArray:
    """Scene frames of all selected keys.

    Args:
        targets: Whose keys.
        shifts: Curve id -> scene frame minus frame of the action.
    """
    frames: list[float] = []
    for target in targets:
        fcurve = target.fcurve
        points = fcurve.keyframe_points if fcurve is not None else ()
        frames.extend(point.co[0] + shifts[target.curve_id] for point in points if point.select_control_point)
    return np.array(sorted(frames), np.float64)
