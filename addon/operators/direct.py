# SPDX-License-Identifier: GPL-3.0-or-later
"""From the scene to a request and from a result to the scene, without any Blender operator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from ...backend.errors import InputError
from ...backend.protocol import CHANNEL_NAMES, PARTS
from ..core import ranges
from ..core.channels import channels_of
from ..core.client import Result, Rig
from ..core.findings import Finding, FindingKind
from ..core.given import Given, check_free, collect
from ..core.keys import Choice, KeyState, classify, decide
from ..core.library import Library
from ..core.render import render
from ..core.request import RequestValues, request_values
from ..core.takes import Settings
from ..core.timing import Span
from ..scene import audio, rig, state
from ..scene.shot import (
    Recording,
    Shot,
    default_parts,
    has_moved,
    locked_frames,
    mixing_notices,
    neck_is_animated,
    recording_of,
)
from ..scene.snapshot import Snapshot, in_scene_frames, read_snapshot
from ..scene.targets import selected_frames
from ..scene.writer import Books, clear_plans, write_plans
from .notices import left_standing, obstacle_notices, questions, reached_limits, refuse_unanswered


class RangeChoice(Enum):
    """Ranges an animator can choose: those of the core, and the range of the take that is updated."""

    NEIGHBOURS = "NEIGHBOURS"
    SELECTED = "SELECTED"
    PHRASE = "PHRASE"
    PREVIEW = "PREVIEW"
    AUDIO = "AUDIO"
    TAKE = "TAKE"


@dataclass(frozen=True)
class Options:
    """What an animator asks for.

    Attributes:
        parts: Parts to generate; None for the usual ones.
        range_choice: Which range.
        settings: Guidance, steps, scheduler, style.
        corrected: What to do with reshaped, shifted and scaled generated keys; None refuses to write over them.
        bakes: KEEP or REDO (replace) for bakes.
    """

    parts: tuple[str, ...] | None = None
    range_choice: RangeChoice = RangeChoice.AUDIO
    settings: Settings = field(default_factory=Settings)
    corrected: Choice | None = Choice.KEEP
    bakes: Choice = Choice.KEEP


@dataclass(frozen=True)
class Order:
    """A generation that is ready to be sent.

    Attributes:
        scene: Name of the scene it is for.
        head_uid: Record of the head it is for.
        takes: Takes to update, in the order of `seeds`; empty for new ones.
        seeds: One a take.
        parts: Parts to generate.
        span: Range, s.
        recording: The recording.
        rig: The head.
        given: Given values.
        options: What was asked.
        notices: What the animator should know.
    """

    scene: str
    head_uid: str
    takes: tuple[int, ...]
    seeds: tuple[int, ...]
    parts: tuple[str, ...]
    span: Span
    recording: Recording
    rig: Rig
    given: RequestValues
    options: Options
    notices: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """The scene as it stands, classified."""

    snapshot: Snapshot
    keys: KeyState
    given: Given
    books: Books


def read(shot: Shot, options: Options, frames: Span, recording: Recording) -> Reading:
    """Read and classify the curves of a shot; also before every write.

    Args:
        shot: The shot.
        options: The animator's choices about corrected keys and bakes.
        frames: Range in scene frames.
        recording: For the times of locked spans.
    """
    notes, ledger = state.load_notes(shot.record), state.load_ledger(shot.record)
    locked = locked_frames(notes, recording)
    snapshot = read_snapshot(shot, frames, locked, ledger)
    keys = classify(snapshot.curves, in_scene_frames(ledger, shot), frames)
    answers = {
        number: options.bakes if finding.kind is FindingKind.BAKE else options.corrected or Choice.KEEP
        for number, finding in enumerate(keys.findings)
    }
    keys = decide(keys, answers)
    return Reading(snapshot, keys, collect(keys), Books(state.load_library(shot.record), ledger, notes))


def new_takes(shot: Shot, options: Options, count: int, seed: int | None) -> Order:
    """Order of new takes.

    Args:
        shot: The shot.
        options: What was asked.
        count: How many takes.
        seed: Seed of the first; None draws seeds that no take has.

    Raises:
        InputError: The range or the parts cannot be generated; the sentence says why.
    """
    recording = recording_of(shot)
    parts = _parts(shot, options)
    library = state.load_library(shot.record)
    span, reading = _range(shot, options, recording, None)
    first = seed if seed is not None else 1 + max((take.seed for take in library.takes.values()), default=-1)
    context = [entry.span for entry in library.comp if entry.part in parts]
    seeds = tuple(range(first, first + count))
    return _order(shot, options, recording, reading, (), seeds, parts, span, context)


def update_takes(shot: Shot, options: Options, takes: Sequence[int]) -> Order:
    """Order to let existing takes follow changed keys, their seeds staying.

    Args:
        shot: The shot.
        options: What was asked.
        takes: Ids; all have the range and parts of the first.

    Raises:
        InputError: A take is unknown or pinned, or the range cannot be generated.
    """
    recording = recording_of(shot)
    library = state.load_library(shot.record)
    chosen = [library.take(number) for number in takes]
    pinned = next((take for take in chosen if take.pinned), None)
    if pinned is not None:
        raise InputError(f"{pinned.name} is pinned.", "Unpin it, or make new takes.")
    parts = tuple(part for part in chosen[0].parts if options.parts is None or part in options.parts)
    if not parts:
        raise InputError(f"{chosen[0].name} has none of the chosen parts.", f"It has {', '.join(chosen[0].parts)}.")
    span, reading = _range(shot, options, recording, chosen[0].span)
    context = [entry.span for entry in library.comp if entry.part in parts and entry.take not in takes]
    seeds = tuple(take.seed for take in chosen)
    return _order(shot, options, recording, reading, tuple(takes), seeds, parts, span, context)


def _order(
    shot: Shot,
    options: Options,
    recording: Recording,
    reading: Reading,
    takes: tuple[int, ...],
    seeds: tuple[int, ...],
    parts: tuple[str, ...],
    span: Span,
    context: Sequence[Span],
) -> Order:
    """Check that something is free and gather the request."""
    check_free(reading.given, channels_of(parts), recording.clock.frame_span(span))
    values = request_values(reading.given, recording.clock, span, parts, context)
    notices = (*_notices(shot, options, reading, parts),)
    uid = shot.record.uid
    return Order(
        shot.scene.name, uid, takes, seeds, parts, span, recording, rig.build_rig(shot), values, options, notices
    )


def _parts(shot: Shot, options: Options) -> tuple[str, ...]:
    """Parts to generate, in their usual order."""
    wanted = default_parts(shot) if options.parts is None else options.parts
    parts = tuple(part for part in PARTS if part in wanted and part in shot.parts)
    if not parts:
        raise InputError(f"'{shot.head.name}' has no channel of the chosen parts.", f"It has {', '.join(shot.parts)}.")
    return parts


def _range(shot: Shot, options: Options, recording: Recording, take: Span | None) -> tuple[Span, Reading]:
    """The range in seconds, and the scene read for it."""
    whole = _whole(recording)
    reading = read(shot, options, recording.clock.frame_span(whole), recording)
    span = _choose_range(shot, options.range_choice, recording, reading.given, take, whole)
    if span == whole:
        return span, reading
    if recording.clock.frame_span(span).length < 1.0:
        raise InputError("The range is shorter than a frame.", "Choose a longer one.")
    return span, read(shot, options, recording.clock.frame_span(span), recording)


def _choose_range(
    shot: Shot, choice: RangeChoice, recording: Recording, given: Given, take: Span | None, whole: Span
) -> Span:
    """The range that a choice means."""
    scene, clock = shot.scene, recording.clock
    playhead = scene.frame_current + scene.frame_subframe
    if choice is RangeChoice.TAKE:
        return take if take is not None else whole
    if choice is RangeChoice.NEIGHBOURS:
        return ranges.between_neighbours(given, clock, playhead, recording.seconds)
    if choice is RangeChoice.SELECTED:
        return ranges.selected_keys(selected_frames(shot.targets, shot.shifts), clock)
    if choice is RangeChoice.PREVIEW:
        if not scene.use_preview_range:
            raise InputError("The scene has no preview range.", "Set one in the Timeline, or choose another range.")
        return ranges.preview(scene.frame_preview_start, scene.frame_preview_end, clock)
    if choice is RangeChoice.PHRASE:
        pauses = ranges.find_pauses(audio.read_samples(recording.path), audio.ANALYSIS_RATE)
        return ranges.phrase_at(pauses, clock, playhead, recording.seconds)
    return whole


def _whole(recording: Recording) -> Span:
    """What is heard of the recording, with the silence beside it where the strip is not trimmed."""
    whole, frame = ranges.whole_audio(recording.seconds), 1.0 / recording.clock.fps
    start = recording.heard.start if recording.heard.start > frame else whole.start
    end = recording.heard.end if recording.heard.end < recording.seconds - frame else whole.end
    return Span(start, end)


def _notices(shot: Shot, options: Options, reading: Reading, parts: Sequence[str]) -> list[str]:
    """Sentences about what is found, left out or not written."""
    found = [finding.sentence for finding in reading.keys.findings]
    wanted = set(channels_of(parts))
    found += obstacle_notices(curve for curve in reading.keys.curves if wanted & set(curve.keys.channels))
    if options.parts is None and "head" not in parts and neck_is_animated(shot):
        found.append("The head is left out because its bones are animated already.")
    return found + mixing_notices(shot)


def receive(shot: Shot, order: Order, result: Result) -> list[str]:
    """Put a result into the library and show it.

    Args:
        shot: The shot, found anew.
        order: What was asked.
        result: What came.

    Returns:
        Sentences for the animator.
    """
    recording = recording_of(shot)
    frames = recording.clock.frame_span(order.span)
    with state.changing(shot.record) as library:
        reading = read(shot, order.options, frames, recording)
        notes = reading.books.notes
        shown = _store(library, order, result, notes.shown)
        library.show(shown, order.parts, order.span)
        notes.shown = shown
        notes.stale = [take for take in library.takes if library.stale(take, reading.given, recording.clock)]
        _write(shot, reading, recording, order.parts, frames, order.options)
    found = [finding.sentence for finding in reading.keys.findings]
    return [*dict.fromkeys((*order.notices, *found)), *reached_limits(shot)]


def _store(library: Library, order: Order, result: Result, shown: int) -> int:
    """Put a result into the library; returns the take to show."""
    if order.takes:
        replaced = [library.take(number) for number in order.takes]
        library.update_result(order.takes, result.message, result.arrays, order.parts, order.span, order.given)
        state.note_replaced(order.head_uid, replaced, [library.take(number) for number in order.takes])
        return shown if shown in order.takes else order.takes[0]
    settings = order.options.settings
    return library.add_result(result.message, result.arrays, order.parts, order.span, order.given, settings)[0]


def read_take(shot: Shot, take: int, options: Options) -> Reading:
    """The scene as showing a take finds it.

    Raises:
        InputError: There is no such take.
    """
    recording = recording_of(shot)
    span = state.load_library(shot.record).take(take).span
    return read(shot, options, recording.clock.frame_span(span), recording)


def read_whole(shot: Shot, options: Options) -> Reading:
    """The scene as the original take finds it."""
    recording = recording_of(shot)
    return read(shot, options, recording.clock.frame_span(_whole(recording)), recording)


def asked_about(shot: Shot, reading: Reading, parts: Sequence[str] | None) -> list[Finding]:
    """What the animator has to decide before some parts are written; all of them if None, or if the audio moved."""
    moved = parts is None or has_moved(reading.books.notes, recording_of(shot))
    return questions(reading.keys, CHANNEL_NAMES if moved or parts is None else channels_of(parts))


def show_take(shot: Shot, take: int, options: Options) -> list[str]:
    """Let a take play in its parts and range, bent through the present keys if it was made with others.

    Returns:
        Sentences for the animator.

    Raises:
        InputError: There is no such take, or it is not said what becomes of changed keys.
    """
    recording = recording_of(shot)
    with state.changing(shot.record) as library:
        reading = read_take(shot, take, options)
        parts = library.take(take).parts
        if options.corrected is None:
            refuse_unanswered(asked_about(shot, reading, parts))
        library.show(take)
        notes = reading.books.notes
        notes.shown = take
        notes.stale = [other for other in notes.stale if other != take and other in library.takes]
        notes.stale += [take] * library.stale(take, reading.given, recording.clock)
        _write(shot, reading, recording, parts, recording.clock.frame_span(library.take(take).span), options)
    found = [finding.sentence for finding in reading.keys.findings]
    return [*found, *left_standing(reading.keys, bool(notes.locked))]


def show_original(shot: Shot, options: Options) -> list[str]:
    """Take 0: our keys go, the animator's stand as they did; what is locked, muted or driven stays.

    Returns:
        Sentences for the animator.

    Raises:
        InputError: It is not said what becomes of changed keys.
    """
    with state.changing(shot.record) as library:
        reading = read_whole(shot, options)
        found = asked_about(shot, reading, None)
        if options.corrected is None:
            refuse_unanswered(found)
        library.comp.clear()
        reading.books.notes.shown = 0
        clear_plans(reading.snapshot, reading.keys, reading.books)
        save(shot, reading.books)
    notices = left_standing(reading.keys, bool(reading.books.notes.locked))
    return [*(finding.sentence for finding in found), *notices]


def _write(
    shot: Shot, reading: Reading, recording: Recording, parts: Sequence[str], frames: Span, options: Options
) -> None:
    """Render the comp within some frames and write it.

    Everywhere anew if the audio moved since the last write, or where changed keys are let go: they may have left the
    range.
    """
    books = reading.books
    let_go = options.corrected not in (None, Choice.KEEP) and bool(asked_about(shot, reading, parts))
    anew = let_go or has_moved(books.notes, recording)
    if anew:
        clear_plans(reading.snapshot, reading.keys, books)
        save(shot, books)
        reading = read(shot, options, frames, recording)
        reading.books.library.comp[:], books = books.library.comp, reading.books
    lips = rig.lip_model(shot)
    limit = None if anew else frames
    plans = render(books.library, recording.clock, reading.given, lips, None if anew else parts, limit)
    write_plans(reading.snapshot, reading.keys, plans, books)
    locked = [recording.clock.second_span(span) for span in locked_frames(books.notes, recording)]
    books.notes.locked = [(span.start, span.end) for span in locked]
    books.notes.clock = (recording.clock.fps, recording.clock.start_frame)
    save(shot, books)


def save(shot: Shot, books: Books) -> None:
    """Store takes, ledger and notes in the scene."""
    record = shot.record
    state.save_library(record, books.library)
    state.save_ledger(record, books.ledger)
    state.save_notes(record, books.notes)
