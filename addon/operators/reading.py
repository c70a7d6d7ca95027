# SPDX-License-Identifier: GPL-3.0-or-later
"""The scene as it stands, classified by what was last written and by what the animator chose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from ...backend.protocol import CHANNEL_NAMES
from ..core.channels import channels_of
from ..core.given import Given, collect
from ..core.keys import Choice, Finding, FindingKind, KeyState, classify, decide
from ..core.steps import Steps
from ..core.takes import Settings
from ..core.timing import Span
from ..scene import sharing, state
from ..scene.shot import Recording, Shot, has_moved, locked_frames, recording_for_takes
from ..scene.snapshot import Snapshot, in_scene_frames, read_snapshot
from ..scene.writer import Books
from .notices import questions


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
class Reading:
    """The scene as it stands, classified.

    Attributes:
        snapshot: Its curves.
        keys: What their keys are.
        given: What they give.
        books: Takes, ledger and notes of the head.
        standing: Who wrote what stands: another record may drive the same curves.
    """

    snapshot: Snapshot
    keys: KeyState
    given: Given
    books: Books
    standing: sharing.Standing


def read(shot: Shot, options: Options, frames: Span, recording: Recording) -> Steps[Reading]:
    """Read and classify the curves of a shot; also before every write.

    Args:
        shot: The shot.
        options: The animator's choices about corrected keys and bakes.
        frames: Range in scene frames.
        recording: For the times of locked spans.
    """
    notes, ledger = state.load_notes(shot.record), state.load_ledger(shot.record)
    locked = locked_frames(notes, recording)
    snapshot = yield from read_snapshot(shot, frames, locked, ledger)
    standing = sharing.find_standing(shot, snapshot.tables, ledger, notes)
    yield False
    keys = classify(snapshot.curves, in_scene_frames(standing.ledger, shot), frames)
    yield False
    answers = {
        number: options.bakes if finding.kind is FindingKind.BAKE else options.corrected or Choice.KEEP
        for number, finding in enumerate(keys.findings)
    }
    keys = decide(keys, answers)
    yield False
    given = collect(keys)
    yield False
    return Reading(snapshot, keys, given, Books(state.load_library(shot.record), ledger, notes), standing)


def asked_about(
    shot: Shot, reading: Reading, parts: Sequence[str] | None, *, with_bakes: bool = False
) -> list[Finding]:
    """What the animator has to decide before some parts are written; all of them if None, or if the audio moved."""
    moved = parts is None or has_moved(reading.books.notes, recording_for_takes(shot))
    channels = CHANNEL_NAMES if moved or parts is None else channels_of(parts)
    return [
        finding for finding in questions(reading.keys, channels) if with_bakes or finding.kind is not FindingKind.BAKE
    ]
