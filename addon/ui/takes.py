# SPDX-License-Identifier: GPL-3.0-or-later
"""The section of the takes: what plays, what was made, how to mix it, what to do with it."""

from __future__ import annotations

from typing import Any

import bpy

from ...backend.protocol import PARTS
from ..core.library import Library
from ..core.takes import ORIGINAL, Take
from ..core.timing import AudioClock
from ..operators.common import library_in, record_in
from ..operators.comp import show_soon
from ..operators.generate import PART_ITEMS, RANGE_ITEMS, TAKE_RANGE, shown_and_stale, why_stale
from ..scene import state

Item = tuple[str, str, str, str, int]

_items: list[Item] = [("0", "Original", "What was there before the first take", "LOOP_BACK", 0)]


def frames_of(context: bpy.types.Context, take: Take) -> str:
    """The frames that a take spans, e.g. "1040-1064"."""
    record = record_in(context)
    written = state.load_notes(record).clock if record is not None else None
    render = context.scene.render
    clock = AudioClock(*written) if written else AudioClock(render.fps / render.fps_base, context.scene.frame_start)
    span = clock.frame_span(take.span)
    between = " to " if span.start < 0 else "-"  # a minus beside a dash could not be read
    return f"{span.start:.0f}{between}{span.end:.0f}"


def take_items(settings: Any, context: bpy.types.Context | None) -> list[Item]:
    """The takes for the dropdown, under numbers that stay; Blender needs the strings kept alive."""
    library = None if context is None else library_in(context)
    if library is None or context is None:
        return _items
    _, stale = shown_and_stale(context)
    made = [
        (
            str(take.id),
            f"{take.name}, {frames_of(context, take)}",
            f"Seed {take.seed}, {take.settings.style}{'. ' if take.note else ''}{take.note}",
            "ERROR" if take.id in stale else "PINNED" if take.pinned else "NONE",
            take.id,
        )
        for take in library.takes.values()
    ]
    _items[1:] = made
    return _items


def get_shown(settings: Any) -> int:
    """Number of the take that plays."""
    shown, _ = shown_and_stale(bpy.context)
    library = library_in(bpy.context)
    return shown if library is not None and shown in library.takes else ORIGINAL


def set_shown(settings: Any, value: int) -> None:
    """Let another take play."""
    if value != get_shown(settings):
        show_soon(value)


class RETAKE_PG_takes(bpy.types.PropertyGroup):
    """What the section of the takes is set to."""

    shown: bpy.props.EnumProperty(
        items=take_items,
        get=get_shown,
        set=set_shown,
        name="Take",
        description="What plays; Ctrl and the mouse wheel over it steps through the takes",
    )
    overlay: bpy.props.BoolProperty(
        name="Overlay",
        default=True,
        description="Show the take's range, locked spans, pauses and phones in the Dope Sheet and the Timeline",
    )
    mixing: bpy.props.BoolProperty(
        name="Mix", description="A click on a take lets it play in the parts and the range chosen below only"
    )
    parts: bpy.props.EnumProperty(
        items=PART_ITEMS, options={"ENUM_FLAG"}, name="Parts", default={item[0] for item in PART_ITEMS}
    )
    range_mode: bpy.props.EnumProperty(items=(TAKE_RANGE, *RANGE_ITEMS), name="Range", description="Where it plays")


class TakesSection:
    """What the panels of the takes have in common; one stands in each editor."""

    bl_label = "Takes"
    bl_region_type = "UI"
    bl_category = "Retake"

    layout: bpy.types.UILayout

    def draw(self, context: bpy.types.Context) -> None:
        """What plays above, the list below."""
        draw_takes(self.layout, context)


class RETAKE_PT_takes(TakesSection, bpy.types.Panel):
    """In the 3D View, below the main panel."""

    bl_idname = "RETAKE_PT_takes"
    bl_parent_id = "RETAKE_PT_main"
    bl_order = 10
    bl_space_type = "VIEW_3D"


class RETAKE_PT_takes_dope_sheet(TakesSection, bpy.types.Panel):
    """In the Dope Sheet."""

    bl_idname = "RETAKE_PT_takes_dope_sheet"
    bl_order = 20
    bl_space_type = "DOPESHEET_EDITOR"


class RETAKE_PT_takes_graph(TakesSection, bpy.types.Panel):
    """In the Graph Editor."""

    bl_idname = "RETAKE_PT_takes_graph"
    bl_order = 20
    bl_space_type = "GRAPH_EDITOR"


def draw_takes(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The takes: dropdown, list, mix, and what can be done with what plays."""
    library = library_in(context)
    if library is None or not library.takes:
        layout.label(text="No takes yet")
        layout.operator("retake.recover_takes")
        return
    settings = context.window_manager.retake_takes
    row = layout.row(align=True)
    row.operator("retake.step_take", text="", icon="TRIA_LEFT").back = True
    row.prop(settings, "shown", text="")
    row.operator("retake.step_take", text="", icon="TRIA_RIGHT").back = False
    row.operator("retake.compare_takes", text="", icon="ARROW_LEFTRIGHT")
    _draw_mix(layout, settings)
    _draw_list(layout.box(), context, library)
    _draw_comp(layout, context, library)
    column = layout.column(align=True)
    for operators in (("retake.keep_take", "retake.push_to_nla"), ("retake.bake_take", "retake.recover_takes")):
        row = column.row(align=True)
        for operator in operators:
            row.operator(operator)
    column.operator("retake.nothing_moves", icon="QUESTION")
    layout.prop(settings, "overlay")


def _draw_mix(layout: bpy.types.UILayout, settings: Any) -> None:
    """Where a click on a take lets it play."""
    column = layout.column(align=True)
    column.prop(settings, "mixing", toggle=True, icon="OVERLAY")
    if settings.mixing:
        column.grid_flow(columns=2, align=True).prop(settings, "parts")
        column.prop(settings, "range_mode", text="")


def _draw_list(layout: bpy.types.UILayout, context: bpy.types.Context, library: Library) -> None:
    """A row a take: click to show it, or to use it while mixing."""
    settings = context.window_manager.retake_takes
    shown, stale = shown_and_stale(context)
    column = layout.column(align=True)
    _draw_name(column.row(align=True), settings, ORIGINAL, "Original", shown == ORIGINAL)
    for take in library.takes.values():
        row = column.row(align=True)
        parts = "" if len(take.parts) == len(PARTS) else f" ({', '.join(take.parts)})"
        text = f"{take.name}, {frames_of(context, take)}{parts}"
        _draw_name(row, settings, take.id, text, take.id == shown, "ERROR" if take.id in stale else "NONE")
        row.operator("retake.rename_take", text="", icon="GREASEPENCIL").take = take.id
        pin = row.operator("retake.pin_take", text="", icon="PINNED" if take.pinned else "UNPINNED")
        pin.take, pin.pinned = take.id, not take.pinned
        row.operator("retake.delete_take", text="", icon="TRASH").take = take.id
        if take.id == shown:
            details = column.column(align=True)
            details.scale_y = 0.8
            details.label(text=f"Seed {take.seed}, {take.settings.style}", icon="BLANK1")
            if take.id in stale:
                details.label(text=f"{why_stale(context, take).capitalize()}: press Update Take", icon="BLANK1")
            if take.note:
                details.label(text=take.note, icon="BLANK1")


def _draw_name(
    row: bpy.types.UILayout, settings: Any, take: int, text: str, is_shown: bool, icon: str = "NONE"
) -> None:
    """The button of one take."""
    if settings.mixing:
        button = row.operator("retake.use_take", text=text, icon="OVERLAY")
        button.take, button.parts, button.range_mode = take, settings.parts, settings.range_mode
    elif take == ORIGINAL:
        row.operator("retake.show_original", text=text, depress=is_shown)
    else:
        row.operator("retake.show_take", text=text, depress=is_shown, icon=icon).take = take


def _draw_comp(layout: bpy.types.UILayout, context: bpy.types.Context, library: Library) -> None:
    """What plays where, if it is not one take everywhere."""
    playing = {entry.take for entry in library.comp}
    if len(playing) < 2:
        return
    column = layout.column(align=True)
    column.scale_y = 0.8
    column.label(text="Plays now:", icon="OVERLAY")
    for part in PARTS:
        entries = [entry for entry in library.comp if entry.part == part]
        names = [library.takes[one.take].name if one.take in library.takes else "Original" for one in entries]
        if names:
            over = f", then {', '.join(names[1:])} over it" if len(names) > 1 else ""
            column.label(text=f"{part.replace('_', ' ').capitalize()}: {names[0]}{over}", icon="BLANK1")


CLASSES = (RETAKE_PG_takes, RETAKE_PT_takes, RETAKE_PT_takes_dope_sheet, RETAKE_PT_takes_graph)
