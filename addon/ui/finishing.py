# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of the finishing: strength and smoothing of each part, the mouth's lead."""

from __future__ import annotations

import bpy

from ...backend.protocol import PARTS
from ..core.timing import AudioClock, Span
from ..operators.common import record_in, why_no_takes
from ..scene import state


class RETAKE_PT_finishing(bpy.types.Panel):
    """Below the main panel; what is set here needs no generating."""

    bl_idname = "RETAKE_PT_finishing"
    bl_parent_id = "RETAKE_PT_main"
    bl_label = "Finishing"
    bl_order = 40
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Retake"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a take to finish."""
        return not why_no_takes(context)

    def draw(self, context: bpy.types.Context) -> None:
        """A line a part."""
        layout, record = self.layout, record_in(context)
        if record is None:
            return
        column = layout.column(align=True)
        for part in PARTS:
            column.label(text=part.replace("_", " ").capitalize())
            row = column.row(align=True)
            row.prop(record, f"strength_{part}", slider=True)
            row.prop(record, f"smoothing_{part}", slider=True)
        column = layout.column(align=True)
        row = column.row(align=True)
        row.prop(record, "blinks", slider=True)
        row.prop(record, "gaze", slider=True)
        row = column.row(align=True)
        wanted = context.window_manager.retake
        row.operator("retake.no_blinks", text="No Blinks", icon="HIDE_OFF").range_mode = wanted.range_mode
        row.prop(wanted, "range_mode", text="")
        _draw_quiet(column, context, record)
        layout.prop(record, "lead", text="Mouth Lead (Frames)")
        column = layout.column(align=True)
        column.prop(record, "sparse", toggle=True, icon="KEYFRAME")
        tolerance = column.row(align=True)
        tolerance.enabled = record.sparse
        tolerance.prop(record, "tolerance", text="Tolerance (mm)")
        layout.operator("retake.reset_finishing", icon="LOOP_BACK")


def _draw_quiet(layout: bpy.types.UILayout, context: bpy.types.Context, record: state.RETAKE_PG_head) -> None:
    """The spans without blinks, in frames, each with a button that releases it."""
    notes = state.load_notes(record)
    if not notes.quiet or notes.clock is None:
        return
    clock = AudioClock(*notes.clock)
    for number, span in enumerate(notes.quiet):
        frames = clock.frame_span(Span(*span))
        row = layout.row(align=True)
        row.label(text=f"No blinks: {frames.start:.0f} to {frames.end:.0f}", icon="HIDE_OFF")
        row.operator("retake.no_blinks", text="", icon="X").release = number


CLASSES = (RETAKE_PT_finishing,)
