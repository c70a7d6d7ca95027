# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of tracked performances: bring one in as keys, take what plays out."""

from __future__ import annotations

import bpy

from ..operators.common import why_no_head
from ..operators.performances import EXPORTS, IMPORTS


class RETAKE_PT_performances(bpy.types.Panel):
    """Below the main panel; the same is in File > Import and File > Export."""

    bl_idname = "RETAKE_PT_performances"
    bl_parent_id = "RETAKE_PT_main"
    bl_label = "Performances"
    bl_order = 50
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Retake"
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """There is a head."""
        return not why_no_head(context)

    def draw(self, context: bpy.types.Context) -> None:
        """A button a kind of file."""
        bringing = [(operator.bl_idname, operator.entry) for operator in IMPORTS]
        taking = [(operator.bl_idname, operator.entry) for operator in EXPORTS]
        for heading, operators, icon in (("Bring In", bringing, "IMPORT"), ("Take Out", taking, "EXPORT")):
            column = self.layout.column(align=True)
            column.label(text=heading)
            for name, entry in operators:
                column.operator(name, text=entry, icon=icon)


CLASSES = (RETAKE_PT_performances,)
