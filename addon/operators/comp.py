# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that choose what plays: step through the takes, compare two, use one for some parts or some frames."""

from __future__ import annotations

import math

import bpy

from ...backend.errors import InputError, RetakeError
from ...backend.protocol import PARTS
from ..core.steps import Steps, finish
from ..core.takes import ORIGINAL
from ..core.timing import Span
from ..scene import state
from ..scene.shot import Shot, has_moved, recording_for_takes
from . import direct
from .common import Context, Outcome, current_shot, library_in, record_in, refuse, reporting, why_no_takes
from .generate import PART_ITEMS, RANGE_ITEMS, TAKE_RANGE
from .orders import chosen_span, find_range
from .reading import Options, RangeChoice
from .takes import SwitchOperator

_wanted: list[int] = []


def show(take: int) -> Outcome:
    """Show a take by its number, the original for 0; in a window it asks where it has to, and is an undo step."""
    call = ("EXEC_DEFAULT",) if bpy.app.background else ("INVOKE_DEFAULT", True)
    if take == ORIGINAL:
        return bpy.ops.retake.show_original(*call)
    return bpy.ops.retake.show_take(*call, take=take)


def show_soon(take: int) -> None:
    """Show a take when Blender is done with what it does now: no undo step may be made while a property is set."""
    if bpy.app.background:
        show(take)
        return
    _wanted[:] = [take]
    if not bpy.app.timers.is_registered(show_wanted):
        bpy.app.timers.register(show_wanted, first_interval=0.0)


def show_wanted() -> None:
    """Timer: show the take that was wanted last. It does not come again."""
    window = next(iter(bpy.context.window_manager.windows), None)
    if window is not None and _wanted:
        with bpy.context.temp_override(window=window):
            show(_wanted.pop())


class RETAKE_OT_step_take(bpy.types.Operator):
    """Show the next or the previous take of the list"""

    bl_idname = "retake.step_take"
    bl_label = "Next Take"

    back: bpy.props.BoolProperty(name="Previous", description="The previous one instead")

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a take."""
        return refuse(cls, why_no_takes(context))

    def execute(self, context: Context) -> Outcome:
        """Show it; the list begins with the original and goes round."""
        record, library = record_in(context), library_in(context)
        if record is None or library is None:
            return {"CANCELLED"}
        numbers = [ORIGINAL, *library.takes]
        shown = state.load_notes(record).shown
        place = numbers.index(shown) if shown in numbers else 0
        return show(numbers[(place + (-1 if self.back else 1)) % len(numbers)])


class RETAKE_OT_compare_takes(bpy.types.Operator):
    """Show the take that was shown before this one; again, and this one is back"""

    bl_idname = "retake.compare_takes"
    bl_label = "Compare"

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is another one."""
        record, library = record_in(context), library_in(context)
        reason = why_no_takes(context)
        if not reason and record is not None and library is not None:
            notes = state.load_notes(record)
            if notes.previous == notes.shown or notes.previous not in (ORIGINAL, *library.takes):
                reason = "Show two takes one after the other first"
        return refuse(cls, reason)

    def execute(self, context: Context) -> Outcome:
        """Switch between the two."""
        record = record_in(context)
        return {"CANCELLED"} if record is None else show(state.load_notes(record).previous)


class RETAKE_OT_use_take(SwitchOperator, bpy.types.Operator):
    """Let this take play in the chosen parts and range only; the rest stays as it plays now"""

    bl_idname = "retake.use_take"
    bl_label = "Use Take"

    take: bpy.props.IntProperty(name="Take", min=0, description="Its number; 0 is the original")
    range_mode: bpy.props.EnumProperty(items=(TAKE_RANGE, *RANGE_ITEMS), name="Range")
    parts: bpy.props.EnumProperty(items=PART_ITEMS, options={"ENUM_FLAG"}, name="Parts")

    def chosen(self) -> Options:
        """What was asked for."""
        parts = tuple(part for part in PARTS if part.upper() in self.parts) or None
        options = self.asked()
        return Options(parts=parts, range_choice=RangeChoice(self.range_mode), corrected=options.corrected)

    def switch(self, shot: Shot) -> Steps[list[str]]:
        """Use it."""
        return (yield from use_take(shot, self.take, self.chosen()))


def used_span(shot: Shot, take: int, options: Options) -> Steps[Span]:
    """The chosen range, as far as a take goes.

    Raises:
        InputError: They do not meet.
    """
    recording = recording_for_takes(shot)
    library = state.load_library(shot.record)
    own = None if take == ORIGINAL else library.take(take).span
    span, _ = yield from find_range(shot, options, recording, own)
    if own is None:
        return span
    if not span.overlaps(own):
        frames = recording.clock.frame_span(own)
        raise InputError(
            f"{library.take(take).name} plays in the frames {frames.start:.0f} to {frames.end:.0f}, outside the range.",
            "Choose a range that meets it.",
        )
    return Span(max(span.start, own.start), min(span.end, own.end))


def use_take(shot: Shot, take: int, options: Options) -> Steps[list[str]]:
    """Let a take play in some parts and some range.

    Returns:
        Sentences for the animator, in frames.
    """
    library = state.load_library(shot.record)
    span = yield from used_span(shot, take, options)
    own = PARTS if take == ORIGINAL else library.take(take).parts
    parts = tuple(part for part in options.parts or own if part in own and part in shot.parts)
    name = "The original" if take == ORIGINAL else library.take(take).name
    if not parts:
        raise InputError(f"{name} has none of the chosen parts.", f"It has {', '.join(own)}.")
    sentences = yield from direct.show_take(shot, take, options, parts, span)
    frames = recording_for_takes(shot).clock.frame_span(span)
    named = "all parts" if len(parts) == len(PARTS) else " and ".join(part.replace("_", " ") for part in parts)
    return [f"{name} plays in frames {frames.start:.0f} to {frames.end:.0f}, {named}.", *sentences]


class RETAKE_OT_slide_with_audio(bpy.types.Operator):
    """Move your keys and the takes as the recording's strip was moved or sped up since they were written"""

    bl_idname = "retake.slide_with_audio"
    bl_label = "Slide With Audio"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a take, and its recording was moved."""
        reason = why_no_takes(context)
        return refuse(cls, reason or ("" if audio_moved(context) else "The recording was not moved since"))

    def execute(self, context: Context) -> Outcome:
        """Slide."""
        return reporting(self, lambda: finish(direct.slide(current_shot(context))))


def audio_moved(context: Context) -> bool:
    """Whether the recording of the head that is meant stands elsewhere than at the last write."""
    try:
        shot = current_shot(context)
        return has_moved(state.load_notes(shot.record), recording_for_takes(shot))
    except RetakeError:
        return False


class RETAKE_OT_lock_range(bpy.types.Operator):
    """Lock what plays in the chosen range: it is given, and no take changes it until it is released"""

    bl_idname = "retake.lock_range"
    bl_label = "Lock Range"
    bl_options = {"REGISTER", "UNDO"}

    range_mode: bpy.props.EnumProperty(items=RANGE_ITEMS, name="Range")

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a take."""
        return refuse(cls, why_no_takes(context))

    def execute(self, context: Context) -> Outcome:
        """Lock it."""

        def work() -> list[str]:
            shot = current_shot(context)
            span, recording = chosen_span(shot, self.range_mode)
            frames = recording.clock.frame_span(span)
            start, end = math.ceil(frames.start - 1e-3), math.floor(frames.end + 1e-3)
            bpy.ops.retake.lock_span(frame_start=start, frame_end=end)
            return [f"Frames {start} to {end} are locked: no take changes them."]

        return reporting(self, work)


CLASSES = (
    RETAKE_OT_slide_with_audio,
    RETAKE_OT_step_take,
    RETAKE_OT_lock_range,
    RETAKE_OT_compare_takes,
    RETAKE_OT_use_take,
)
