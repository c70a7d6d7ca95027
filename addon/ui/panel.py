# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel in the 3D view's sidebar: it calls the operators; a disabled button says why in its tooltip and below."""

from __future__ import annotations

import bpy

from ...backend.protocol import PARTS
from ..operators.common import library_in, why_no_generation, why_no_head, why_no_takes
from ..operators.generate import shown_and_stale, why_stale
from ..operators.session import session


class RETAKE_PT_main(bpy.types.Panel):
    """Head, recording, takes."""

    bl_idname = "RETAKE_PT_main"
    bl_label = "Retake"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Retake"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the way through, top to bottom."""
        layout = self.layout
        layout.operator("retake.add_head", icon="USER")
        layout.operator("retake.import_audio", icon="SOUND")
        layout.separator()
        layout.operator("retake.new_takes", icon="ADD")
        layout.operator("retake.update_take", icon="FILE_REFRESH")
        reason = why_no_head(context) or why_no_generation(context) or why_no_takes(context)
        if reason:
            layout.label(text=reason, icon="INFO")
        _draw_progress(layout)
        _draw_takes(layout, context)


def _draw_progress(layout: bpy.types.UILayout) -> None:
    """What the backend does, and how to stop it."""
    job = session.job
    if job is not None and job.is_running:
        news = job.progress
        text = "Starting" if news is None else f"{news.stage} {news.step} of {news.total}"
        row = layout.row()
        row.label(text=text, icon="TIME")
        row.operator("retake.cancel", text="", icon="CANCEL")
    elif session.sentence:
        layout.label(text=session.sentence)


def _draw_takes(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The takes, the shown one marked."""
    library = library_in(context)
    if library is None or not library.takes:
        return
    shown, stale = shown_and_stale(context)
    box = layout.box()
    box.operator("retake.show_original", text="Original", depress=shown == 0)
    for take in library.takes.values():
        row = box.row(align=True)
        parts = "" if len(take.parts) == len(PARTS) else f" ({', '.join(take.parts)})"
        mark = f" ({why_stale(context, take)})" if take.id in stale else ""
        row.operator("retake.show_take", text=f"{take.name}{parts}{mark}", depress=take.id == shown).take = take.id
        pin = row.operator("retake.pin_take", text="", icon="PINNED" if take.pinned else "UNPINNED")
        pin.take, pin.pinned = take.id, not take.pinned
        row.operator("retake.delete_take", text="", icon="TRASH").take = take.id
    box.operator("retake.recover_takes")
    row = layout.row(align=True)
    for operator in ("retake.keep_take", "retake.push_to_nla", "retake.bake_take"):
        row.operator(operator)


CLASSES = (RETAKE_PT_main,)
