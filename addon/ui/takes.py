# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of the takes: what was made, what plays, what to do with it."""

from __future__ import annotations

import bpy

from ...backend.protocol import PARTS
from ..operators.common import library_in
from ..operators.generate import shown_and_stale, why_stale


class RETAKE_PT_takes(bpy.types.Panel):
    """The takes of the head that is meant."""

    bl_idname = "RETAKE_PT_takes"
    bl_label = "Takes"
    bl_parent_id = "RETAKE_PT_main"
    bl_order = 20
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Retake"

    def draw(self, context: bpy.types.Context) -> None:
        """List them."""
        draw_takes(self.layout, context)


def draw_takes(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The takes, the shown one marked."""
    library = library_in(context)
    if library is None or not library.takes:
        layout.label(text="No takes yet: press New Takes")
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


CLASSES = (RETAKE_PT_takes,)
