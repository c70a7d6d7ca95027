# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that generate: new takes, the shown take following changed keys, cancel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import bpy

from ...backend.errors import CancelledError, RetakeError
from ...backend.protocol import PARTS
from .. import compat
from ..core.keys import Choice
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
    reporting,
    why_no_generation,
    why_no_takes,
)
from .orders import Order
from .reading import Options, RangeChoice
from .session import Job, abandon, begin, cancel, close, ensure_client, failure_error, poll, session, wait

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

    _timer = None

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

    def order(self, shot: Shot) -> Order:
        """The order to send; each operator has its own."""
        raise NotImplementedError

    def execute(self, context: Context) -> Outcome:
        """Without a window: send, and wait unless told otherwise."""
        return reporting(self, lambda: self._run(context))

    def _run(self, context: Context) -> list[str]:
        begin(self.order(current_shot(context)), writes_itself=self.wait)
        return write_result(wait()) if self.wait else []

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """In a window: ask where there is something to decide, send, then pump by a timer; Escape cancels."""
        ordered: list[Order] = []
        outcome = reporting(self, lambda: ordered.append(self.order(current_shot(context))))
        if outcome != {"FINISHED"}:
            return outcome
        questions = undecided(self, ordered[0].questions)
        if questions:
            return ask(self, questions)
        outcome = reporting(self, lambda: begin(ordered[0], writes_itself=True) and None)
        if outcome == {"FINISHED"}:
            self._timer = context.window_manager.event_timer_add(0.05, window=context.window)
            context.window_manager.modal_handler_add(self)
            return {"RUNNING_MODAL"}
        return outcome

    def modal(self, context: Context, event: bpy.types.Event) -> Outcome:
        """Pump the messages; write once, when everything is there."""
        if event.type == "ESC":
            cancel()
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        before = session.job.progress if session.job is not None else None
        job = poll()
        if job is not None and job.is_running:
            if job.progress != before:
                compat.redraw()
            return {"PASS_THROUGH"}
        self._stop_timer(context)
        if job is None:
            return {"CANCELLED"}
        if job.failure is not None and job.failure.code == CancelledError.code:
            session.sentence = "Cancelled: nothing was changed."
            self.report({"INFO"}, session.sentence)
            compat.redraw()
            return {"CANCELLED"}
        return reporting(self, lambda: _write_or_raise(job))

    def cancel(self, context: Context) -> None:
        """The window that waited is closed: nobody would take the result."""
        self._stop_timer(context)
        abandon("The window that waited for the takes was closed.")

    def _stop_timer(self, context: Context) -> None:
        """Take the timer away."""
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            self._timer = None


def _model_name() -> str:
    """Name of the backend's model, empty before it said it."""
    return str(session.client.info.get("model", "")) if session.client is not None else ""


def _write_or_raise(job: Job) -> list[str]:
    """Write a finished job's result, or raise why there is none."""
    if job.failure is not None:
        raise failure_error(job.failure)
    return write_result(job)


def write_result(job: Job) -> list[str]:
    """Write a result into the scene it was asked for, whichever is active by now.

    Raises:
        RetakeError: The head is gone, or what came does not fit.
    """
    scene = state.scene_of(job.order.scene, job.order.head_uid)
    head = None if scene is None else state.head_of(scene, job.order.head_uid)
    if scene is None or head is None or job.result is None:
        raise RetakeError("The head that the takes were for is no longer in the scene.")
    sentences = direct.receive(open_shot(scene, head), job.order, job.result)
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
        """A head, a recording, and nothing else under way."""
        return refuse(cls, why_no_generation(context))

    def order(self, shot: Shot) -> Order:
        """Order of new takes."""
        seed = self.seed if self.properties.is_property_set("seed") else None
        return orders.new_takes(shot, self.asked(), self.count, seed)


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

    def order(self, shot: Shot) -> Order:
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
        return orders.update_takes(shot, options, [number, *alike] if self.all_takes else [number])


class RETAKE_OT_receive(bpy.types.Operator):
    """Write the result that came into the scene"""

    bl_idname = "retake.receive"
    bl_label = "Receive Takes"
    bl_options = {"UNDO", "INTERNAL"}

    def execute(self, context: Context) -> Outcome:
        """Write it."""
        job = session.job
        if job is None or job.result is None:
            return {"CANCELLED"}
        return reporting(self, lambda: write_result(job))


class RETAKE_OT_cancel(bpy.types.Operator):
    """Stop the generation that is under way; the scene stays as it is"""

    bl_idname = "retake.cancel"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Only while one is under way."""
        running = session.job is not None and session.job.is_running
        return refuse(cls, "" if running else "Nothing is being generated")

    def execute(self, context: Context) -> Outcome:
        """Ask the backend to stop."""
        cancel()
        return {"FINISHED"}


class RETAKE_OT_start_backend(bpy.types.Operator):
    """Start the backend process now, or again after it was lost"""

    bl_idname = "retake.start_backend"
    bl_label = "Start Backend"

    restart: bpy.props.BoolProperty(name="Restart", options={"SKIP_SAVE"})

    def execute(self, context: Context) -> Outcome:
        """Start it."""

        def work() -> None:
            if self.restart:
                close()
            ensure_client()

        return reporting(self, work)


def shown_and_stale(context: Context) -> tuple[int, list[int]]:
    """Number of the take shown last, 0 for the original, and the takes whose keys had changed by then."""
    record = record_in(context)
    notes = state.Notes() if record is None else state.load_notes(record)
    return notes.shown, notes.stale


def why_stale(context: Context, take: Take) -> str:
    """What changed since a stale take was made, for its mark."""
    record, made = record_in(context), take.settings.recording
    is_other = record is not None and made and made != Path(record.audio_path).name
    return "other recording" if is_other else "keys changed"


CLASSES = (
    RETAKE_OT_new_takes,
    RETAKE_OT_update_take,
    RETAKE_OT_receive,
    RETAKE_OT_cancel,
    RETAKE_OT_start_backend,
)
