# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of the keys: how many are given, what to do with those that are selected, locked spans."""

from __future__ import annotations

from typing import Any

import bpy

from ..core.timing import AudioClock, Span
from ..operators.common import record_in, why_no_head
from ..scene import state
from .panel import draw_summary, new_takes


class KeysSection:
    """What the panels of the keys have in common; one stands in each editor."""

    bl_label = "Keys"
    bl_region_type = "UI"
    bl_category = "Retake"
    bl_options = {"DEFAULT_CLOSED"}

    layout: bpy.types.UILayout

    def draw(self, context: bpy.types.Context) -> None:
        """Buttons for selected keys, then the locked spans."""
        draw_keys(self.layout, context)


class RETAKE_PT_keys(KeysSection, bpy.types.Panel):
    """In the 3D View, below the main panel."""

    bl_idname = "RETAKE_PT_keys"
    bl_parent_id = "RETAKE_PT_main"
    bl_order = 30
    bl_space_type = "VIEW_3D"


class RETAKE_PT_keys_dope_sheet(KeysSection, bpy.types.Panel):
    """In the Dope Sheet, open."""

    bl_idname = "RETAKE_PT_keys_dope_sheet"
    bl_order = 10
    bl_space_type = "DOPESHEET_EDITOR"
    bl_options = set()


class RETAKE_PT_keys_graph(KeysSection, bpy.types.Panel):
    """In the Graph Editor, open."""

    bl_idname = "RETAKE_PT_keys_graph"
    bl_order = 10
    bl_space_type = "GRAPH_EDITOR"
    bl_options = set()


class RangeSection:
    """What the panels of the range in the editors of keys have in common."""

    bl_label = "Range"
    bl_region_type = "UI"
    bl_category = "Retake"
    bl_order = 5

    layout: bpy.types.UILayout

    def draw(self, context: bpy.types.Context) -> None:
        """The range, and what fills it."""
        settings = context.window_manager.retake
        column = self.layout.column(align=True)
        column.prop(settings, "range_mode", text="")
        draw_summary(column, context)
        new_takes(column, settings)
        update = column.operator("retake.update_take", text="Update Take in This Range", icon="FILE_REFRESH")
        update.range_mode = settings.range_mode


class RETAKE_PT_range_dope_sheet(RangeSection, bpy.types.Panel):
    """In the Dope Sheet."""

    bl_idname = "RETAKE_PT_range_dope_sheet"
    bl_space_type = "DOPESHEET_EDITOR"


class RETAKE_PT_range_graph(RangeSection, bpy.types.Panel):
    """In the Graph Editor."""

    bl_idname = "RETAKE_PT_range_graph"
    bl_space_type = "GRAPH_EDITOR"


def draw_keys(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Buttons for selected keys, then the locked spans."""
    reason = why_no_head(context)
    if reason:
        layout.label(text=reason, icon="INFO")
        return
    column = layout.column(align=True)
    row = column.row(align=True)
    row.operator("retake.pin_keys", icon="PINNED")
    row.operator("retake.unpin_keys", icon="UNPINNED")
    row = column.row(align=True)
    row.operator("retake.hold_keys", icon="LINCURVE")
    row.operator("retake.select_generated", icon="RESTRICT_SELECT_OFF")
    row = layout.row(align=True)
    row.operator("retake.lock_range", icon="LOCKED").range_mode = context.window_manager.retake.range_mode
    row.prop(context.window_manager.retake, "range_mode", text="")
    _draw_locked(layout, context)


def _draw_locked(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The locked spans in frames, each with a button that releases it."""
    record = record_in(context)
    notes: Any = state.Notes() if record is None else state.load_notes(record)
    if not notes.locked:
        return
    render = context.scene.render
    clock = AudioClock(*notes.clock) if notes.clock else AudioClock(render.fps / render.fps_base, 1.0)
    column = layout.column(align=True)
    for start, end in notes.locked:
        frames = clock.frame_span(Span(start, end))
        row = column.row(align=True)
        row.label(text=f"Locked: {frames.start:.0f} to {frames.end:.0f}", icon="LOCKED")
        release = row.operator("retake.lock_span", text="", icon="X")
        release.frame_start, release.frame_end = round(frames.start + 0.5), round(frames.end - 0.5)
        release.unlock = True


CLASSES = (
    RETAKE_PT_keys,
    RETAKE_PT_keys_dope_sheet,
    RETAKE_PT_keys_graph,
    RETAKE_PT_range_dope_sheet,
    RETAKE_PT_range_graph,
)
