# SPDX-License-Identifier: GPL-3.0-or-later
"""From the scene to a request: what is to be generated, where, and through which keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...backend.errors import InputError
from ...backend.protocol import PARTS
from ..core import ranges
from ..core.channels import channels_of
from ..core.client import Rig
from ..core.given import Given, check_free
from ..core.keys import Finding
from ..core.request import RequestValues, request_values
from ..core.steps import Steps, finish
from ..core.timing import Span
from ..scene import audio, rig, state
from ..scene.flame_performance import expression_notices
from ..scene.shot import (
    Recording,
    Shot,
    default_parts,
    mixing_notices,
    neck_is_animated,
    recording_for_takes,
    recording_of,
)
from ..scene.targets import selected_frames
from .notices import finding_notices, obstacle_notices
from .reading import Options, RangeChoice, Reading, asked_about, read


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
        questions: What the animator may decide about before it is written.
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
    questions: tuple[Finding, ...] = ()


def new_takes(shot: Shot, options: Options, count: int, seed: int | None) -> Steps[Order]:
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
    span, reading = yield from find_range(shot, options, recording, None)
    first = seed if seed is not None else 1 + max((take.seed for take in library.takes.values()), default=-1)
    context = [entry.span for entry in library.comp if entry.part in parts]
    seeds = tuple(range(first, first + count))
    return (yield from _order(shot, options, recording, reading, (), seeds, parts, span, context))


def update_takes(shot: Shot, options: Options, takes: Sequence[int]) -> Steps[Order]:
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
    span, reading = yield from find_range(shot, options, recording, chosen[0].span)
    context = [entry.span for entry in library.comp if entry.part in parts and entry.take not in takes]
    seeds = tuple(take.seed for take in chosen)
    return (yield from _order(shot, options, recording, reading, tuple(takes), seeds, parts, span, context))


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
) -> Steps[Order]:
    """Check that something is free and gather the request."""
    check_free(reading.given, channels_of(parts), recording.clock.frame_span(span))
    values = request_values(reading.given, recording.clock, span, parts, context)
    made = replace(
        options.settings, recording=recording.path.name, seconds=recording.seconds, speaking=recording.speaking or ()
    )
    options = replace(options, settings=made)
    yield False
    arrays = yield from rig.build_rig(shot)
    return Order(
        scene=shot.scene.name,
        head_uid=shot.record.uid,
        takes=takes,
        seeds=seeds,
        parts=parts,
        span=span,
        recording=recording,
        rig=arrays,
        given=values,
        options=options,
        notices=tuple(_notices(shot, options, reading, parts)),
        questions=tuple(asked_about(shot, reading, parts, with_bakes=True)),
    )


def _parts(shot: Shot, options: Options) -> tuple[str, ...]:
    """Parts to generate, in their usual order."""
    wanted = default_parts(shot) if options.parts is None else options.parts
    parts = tuple(part for part in PARTS if part in wanted and part in shot.parts)
    if not parts:
        raise InputError(f"'{shot.head.name}' has no channel of the chosen parts.", f"It has {', '.join(shot.parts)}.")
    return parts


def find_range(shot: Shot, options: Options, recording: Recording, take: Span | None) -> Steps[tuple[Span, Reading]]:
    """The range in seconds, and the scene read for it."""
    whole = whole_range(recording)
    reading = yield from read(shot, options, recording.clock.frame_span(whole), recording)
    span = choose_range(shot, options.range_choice, recording, reading.given, take, whole)
    if span == whole:
        return span, reading
    if recording.clock.frame_span(span).length < 1.0:
        raise InputError("The range is shorter than a frame.", "Choose a longer one.")
    return span, (yield from read(shot, options, recording.clock.frame_span(span), recording))


def chosen_span(shot: Shot, mode: str) -> tuple[Span, Recording]:
    """The range that a button's mode means now, s, and the recording that it lies in.

    Raises:
        InputError: It means none; the sentence says why.
    """
    recording = recording_for_takes(shot)
    span, _ = finish(find_range(shot, Options(range_choice=RangeChoice(mode)), recording, None))
    return span, recording


def choose_range(
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


def whole_range(recording: Recording) -> Span:
    """What is heard of the recording, with the silence beside it where the strip is not trimmed."""
    whole, frame = ranges.whole_audio(recording.seconds), 1.0 / recording.clock.fps
    start = recording.heard.start if recording.heard.start > frame else whole.start
    end = recording.heard.end if recording.heard.end < recording.seconds - frame else whole.end
    return Span(start, end)


def _notices(shot: Shot, options: Options, reading: Reading, parts: Sequence[str]) -> list[str]:
    """Sentences about what is found, left out or not written."""
    found = finding_notices(reading.keys.findings)
    wanted = set(channels_of(parts))
    found += obstacle_notices(curve for curve in reading.keys.curves if wanted & set(curve.keys.channels))
    if options.parts is None and "head" not in parts and neck_is_animated(shot):
        found.append("The head is left out because its bones are animated already.")
    return found + mixing_notices(shot) + expression_notices(shot)
