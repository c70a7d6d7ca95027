# SPDX-License-Identifier: GPL-3.0-or-later
"""Finishing, live: a slider is moved, and what plays is written anew within the same undo step."""

from __future__ import annotations

from typing import Any

import bpy

from ...backend.errors import InputError, RetakeError
from ...backend.protocol import PARTS
from ..core.steps import finish
from ..core.timing import Span
from ..scene import state
from ..scene.shot import open_shot, recording_for_takes
from . import direct
from .common import Context, Outcome, current_shot, record_in, refuse, reporting, why_no_takes
from .generate import RANGE_ITEMS
from .orders import chosen_span
from .session import session

_is_resetting: list[bool] = []


def refinish(record: Any) -> None:
    """Write a record's takes anew; what cannot be written is said in the panel."""
    if _is_resetting or record.head is None or not record.library:
        return
    try:
        told = finish(direct.refinish(open_shot(record.id_data, record.head)))
        if told:
            session.sentence = " ".join(told)
    except RetakeError as error:
        session.sentence = str(error)


class RETAKE_OT_reset_finishing(bpy.types.Operator):
    """Play the takes as they were generated: strength 1, no smoothing, no lead, a key on every frame"""

    bl_idname = "retake.reset_finishing"
    bl_label = "Reset Finishing"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a take."""
        return refuse(cls, why_no_takes(context))

    def execute(self, context: Context) -> Outcome:
        """Reset all of it, and write once."""
        record = record_in(context)
        if record is None:
            return {"CANCELLED"}
        _is_resetting.append(True)
        try:
            for part in PARTS:
                setattr(record, f"strength_{part}", 1.0)
                setattr(record, f"smoothing_{part}", 0.0)
            record.lead = 0.0
            record.blinks = record.gaze = 1.0
            record.sparse = False
            notes = state.load_notes(record)
            notes.quiet.clear()
            state.save_notes(record, notes)
        finally:
            _is_resetting.clear()
        refinish(record)
        return {"FINISHED"}


class RETAKE_OT_no_blinks(bpy.types.Operator):
    """Let no take blink in the chosen range; blinks that you keyed stay"""

    bl_idname = "retake.no_blinks"
    bl_label = "No Blinks in Range"
    bl_options = {"REGISTER", "UNDO"}

    range_mode: bpy.props.EnumProperty(items=RANGE_ITEMS, name="Range")
    release: bpy.props.IntProperty(name="Release", default=-1, description="Number of the span to let blink again")

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a take."""
        return refuse(cls, why_no_takes(context))

    def execute(self, context: Context) -> Outcome:
        """Note the span, or forget it, and write anew."""

        def work() -> list[str]:
            shot = current_shot(context)
            before, notes = shot.record.notes, state.load_notes(shot.record)
            if self.release >= 0:
                if self.release >= len(notes.quiet):
                    raise InputError(f"There is no span {self.release + 1} without blinks.", "Choose one of the list.")
                recording, verb = recording_for_takes(shot), "may blink again"
                span = Span(*notes.quiet.pop(self.release))
            else:
                (span, recording), verb = chosen_span(shot, self.range_mode), "have no blinks"
                notes.quiet.append((span.start, span.end))
            state.save_notes(shot.record, notes)
            try:
                finish(direct.refinish(shot))
            except RetakeError:
                shot.record.notes = before
                raise
            frames = recording.clock.frame_span(span)
            return [f"Frames {frames.start:.0f} to {frames.end:.0f} {verb}."]

        return reporting(self, work)


def listen() -> None:
    """Let changed sliders write."""
    state.refinishers[:] = [refinish]


def stop_listening() -> None:
    """Undo `listen`."""
    state.refinishers.clear()


CLASSES = (RETAKE_OT_reset_finishing, RETAKE_OT_no_blinks)
