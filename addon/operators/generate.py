# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that generate: new takes, the shown take following changed keys, cancel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import bpy

from ...backend.errors import CancelledError, RetakeError
from ...backend.protocol import PARTS
from .. import compat
from ..core.keys import Choice
from ..core.steps import Slices, Steps, finish
from ..core.takes import Settings, Take
from ..scene import state
from ..scene.shot import Shot, open_shot
from . import direct, orders
from .asking import BAKE_ITEMS, CORRECTED_ITEMS, ask, undecided
from .common import (
    Context,
    Outcome,
    current_shot,
    record_in,
    refuse,
    report_failure,
    reporting,
    why_no_generation,
    why_no_takes,
)
from .orders import Order
from .reading import Options, RangeChoice
from .session import Job, abandon, begin, cancel, failure_error, poll, session, wait

T = TypeVar("T")
TICK = 0.02  # s between two ticks of the timer
SLICE = 0.02  # s a slice may take, and a curve more

PART_ITEMS = tuple(
    (part.upper(), part.replace("_", " ").capitalize(), f"Generate the {part.replace('_', ' ')}", 1 << bit)
    for bit, part in enumerate(PARTS)
)
RANGE_ITEMS = (
    ("AUDIO", "Whole Audio", "The recording, with a second of silence before and after"),
    ("NEIGHBOURS", "Between Keys", "From the last given key before the playhead to the first after it"),
    ("SELECTED", "Selected Keys", "From the first to the last selected key"),
    ("PHRASE", "Phrase", "The phrase at the playhead, between pauses"),
    ("PREVIEW", "Preview Range", "The scene's preview range"),
)
TAKE_RANGE = ("TAKE", "Take", "The range of the take")
SCHEDULER_ITEMS = (
    ("dpmpp_2m", "DPM-Solver++", "Fast and lively"),
    ("ddim", "DDIM", "Fast; takes of earlier versions were made by it"),
    ("ddpm", "DDPM", "Slow, as trained"),
)


class Generating:
    """Properties and course of the operators that generate."""

    range_mode: bpy.props.EnumProperty(items=RANGE_ITEMS, name="Range")
    parts: bpy.props.EnumProperty(
        items=PART_ITEMS, options={"ENUM_FLAG"}, name="Parts", description="What is generated; the rest stays as it is"
    )
    guidance: bpy.props.FloatProperty(
        name="Guidance", default=1.0, min=0.0, max=10.0, description="How closely the motion follows the recording"
    )
    steps: bpy.props.IntProperty(name="Steps", default=10, min=1, max=500)
    scheduler: bpy.props.EnumProperty(items=SCHEDULER_ITEMS, name="Sampler")
    style: bpy.props.StringProperty(name="Style", default="neutral")
    corrected: bpy.props.EnumProperty(items=CORRECTED_ITEMS, name="Changed Keys", options={"SKIP_SAVE"})
    bakes: bpy.props.EnumProperty(items=BAKE_ITEMS, name="Bakes", options={"SKIP_SAVE"})
    wait: bpy.props.BoolProperty(
        name="Wait", default=True, options={"HIDDEN", "SKIP_SAVE"}, description="Without a window: wait for the result"
    )

    # Not annotations: Blender evaluates those, and the typing module then keeps our classes, hence bpy, alive at exit.
    _timer = cast("Any", None)
    _reading = cast("Slices[Order] | None", None)
    _job = cast("Job | None", None)
    _writing = cast("Slices[list[str]] | None", None)

    def asked(self) -> Options:
        """What was asked for."""
        chosen = tuple(part for part in PARTS if part.upper() in self.parts)
        return Options(
            parts=chosen if self.properties.is_property_set("parts") else None,
            range_choice=RangeChoice(self.range_mode),
            settings=Settings(self.guidance, self.steps, self.scheduler, self.style, _model_name()),
            corrected=Choice(self.corrected),
            bakes=Choice(self.bakes),
        )

    def order(self, shot: Shot) -> Steps[Order]:
        """Gather the order to send; each operator has its own."""
        raise NotImplementedError

    def execute(self, context: Context) -> Outcome:
        """Without a window: send, and wait unless told otherwise."""
        return reporting(self, lambda: self._run(context))

    def _run(self, context: Context) -> list[str]:
        job = begin(finish(self.order(current_shot(context))), writes_itself=self.wait)
        return finish(write_result(wait(job))) if self.wait else []

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """In a window: read the scene, ask where there is something to decide, wait and write, never for long."""
        outcome = reporting(self, lambda: current_shot(context) and None)
        if outcome != {"FINISHED"}:
            return outcome
        self._reading = start_slices(self.order(current_shot(context)))
        self._timer = context.window_manager.event_timer_add(TICK, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: Context, event: bpy.types.Event) -> Outcome:
        """Go on for a slice at every tick of the timer; Escape cancels. Nobody interferes while it is written."""
        if event.type == "ESC" and event.value == "PRESS" and self._writing is None:
            if self._job is None:
                return self._end(context, "Cancelled: nothing was changed.")
            cancel(self._job)
        if event.type != "TIMER":
            return {"PASS_THROUGH"} if self._writing is None else {"RUNNING_MODAL"}
        try:
            return self._tick(context)
        except RetakeError as error:
            self._clean_up(context)
            compat.redraw()
            return report_failure(self, error)

    def _tick(self, context: Context) -> Outcome:
        """One slice of whatever is due."""
        if self._reading is not None:
            return self._read(context, self._reading)
        if self._writing is None:
            return self._wait(context)
        if self._writing.is_closed:  # something was undone meanwhile: all of it anew
            self._writing = start_slices(write_result(_of(self._job)))
        if not self._writing.advance(SLICE):
            return {"RUNNING_MODAL"}
        sentences = self._writing.result
        self._clean_up(context)
        session.sentence = " ".join(sentences) or session.sentence
        for sentence in sentences:
            self.report({"INFO"}, sentence)
        compat.redraw()
        return {"FINISHED"}

    def _read(self, context: Context, reading: Slices[Order]) -> Outcome:
        """Go on reading the scene; then ask, or send the order."""
        if reading.is_closed:
            self._reading = start_slices(self.order(current_shot(context)))
        elif reading.advance(SLICE):
            self._reading = None
            drop_slices(reading)
            questions = undecided(self, reading.result.questions)
            if questions:
                self._clean_up(context)
                return ask(self, questions)
            self._job = begin(reading.result, writes_itself=True)
            compat.redraw()
        return {"RUNNING_MODAL"}

    def _wait(self, context: Context) -> Outcome:
        """Take the news; begin to write when everything is there."""
        job = _of(self._job)
        before = session.job.progress if session.job is not None else None
        poll()
        if job.is_running:
            if session.job is not None and session.job.progress != before:
                compat.redraw()
            return {"PASS_THROUGH"}
        if job.failure is not None and job.failure.code == CancelledError.code:
            return self._end(context, "Cancelled: nothing was changed.")
        if job.failure is not None:
            raise failure_error(job.failure)
        self._writing = start_slices(write_result(job))
        return {"RUNNING_MODAL"}

    def _end(self, context: Context, sentence: str) -> Outcome:
        """Leave everything as it was."""
        self._clean_up(context)
        session.sentence = sentence
        self.report({"INFO"}, sentence)
        compat.redraw()
        return {"CANCELLED"}

    def cancel(self, context: Context) -> None:
        """The window that waited is closed: nobody would take the result."""
        self._clean_up(context)
        if self._job is not None:
            abandon("The window that waited for the takes was closed.", self._job)

    def _clean_up(self, context: Context) -> None:
        """Take the timer away, and what is half done."""
        for slices in (self._reading, self._writing):
            if slices is not None:
                drop_slices(slices)
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None


def start_slices(steps: Steps[T]) -> Slices[T]:
    """Slices of some steps; undo and another file end them."""
    slices = Slices(steps)
    session.slices.append(slices)
    return slices


def drop_slices(slices: Slices[Any]) -> None:
    """End slices, done or not."""
    slices.close()
    if slices in session.slices:
        session.slices.remove(slices)
        session.longest_slice = max(session.longest_slice, slices.longest)


def _of(job: Job | None) -> Job:
    """The job of an operator that has sent its order."""
    if job is None:
        raise RetakeError("Nothing was asked of the backend.")
    return job


def _model_name() -> str:
    """Name of the backend's model, empty before it said it."""
    return str(session.client.info.get("model", "")) if session.client is not None else ""


def write_result(job: Job) -> Steps[list[str]]:
    """Write a result into the scene it was asked for, whichever is active by now, curve by curve.

    Raises:
        RetakeError: The head is gone, or what came does not fit.
    """
    scene = state.scene_of(job.order.scene, job.order.head_uid)
    head = None if scene is None else state.head_of(scene, job.order.head_uid)
    if scene is None or head is None or job.result is None:
        raise RetakeError("The head that the takes were for is no longer in the scene.")
    sentences = yield from direct.receive(open_shot(scene, head), job.order, job.result)
    session.sentence = "Done"
    return sentences


class RETAKE_OT_new_takes(Generating, bpy.types.Operator):
    """Generate new takes of the recording, through the keys that are set"""

    bl_idname = "retake.new_takes"
    bl_label = "New Takes"
    bl_options = {"UNDO"}  # no redo panel: it would generate again while the window stands still

    count: bpy.props.IntProperty(name="Takes", default=3, min=1, max=16)
    seed: bpy.props.IntProperty(
        name="Seed", min=0, description="Seed of the first take; unless set, seeds that no take has"
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """A head, a recording, and a backend."""
        return refuse(cls, why_no_generation(context))

    def order(self, shot: Shot) -> Steps[Order]:
        """Order of new takes."""
        seed = self.seed if self.properties.is_property_set("seed") else None
        return (yield from orders.new_takes(shot, self.asked(), self.count, seed))


class RETAKE_OT_update_take(Generating, bpy.types.Operator):
    """Let the shown take follow changed keys, its seed staying"""

    bl_idname = "retake.update_take"
    bl_label = "Update Take"
    bl_options = {"UNDO"}  # no redo panel: it would generate again while the window stands still

    range_mode: bpy.props.EnumProperty(items=(TAKE_RANGE, *RANGE_ITEMS), name="Range")
    take: bpy.props.IntProperty(name="Take", min=0, description="Its number; 0 is the shown take")
    all_takes: bpy.props.BoolProperty(
        name="All Takes", description="Every take that is not pinned and has the same range and parts"
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """As for new takes, and there is one."""
        return refuse(cls, why_no_generation(context) or why_no_takes(context))

    def order(self, shot: Shot) -> Steps[Order]:
        """Order to update takes."""
        number = self.take or state.load_notes(shot.record).shown
        if not number:
            raise RetakeError("The original is shown, which cannot be updated.", "Show a take first.")
        library = state.load_library(shot.record)
        chosen = library.take(number)
        alike = [
            take.id
            for take in library.takes.values()
            if take.span == chosen.span and take.parts == chosen.parts and not take.pinned and take.id != number
        ]
        options = self.asked()
        options = replace(options, settings=replace(chosen.settings, model=options.settings.model))
        numbers = [number, *alike] if self.all_takes else [number]
        return (yield from orders.update_takes(shot, options, numbers))


class RETAKE_OT_receive(bpy.types.Operator):
    """Write the result that came into the scene"""

    bl_idname = "retake.receive"
    bl_label = "Receive Takes"
    bl_options = {"UNDO", "INTERNAL"}

    request: bpy.props.IntProperty(name="Request", options={"HIDDEN", "SKIP_SAVE"})

    def execute(self, context: Context) -> Outcome:
        """Write it."""
        job = next((job for job in session.jobs if job.request == self.request), None)
        if job is None or job.result is None:
            return {"CANCELLED"}
        return reporting(self, lambda: finish(write_result(job)))


class RETAKE_OT_cancel(bpy.types.Operator):
    """Stop the generations that are under way; the scene stays as it is"""

    bl_idname = "retake.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Only while one is under way."""
        return refuse(cls, "" if session.running else "Nothing is being generated")

    def execute(self, context: Context) -> Outcome:
        """Ask the backend to stop."""
        cancel()
        return {"FINISHED"}


def shown_and_stale(context: Context) -> tuple[int, list[int]]:
    """Number of the take shown last, 0 for the original, and the takes whose keys had changed by then."""
    record = record_in(context)
    notes = state.Notes() if record is None else state.load_notes(record)
    return notes.shown, notes.stale


def why_stale(context: Context, take: Take) -> str:
    """What changed since a stale take was made, for its mark."""
    record, made = record_in(context), take.settings.recording
    is_other = record is not None and made and made != Path(record.audio_path).name
    return "other recording" if is_other else "keys or cuts of the strip changed"


CLASSES = (
    RETAKE_OT_new_takes,
    RETAKE_OT_update_take,
    RETAKE_OT_receive,
    RETAKE_OT_cancel,
)
