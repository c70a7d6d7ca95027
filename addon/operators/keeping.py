# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators for a take that is good: Keep, Push to NLA, Bake."""

from __future__ import annotations

import bpy

from ..core.library import Library
from ..core.timing import AudioClock
from ..core.wording import shortened
from ..scene import keeping, sharing, state
from ..scene.shot import Shot, locked_frames, recording_for_takes
from ..scene.writer import Books
from . import direct
from .common import Context, Outcome, current_shot, refuse, reporting, why_no_takes


class KeepOperator:
    """There is a take, and something is done with what plays."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a take."""
        return refuse(cls, why_no_takes(context))


def books_of(shot: Shot) -> Books:
    """Takes, ledger and notes of a shot."""
    return Books(state.load_library(shot.record), state.load_ledger(shot.record), state.load_notes(shot.record))


def save_everywhere(shot: Shot, books: Books, sharing_too: list[state.RETAKE_PG_head]) -> None:
    """Store what was made the animator's; other records that drove the same curves forget that it was theirs.

    Args:
        shot: The shot.
        books: Takes, ledger and notes; curves that were left are in the ledger still.
        sharing_too: The other records, found before anything was changed.
    """
    direct.save(shot, books)
    made = {target.curve_id for target in shot.targets} - set(books.ledger.curves)
    for record in sharing_too:
        sharing.forget(record, made)


def name_of_shown(shot: Shot, library: Library, shown: int) -> str:
    """Head and take, as animators name actions."""
    take = library.takes.get(shown)
    return f"{shot.head.name} {take.name if take is not None else 'take'}"


def frames_of(books: Books) -> str:
    """The frames in which takes play, in words."""
    if books.notes.clock is None or not books.library.comp:
        return "the takes"
    frames = AudioClock(*books.notes.clock).frame_span(direct.whole_of(books.library))
    return f"frames {frames.start:.0f} to {frames.end:.0f}"


class RETAKE_OT_keep_take(KeepOperator, bpy.types.Operator):
    """Copy what plays into an ordinary Action with a fake user"""

    bl_idname = "retake.keep_take"
    bl_label = "Keep as Action"

    def execute(self, context: Context) -> Outcome:
        """Copy it."""

        def work() -> list[str]:
            shot = current_shot(context)
            books = books_of(shot)
            kept = keeping.keep_as_action(shot, name_of_shown(shot, books.library, books.notes.shown))
            return [f"Kept as {', '.join(action.name for action in kept)}."]

        return reporting(self, work)


class RETAKE_OT_push_to_nla(KeepOperator, bpy.types.Operator):
    """Push what plays down into a new NLA track; takes can be shown anew on top of it"""

    bl_idname = "retake.push_to_nla"
    bl_label = "Push to NLA"

    def execute(self, context: Context) -> Outcome:
        """Push it down."""

        def work() -> list[str]:
            shot = current_shot(context)
            books, others = books_of(shot), [record for record, _ in sharing.sharing_records(shot)]
            name, frames = name_of_shown(shot, books.library, books.notes.shown), frames_of(books)
            departed = keeping.push_to_nla(shot, name, books)
            save_everywhere(shot, books, others)
            return [f"The NLA track '{name}' plays {frames} now; a take shown anew goes on top of it.", *departed]

        return reporting(self, work)


class RETAKE_OT_bake_take(KeepOperator, bpy.types.Operator):
    """Turn generated keys into plain keyframes, one on every frame"""

    bl_idname = "retake.bake_take"
    bl_label = "Bake"

    def execute(self, context: Context) -> Outcome:
        """Bake it."""

        def work() -> list[str]:
            shot = current_shot(context)
            books, others = books_of(shot), [record for record, _ in sharing.sharing_records(shot)]
            locked = locked_frames(books.notes, recording_for_takes(shot)) if books.notes.locked else []
            frames = frames_of(books)
            left, departed = keeping.bake(shot, books, locked)
            save_everywhere(shot, books, others)
            done = f"The generated keys of {frames} are plain keyframes now, which takes keep."
            notices = [f"Not baked, as the curve is locked, muted, driven or constrained: {shortened(left)}."] * bool(
                left
            )
            return [done, *departed, *notices] + ["The locked spans stay as they are."] * bool(locked)

        return reporting(self, work)


CLASSES = (RETAKE_OT_keep_take, RETAKE_OT_push_to_nla, RETAKE_OT_bake_take)
