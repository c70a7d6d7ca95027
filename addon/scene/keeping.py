# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a take that is good: an ordinary Action, an NLA strip, baked keys."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.errors import InputError
from .. import compat
from ..core.timing import Span
from .departed import clear_departed
from .edit import GENERATED
from .key_table import SAME_FRAME, generated_keys, read_table, sorted_unique, write_table
from .layers import give_extrapolation_back
from .shot import Shot
from .snapshot import block_groups_together
from .targets import obstacles
from .writer import Books

KEYFRAME = 0


def keep_as_action(shot: Shot, name: str) -> list[bpy.types.Action]:
    """Copy what plays into ordinary Actions that survive saving; what is assigned stays as it is.

    Args:
        shot: The shot.
        name: Name of the copies.

    Returns:
        One action, or one a datablock where actions have no slots or the head's datablocks use different ones.

    Raises:
        InputError: Nothing of ours plays.
    """
    kept = []
    for action in dict.fromkeys(owner.animation_data.action for owner in _owners(shot)):
        copy = action.copy()
        copy.name, copy.use_fake_user = name, True
        for owner in _owners(shot):
            if owner.animation_data.action == action:
                _make_targets_ordinary(shot, owner, compat.curves_like(copy, owner))
        kept.append(copy)
    return kept


def push_to_nla(shot: Shot, name: str, books: Books) -> list[str]:
    """Push the assigned actions down into new NLA tracks, as the NLA editor does; takes can be shown anew on top.

    Returns:
        Sentences about what our keys were taken off.

    Raises:
        InputError: Nothing of ours plays, or a strip is being tweaked.
    """
    owners = _owners(shot)
    if any(owner.animation_data.use_tweak_mode for owner in owners):
        raise InputError("An NLA strip is being tweaked.", "Leave tweak mode first.")
    departed = clear_departed(shot, books)
    for owner in owners:
        for target in shot.own_targets(owner):
            if target.fcurve is not None:
                _make_ordinary(target.fcurve)
        compat.push_down(owner, name)
        give_extrapolation_back(owner, shot.role_of(owner), books.notes)
    _start_anew(books)
    return departed


def bake(shot: Shot, books: Books, locked: Sequence[Span]) -> tuple[list[str], list[str]]:
    """Turn our keys into the animator's, with a key on every frame from the first of ours to the last.

    Args:
        shot: The shot.
        books: What is remembered; what was baked is forgotten.
        locked: Spans of scene frames that the animator locked: nothing changes there.

    Returns:
        Channels of the curves that are left, as they may not be written, and sentences about what our keys were taken
        off.

    Raises:
        InputError: Nothing of ours plays.
    """
    left, owners = [], _owners(shot)
    departed = clear_departed(shot, books, locked)
    blocked = block_groups_together(
        shot, {target.curve_id: obstacles(target, target.fcurve) for target in shot.targets}
    )
    for owner in owners:
        for target in shot.own_targets(owner):
            if target.fcurve is not None and blocked[target.curve_id].any:
                left.append(target)
            elif target.fcurve is not None:
                _bake_curve(target.fcurve, shot.shifts[target.curve_id], locked)
        owner.update_tag()
    _start_anew(books, {target.curve_id for target in left})
    return list(dict.fromkeys(channel for target in left for channel in target.channels)), departed


def _owners(shot: Shot) -> list[bpy.types.ID]:
    """Datablocks of the head with keys of ours."""
    found = {}
    for target in shot.targets:
        fcurve = target.fcurve
        if fcurve is not None and (read_table(fcurve)["type"] == GENERATED).any():
            found[target.owner] = True
    if not found:
        raise InputError("No take is shown, so there is nothing to keep.", "Show a take first.")
    return list(found)


def _make_targets_ordinary(shot: Shot, owner: bpy.types.ID, fcurves: Any) -> None:
    """Make our keys plain keyframes on those of some curves that belong to the shot."""
    for target in shot.own_targets(owner):
        fcurve = fcurves.find(target.data_path, index=target.index)
        if fcurve is not None:
            _make_ordinary(fcurve)


def _make_ordinary(fcurve: Any, locked: Sequence[Span] = ()) -> None:
    """Give our keys the type of plain keyframes, except in locked spans of its frames; nothing else changes."""
    table = read_table(fcurve)
    types = table["type"].copy()
    types[(types == GENERATED) & ~_inside(table["co"][:, 0], locked)] = KEYFRAME
    fcurve.keyframe_points.foreach_set("type", types)


def _inside(frames: NDArray[Any], spans: Sequence[Span]) -> NDArray[np.bool_]:
    """Which frames lie in one of some spans."""
    inside = np.zeros(len(frames), bool)
    for span in spans:
        inside |= (frames >= span.start - SAME_FRAME) & (frames <= span.end + SAME_FRAME)
    return inside


def _bake_curve(fcurve: Any, shift: float, locked_frames: Sequence[Span]) -> None:
    """A plain key on every scene frame that our keys span; the curve plays as before at those frames."""
    table = read_table(fcurve)
    ours = table["co"][table["type"] == GENERATED, 0].astype(np.float64) + shift
    if not len(ours):
        return
    frames = np.arange(np.ceil(ours.min() - SAME_FRAME), np.floor(ours.max() + SAME_FRAME) + 1.0) - shift
    locked = [Span(span.start - shift, span.end - shift) for span in locked_frames]
    taken = np.abs(frames[:, None] - table["co"][:, 0][None]).min(axis=1) < SAME_FRAME
    taken |= _inside(frames, locked)
    modifiers = [modifier for modifier in fcurve.modifiers if not modifier.mute]
    for modifier in modifiers:
        modifier.mute = True
    values = np.array([fcurve.evaluate(frame) for frame in frames[~taken].tolist()])
    for modifier in modifiers:
        modifier.mute = False
    added = generated_keys(frames[~taken], values)
    write_table(fcurve, sorted_unique(np.concatenate((table, added))))
    fcurve.keyframe_points.handles_recalc()
    _make_ordinary(fcurve, locked)


def _start_anew(books: Books, left: Collection[str] = ()) -> None:
    """What stands now is the animator's, except on curves that were left: the next write finds a new original."""
    books.library.comp.clear()
    for remembered in (books.library.original, books.ledger.curves, books.notes.frozen):
        for curve_id in [name for name in remembered if name not in left]:
            del remembered[curve_id]
    books.notes.made_actions.clear()
    books.notes.extrapolations.clear()
    books.notes.shown, books.notes.clock = 0, None
