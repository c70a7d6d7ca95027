# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators on a head's character: its other meshes, and the animator's table of channels."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import bpy

from ...backend.errors import InputError
from ..core.poses import label_of
from ..core.wording import shortened
from ..scene import state
from ..scene.character import armature_of, is_driven_too, leave_alone, other_meshes
from ..scene.flame_controls import correct_control, corrected_names
from ..scene.flame_head import is_flame_head
from ..scene.rows import CHANNEL_ITEMS
from ..scene.shot import find_head
from ..scene.table import (
    Place,
    add_row,
    apply_rows,
    driving,
    point_at,
    read_table_text,
    response,
    table_to_text,
    target_of,
)
from ..scene.targets import Target, shape_key_targets
from ..scene.turning import turn_of
from .common import Context, Outcome, record_in, refuse, reporting, why_no_head

_PRESETS = "presets/retake/tables"
_MOST_BYTES = 1 << 20
_NAME = re.compile(r"[^\w -]+")


def why_not_changed(context: Context) -> str:
    """Why a head's table cannot be changed now; empty where it can, and where it names what is gone: mend it then."""
    if why_no_head(context):
        return why_no_head(context)
    record = record_in(context)
    if record is not None and state.load_notes(record).shown and not _names_what_is_gone(context, record):
        return "A take plays on these properties: show the Original first"
    return ""


def _names_what_is_gone(context: Context, record: state.RETAKE_PG_head) -> bool:
    """Whether a row, or what turns the head, was renamed or removed: no take and no Original can be shown then."""
    if record.turned_by in ("BONE", "OBJECT") and turn_of(record, armature_of(find_head(context))) is None:
        return True
    return not all(is_good(row) for row in record.rows)


def is_good(row: Any) -> bool:
    """Whether a row names what can be keyed."""
    try:
        target_of(row, 0)
    except InputError:
        return False
    return True


def record_for_change(context: Context) -> state.RETAKE_PG_head:
    """The record of the head that is meant, made where it has none."""
    return state.ensure_record(context.scene, find_head(context))


def character_of(context: Context) -> list[bpy.types.Object]:
    """Objects of the head that is meant: itself, its armature, its other meshes."""
    head = find_head(context)
    armature = armature_of(head)
    return [head, *([armature] if armature is not None else []), *other_meshes(context.scene, head)]


def presets() -> list[Path]:
    """Tables that were saved, in order of name."""
    folder = bpy.utils.user_resource("SCRIPTS", path=_PRESETS)
    return sorted(Path(folder).glob("*.json")) if folder else []


class TableOperator:
    """The table may be changed while no take plays on it."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a head, and no take plays."""
        return refuse(cls, why_not_changed(context))


class RETAKE_OT_add_row(TableOperator, bpy.types.Operator):
    """Let a channel be shown by a property that you choose: a bone, a shape key, a custom property"""

    bl_idname = "retake.add_row"
    bl_label = "Add Row"

    channel: bpy.props.EnumProperty(items=CHANNEL_ITEMS, name="Channel")

    def execute(self, context: Context) -> Outcome:
        """Add it."""

        def work() -> None:
            record, head = record_for_change(context), find_head(context)
            thing = armature_of(head) or head
            kind = "BONE" if thing.type == "ARMATURE" else "SHAPE_KEY"
            add_row(record, self.channel, Place(kind, thing), 1.0, 0.0)
            record.row = len(record.rows) - 1

        return reporting(self, work)


class RETAKE_OT_remove_row(TableOperator, bpy.types.Operator):
    """Remove the row: the channel is again what is found by name"""

    bl_idname = "retake.remove_row"
    bl_label = "Remove Row"

    def execute(self, context: Context) -> Outcome:
        """Remove it."""

        def work() -> None:
            record = record_for_change(context)
            if not 0 <= record.row < len(record.rows):
                raise InputError("No row is chosen.", "Click one in the list.")
            record.rows.remove(record.row)
            record.row = max(0, min(record.row, len(record.rows) - 1))

        return reporting(self, work)


def driven_targets(context: Context) -> list[Target]:
    """What was found by name on the head that is meant, and is driven."""
    head = find_head(context)
    key = head.data.shape_keys if head is not None and head.type == "MESH" else None
    return [] if key is None else [target for target in shape_key_targets(key) if target.driver is not None]


def unrowed_targets(context: Context) -> list[Target]:
    """Driven shape keys of the head that is meant whose channels have no row that names what can be keyed."""
    record = record_in(context)
    good = {row.channel for row in record.rows if is_good(row)} if record is not None else set()
    return [target for target in driven_targets(context) if not good & set(target.channels)]


class RETAKE_OT_use_drivers(TableOperator, bpy.types.Operator):
    """Let driven shape keys be performed by what drives them: a row for each, gain and offset measured"""

    bl_idname = "retake.use_drivers"
    bl_label = "Use What Drives Them"

    def execute(self, context: Context) -> Outcome:
        """Add the rows."""

        def work() -> list[str]:
            record = record_for_change(context)
            left: dict[str, list[str]] = {}
            added = mended = 0
            for target in unrowed_targets(context):
                channel = target.channels[0]
                lost = next((row for row in record.rows if row.channel == channel), None)
                try:
                    if lost is None:
                        add_row(record, channel, *_measured(target))
                    else:
                        point_at(lost, driving(target))
                except InputError as error:
                    left.setdefault(str(error), []).append(target.curve_id)
                else:
                    added, mended = added + (lost is None), mended + (lost is not None)
            if not added and not mended and not left:
                raise InputError("No driven shape key of this head lacks a row.")
            told = f"{added} channel{'s are' if added != 1 else ' is'} performed by what drives them."
            again = f"{mended} row{'s name' if mended != 1 else ' names'} again what drives them."
            more = " ".join(f"Left: {shortened(names)}. {reason}" for reason, names in left.items())
            return [*[told] * bool(added or not mended), *[again] * bool(mended), *[more] * bool(more)]

        return reporting(self, work)


def _measured(target: Target) -> tuple[Place, float, float]:
    """What drives a target, with gain and offset.

    Raises:
        InputError: No row can stand for it; the sentence says why.
    """
    if len(target.channels) > 1:
        raise InputError("It shows several channels at once, and a row stands for one.", "Add rows by hand.")
    place = driving(target)
    return (place, *response(target, place))


class RETAKE_OT_toggle_mesh(TableOperator, bpy.types.Operator):
    """Let this mesh move with the head, or leave it alone"""

    bl_idname = "retake.toggle_mesh"
    bl_label = "Move With the Head"

    mesh: bpy.props.StringProperty(name="Mesh", description="The object's name")

    def execute(self, context: Context) -> Outcome:
        """Change it."""

        def work() -> None:
            thing = bpy.data.objects.get(self.mesh)
            if thing is None:
                raise InputError(f"There is no object '{self.mesh}'.")
            record = record_for_change(context)
            leave_alone(record, thing, is_driven_too(record, thing))

        return reporting(self, work)


class RETAKE_OT_save_table(bpy.types.Operator):
    """Keep this head's table as a preset for other files"""

    bl_idname = "retake.save_table"
    bl_label = "Save Table"

    name: bpy.props.StringProperty(name="Name", default="My Rig")

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a row to save."""
        record = record_in(context)
        return refuse(
            cls, why_no_head(context) or ("" if record is not None and len(record.rows) else "No row to save")
        )

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """Ask for the name."""
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context: Context) -> Outcome:
        """Save it."""

        def work() -> list[str]:
            name = _NAME.sub("", self.name).strip()
            if not name:
                raise InputError(f"'{self.name}' is no name for a preset.", "Use letters and digits.")
            folder = Path(bpy.utils.user_resource("SCRIPTS", path=_PRESETS, create=True))
            record = record_for_change(context)
            for number, row in enumerate(record.rows):
                target_of(row, number)  # a row that names nothing is no preset
            path = folder / f"{name}.json"
            try:
                path.write_text(table_to_text(record), encoding="utf-8")
            except OSError as error:
                raise InputError(f"The preset could not be written to {folder}: {error.strerror}.") from error
            return [f"The table is saved as '{name}': {len(record.rows)} rows."]

        return reporting(self, work)


class RETAKE_OT_load_table(TableOperator, bpy.types.Operator):
    """Put a saved table in place of this head's"""

    bl_idname = "retake.load_table"
    bl_label = "Load Table"

    filepath: bpy.props.StringProperty(name="File", subtype="FILE_PATH")

    def execute(self, context: Context) -> Outcome:
        """Load it."""

        def work() -> list[str]:
            path = Path(self.filepath)
            try:
                if path.stat().st_size > _MOST_BYTES:
                    raise InputError(f"'{path.name}' is too large for a table.", "Choose one that Save Table wrote.")
                text = path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise InputError(f"'{path.name}' cannot be read.", "Choose one that Save Table wrote.") from error
            record = record_for_change(context)
            missing = apply_rows(record, read_table_text(text), character_of(context))
            told = f"{len(record.rows)} rows of '{path.stem}'."
            return [told, *([f"Not found on this character, and left out: {', '.join(missing)}."] if missing else [])]

        return reporting(self, work)


_control_items: list[tuple[str, str, str]] = []


def control_items(operator: object, context: Context | None) -> list[tuple[str, str, str]]:
    """Controls of the FLAME head that is meant; Blender needs the strings kept alive."""
    head = find_head(context) if context is not None else None
    names = corrected_names(head) if head is not None and is_flame_head(head) else []
    _control_items[:] = [(name, label_of(name), f"What {label_of(name)} is") for name in names]
    return _control_items


class RETAKE_OT_correct_control(bpy.types.Operator):
    """Let a control be what it is with the Expression keys and the jaw's own turn beside it, which then rest again"""

    bl_idname = "retake.correct_control"
    bl_label = "Correct Control"
    bl_options = {"REGISTER", "UNDO"}

    control: bpy.props.EnumProperty(items=control_items, name="Control")

    @classmethod
    def poll(cls, context: Context) -> bool:
        """A FLAME head."""
        return refuse(cls, "" if is_flame_head(find_head(context)) else "Select a FLAME head")

    def execute(self, context: Context) -> Outcome:
        """Correct it."""
        head = find_head(context)
        return reporting(self, lambda: correct_control(head, armature_of(head), self.control))


CLASSES = (
    RETAKE_OT_add_row,
    RETAKE_OT_remove_row,
    RETAKE_OT_use_drivers,
    RETAKE_OT_toggle_mesh,
    RETAKE_OT_save_table,
    RETAKE_OT_load_table,
    RETAKE_OT_correct_control,
)
