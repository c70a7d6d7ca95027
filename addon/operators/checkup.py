# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators for "Nothing moves?": find what overrides the result, and mend it."""

from __future__ import annotations

import bpy

from ..scene import state
from ..scene.checkup import DRIVEN, Cause, find_causes
from .common import Context, Outcome, current_shot, library_in, record_in, refuse, reporting, why_no_takes
from .comp import show

NOTHING = "Nothing overrides the result. Look whether the playhead is within the take's frames."


def causes_in(context: Context) -> list[Cause]:
    """What overrides the result of the head that is meant."""
    shot = current_shot(context)
    notes = state.load_notes(shot.record)
    written = set(state.load_ledger(shot.record).curves)
    return find_causes(shot, context.view_layer, written, bool(notes.shown))


class RETAKE_OT_nothing_moves(bpy.types.Operator):
    """Look for what overrides the result: another action, the NLA, muted or driven channels, clamped sliders"""

    bl_idname = "retake.nothing_moves"
    bl_label = "Nothing Moves?"

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a take that should play."""
        return refuse(cls, why_no_takes(context))

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """Look, and show what was found with a button each."""
        found: list[Cause] = []
        outcome = reporting(self, lambda: found.extend(causes_in(context)))
        if outcome != {"FINISHED"}:
            return outcome
        if not found:
            return self.execute(context)
        self.found = [(cause.code, cause.sentence, cause.remedy) for cause in found]
        return context.window_manager.invoke_popup(self, width=620)

    def draw(self, context: Context) -> None:
        """What was found."""
        column = self.layout.column()
        column.label(text="Nothing moves? This overrides the take:", icon="QUESTION")
        for code, sentence, remedy in getattr(self, "found", ()):
            box = column.box()
            box.label(text=sentence, icon="ERROR")
            if remedy:
                box.operator("retake.mend", text=remedy, icon="CHECKMARK").code = code

    def execute(self, context: Context) -> Outcome:
        """Look, and report what was found."""
        return reporting(self, lambda: [cause.sentence for cause in causes_in(context)] or [NOTHING])


class RETAKE_OT_mend(bpy.types.Operator):
    """Mend what overrides the result"""

    bl_idname = "retake.mend"
    bl_label = "Mend"
    bl_options = {"REGISTER", "UNDO"}

    code: bpy.props.StringProperty(name="Cause", description="Which; empty for all but removing drivers")

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a take that should play."""
        return refuse(cls, why_no_takes(context))

    def execute(self, context: Context) -> Outcome:
        """Mend it."""

        def work() -> list[str]:
            chosen = [
                one for one in causes_in(context) if self.code == one.code or (not self.code and one.code != DRIVEN)
            ]
            causes = [one for one in chosen if one.remedy]
            for cause in causes:
                if cause.remedy in ("Show the Take Again", "Show the Last Take"):
                    self._show(context)
                else:
                    cause.mend()
                if cause.code == DRIVEN:  # what was driven was not written
                    self._show(context)
            context.view_layer.update()
            left = [cause.sentence for cause in causes_in(context)]
            mended = [f"Mended: {cause.sentence}" for cause in causes] or ["There was nothing to mend."]
            return [*mended, *(f"Still there: {sentence}" for sentence in left)]

        return reporting(self, work)

    def _show(self, context: Context) -> None:
        """Show the take that was shown, or the last one there is."""
        record, library = record_in(context), library_in(context)
        if record is not None and library is not None and library.takes:
            shown = state.load_notes(record).shown
            show(shown if shown in library.takes else max(library.takes))


CLASSES = (RETAKE_OT_nothing_moves, RETAKE_OT_mend)
