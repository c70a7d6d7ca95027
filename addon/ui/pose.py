# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of the pose: the controls in groups, left and right linked, and what keys them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy

from ...backend.protocol import HEAD_ROTATION
from .. import compat
from ..core.poses import GROUPS, LINKED, MOUTH_SHAPES, Control, controls_of
from ..operators.common import record_in, why_no_head, why_no_shape_keys
from ..operators.generate import PART_ITEMS
from ..scene.axes import quaternion_to_components
from ..scene.keying import OURS, key_type_at
from ..scene.shot import armature_of, find_head
from ..scene.targets import shape_groups, shown_blocks
from ..scene.turning import Turn, turn_of

_TURNS = {"turnLeft": ("Turn Left", 1), "nodDown": ("Nod Down", 0), "tiltRight": ("Tilt Right", 2)}
"""Slider of the head -> its label, and the axis in model axes (x to the character's left, y up, z forward)."""
_GAZE = {"lookSide": ("eyeLookOut", "eyeLookIn"), "lookUp": ("eyeLookUp", "eyeLookDown")}


def _blocks() -> dict[str, list[Any]]:
    """Control -> the shape keys that a slider of it moves, of the head that is meant; empty where there is none."""
    head = find_head(bpy.context)
    key = head.data.shape_keys if head is not None else None
    return {} if key is None else shown_blocks(key)


def _get_linked(control: Control) -> Callable[[Any], float]:
    def get(settings: Any) -> float:
        blocks = _blocks()
        values = [block.value for name in control.channels for block in blocks.get(name, ())]
        return round(max(values, default=0.0), 3)  # of less, Blender shows six digits

    return get


def _set_linked(control: Control) -> Callable[[Any, float], None]:
    def set_(settings: Any, value: float) -> None:
        blocks = _blocks()
        for name in control.channels:
            for block in blocks.get(name, ()):
                block.value = value

    return set_


def _gaze_names(axis: str, value: float) -> dict[str, float]:
    """Values of the four channels of one direction: to the head's left (positive), or up."""
    plus, minus = _GAZE[axis]
    if axis == "lookSide":
        return {
            f"{plus}Left": max(value, 0.0),
            f"{minus}Right": max(value, 0.0),
            f"{minus}Left": max(-value, 0.0),
            f"{plus}Right": max(-value, 0.0),
        }
    return {
        **{f"{plus}{side}": max(value, 0.0) for side in ("Left", "Right")},
        **{f"{minus}{side}": max(-value, 0.0) for side in ("Left", "Right")},
    }


def _get_gaze(axis: str) -> Callable[[Any], float]:
    plus, minus = _GAZE[axis]

    def get(settings: Any) -> float:
        blocks = _blocks()
        value = sum(
            sign * blocks[name][0].value
            for name, sign in ((f"{plus}Left", 1.0), (f"{minus}Left", -1.0))
            if name in blocks
        )
        return round(value, 3)

    return get


def _set_gaze(axis: str) -> Callable[[Any, float], None]:
    def set_(settings: Any, value: float) -> None:
        for name, weight in _gaze_names(axis, value).items():
            for block in _blocks().get(name, ()):
                block.value = weight

    return set_


def _turn() -> Turn | None:
    """What turns the head that is meant."""
    head = find_head(bpy.context)
    return None if head is None else turn_of(record_in(bpy.context), armature_of(head))


def _get_turned(place: int) -> Callable[[Any], float]:
    def get(settings: Any) -> float:
        turn = _turn()
        return 0.0 if turn is None else float(turn.rotations(turn.standing()[None])[0, place])

    return get


def _set_turned(place: int) -> Callable[[Any, float], None]:
    def set_(settings: Any, value: float) -> None:
        turn = _turn()
        if turn is not None:
            standing = turn.standing()
            rotation = turn.rotations(standing[None])[0]
            rotation[place] = value
            turn.stand(quaternion_to_components(turn.quaternions(rotation[None])[0], turn.mode, standing))

    return set_


class RETAKE_PG_pose(bpy.types.PropertyGroup):
    """Sliders that move left and right together, and how the section is shown. On the scene, so that undo has them."""

    linked: bpy.props.BoolProperty(name="Link Left and Right", default=True, description="Move both sides together")
    search: bpy.props.StringProperty(name="Search", options={"TEXTEDIT_UPDATE"}, description="Show controls by name")
    strength: bpy.props.FloatProperty(name="Strength", default=1.0, min=0.0, max=2.0, subtype="FACTOR")
    parts: bpy.props.EnumProperty(
        items=PART_ITEMS, options={"ENUM_FLAG"}, name="Parts", default={item[0] for item in PART_ITEMS}
    )


def _property_name(name: str) -> str:
    return f"c_{name}"


GETTERS = {
    **{control.name: _get_linked(control) for control in LINKED},
    **{axis: _get_gaze(axis) for axis in _GAZE},
    **{name: _get_turned(place) for name, (_, place) in _TURNS.items()},
}
SETTERS = {
    **{control.name: _set_linked(control) for control in LINKED},
    **{axis: _set_gaze(axis) for axis in _GAZE},
    **{name: _set_turned(place) for name, (_, place) in _TURNS.items()},
}


def _slider(name: str, label: str, least: float) -> str:
    """The annotation of a slider.

    It is text, as all annotations are here: Blender 4.2 would keep a property that stands there itself, and with it
    our functions and bpy, and crash at exit.
    """
    return (
        f"bpy.props.FloatProperty(name={label!r}, min={least}, max=1.0, subtype='FACTOR', precision=2, "
        f"options={{'SKIP_SAVE'}}, get=GETTERS[{name!r}], set=SETTERS[{name!r}])"
    )


RETAKE_PG_pose.__annotations__.update(
    {_property_name(control.name): _slider(control.name, control.label, 0.0) for control in LINKED}
)
for _axis, _label in (("lookSide", "Look Left"), ("lookUp", "Look Up")):
    RETAKE_PG_pose.__annotations__[_property_name(_axis)] = _slider(_axis, _label, -1.0)
for _name, (_label, _) in _TURNS.items():
    RETAKE_PG_pose.__annotations__[_property_name(_name)] = (
        f"bpy.props.FloatProperty(name={_label!r}, min=-3.0, max=3.0, soft_min=-0.8, soft_max=0.8, subtype='ANGLE', "
        f"options={{'SKIP_SAVE'}}, get=GETTERS[{_name!r}], set=SETTERS[{_name!r}])"
    )


class PoseSection:
    """Below the main panel of the 3D View."""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Retake"

    layout: bpy.types.UILayout

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a head to pose; what is missing otherwise is said above."""
        return not (why_no_head(context) or why_no_shape_keys(context))


class RETAKE_PT_pose(PoseSection, bpy.types.Panel):
    """Key Pose, Keep This Pose, mouth shapes."""

    bl_idname = "RETAKE_PT_pose"
    bl_parent_id = "RETAKE_PT_main"
    bl_label = "Pose"
    bl_order = 20

    def draw(self, context: bpy.types.Context) -> None:
        """Buttons above; the groups are panels of their own below."""
        layout, settings = self.layout, context.scene.retake_pose
        column = layout.column(align=True)
        column.operator("retake.key_pose", icon="KEY_HLT").group = "CHANGED"
        row = column.row(align=True)
        row.operator("retake.keep_pose", icon="PINNED").parts = settings.parts
        row.prop_menu_enum(settings, "parts", text="", icon="DOWNARROW_HLT")
        column = layout.column(align=True)
        grid = column.grid_flow(row_major=True, columns=5, align=True, even_columns=True)
        for name in MOUTH_SHAPES:
            button = grid.operator("retake.mouth_shape", text=name)
            button.shape, button.strength = name, settings.strength
        column.prop(settings, "strength", slider=True)
        layout.operator("retake.add_blink", icon="HIDE_ON")
        row = layout.row(align=True)
        row.prop(settings, "search", text="", icon="VIEWZOOM")
        row.prop(settings, "linked", text="", icon="LINKED" if settings.linked else "UNLINKED", toggle=True)
        if settings.search:
            channels = [name for group, names in GROUPS.items() if group != "head" for name in names]
            found = [one for one in controls_of(channels, settings.linked) if _is_found(one, settings.search)]
            if not found:
                layout.label(text=f"No control is called '{settings.search}'", icon="INFO")
            _draw_controls(layout, context, found)


def _is_found(control: Control, search: str) -> bool:
    """Whether all words that were typed are in a control's name."""
    return all(word in f"{control.label} {control.name}".lower() for word in search.lower().split())


def _draw_controls(layout: bpy.types.UILayout, context: bpy.types.Context, controls: list[Control]) -> None:
    """Sliders with their key dots."""
    settings, blocks = context.scene.retake_pose, _blocks()
    curves = _curves(context)
    column = layout.column(align=True)
    column.use_property_decorate = False
    for control in controls:
        present = [name for name in control.channels if name in blocks]
        row = column.row(align=True)
        if len(control.channels) == 2 or (present and len(blocks[present[0]]) > 1):
            row.prop(settings, _property_name(control.name), slider=True)
        elif present:
            row.prop(blocks[present[0]][0], "value", text=control.label, slider=True)
        if present:
            icon = _dot([curves.get(name) for name in present], context.scene.frame_current_final)
            row.operator("retake.toggle_key", text="", icon=icon, emboss=False).channels = ",".join(present)


def _draw_visemes(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The visemes of a head whose mouth they move."""
    head = find_head(context)
    key = head.data.shape_keys if head is not None else None
    for group in shape_groups(key) if key is not None else ():
        if len(group.channels) > 2:
            column = layout.column(align=True)
            column.use_property_decorate = True
            for name in group.names:
                column.prop(key.key_blocks[name], "value", text=name, slider=True)


def _draw_gaze(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Both eyes' directions, each with a dot for the keys of its channels."""
    column, blocks, curves = layout.column(align=True), _blocks(), _curves(context)
    for axis in _GAZE:
        present = [name for name in _gaze_names(axis, 0.0) if name in blocks]
        row = column.row(align=True)
        row.prop(context.scene.retake_pose, _property_name(axis), slider=True)
        if present:
            icon = _dot([curves.get(name) for name in present], context.scene.frame_current_final)
            row.operator("retake.toggle_key", text="", icon=icon, emboss=False).channels = ",".join(present)


def _curves(context: bpy.types.Context) -> dict[str, Any]:
    """Control -> the curve of its shape key, of the head that is meant."""
    head = find_head(context)
    curves = compat.fcurves_of(head.data.shape_keys) if head is not None and head.data.shape_keys else None
    by_path = {curve.data_path: curve for curve in curves or ()}
    shown = _blocks() if by_path else {}
    paths = {control: f"{blocks[0].path_from_id()}.value" for control, blocks in shown.items()}
    return {control: by_path[path] for control, path in paths.items() if path in by_path}


def _dot(curves: list[Any], frame: float) -> str:
    """Icon of a control's keys: full where a key of the animator's stands, hollow where it is animated, else a dot."""
    types = [key_type_at(curve, frame) for curve in curves if curve is not None]
    if any(type_ and type_ != OURS for type_ in types):
        return "DECORATE_KEYFRAME"
    return "DECORATE_ANIMATE" if types else "DECORATE"


def _draw_head(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """How the head stands, in degrees, each slider with a dot for the keys of the whole turn."""
    turn = _turn()
    if turn is None:
        layout.label(text="Nothing turns this head: choose a bone or an object under Character", icon="INFO")
        return
    curves = [target.fcurve for target in turn.targets()]
    icon = _dot(curves, context.scene.frame_current_final)
    column = layout.column(align=True)
    for name in _TURNS:
        row = column.row(align=True)
        row.prop(context.scene.retake_pose, _property_name(name), slider=True)
        row.operator("retake.toggle_key", text="", icon=icon, emboss=False).channels = HEAD_ROTATION[0]


def _draw_group(group: str) -> Callable[[Any, bpy.types.Context], None]:
    def draw(self: Any, context: bpy.types.Context) -> None:
        """The group's sliders, and a button that keys all of them."""
        layout, settings = self.layout, context.scene.retake_pose
        if group == "head":
            _draw_head(layout, context)
        elif group == "gaze" and settings.linked:
            _draw_gaze(layout, context)
        else:
            _draw_controls(layout, context, controls_of(GROUPS[group], settings.linked))
        if group == "jaw and lips":
            _draw_visemes(layout, context)
        layout.operator("retake.key_pose", text=f"Key {group.title()}", icon="KEY_HLT").group = group.upper()

    return draw


def _group_panel(order: int, group: str) -> type[bpy.types.Panel]:
    """The panel of one group, closed at first."""
    name = f"RETAKE_PT_pose_{group.replace(' ', '_')}"
    members = {
        "__doc__": f"The controls of the group '{group}'",
        "bl_idname": name,
        "bl_label": group.capitalize(),
        "bl_parent_id": "RETAKE_PT_pose",
        "bl_options": {"DEFAULT_CLOSED"},
        "bl_order": order,
        "draw": _draw_group(group),
    }
    return type(name, (PoseSection, bpy.types.Panel), members)


GROUP_PANELS = tuple(_group_panel(order, group) for order, group in enumerate(GROUPS))
CLASSES = (RETAKE_PG_pose, RETAKE_PT_pose, *GROUP_PANELS)
