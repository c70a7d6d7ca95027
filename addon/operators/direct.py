# SPDX-License-Identifier: GPL-3.0-or-later
"""From a result to the scene, and switching what plays, without any Blender operator."""

from __future__ import annotations

from collections.abc import Sequence

from ...backend.errors import InputError
from ...backend.protocol import PARTS
from ..core.channels import channels_of
from ..core.client import Result
from ..core.heard import Heard
from ..core.keys import Choice
from ..core.library import Library
from ..core.render import ChannelPlan, rendering
from ..core.steps import Steps, aside, finish
from ..core.storage import ledger_to_bytes, library_to_bytes
from ..core.takes import ORIGINAL
from ..core.timing import AudioClock, Span
from ..scene import history, keying, rig, state
from ..scene.departed import clear_departed
from ..scene.shot import Recording, Shot, has_moved, locked_frames, recording_for_takes, recording_of
from ..scene.sparse import thinned
from ..scene.writer import Books, clear_plans, write_plans
from .notices import corrected_notices, finding_notices, kept_notices, left_standing, reached_limits, refuse_unanswered
from .orders import Order, whole_range
from .reading import Options, Reading, asked_about, read


def receive(shot: Shot, order: Order, result: Result) -> Steps[list[str]]:
    """Put a result into the library and show it, curve by curve.

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
        reading = yield from read(shot, order.options, frames, recording)
        notes = reading.books.notes
        shown = _store(shot, library, order, result, notes.shown)
        shot.record.heard = Heard.of_message(result.message).to_text()
        library.show(shown, order.parts, order.span)
        notes.show(shown)
        yield False
        notes.stale = _stale(library, reading, recording)
        yield False
        asked = asked_about(shot, reading, order.parts, with_bakes=True)
        departed = yield from _write(shot, reading, recording, order.parts, frames, order.options)
    found = finding_notices(reading.keys.findings)
    kept = kept_notices(asked, order.options.corrected, order.options.bakes)
    done = _told(library, order, shown, recording)
    corrected = corrected_notices(reading.keys, order.parts)
    return [done, *corrected, *dict.fromkeys((*order.notices, *found)), *kept, *departed, *reached_limits(shot)]


def _told(library: Library, order: Order, shown: int, recording: Recording) -> str:
    """What was made, where, and what plays."""
    frames = recording.clock.frame_span(order.span)
    count = len(order.seeds)
    where = f"frames {frames.start:.0f} to {frames.end:.0f}"
    if order.takes:
        updated = f"{library.takes[order.takes[0]].name} follows" if count == 1 else f"{count} takes follow"
        return f"{updated} your keys in {where}."
    made = "One take" if count == 1 else f"{count} takes"
    return f"{made} made for {where}; {library.takes[shown].name} plays."


def _stale(library: Library, reading: Reading, recording: Recording) -> list[int]:
    """Takes that were made with other keys or for another recording."""
    return library.stale_takes(
        reading.given, recording.clock, recording.path.name, recording.seconds, recording.speaking
    )


def _store(shot: Shot, library: Library, order: Order, result: Result, shown: int) -> int:
    """Put a result into the library; returns the take to show."""
    if order.takes:
        replaced = [library.take(number) for number in order.takes]
        library.update_result(
            order.takes, result.message, result.arrays, order.parts, order.span, order.given, order.options.settings
        )
        history.note_replaced(shot.record, replaced, [library.take(number) for number in order.takes])
        return shown if shown in order.takes else order.takes[0]
    settings = order.options.settings
    return library.add_result(result.message, result.arrays, order.parts, order.span, order.given, settings)[0]


def read_take(shot: Shot, take: int, options: Options, span: Span | None = None) -> Steps[Reading]:
    """The scene as showing a take, in a span of seconds or in its whole range, finds it.

    Raises:
        InputError: There is no such take.
    """
    recording = recording_for_takes(shot)
    span = span or state.load_library(shot.record).take(take).span
    return (yield from read(shot, options, recording.clock.frame_span(span), recording))


def read_whole(shot: Shot, options: Options) -> Steps[Reading]:
    """The scene as the original take finds it."""
    recording = recording_for_takes(shot)
    return (yield from read(shot, options, recording.clock.frame_span(whole_range(recording)), recording))


def show_take(
    shot: Shot, take: int, options: Options, parts: Sequence[str] | None = None, span: Span | None = None
) -> Steps[list[str]]:
    """Let a take play, bent through the present keys if it was made with others.

    Args:
        shot: The shot.
        take: Its id.
        options: The animator's choices about changed keys.
        parts: Parts that play it; all it has if None.
        span: Seconds in which it plays; its whole range if None.

    Returns:
        Sentences for the animator.

    Raises:
        InputError: There is no such take, it does not cover parts and span, or it is not said what becomes of changed
            keys.
    """
    recording = recording_for_takes(shot)
    with state.changing(shot.record) as library:
        whole = (tuple(parts or ()), span) if take == ORIGINAL else (library.take(take).parts, library.take(take).span)
        parts, span = tuple(parts or whole[0]), span or whole[1]
        if span is None:
            raise InputError("The original needs a range to be shown in.")
        reading = yield from read_take(shot, take, options, span)
        if options.corrected is None:
            refuse_unanswered(asked_about(shot, reading, parts))
        library.show(take, parts, span)
        notes = reading.books.notes
        if take != ORIGINAL and (parts, span) == whole:
            notes.show(take)
        notes.stale = _stale(library, reading, recording)
        departed = yield from _write(shot, reading, recording, parts, recording.clock.frame_span(span), options)
    found = [*corrected_notices(reading.keys, parts), *finding_notices(reading.keys.findings), *departed]
    return [*found, *left_standing(reading.keys, bool(notes.locked))]


def show_original(shot: Shot, options: Options) -> Steps[list[str]]:
    """Take 0: our keys go, the animator's stand as they did; what is locked, muted or driven stays.

    Returns:
        Sentences for the animator.

    Raises:
        InputError: It is not said what becomes of changed keys.
    """
    with state.changing(shot.record) as library:
        reading = yield from read_whole(shot, options)
        found = asked_about(shot, reading, None)
        if options.corrected is None:
            refuse_unanswered(found)
        library.comp.clear()
        reading.books.notes.show(0)
        reading.books.notes.stale = _stale(library, reading, recording_for_takes(shot))
        reading.standing.adopt_originals(shot, library, ())
        departed = clear_departed(shot, reading.books, reading.snapshot.locked)
        yield from clear_plans(reading.snapshot, reading.keys, reading.books)
        reading.standing.note_turn(reading.books.ledger, reading.books.notes)
        yield from saving(shot, reading.books)
    notices = left_standing(reading.keys, bool(reading.books.notes.locked))
    return [*finding_notices(found), *departed, *notices]


def refinish(shot: Shot) -> Steps[list[str]]:
    """Write what plays anew, as the animator changed its finishing; changed keys are kept.

    Returns:
        Sentences about what our keys were taken off.
    """
    recording = recording_for_takes(shot)
    with state.changing(shot.record) as library:
        if not library.comp:
            return []
        options = Options()
        frames = recording.clock.frame_span(whole_of(library))
        reading = yield from read(shot, options, frames, recording)
        parts = tuple(part for part in PARTS if any(entry.part == part for entry in library.comp))
        return (yield from _write(shot, reading, recording, parts, frames, options))


def slide(shot: Shot) -> Steps[list[str]]:
    """Move the animator's keys, the locked spans and Take 0 as the recording was moved, and write the takes there.

    Raises:
        InputError: The recording stands where it stood at the last write.
    """
    recording, notes = recording_for_takes(shot), state.load_notes(shot.record)
    if notes.clock is None or not has_moved(notes, recording):
        raise InputError(
            "The recording stands where it stood when the takes were written.",
            "Move its strip or change its speed first.",
        )
    old, new = AudioClock(*notes.clock), recording.clock
    by = new.start_frame - old.start_frame
    is_same_speed = abs(new.fps - old.fps) < 1e-6
    by_whole_frames = is_same_speed and abs(by - round(by)) < 1e-4
    with state.changing(shot.record) as library:
        frames = recording.clock.frame_span(whole_range(recording))
        reading = yield from read(shot, Options(), frames, recording)
        books = reading.books
        if by_whole_frames:  # what we wrote goes along as it stands
            moved, left = keying.slide(shot, books, lambda frames: frames + round(by))
        else:
            yield from clear_plans(reading.snapshot, reading.keys, books)
            moved, left = keying.slide(shot, books, lambda frames: new.frames(old.seconds(frames)))
        reading.standing.note_turn(books.ledger, books.notes)
        books.notes.clock = (new.fps, new.start_frame)
        books.library.comp[:] = library.comp
        yield from saving(shot, books)
    if library.comp and not by_whole_frames:
        yield from refinish(shot)
    keys = f"{moved} key{'s' if moved != 1 else ''} of yours and the takes"
    how = f"slid by {by:+.4g} frames with the audio" if is_same_speed else "follow the audio at its new speed"
    stay = [f"Left as they are: {', '.join(left)}."] if left else []
    return [f"{keys[0].upper()}{keys[1:]} {how}.", *stay]


def whole_of(library: Library) -> Span:
    """From the first to the last second that anything of ours plays."""
    spans = [entry.span for entry in library.comp]
    return Span(min(span.start for span in spans), max(span.end for span in spans))


def _write(
    shot: Shot, reading: Reading, recording: Recording, parts: Sequence[str], frames: Span, options: Options
) -> Steps[list[str]]:
    """Render the comp within some frames and write it.

    Everywhere anew if the audio moved since the last write, or where changed keys are let go: they may have left the
    range.

    Returns:
        Sentences about what our keys were taken off.
    """
    books = reading.books
    playing = channels_of({entry.part for entry in books.library.comp})
    reading.standing.adopt_originals(shot, books.library, playing)
    let_go = options.corrected not in (None, Choice.KEEP) and bool(asked_about(shot, reading, parts))
    anew = let_go or has_moved(books.notes, recording)
    departed = clear_departed(shot, books, reading.snapshot.locked)
    if anew:
        yield from clear_plans(reading.snapshot, reading.keys, books)
        reading.standing.note_turn(books.ledger, books.notes)
        yield from saving(shot, books)
        reading = yield from read(shot, options, frames, recording)
        reading.books.library.comp[:], books = books.library.comp, reading.books
    yield False
    lips = rig.lip_model(shot)
    yield False
    books.library.finishing = state.finishing_of(shot.record)
    limit = None if anew else frames
    plans: dict[str, ChannelPlan] = {}
    for part in PARTS if anew else parts:
        plans |= yield from rendering(books.library, recording.clock, reading.given, lips, (part,), limit)
    if shot.record.sparse:
        plans = yield from thinned(shot, plans, reading.given, float(shot.record.tolerance))
    yield from write_plans(reading.snapshot, reading.keys, plans, books)
    locked = [recording.clock.second_span(span) for span in locked_frames(books.notes, recording)]
    reading.standing.note_turn(books.ledger, books.notes)
    books.notes.locked = [(span.start, span.end) for span in locked]
    books.notes.clock = (recording.clock.fps, recording.clock.start_frame)
    yield from saving(shot, books)
    return departed


def saving(shot: Shot, books: Books) -> Steps[None]:
    """Store takes, ledger and notes in the scene, packed on another thread."""
    packed = yield from aside(lambda: (library_to_bytes(books.library), ledger_to_bytes(books.ledger)))
    record = shot.record
    state.save_library(record, books.library, packed[0])
    yield False
    state.save_ledger(record, books.ledger, packed[1])
    state.save_notes(record, books.notes)


def save(shot: Shot, books: Books) -> None:
    """Store takes, ledger and notes in the scene at once."""
    finish(saving(shot, books))
