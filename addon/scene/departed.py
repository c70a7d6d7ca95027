# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys of ours on what carries no channel any more.

A shape key or a bone was renamed or removed, another bone turns the head, a mesh left the character: Blender keeps the
curve, and a renamed property takes it along. Such a curve is told by the last write, wherever it stands now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from .. import compat
from ..core.keys import KeyStatus
from ..core.ledger import WrittenCurve
from ..core.timing import Span
from ..core.wording import shortened
from .edit import GENERATED, locked_stretches
from .key_table import Table, read_table
from .orphans import without_orphans
from .shot import Shot
from .targets import Target, obstacles, place_in
from .timeline import tweak_shift
from .writer import Books, clear_of_ours, promoted

_QUOTED = re.compile(r'\["((?:[^"\\]|\\.)*)"\]')


@dataclass(frozen=True, eq=False)
class _Departed:
    """A curve that we wrote and that carries nothing now; its target bears the name under which it was written."""

    target: Target
    table: Table
    written: WrittenCurve


def clear_departed(shot: Shot, books: Books, locked: Sequence[Span] = ()) -> list[str]:
    """Take our keys off what carries no channel any more; the animator's stay, and Take 0 comes back there.

    A curve that is locked, muted or driven stays, and so do locked spans, until they are released.

    Args:
        shot: The shot.
        books: What is remembered; what was cleared is forgotten.
        locked: Spans of scene frames that the animator locked.

    Returns:
        A sentence that names what was cleared, and one that names what stays.
    """
    found = list(_departed(shot, books))
    cleared = [each for each in found if not obstacles(each.target, each.target.fcurve).any]
    for each in cleared:
        target, name, old = each.target, each.target.curve_id, without_orphans(each.table, each.written)
        ours = old["type"] == GENERATED
        untouched = ours & each.written.holds(old["co"][:, 0], old["co"][:, 1])
        status = np.where(untouched, KeyStatus.GENERATED, np.where(ours, KeyStatus.CORRECTED, KeyStatus.GIVEN))
        shift = tweak_shift(target.owner) if locked else 0.0
        stretches = locked_stretches(old, [(span.start - shift, span.end - shift) for span in locked])
        clear_of_ours(target, each.table, promoted(old, status.astype(np.uint8)), untouched, stretches, books)
        if target.fcurve is None or not (read_table(target.fcurve)["type"] == GENERATED).any():
            for remembered in (books.library.original, books.ledger.curves, books.notes.frozen):
                remembered.pop(name, None)
        target.owner.update_tag()
        _leave_our_action(target.owner, books)
    names, left = _names(cleared), _names(each for each in found if each not in cleared)
    return [
        *[f"Nothing is carried by {names} any more: the generated keys there were removed."] * bool(names),
        *[f"The generated keys of {left} stay, as their curves are locked, muted or driven."] * bool(left),
    ]


def _leave_our_action(owner: bpy.types.ID, books: Books) -> None:
    """Assign no action where the one that we made moves nothing of a datablock any more."""
    action = owner.animation_data.action
    is_ours = action is not None and action.name in books.notes.made_actions.values()
    if is_ours and not len(compat.fcurves_of(owner) or ()):
        owner.animation_data.action = None
        if not action.users and compat.is_curve_free(action):
            bpy.data.actions.remove(action)


def _departed(shot: Shot, books: Books) -> Iterator[_Departed]:
    """Curves of ours that are no target's any more."""
    now = {target.curve_id: target for target in shot.targets}
    lost = {
        name: written
        for name, written in books.ledger.curves.items()
        if (written.types == GENERATED).any() and (name not in now or now[name].fcurve is None)
    }
    if not lost:
        return
    former = shot.turn.former_targets() if shot.turn is not None else []
    mapped = {place_in(target) for target in (*shot.targets, *former)}
    for owner in _owners(shot, books):
        for fcurve in list(compat.fcurves_of(owner) or ()):
            place = (owner, fcurve.data_path, fcurve.array_index)
            table = read_table(fcurve)
            name = "" if place in mapped else _name_among(table, _possible(lost, *place))
            target = Target(name, (), *place, group="")
            if name and name in books.library.original:
                yield _Departed(target, table, lost.pop(name))


def _owners(shot: Shot, books: Books) -> list[bpy.types.ID]:
    """Datablocks of the shot, and those that it had when it was written, with an action of this file."""
    kinds: Mapping[str, Any] = {"Key": bpy.data.shape_keys, "Object": bpy.data.objects}
    written = set(books.notes.owners)
    former = [each for kind in kinds for each in kinds[kind] if (kind, each.name) in written]
    owners = dict.fromkeys((*shot.owners.values(), *(each for each in former if compat.is_editable(each))))
    actions = {owner: owner.animation_data.action for owner in owners if owner.animation_data is not None}
    return [owner for owner, action in actions.items() if action is not None and compat.is_editable(action)]


def _possible(
    lost: Mapping[str, WrittenCurve], owner: bpy.types.ID, data_path: str, index: int
) -> dict[str, WrittenCurve]:
    """What a curve can have been: of a rotation, the same component of the same property."""
    turn = f"neck.{data_path.rpartition('.')[2]}[{index}]" if isinstance(owner, bpy.types.Object) else ""
    return {name: written for name, written in lost.items() if not name.startswith("neck.") or name == turn}


def _name_among(table: Table, lost: Mapping[str, WrittenCurve]) -> str:
    """Under which name our keys on a curve were written; empty where under none."""
    ours = table["co"][table["type"] == GENERATED]
    return next((name for name, written in lost.items() if written.tells(ours[:, 0], ours[:, 1])), "")


def _names(found: Iterable[_Departed]) -> str:
    """The shape keys, bones and custom properties that curves are on, else their owners; the first few by name."""
    names: dict[str, None] = {}
    for each in found:
        quoted = _QUOTED.search(each.target.data_path)
        names[f"'{quoted[1] if quoted is not None else each.target.owner.name}'"] = None
    return shortened(list(names))
