# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators on takes: show, original, pin, rename, delete, recover, and locked spans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import bpy

from ..core.keys import Choice, Finding
from ..core.library import Library
from ..core.steps import Steps, finish
from ..core.takes import Take
from ..core.timing import Span
from ..scene import history, state
from ..scene.shot import Shot, recording_for_takes, written_clock
from . import direct
from .asking import BAKE_ITEMS, CORRECTED_ITEMS
from .common import Context, Outcome, current_shot, library_in, record_in, refuse, reporting, why_no_head, why_no_takes
from .notices import UndecidedError, finding_notices
from .reading import Options


class TakeOperator:
    """A take by its number, and a change to the library alone."""

    take: bpy.props.IntProperty(name="Take", min=1, description="Its number")

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a take."""
        return refuse(cls, why_no_takes(context))


def change_library(shot: Shot, change: Callable[[Library], object]) -> None:
    """Change the takes of a shot and store them; a change that fails leaves them as they were."""
    with state.changing(shot.record) as library:
        change(library)
        state.save_library(shot.record, library)


ASK = (
    "ASK",
    "Ask",
    "Nothing is written while generated keys were changed together and it is not said what becomes of them",
)


class SwitchOperator:
    """What plays is switched; generated keys that were changed together wait for the animator's choice."""

    bl_options = {"REGISTER", "UNDO_GROUPED"}

    corrected: bpy.props.EnumProperty(items=(ASK, *CORRECTED_ITEMS), name="Changed Keys", options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a take."""
        return refuse(cls, why_no_takes(context))

    def asked(self) -> Options:
        """What was chosen."""
        return Options(corrected=None if self.corrected == "ASK" else Choice(self.corrected))

    def switch(self, shot: Shot) -> Steps[list[str]]:
        """Write what shall play; each operator has its own."""
        raise NotImplementedError

    def execute(self, context: Context) -> Outcome:
        """Switch."""
        return reporting(self, lambda: finish(self.switch(current_shot(context))))

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """In a window: switch at once, or ask where there is something to decide."""
        found: list[Finding] = []

        def attempt() -> list[str]:
            try:
                return finish(self.switch(current_shot(context)))
            except UndecidedError as error:
                found.extend(error.found)
                return []

        outcome = reporting(self, attempt)
        if not found:
            return outcome
        self.corrected, self.sentence = "KEEP", finding_notices(found)[0]
        return context.window_manager.invoke_props_dialog(self, width=640)

    def draw(self, context: Context) -> None:
        """The question, and the choices."""
        self.layout.label(text=getattr(self, "sentence", ""))
        self.layout.prop(self, "corrected", expand=True)


class RETAKE_OT_show_take(SwitchOperator, bpy.types.Operator):
    """Let this take play: only generated keys are rewritten"""

    bl_idname = "retake.show_take"
    bl_label = "Show Take"

    take: bpy.props.IntProperty(name="Take", min=1, description="Its number")
    bakes: bpy.props.EnumProperty(items=BAKE_ITEMS, name="Bakes", options={"SKIP_SAVE"})

    def asked(self) -> Options:
        """What was chosen."""
        return replace(super().asked(), bakes=Choice(self.bakes))

    def switch(self, shot: Shot) -> Steps[list[str]]:
        """Show it."""
        return (yield from direct.show_take(shot, self.take, self.asked()))


class RETAKE_OT_show_original(SwitchOperator, bpy.types.Operator):
    """Take 0: what was there before the first take"""

    bl_idname = "retake.show_original"
    bl_label = "Original"

    def switch(self, shot: Shot) -> Steps[list[str]]:
        """Take our keys off."""
        return (yield from direct.show_original(shot, self.asked()))


class RETAKE_OT_pin_take(TakeOperator, bpy.types.Operator):
    """A pinned take is never overwritten or deleted"""

    bl_idname = "retake.pin_take"
    bl_label = "Pin Take"
    bl_options = {"REGISTER", "UNDO"}

    pinned: bpy.props.BoolProperty(name="Pinned", default=True)

    def execute(self, context: Context) -> Outcome:
        """Pin or release it."""
        shot = current_shot
        return reporting(
            self, lambda: change_library(shot(context), lambda library: library.pin(self.take, self.pinned))
        )


class RETAKE_OT_rename_take(TakeOperator, bpy.types.Operator):
    """Give the take another name, and write a note beside it"""

    bl_idname = "retake.rename_take"
    bl_label = "Name and Note"
    bl_options = {"REGISTER", "UNDO"}

    name: bpy.props.StringProperty(name="Name", description="Empty leaves it")
    note: bpy.props.StringProperty(name="Note", options={"SKIP_SAVE"}, description="Anything worth remembering")

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """Ask for both, as they are now."""
        library = library_in(context)
        if library is not None and self.take in library.takes:
            self.name, self.note = library.takes[self.take].name, library.takes[self.take].note
        return context.window_manager.invoke_props_dialog(self)

    def execute(self, context: Context) -> Outcome:
        """Rename it."""

        def change(library: Library) -> None:
            if self.name or not self.properties.is_property_set("note"):
                library.rename(self.take, self.name)
            if self.properties.is_property_set("note"):
                library.annotate(self.take, self.note)

        return reporting(self, lambda: change_library(current_shot(context), change))


class RETAKE_OT_delete_take(TakeOperator, bpy.types.Operator):
    """Delete the take; until Blender closes it can be recovered"""

    bl_idname = "retake.delete_take"
    bl_label = "Delete Take"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: Context) -> Outcome:
        """Delete it."""

        def work() -> list[str]:
            shot = current_shot(context)
            name = state.load_library(shot.record).take(self.take).name
            change_library(shot, lambda library: library.delete(self.take))
            return [f"{name} is deleted; Recover Takes brings it back until Blender closes."]

        return reporting(self, work)


class RETAKE_OT_recover_takes(bpy.types.Operator):
    """Bring back takes that were deleted or undone since Blender started"""

    bl_idname = "retake.recover_takes"
    bl_label = "Recover Takes"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a lost take."""
        record = record_in(context)
        library = library_in(context)
        lost = record is not None and library is not None and bool(history.lost_takes(record, library))
        return refuse(cls, why_no_head(context) or ("" if lost else "No take was deleted or undone"))

    def execute(self, context: Context) -> Outcome:
        """Bring back all of them."""

        def work() -> list[str]:
            shot = current_shot(context)
            lost = history.lost_takes(shot.record, state.load_library(shot.record))
            change_library(shot, lambda library: [bring_back(library, take) for take in lost])
            return [f"Back in the list: {', '.join(take.name for take in lost)}. Click one to show it."]

        return reporting(self, work)


def bring_back(library: Library, take: Take) -> None:
    """Put a lost take back, under its old number where that is free."""
    number = take.id if take.id not in library.takes else library.next_id
    library.deleted[number] = replace(take, id=number)
    library.recover(number)
    library.next_id = max(library.next_id, number + 1)


class RETAKE_OT_lock_span(bpy.types.Operator):
    """Lock what plays between two frames: it is given, and no take changes it"""

    bl_idname = "retake.lock_span"
    bl_label = "Lock Span"
    bl_options = {"REGISTER", "UNDO"}

    frame_start: bpy.props.IntProperty(name="Start")
    frame_end: bpy.props.IntProperty(name="End")
    unlock: bpy.props.BoolProperty(name="Unlock", description="Release locked spans that touch it instead")

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a head."""
        return refuse(cls, why_no_head(context))

    def execute(self, context: Context) -> Outcome:
        """Lock or release."""

        def work() -> list[str]:
            shot = current_shot(context)
            notes = state.load_notes(shot.record)
            clock = written_clock(notes, recording_for_takes(shot))
            span = clock.second_span(Span(self.frame_start, self.frame_end))
            released = [Span(*each) for each in notes.locked if each[0] <= span.end and each[1] >= span.start]
            if self.unlock:
                notes.locked = [each for each in notes.locked if Span(*each) not in released]
            else:
                notes.locked.append((span.start, span.end))
            state.save_notes(shot.record, notes)
            frames = [clock.frame_span(each) for each in released] if self.unlock else []
            return [f"Frames {each.start:.0f} to {each.end:.0f} are released: show a take there." for each in frames]

        return reporting(self, work)


CLASSES = (
    RETAKE_OT_show_take,
    RETAKE_OT_show_original,
    RETAKE_OT_pin_take,
    RETAKE_OT_rename_take,
    RETAKE_OT_delete_take,
    RETAKE_OT_recover_takes,
    RETAKE_OT_lock_span,
)
