# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what the core rendered: curves in bulk, the animator's keys bit for bit, nothing outside the ranges.

The frames of plans are the scene's, those of tables the action's. Automatic handles just outside a range would follow
the new keys inside it; they are frozen where they stood, noted, and given back when our keys go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.protocol import HEAD_ROTATION
from .. import compat
from ..core.given import HALF_FRAME
from ..core.keys import KeyState, KeyStatus
from ..core.ledger import Ledger
from ..core.library import Library
from ..core.render import ChannelPlan
from ..core.steps import Steps
from ..core.takes import OriginalCurve
from ..core.timing import Span
from .curve_writer import write_edit
from .edit import FAR, GENERATED, Edit, Window, clear_curve, edit_curve, locked_stretches
from .key_table import (
    SAME_FRAME,
    Table,
    empty,
    read_table,
    write_values,
)
from .layers import give_extrapolation_back, let_the_nla_play_beside
from .original import after_write, original_curve, restore_handles, restored_keys, with_replaced
from .planned_values import REMOVED, beside_own, group_values, neck_components
from .shot import Shot
from .snapshot import Snapshot
from .state import Notes
from .targets import Target

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Books:
    """What is remembered of a head while it is written.

    Attributes:
        library: Takes, comp, Take 0.
        ledger: What stood after the last write, in frames of the actions.
        notes: Frozen handles and the like.
    """

    library: Library
    ledger: Ledger
    notes: Notes


def write_plans(snapshot: Snapshot, state: KeyState, plans: Mapping[str, ChannelPlan], books: Books) -> Steps[None]:
    """Write plans into the scene, curve by curve, and record what stands there then.

    Args:
        snapshot: The curves as they stand now.
        state: The status of their keys.
        plans: What to write, by channel.
        books: Read and brought up to date.
    """
    shot = snapshot.shot
    statuses = {curve.keys.curve_id: curve.status for curve in state.curves}
    following = {curve.keys.curve_id: curve for curve in state.curves if curve.keys.follows}
    neck = yield from neck_components(snapshot, statuses, plans)
    columns = {target.curve_id: neck[:, target.index] for target in shot.groups.get(HEAD_ROTATION, ())}
    for place, target in enumerate(shot.targets):
        plan = plans.get(target.channels[0])
        if plan is None:
            continue
        if target.curve_id not in columns:
            columns |= group_values(snapshot, target.channels, statuses, plans)
        values = columns[target.curve_id]
        if target.curve_id in following:
            plan, values = beside_own(plan, values, following[target.curve_id])
        _write_target(snapshot, place, statuses[target.curve_id], plan, values, books)
        yield False
    _clear_former_neck(shot, books)
    _drop_empty_actions(shot, books)
    _note_character(shot, books)
    _tag(shot)


def clear_plans(snapshot: Snapshot, state: KeyState, books: Books) -> Steps[None]:
    """Take all our keys off the head: Take 0 stands there, with the animator's keys set since.

    Curves with an obstacle (locked, muted, driven, constrained) and locked spans stay as they are.
    """
    statuses = {curve.keys.curve_id: curve.status for curve in state.curves}
    blocked = {curve.keys.curve_id for curve in state.curves if curve.keys.obstacle}
    for target in snapshot.shot.targets:
        if target.curve_id in blocked:
            continue
        _clear_target(snapshot, target, statuses[target.curve_id], books)
        yield False
    _clear_former_neck(snapshot.shot, books)
    _drop_empty_actions(snapshot.shot, books)
    _note_character(snapshot.shot, books)
    _tag(snapshot.shot)


def _write_target(
    snapshot: Snapshot, place: int, status: NDArray[np.uint8], plan: ChannelPlan, values: FloatArray, books: Books
) -> None:
    """Write one plan into one curve."""
    shot, target = snapshot.shot, snapshot.shot.targets[place]
    if REMOVED[status].all() and _write_values(snapshot, target, plan, values, books):
        return
    shift, old = shot.shifts[target.curve_id], snapshot.whole_table(target)
    removed = REMOVED[status]
    disturbing = _disturbing(old, plan.cleared, shift)
    apart = SAME_FRAME if target.shown.leader is None else HALF_FRAME
    windows = [_window(span, plan.frames - shift, values, old, removed, shift, apart) for span in plan.rewrite]
    fcurve = target.fcurve
    is_corrected = (status == KeyStatus.CORRECTED).any()  # has to be recorded as given, even if nothing is free
    if not len(plan.frames) and not removed.any() and not plan.restore and not is_corrected:
        return
    if disturbing.any():
        old, status, removed = old[~disturbing], status[~disturbing], removed[~disturbing]
    library, name = books.library, target.curve_id
    if name not in library.original:
        library.remember_original(name, _first_seen(shot, target, old, books))
    original = library.original[name]
    restored = restored_keys(with_replaced(original, old, removed), plan.restore, shift)
    if not len(plan.frames) and not len(old) and not len(restored):
        return
    if not len(plan.frames) and (removed.any() or plan.restore) and _covers_all(old, removed, windows):
        _clear_target(snapshot, target, status, books)
        return
    edit = edit_curve(
        promoted(old, status) if is_corrected else old,
        removed,
        windows,
        lambda frame: float(snapshot.raw(target, np.array([frame + shift]))[0]),
        fcurve is not None and fcurve.extrapolation == "LINEAR",
        books.notes.frozen.get(target.curve_id, ()),
    )
    if len(restored):
        edit = _with_restored(edit, restored)
    _apply(target, fcurve if fcurve is not None else _new_curve(shot, target, books), edit, books, old)
    library.original[name] = after_write(original, old, removed, edit.table)


def _first_seen(shot: Shot, target: Target, old: Table, books: Books) -> OriginalCurve:
    """Take 0 of a curve that is written for the first time.

    Where a take of ours turned the neck in another rotation mode, Blender made the new mode's values of that: the neck
    rests then.
    """
    original = original_curve(target, old, target.curve_id in books.ledger.curves)
    if target.channels != HEAD_ROTATION or shot.turn is None or original.existed:
        return original
    if not any(former.curve_id in books.ledger.curves for former in shot.turn.former_targets()):
        return original
    return replace(original, properties={**original.properties, "value": shot.turn.rest_value(target)})


def _write_values(snapshot: Snapshot, target: Target, plan: ChannelPlan, values: FloatArray, books: Books) -> bool:
    """Give a curve that holds only keys of ours other values, as when takes are switched.

    Returns:
        False where there is more to it than that; nothing was written then.
    """
    name = target.curve_id
    if (
        name not in snapshot.plain
        or not len(plan.frames)
        or plan.restore
        or plan.cleared
        or books.notes.frozen.get(name)
    ):
        return False
    old, times = snapshot.tables[name], plan.frames - snapshot.shot.shifts[name]
    known = name in books.ledger.curves and name in books.library.original
    if not known or plan.rewrite != (Span(float(plan.frames[0]), float(plan.frames[-1])),) or len(old) != len(times):
        return False
    if np.abs(old["co"][:, 0] - times).max() > 1e-4:
        return False
    table = old.copy()
    table["co"][1:-1, 1] = values[1:-1]  # the first and the last join what stands beside
    write_values(target.fcurve, table)
    books.ledger.record(name, table["co"][:, 0], table["co"][:, 1], table["type"])
    return True


def _disturbing(old: Table, cleared: Sequence[Span], shift: float) -> BoolArray:
    """(K,) keys of ours within some spans of scene frames, ends excluded, that a hold of the animator gives."""
    within = np.zeros(len(old), bool)
    if not cleared:
        return within
    times = old["co"][:, 0].astype(np.float64) + shift
    for span in cleared:
        within |= (times > span.start + SAME_FRAME) & (times < span.end - SAME_FRAME)
    return within & (old["type"] == GENERATED)


def _window(
    span: Span, frames: FloatArray, values: FloatArray, old: Table, removed: BoolArray, shift: float, apart: float
) -> Window:
    """A range of a plan with its keys, in frames of the action; none within `apart` frames of one of the animator."""
    first, last = span.start - shift, span.end - shift
    stay = old["co"][~removed, 0].astype(np.float64)
    taken = np.abs(frames[:, None] - stay[None]).min(axis=1, initial=np.inf) < apart if len(frames) else frames > 0
    inside = (frames >= first - 0.5) & (frames <= last + 0.5) & ~taken
    return Window(first, last, frames[inside], values[inside])


def _covers_all(old: Table, removed: BoolArray, windows: Sequence[Window]) -> bool:
    """Whether every key of ours lies in some window."""
    times = old["co"][removed, 0]
    inside = np.zeros(len(times), bool)
    for window in windows:
        inside |= (times >= window.first - 0.5) & (times <= window.last + 0.5)
    return bool(inside.all())


def promoted(old: Table, status: NDArray[np.uint8]) -> Table:
    """Keys of ours that the animator corrected become plain keyframes, as which they are given from now on."""
    corrected = (status == KeyStatus.CORRECTED) & (old["type"] == GENERATED)
    if not corrected.any():
        return old
    table = old.copy()
    table["type"][corrected] = 0
    return table


def _with_restored(edit: Edit, restored: Table) -> Edit:
    """An edit with keys of Take 0 put back where none of ours stands."""
    merged = clear_curve(edit.table, np.zeros(len(edit.table), bool), restored, ())
    return Edit(merged.table, merged.hold_left, merged.hold_right, [], edit.frozen)


def _new_curve(shot: Shot, target: Target, books: Books) -> Any:
    """Make the curve of a target, and an action where its owner has none."""
    role = shot.role_of(target.owner)
    before = books.notes.made_actions.get(role)
    others = (owner for owner in shot.owners.values() if owner != target.owner)
    shared = next((made for other in others if (made := _made_action(books, other)) is not None), None)
    data = target.owner.animation_data
    if shared is not None and (data is None or data.action is None):
        compat.share_action(target.owner, shared)
        books.notes.made_actions[role] = shared.name
    curves, made = compat.ensure_fcurves(target.owner, f"{shot.head.name} takes")
    if made:
        books.notes.made_actions[role] = target.owner.animation_data.action.name
    if books.notes.made_actions.get(role) != before:
        let_the_nla_play_beside(target.owner, role, books.notes)
    return compat.new_fcurve(target.owner, curves, target.data_path, target.index, target.group)


def _made_action(books: Books, owner: bpy.types.ID | None) -> bpy.types.Action | None:
    """The action that we made for the head's other datablock, where that one still uses it."""
    data = owner.animation_data if owner is not None else None
    action = data.action if data is not None else None
    return action if action is not None and action.name in books.notes.made_actions.values() else None


def _apply(target: Target, fcurve: Any, edit: Edit, books: Books, old: Table) -> None:
    """Write an edited curve, record it and what was frozen."""
    write_edit(fcurve, edit, old)
    books.ledger.record(target.curve_id, edit.table["co"][:, 0], edit.table["co"][:, 1], edit.table["type"])
    if edit.frozen:
        books.notes.frozen[target.curve_id] = edit.frozen
    else:
        books.notes.frozen.pop(target.curve_id, None)


def _clear_target(snapshot: Snapshot, target: Target, status: NDArray[np.uint8], books: Books) -> None:
    """Take our keys off one curve; a curve that we made and nobody else used goes, its property back to its value."""
    fcurve, original = target.fcurve, books.library.original.get(target.curve_id)
    if fcurve is None:
        books.library.original.pop(target.curve_id, None)
    if fcurve is None:
        return
    old = snapshot.whole_table(target)
    if original is None:
        if not (old["type"] == GENERATED).any():
            return
        books.library.remember_original(target.curve_id, original_curve(target, old, False))  # its mesh was renamed
    shift = snapshot.shot.shifts[target.curve_id]
    locked = locked_stretches(old, [(span.start - shift, span.end - shift) for span in snapshot.locked])
    clear_of_ours(target, old, promoted(old, status), REMOVED[status], locked, books)


def _clear_former_neck(shot: Shot, books: Books) -> None:
    """Take our keys off the rotation curves that the neck had before its rotation mode was changed."""
    for target in shot.turn.former_targets() if shot.turn is not None else ():
        if target.curve_id in books.ledger.curves and target.curve_id in books.library.original:
            fcurve = target.fcurve
            old = empty() if fcurve is None else read_table(fcurve)
            if fcurve is not None:
                clear_of_ours(target, old, old, old["type"] == GENERATED, (), books)
            books.ledger.forget(target.curve_id)


def clear_of_ours(
    target: Target,
    standing: Table,
    old: Table,
    removed: BoolArray,
    locked: Sequence[tuple[float, float]],
    books: Books,
) -> None:
    """Take some keys off one curve outside locked stretches, and the curve itself where it was ours alone.

    `standing` is what the curve holds, `old` the same with corrected keys promoted.
    """
    fcurve = target.fcurve
    original = with_replaced(books.library.original[target.curve_id], old, removed)
    restored = restored_keys(original, [Span(-FAR, FAR)], 0.0)
    frozen = books.notes.frozen.get(target.curve_id, ())
    edit = clear_curve(old, removed, restored, frozen, locked)
    if len(edit.table) or original.existed:
        _apply(target, fcurve, edit, books, standing)
        restore_handles(fcurve, edit.table, original)
        books.library.original[target.curve_id] = after_write(original, old, removed, edit.table)
        if not (edit.table["type"] == GENERATED).any():
            del books.library.original[target.curve_id]  # it stands: the next Take 0 may be that of another property
        return
    compat.fcurves_of(target.owner).remove(fcurve)
    if target.is_there:
        target.set_static(float(str(original.properties["value"])))
    del books.library.original[target.curve_id]
    books.ledger.forget(target.curve_id)
    books.notes.frozen.pop(target.curve_id, None)


def _drop_empty_actions(shot: Shot, books: Books) -> None:
    """Remove actions that we made and that hold nothing any more."""
    for role, name in list(books.notes.made_actions.items()):
        owner = shot.owners.get(role)
        data = owner.animation_data if owner is not None else None
        if data is None or data.action is None or data.action.name != name or not compat.is_curve_free(data.action):
            continue
        action, data.action = data.action, None
        del books.notes.made_actions[role]
        give_extrapolation_back(owner, role, books.notes)
        if not action.users:
            bpy.data.actions.remove(action)


def _note_character(shot: Shot, books: Books) -> None:
    """Note what was written, and what a chosen bone that was renamed meanwhile is called now."""
    written = [(type(owner).__name__, owner.name) for owner in shot.owners.values()]
    books.notes.owners = list(dict.fromkeys((*books.notes.owners, *written)))
    if shot.record.turned_by == "BONE" and shot.neck is not None:
        shot.record.turn_bone = shot.neck.name


def _tag(shot: Shot) -> None:
    """Tell Blender that the animation of the head changed."""
    for owner in {target.owner for target in shot.targets}:
        owner.update_tag()
