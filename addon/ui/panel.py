# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel in the 3D view's sidebar; the sections below it are panels of their own.

It calls the operators; a disabled button says why in its tooltip and below.
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import bpy

from ..core import model_file
from ..core.client import BackendClient, ClientState
from ..operators.backend import is_installing
from ..operators.common import (
    record_in,
    why_no_backend,
    why_no_generation,
    why_no_head,
    why_no_shape_keys,
    why_no_takes,
)
from ..operators.generate import PART_ITEMS, RANGE_ITEMS
from ..operators.joints import due_heads
from ..operators.session import ROOT, session
from ..operators.setup import linked_in, strips_to_use
from ..scene.shot import find_head
from ..scene.summary import range_frames, summary_of

CHECKPOINT = ROOT / "backend" / "assets" / "default.safetensors"
STYLE_ITEMS = tuple(
    (name, name.capitalize(), f"Speak in the style '{name}'") for name in model_file.style_names(CHECKPOINT)
)
_LINE = 0.8  # height of a line of a sentence
_STATE_HEIGHT = 3 * _LINE  # kept free for what is said, so that it moves nothing when it comes or goes
DIVERSE = 0.5  # guidance at the slider's diverse end; its inverse at the other, 1 in the middle


class RETAKE_PG_wanted(bpy.types.PropertyGroup):
    """What New Takes will make, as set in the panel."""

    style: bpy.props.EnumProperty(items=STYLE_ITEMS, name="Style", description="How the line is spoken")
    diversity: bpy.props.FloatProperty(
        name="Diversity",
        subtype="FACTOR",
        default=0.5,
        min=0.0,
        max=1.0,
        description="Low: takes keep close to the recording and to each other. High: lips differ more between takes, "
        "and follow the recording less. The middle is as trained",
    )
    lock_seed: bpy.props.BoolProperty(name="Lock Seed", description="Begin with this seed instead of a new one")
    seed: bpy.props.IntProperty(
        name="Seed", min=0, description="Seed of the first take; the others follow it. Close the lock to set it"
    )

    count: bpy.props.IntProperty(name="Takes", default=3, min=1, max=16, description="How many takes to make")
    range_mode: bpy.props.EnumProperty(items=RANGE_ITEMS, name="Range", description="What stretch to generate")
    choose_parts: bpy.props.BoolProperty(
        name="Choose Parts", description="Off: everything, and the head unless it is animated already"
    )
    parts: bpy.props.EnumProperty(
        items=PART_ITEMS,
        options={"ENUM_FLAG"},
        name="Parts",
        default={item[0] for item in PART_ITEMS},
        description="What is generated; the rest stays as it is",
    )


class RETAKE_PT_main(bpy.types.Panel):
    """Head, recording, new takes."""

    bl_idname = "RETAKE_PT_main"
    bl_label = "Retake"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Retake"

    def draw(self, context: bpy.types.Context) -> None:
        """Draw the way through, top to bottom."""
        layout = self.layout
        _draw_backend(layout, context)
        row = layout.row(align=True)
        row.operator("retake.add_head", icon="USER")
        row.operator("retake.add_flame_head", text="FLAME...")
        heads = [record.head for record in context.scene.retake.heads if record.head is not None]
        meant = find_head(context)
        if len(heads) > 1 and meant is not None:
            layout.operator_menu_enum("retake.pick_head", "head", text=f"Head: {meant.name}", icon="USER")
        if linked_in(context) is not None:
            layout.operator("retake.make_editable", icon="LIBRARY_DATA_OVERRIDE")
        if any(head == meant for head, _ in due_heads(context.scene)):
            layout.operator("retake.update_joints", text="Joints Are Due: Update", icon="BONE_DATA")
        layout.operator("retake.import_audio", icon="SOUND")
        if meant is not None and strips_to_use(context):
            layout.operator_menu_enum("retake.use_strip", "strip", icon="SOUND")
        record = record_in(context)
        if record is not None and record.audio_path:
            layout.label(text=Path(record.audio_path).name, icon="FILE_SOUND")
            found = summary_of(context.scene, meant)
            if found is not None and found.moved:
                layout.operator("retake.slide_with_audio", icon="NEXT_KEYFRAME")
        layout.separator()
        _draw_generating(layout, context)
        _draw_state(layout, context)


def _draw_state(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """What goes on and what is missing; below all buttons, which must not move under the pointer when it changes."""
    reasons = (why(context) for why in (why_no_head, why_no_shape_keys, why_no_generation, why_no_takes))
    reason = next(filter(None, reasons), "")
    column = layout.column(align=True)
    used = 0.0
    if reason and reason != why_no_backend() and not session.running:  # which is said above
        used += _draw_sentence(column, context, reason, "INFO")
    used += _draw_progress(column, context)
    if used < _STATE_HEIGHT:  # the takes below stay where they are
        gap = column.column(align=True)
        gap.scale_y = _STATE_HEIGHT - used
        gap.label(text="")


def _draw_backend(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """Whether takes can be made: the backend's state, and what to do about it."""
    installer, client = session.installer, session.client
    if installer is not None and is_installing():
        row = layout.row(align=True)
        row.progress(factor=installer.factor, text=f"Installing: {installer.stage}")
        row.operator("retake.cancel_install", text="", icon="CANCEL")
        return
    reason = why_no_backend()
    if reason:
        box = layout.box()
        _draw_sentence(box, context, reason, "INFO")
        box.operator("retake.open_preferences", icon="PREFERENCES")
        return
    row = layout.row(align=True)
    if client is None or client.state is ClientState.STOPPED:
        row.label(text="Backend: starts when needed", icon="CHECKMARK")
    elif client.state is ClientState.STARTING:
        row.label(text="Backend: starting", icon="TIME")
    elif client.state is ClientState.LOST:
        row.label(text="Backend: ended, see the log", icon="ERROR")
    else:
        state = "busy" if session.running else "ready"
        row.label(text=f"{client.info.get('model', '')}: {state} ({_device(client)})", icon="CHECKMARK")
    row.operator("retake.show_log", text="", icon="TEXT")
    row.operator("retake.start_backend", text="", icon="FILE_REFRESH").restart = True
    if client is not None and client.state is ClientState.LOST:
        _draw_sentence(layout, context, client.why_lost, "NONE")


def _device(client: BackendClient) -> str:
    """What the backend computes on, or is about to choose."""
    device = str(client.info.get("device", ""))
    return "loading" if device == "auto" else device.upper()


def _draw_generating(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """What to generate, and the buttons that do it."""
    settings = context.window_manager.retake
    column = layout.column(align=True)
    row = column.row(align=True)
    new_takes(row, settings)
    row.prop(settings, "count", text="")
    column.prop(settings, "range_mode", text="")
    draw_summary(column, context)
    column.prop(settings, "choose_parts")
    if settings.choose_parts:
        column.grid_flow(columns=2, align=True).prop(settings, "parts")
    column.prop(settings, "style")
    column.prop(settings, "diversity", slider=True)
    record = record_in(context)
    if record is not None:  # the same as under Finishing: takes that are there follow it too
        column.prop(record, "strength_head", text="Head Motion", slider=True)
    row = column.row(align=True)
    row.prop(settings, "lock_seed", text="", icon="LOCKED" if settings.lock_seed else "UNLOCKED")
    seed = row.row(align=True)
    seed.enabled = settings.lock_seed
    seed.prop(settings, "seed")
    layout.operator("retake.update_take", icon="FILE_REFRESH")


def new_takes(layout: bpy.types.UILayout, settings: RETAKE_PG_wanted) -> None:
    """The button that makes takes as they are wanted."""
    new = layout.operator("retake.new_takes", icon="ADD")
    new.count, new.range_mode, new.style = settings.count, settings.range_mode, settings.style
    new.guidance = DIVERSE ** (2.0 * settings.diversity - 1.0)
    if settings.choose_parts:
        new.parts = settings.parts
    if settings.lock_seed:
        new.seed = settings.seed


def draw_summary(layout: bpy.types.UILayout, context: bpy.types.Context) -> None:
    """The frames that the range comes to, and how many keys of the animator's there are."""
    head, record = find_head(context), record_in(context)
    found = summary_of(context.scene, head) if head is not None and record is not None else None
    if found is None or record is None:
        return
    column = layout.column(align=True)
    column.scale_y = 0.8
    frames = range_frames(context.scene, record, context.window_manager.retake.range_mode, found)
    if frames is not None:
        column.label(text=f"Frames {frames.start:.0f} to {frames.end:.0f}", icon="PREVIEW_RANGE")
    keys = f"{found.keys} key{'s' if found.keys != 1 else ''} of yours"
    channels = f" on {found.channels} channel{'s' if found.channels != 1 else ''}" if found.keys else ""
    column.label(text=f"{keys}{channels}", icon="KEYFRAME_HLT")


def _draw_progress(layout: bpy.types.UILayout, context: bpy.types.Context) -> float:
    """What the backend does, and how to stop it; the height of it, in lines."""
    running = session.running
    if running:
        news, row = running[0].progress, layout.row(align=True)
        waiting = f" ({len(running) - 1} more after it)" if len(running) > 1 else ""
        if news is None:
            row.label(text=f"Starting{waiting}", icon="TIME")
        else:
            left = "" if news.seconds_left is None else f", {news.seconds_left:.0f} s left"
            row.progress(factor=news.step / max(news.total, 1), text=f"{news.stage.capitalize()}{left}{waiting}")
        row.operator("retake.cancel", text="", icon="CANCEL")
        return 1.0
    return _draw_sentence(layout, context, session.sentence, "NONE")


def _draw_sentence(layout: bpy.types.UILayout, context: bpy.types.Context, sentence: str, icon: str) -> float:
    """A sentence in as many lines as the sidebar needs; the height of it, in lines."""
    characters = max(int(context.region.width / (7.5 * context.preferences.system.ui_scale)) - 4, 16)
    column = layout.column(align=True)
    column.scale_y = _LINE
    lines = textwrap.wrap(sentence, characters)
    for number, line in enumerate(lines):
        column.label(text=line, icon=icon if number == 0 else "BLANK1" if icon != "NONE" else "NONE")
    return len(lines) * _LINE


CLASSES = (RETAKE_PG_wanted, RETAKE_PT_main)
