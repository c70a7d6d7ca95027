# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves that several records of the file drive.

The same head in two scenes, a linked duplicate, a copied mesh on the same rig, or one action on two heads: each has a
record with takes and a ledger of its own, and all write the same curves. What stands on a curve is then told by the
ledger of the record that wrote it last, whichever that is; otherwise our own keys would pass for the animator's
corrections.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import bpy
import numpy as np

from ...backend.errors import RetakeError
from .. import compat
from ..core.ledger import Ledger, WrittenCurve
from ..core.library import Library
from ..core.matching import VALUE_TOLERANCE, nearest_frames
from ..core.takes import OriginalCurve
from . import state
from .key_table import Table
from .shot import Shot, armature_of
from .snapshot import recorded
from .state import Notes


@dataclass(frozen=True)
class Standing:
    """Who wrote what stands.

    Attributes:
        ledger: Of every curve the ledger that tells it, frames being those of the actions.
        own: The shot's own ledger before the coming write.
        turn: Number of the coming write among those of all records that share curves; 0 where none does.
        originals: Curves that another record wrote last -> their Take 0.
    """

    ledger: Ledger
    own: Mapping[str, WrittenCurve]
    turn: int = 0
    originals: dict[str, OriginalCurve] = field(default_factory=dict)

    def adopt_originals(self, shot: Shot, library: Library, channels: Collection[str]) -> None:
        """Take over the Take 0 of curves that a write is about to change, from the record that wrote them last.

        Args:
            shot: The shot.
            library: Its library; what it knows itself is brought up to date too.
            channels: Channels that are written.
        """
        for target in shot.targets:
            name = target.curve_id
            is_written = name in library.original or not set(channels).isdisjoint(target.channels)
            if name in self.originals and is_written:
                library.original[name] = self.originals[name]

    def note_turn(self, ledger: Ledger, notes: Notes) -> None:
        """After a write: note on which turn the curves were written that it changed in the shot's ledger."""
        if self.turn:
            changed = [name for name, written in ledger.curves.items() if written is not self.own.get(name)]
            notes.turns.update(dict.fromkeys(changed, self.turn))


@dataclass(frozen=True)
class _Witness:
    """What one record says of a curve.

    Attributes:
        written: Its ledger.
        turn: When it wrote the curve.
        unlike: How many keys stand otherwise.
        notes: Its notes, None for the shot itself.
        library: Its library, None for the shot itself.
    """

    written: WrittenCurve
    turn: int
    unlike: int
    notes: Notes | None = None
    library: Library | None = None

    @property
    def rank(self) -> tuple[bool, int, int]:
        """The lowest tells what stands: whose keys stand exactly, else who wrote last, else who is nearest."""
        return self.unlike > 0, -self.turn, self.unlike


def find_standing(shot: Shot, tables: Mapping[str, Table], ledger: Ledger, notes: Notes) -> Standing:
    """Find for every curve the ledger that tells what stands there.

    Args:
        shot: The shot.
        tables: Curve id -> its keys as they stand.
        ledger: The shot's own.
        notes: The shot's own; they gain the frozen handles of curves that another record wrote last.
    """
    own = dict(ledger.curves)
    others = [found for record, owners in sharing_records(shot) if (found := _books(record, owners)) is not None]
    if not others:
        return Standing(Ledger(dict(own)), own)
    turns = [notes.turns, *(theirs.turns for _, _, theirs, _ in others)]
    standing = Standing(Ledger(dict(own)), own, 1 + max((turn for each in turns for turn in each.values()), default=0))
    for target in shot.targets:
        name, table = target.curve_id, tables[target.curve_id]
        witnesses = [_Witness(own[name], notes.turns.get(name, 0), _unlike(table, own[name]))] if name in own else []
        for owners, written, theirs, library in others:
            if target.owner in owners and name in written.curves:
                unlike = _unlike(table, written.curves[name])
                witnesses.append(_Witness(written.curves[name], theirs.turns.get(name, 0), unlike, theirs, library))
        if witnesses and len(table):
            _believe(name, min(witnesses, key=lambda witness: witness.rank), standing, notes)
    return standing


def _believe(name: str, witness: _Witness, standing: Standing, notes: Notes) -> None:
    """Let a record tell what stands on a curve: with its ledger come the frozen handles and Take 0."""
    standing.ledger.curves[name] = witness.written
    if witness.notes is None or witness.library is None:
        return
    notes.frozen.pop(name, None)
    if name in witness.notes.frozen:
        notes.frozen[name] = witness.notes.frozen[name]
    if name in witness.library.original:
        standing.originals[name] = witness.library.original[name]


def _books(
    record: state.RETAKE_PG_head, owners: list[bpy.types.ID]
) -> tuple[list[bpy.types.ID], Ledger, Notes, Library] | None:
    """What another record remembers; None where it cannot be read: it tells nothing then."""
    try:
        return owners, state.load_ledger(record), state.load_notes(record), state.load_library(record)
    except RetakeError:
        return None


def sharing_records(shot: Shot) -> list[tuple[state.RETAKE_PG_head, list[bpy.types.ID]]]:
    """Other records of the file, with the datablocks of the shot whose curves they drive as well."""
    own, found = shot.record, []
    for record in _records():
        if record == own or record.head is None or record.head.type != "MESH":
            continue
        pairs = ((shot.head.data.shape_keys, record.head.data.shape_keys), (shot.armature, armature_of(record.head)))
        shared = [mine for mine, theirs in pairs if mine and theirs and compat.have_same_curves(mine, theirs)]
        if shared:
            found.append((record, shared))
    return found


def forget(record: state.RETAKE_PG_head, curve_ids: Collection[str]) -> None:
    """Let a record forget curves whose keys another record made the animator's.

    Raises:
        StoredTakesError: What the record stores cannot be read.
    """
    notes, ledger = state.load_notes(record), state.load_ledger(record)
    with state.changing(record) as library:
        for remembered in (library.original, ledger.curves, notes.frozen):
            for name in set(remembered) & set(curve_ids):
                del remembered[name]
        state.save_library(record, library)
    state.save_ledger(record, ledger)
    state.save_notes(record, notes)


def _records() -> Iterator[state.RETAKE_PG_head]:
    """All records of the file."""
    for scene in bpy.data.scenes:
        yield from scene.retake.heads


def _unlike(table: Table, written: WrittenCurve) -> int:
    """How many keys were changed, added or removed since a ledger recorded a curve."""
    now = recorded(table)
    match = nearest_frames(now.frames, written.frames)
    same = match >= 0
    if len(written.frames):
        known = np.maximum(match, 0)
        same &= np.abs(now.values - written.values[known]) <= VALUE_TOLERANCE
        same &= now.types == written.types[known]
    gone = nearest_frames(written.frames, now.frames) < 0
    return int((~same).sum() + gone.sum())
