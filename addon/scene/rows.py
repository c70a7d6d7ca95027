# SPDX-License-Identifier: GPL-3.0-or-later
"""A row of the animator's table as Blender keeps it, see `table`."""

from __future__ import annotations

import bpy

from ...backend.protocol import CONTROL_NAMES
from ..core.poses import label_of

COMPONENTS = {
    f"{short}_{axis}": (path, index)
    for short, path in (("LOC", "location"), ("ROT", "rotation_euler"), ("SCALE", "scale"))
    for index, axis in enumerate("XYZ")
}
"""Component of a bone -> its property and the place in it."""


CHANNEL_ITEMS = tuple((name, label_of(name), f"The channel {name}") for name in CONTROL_NAMES)
COMPONENT_ITEMS = tuple(
    (name, name.replace("_", " ").title(), f"{path}, {name[-1]}") for name, (path, _) in COMPONENTS.items()
)


class RETAKE_PG_row(bpy.types.PropertyGroup):
    """A channel and the property that shows it."""

    channel: bpy.props.EnumProperty(items=CHANNEL_ITEMS, name="Channel")
    kind: bpy.props.EnumProperty(
        items=(
            ("BONE", "Bone", "A component of a bone"),
            ("SHAPE_KEY", "Shape Key", "The value of a shape key"),
            ("PROPERTY", "Property", "Any property that can be keyed, by its data path (Copy Data Path)"),
        ),
        name="Kind",
    )
    name: bpy.props.StringProperty(name="Name", description="The bone, or the shape key")
    component: bpy.props.EnumProperty(
        items=COMPONENT_ITEMS,
        name="Component",
    )
    path: bpy.props.StringProperty(name="Data Path", description='For example pose.bones["jaw"]["open"], or ["smile"]')
    index: bpy.props.IntProperty(name="Index", min=0, description="The place in the property, where it has several")
    gain: bpy.props.FloatProperty(
        name="Gain", default=1.0, precision=3, description="How far the property goes where the channel goes to 1"
    )
    offset: bpy.props.FloatProperty(
        name="Offset", precision=3, description="The property's value where the channel is 0"
    )
    limited: bpy.props.BoolProperty(name="Limits", description="Never write beyond the limits")
    low: bpy.props.FloatProperty(name="Least", default=0.0, description="Counts while Limits is on")
    high: bpy.props.FloatProperty(name="Greatest", default=1.0, description="Counts while Limits is on")


RETAKE_PG_row.__annotations__["thing"] = (
    "bpy.props.PointerProperty(type=bpy.types.Object, name='Object', description='Whose property it is')"
)


class RETAKE_PG_left(bpy.types.PropertyGroup):
    """A mesh of the character that the animator leaves alone."""


RETAKE_PG_left.__annotations__["thing"] = (
    "bpy.props.PointerProperty(type=bpy.types.Object, name='Mesh', description='Does not move with the head')"
)

CLASSES = (RETAKE_PG_row, RETAKE_PG_left)
