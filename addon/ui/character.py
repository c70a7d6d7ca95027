# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of the character: what is performed by what, and what cannot be."""

from __future__ import annotations

import textwrap
from typing import Any

import bpy

from ...backend.errors import InputError
from ...backend.protocol import CONTROL_NAMES
from ..core.poses import label_of
from ..core.rig_names import unmapped
from ..core.wording import shortened
from ..operators.character import is_good, presets, unrowed_targets, why_not_changed
from ..operators.common import record_in, why_no_head, why_no_shape_keys
from ..scene.character import armature_of, is_driven_too, left_notices, other_meshes, with_other_meshes
from ..scene.flame_controls import control_on_flame, corrected_names
from ..scene.flame_head import is_flame_head
from ..scene.shot import find_head
from ..scene.table import target_of, with_rows
from ..scene.targets import shape_groups, shape_key_targets
from ..scene.turning import turn_of, why_no_turn

_LEAST_SHOWN, _FLAME_SHOWN = 0.1, 2  # weight from which a FLAME control is told, and how many are


class RETAKE_UL_rows(bpy.types.UIList):
    """The rows of the table."""

    def draw_item(
        self,
        context: bpy.types.Context,
        layout: bpy.types.UILayout,
        data: Any,
        item: Any,
        icon: int,
        active_data: Any,
        active_property: str,
    ) -> None:
        """A channel, and where it goes."""
        row = layout.row(align=True)
        row.label(text=label_of(item.channel))
        where = {"BONE": f"{item.name} {item.component}", "SHAPE_KEY": item.name, "PROPERTY": item.path}[item.kind]
        row.label(text=where.replace("_", " "), icon="NONE" if is_good(item) else "ERROR")


class RETAKE_MT_tables(bpy.types.Menu):
    """Tables that were saved."""

    bl_idname = "RETAKE_MT_tables"
    bl_label = "Load Table"

    def draw(self, context: bpy.types.Context) -> None:
        """One an entry."""
        found = presets()
        for path in found:
            self.layout.operator("retake.load_table", text=path.stem).filepath = str(path)
        if not found:
            self.layout.label(text="None is saved yet")


class RETAKE_PT_character(bpy.types.Panel):
    """Below the others: needed once, when a head is new."""

    bl_idname = "RETAKE_PT_character"
    bl_parent_id = "RETAKE_PT_main"
    bl_label = "Character"
    bl_order = 60
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Retake"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a head."""
        return not (why_no_head(context) or why_no_shape_keys(context))

    def draw(self, context: bpy.types.Context) -> None:
        """What turns the head, its other meshes, what was found, the table."""
        layout, record, head = self.layout, record_in(context), find_head(context)
        reason = why_not_changed(context)
        if reason:
            _sentence(layout, context, reason, "LOCKED")
            layout.operator("retake.show_original")
        column = layout.column()
        column.enabled = not reason
        _draw_turning(column, context, record, head)
        _draw_meshes(column, context, record, head)
        _draw_found(column, context, record, head)
        _draw_table(column, context, record, head)
        if is_flame_head(head):
            _draw_flame(layout, context, head)


def _draw_turning(layout: bpy.types.UILayout, context: bpy.types.Context, record: Any, head: bpy.types.Object) -> None:
    """What the head's motion is written on."""
    armature, column = armature_of(head), layout.column(align=True)
    turn = turn_of(record, armature)
    column.label(text=f"Turned by: {turn.thing.name if turn is not None else 'nothing'}", icon="BONE_DATA")
    if record is not None:
        column.prop(record, "turned_by", text="")
        if record.turned_by == "BONE" and armature is not None:
            column.prop_search(record, "turn_bone", armature.pose, "bones", text="")
        elif record.turned_by == "OBJECT":
            column.prop(record, "turn_object", text="")
    reason = why_no_turn(record, armature)
    if reason:
        _sentence(column, context, reason, "INFO")


def _draw_meshes(layout: bpy.types.UILayout, context: bpy.types.Context, record: Any, head: bpy.types.Object) -> None:
    """The character's other meshes, each with a tick."""
    meshes = other_meshes(context.scene, head)
    if meshes:
        column = layout.column(align=True)
        column.label(text="These meshes move with the head:")
        for thing in meshes:
            icon = "CHECKBOX_HLT" if is_driven_too(record, thing) else "CHECKBOX_DEHLT"
            column.operator("retake.toggle_mesh", text=thing.name, icon=icon).mesh = thing.name
        for sentence in _left_sentences(record, head, [thing for thing in meshes if is_driven_too(record, thing)]):
            _sentence(column, context, sentence, "INFO")


def _left_sentences(record: Any, head: bpy.types.Object, meshes: list[bpy.types.Object]) -> list[str]:
    """What stays on the meshes that move with the head; nothing while a row names nothing, which is told beside it."""
    try:
        own = with_rows(shape_key_targets(head.data.shape_keys), record.rows if record is not None else ())
    except InputError:
        return []
    return left_notices(with_other_meshes(own, meshes, record), meshes, record)


def _draw_found(layout: bpy.types.UILayout, context: bpy.types.Context, record: Any, head: bpy.types.Object) -> None:
    """How many controls were found by name, which have nothing, and which are driven."""
    groups = [
        group
        for thing in (head, *(mesh for mesh in other_meshes(context.scene, head) if is_driven_too(record, mesh)))
        for group in shape_groups(thing.data.shape_keys)
    ]
    rowed = {row.channel for row in record.rows} if record is not None else set()
    missing = [name for name in unmapped(groups) if name not in rowed]
    column = layout.column(align=True)
    column.label(text=f"{len(CONTROL_NAMES) - len(missing)} of {len(CONTROL_NAMES)} controls are carried")
    if missing:
        _sentence(column, context, f"Nothing carries {shortened([*map(label_of, missing)], 12)}.", "INFO")
    driven = unrowed_targets(context)
    if driven:
        told = "1 shape key is driven, and is" if len(driven) == 1 else f"{len(driven)} shape keys are driven, and are"
        _sentence(column, context, f"{told} not written on.", "DRIVER")
        column.operator("retake.use_drivers")


def _draw_table(layout: bpy.types.UILayout, context: bpy.types.Context, record: Any, head: bpy.types.Object) -> None:
    """The rows, and the chosen one."""
    rows = record.rows if record is not None else ()
    if record is not None and len(rows):
        layout.template_list("RETAKE_UL_rows", "", record, "rows", record, "row", rows=3)
    buttons = layout.row(align=True)
    buttons.operator_menu_enum("retake.add_row", "channel", icon="ADD")
    buttons.operator("retake.remove_row", text="", icon="REMOVE")
    buttons.menu("RETAKE_MT_tables", text="", icon="PRESET")
    buttons.operator("retake.save_table", text="", icon="FILE_TICK")
    if record is None or not 0 <= record.row < len(rows):
        return
    row, column = rows[record.row], layout.column(align=True)
    column.prop(row, "channel", text="")
    column.prop(row, "thing", text="")
    column.prop(row, "kind", text="")
    if row.kind == "BONE" and row.thing is not None and row.thing.pose is not None:
        column.prop_search(row, "name", row.thing.pose, "bones", text="")
        column.prop(row, "component", text="")
    elif row.kind == "SHAPE_KEY" and row.thing is not None and row.thing.type == "MESH" and row.thing.data.shape_keys:
        column.prop_search(row, "name", row.thing.data.shape_keys, "key_blocks", text="")
    elif row.kind == "PROPERTY":
        column.prop(row, "path", text="")
        column.prop(row, "index")
    column.prop(row, "gain")
    column.prop(row, "offset")
    limits = column.row(align=True)
    limits.prop(row, "limited", toggle=True)
    values = limits.row(align=True)
    values.enabled = row.limited
    values.prop(row, "low")
    values.prop(row, "high")
    try:
        target_of(row, 0)
        with_rows(shape_key_targets(head.data.shape_keys), rows)
    except InputError as error:
        _sentence(column, context, str(error), "ERROR")


def _draw_flame(layout: bpy.types.UILayout, context: bpy.types.Context, head: bpy.types.Object) -> None:
    """What the controls that are set now are on a FLAME head, and how to correct one."""
    column, key = layout.column(align=True), head.data.shape_keys
    column.label(text="FLAME controls", icon="SHAPEKEY_DATA")
    names = [name for name in corrected_names(head) if name in key.key_blocks]
    standing = sorted(names, key=lambda name: -key.key_blocks[name].value)[:_FLAME_SHOWN]
    standing = [name for name in standing if key.key_blocks[name].value >= _LEAST_SHOWN]
    for name in standing:
        found = control_on_flame(head, name)
        for sentence in found.sentences() if found is not None else ():
            _sentence(column, context, f"{label_of(name)}: {sentence}.", "NONE")
    if not standing:
        _sentence(column, context, "Set a control under Pose to 1 to see what it is made of.", "INFO")
    _sentence(
        column, context, "To correct one: set it to 1, set Expression keys and the jaw bone beside it, then:", "NONE"
    )
    column.operator_menu_enum("retake.correct_control", "control")


def _sentence(layout: bpy.types.UILayout, context: bpy.types.Context, sentence: str, icon: str) -> None:
    """A sentence in as many lines as the sidebar needs."""
    width = max(int(context.region.width / (7.5 * context.preferences.system.ui_scale)) - 4, 16)
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(textwrap.wrap(sentence, width)):
        column.label(text=line, icon=icon if number == 0 or icon == "NONE" else "BLANK1")


CLASSES = (RETAKE_UL_rows, RETAKE_MT_tables, RETAKE_PT_character)
