# SPDX-License-Identifier: GPL-3.0-or-later
"""The new keys of one curve: the animator's as they are, ours replaced within the range.

Edges are cut so that nothing outside changes. No bpy here: tables in, tables out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .key_table import AUTOMATIC, FREE, SAME_FRAME, Table, at_frame, copied, generated_keys, put, sorted_unique
from .splice import Curve, cut

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Frozen = dict[str, Any]
"""A frozen handle: frame and value of its key, side ("left" or "right"), type before, point before, point now.

Notes of older files lack the value."""

GENERATED = 5
FAR = 1e9
"""A frame beyond all keys."""
SIDES = ("left", "right")


@dataclass(frozen=True)
class Window:
    """One range on one curve, in frames of the action.

    Attributes:
        first: First frame that may get a key of ours.
        last: Last one.
        frames: (K,) frames of our keys within.
        values: (K,) their values.
    """

    first: float
    last: float
    frames: FloatArray
    values: FloatArray


@dataclass
class Edit:
    """A curve before and after.

    Attributes:
        table: Its keys as they shall be; handles of rows with `hold` set as they shall stand.
        hold_left: (K,) whose left handle has to stay as it is in the table.
        hold_right: (K,) the same for right handles.
        edges: Frames of the edges, for the order in which handles are frozen.
        frozen: Handles that are frozen after this edit.
    """

    table: Table
    hold_left: BoolArray
    hold_right: BoolArray
    edges: list[float]
    frozen: list[Frozen] = field(default_factory=list)


def edit_curve(
    old: Table,
    removed: BoolArray,
    windows: Sequence[Window],
    value_at: Callable[[float], float],
    linear_extrapolation: bool,
    frozen: Sequence[Frozen],
) -> Edit:
    """Replace keys of ours within windows.

    Args:
        old: Keys as they stand.
        removed: (K,) keys that go where they lie within a window.
        windows: Ranges with their new keys, in order, not overlapping.
        value_at: The curve's present value at a frame, without modifiers.
        linear_extrapolation: Whether the curve goes on straight beyond its ends.
        frozen: Handles that were frozen before.
    """
    frozen = [_found_again(old, note) for note in frozen]
    base, kept_frozen = _give_back(old, frozen, windows)
    if len(windows) == 1 and (refreshed := _refreshed(base, removed, windows[0], kept_frozen)) is not None:
        return refreshed
    curve = Curve(old, _movable(old, frozen), linear_extrapolation)  # as it plays now, handles not given back yet
    keep, pieces, edges = np.ones(len(old), bool), [], []
    for window in windows:
        inside, left, right = _borders(base, removed, window)
        if left is None or right is None:
            continue
        keep &= ~inside
        edges += [left, right]
        for border, outside in ((left, -1), (right, 1)):
            if at_frame(base[keep], border) is None and at_frame(base, border) is None:
                piece = cut(curve, border, value_at(border), outside)
                pieces.append(piece.keys)
                if piece.neighbour is not None and piece.handle is not None:
                    _move_handle(base, piece.neighbour, piece.handle, -outside, kept_frozen)
        between = (window.frames > left + SAME_FRAME) & (window.frames < right - SAME_FRAME)
        pieces.append(generated_keys(window.frames[between], window.values[between]))
    return _assemble(base[keep], pieces, edges, kept_frozen)


def _refreshed(base: Table, removed: BoolArray, window: Window, frozen: list[Frozen]) -> Edit | None:
    """The edit where keys of ours only get other values, as when takes are switched; None where there is more to it."""
    inside, left, right = _borders(base, removed, window)
    if left is None or right is None or at_frame(base, left) is None or at_frame(base, right) is None:
        return None
    between = (window.frames > left + SAME_FRAME) & (window.frames < right - SAME_FRAME)
    places = np.flatnonzero(inside)
    if len(places) != between.sum() or np.abs(base["co"][places, 0] - window.frames[between]).max(initial=0.0) > 1e-4:
        return None
    put(base, places, generated_keys(base["co"][places, 0], window.values[between]))
    return _edit_of(base, [left, right], frozen)


def _borders(base: Table, removed: BoolArray, window: Window) -> tuple[BoolArray, float | None, float | None]:
    """Which keys go, and the frames between which the curve changes: (None, None) where nothing does.

    A border is the animator's last key before the first change, where there is one within the window, else the
    window's own end; a key of ours that stands there stays.
    """
    times = base["co"][:, 0].astype(np.float64)
    within = (times > window.first + SAME_FRAME) & (times < window.last - SAME_FRAME)
    inside = removed & within
    changes = np.concatenate((times[inside], window.frames))
    if not len(changes):
        return inside, None, None
    stay = times[~removed & (times > window.first - 0.5) & (times < window.last + 0.5)]
    before, after = stay[stay <= changes.min()], stay[stay >= changes.max()]
    left = float(before.max()) if len(before) else _own_border(window.first, stay)
    right = float(after.min()) if len(after) else _own_border(window.last, stay)
    return inside, left, right


def _own_border(frame: float, stay: FloatArray) -> float:
    """A window's end, or the animator's key that stands within half a frame of it."""
    near = stay[np.abs(stay - frame) < 0.5]
    return float(near[0]) if len(near) else frame


def _movable(base: Table, frozen: Sequence[Frozen]) -> BoolArray:
    """(K, 2) which left and right handles are not the animator's own: automatic ones, and those we froze."""
    movable = np.stack([AUTOMATIC[base[f"handle_{side}_type"]] for side in SIDES], axis=-1)
    for note in frozen:
        index = at_frame(base, note["frame"])
        if index is not None and _is_as_frozen(base, index, note):
            movable[index, SIDES.index(note["side"])] = True
    return movable


def _is_as_frozen(table: Table, index: int, note: Frozen) -> bool:
    """Whether a frozen handle still stands where we put it: the animator has not taken it over."""
    kind, point = table[f"handle_{note['side']}_type"][index], table[f"handle_{note['side']}"][index]
    return bool(kind == FREE and np.allclose(point, note["now"], rtol=0.0, atol=1e-6))


def _found_again(table: Table, note: Frozen) -> Frozen:
    """A note brought up to date where the animator moved its key, in time or value; the handle went along."""
    index = at_frame(table, note["frame"])
    if "value" not in note or (index is not None and _is_as_frozen(table, index, note)):
        return note
    points, keys = table[f"handle_{note['side']}"].astype(np.float64), table["co"].astype(np.float64)
    key, now = np.array([note["frame"], note["value"]]), np.array(note["now"])
    went_along = (np.abs(points - keys - (now - key)) <= (SAME_FRAME, 1e-5)).all(axis=1)
    stayed = (np.abs(points - now) <= 1e-6).all(axis=1)
    is_free = (table[f"handle_{note['side']}_type"] == FREE) & (table["type"] != GENERATED)
    found = np.flatnonzero(is_free & (went_along | stayed))
    if not len(found):
        return note
    row = int(found[np.argmin(np.abs(keys[found, 0] - note["frame"]))])
    point = np.array(note["point"]) + keys[row] - key
    moved = {"frame": float(keys[row, 0]), "value": float(keys[row, 1])}
    return note | moved | {"point": point.tolist(), "now": points[row].tolist()}


def _move_handle(base: Table, index: int, handle: FloatArray, side: int, frozen: list[Frozen]) -> None:
    """Put one handle of ours to move elsewhere, frozen; the note of an earlier freeze is kept up to date."""
    name, frame = SIDES[side > 0], float(base["co"][index, 0])
    note = next((n for n in frozen if n["side"] == name and abs(n["frame"] - frame) < SAME_FRAME), None)
    if note is None:
        note = freeze(base, index, name)
        frozen.append(note)
    base[f"handle_{name}"][index] = handle
    note["now"] = [float(v) for v in base[f"handle_{name}"][index]]


def freeze(table: Table, index: int, side: str) -> Frozen:
    """Make a handle free where it stands; the note tells how to give it back."""
    kinds, points = table[f"handle_{side}_type"], table[f"handle_{side}"]
    note = {
        "frame": float(table["co"][index, 0]),
        "value": float(table["co"][index, 1]),
        "side": side,
        "type": int(kinds[index]),
        "point": [float(value) for value in points[index]],
        "now": [float(value) for value in points[index]],
    }
    kinds[index] = FREE
    return note


def _give_back(old: Table, frozen: Sequence[Frozen], windows: Sequence[Window]) -> tuple[Table, list[Frozen]]:
    """Thaw the frozen handles of keys that lie well inside a window; the others stay frozen."""
    base, kept = copied(old), []
    for note in frozen:
        inner = any(w.first + 0.5 < note["frame"] < w.last - 0.5 for w in windows)
        if not inner:
            kept.append(note)
        else:
            thaw(base, note)
    return base, kept


def thaw(table: Table, note: Frozen) -> None:
    """Give one handle its type and place back, unless the animator took it over meanwhile."""
    index = at_frame(table, note["frame"])
    if index is not None and _is_as_frozen(table, index, note):
        table[f"handle_{note['side']}_type"][index] = note["type"]
        table[f"handle_{note['side']}"][index] = note["point"]


def _assemble(kept: Table, pieces: Sequence[Table], edges: list[float], frozen: list[Frozen]) -> Edit:
    """Merge kept and new keys; say which handles have to stay."""
    return _edit_of(sorted_unique(np.concatenate((kept, *pieces)) if pieces else kept.copy()), edges, frozen)


def _edit_of(table: Table, edges: list[float], frozen: list[Frozen]) -> Edit:
    """The edit of a table whose keys changed between pairs of edges."""
    times = table["co"][:, 0].astype(np.float64)
    outside_left, outside_right = _outside(times, edges)
    return Edit(
        table,
        outside_left | _animators_own(table, "handle_left_type"),
        outside_right | _animators_own(table, "handle_right_type"),
        edges,
        [note for note in frozen if at_frame(table, note["frame"]) is not None],
    )


def _animators_own(table: Table, name: str) -> BoolArray:
    """Handles that Blender does not compute: they stay wherever they are."""
    return ~AUTOMATIC[table[name]]


def _outside(times: FloatArray, edges: list[float]) -> tuple[BoolArray, BoolArray]:
    """Which keys have their left, and which their right handle, outside every changed stretch."""
    left, right = np.ones(len(times), bool), np.ones(len(times), bool)
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        left &= (times <= first + SAME_FRAME) | (times > last + SAME_FRAME)
        right &= (times < first - SAME_FRAME) | (times >= last - SAME_FRAME)
    return left, right


def clear_curve(
    old: Table,
    removed: BoolArray,
    restored: Table,
    frozen: Sequence[Frozen],
    locked: Sequence[tuple[float, float]] = (),
) -> Edit:
    """Take every key of ours off a curve: the animator's stand as they did, frozen handles are given back.

    Args:
        old: Keys as they stand.
        removed: (K,) keys of ours.
        restored: Keys of the animator that we had replaced; those whose frame is taken stay away.
        frozen: Handles to give back.
        locked: First and last frames of stretches in which nothing changes, see `locked_stretches`.
    """
    times = old["co"][:, 0].astype(np.float64)
    frozen = [_found_again(old, note) for note in frozen]
    base = old[~removed | _within(times, locked)].copy()
    kept = [note for note in frozen if _within(np.array([note["frame"]]), locked)[0]]
    for note in frozen:
        if note not in kept:
            thaw(base, note)
    restored = restored[~_within(restored["co"][:, 0].astype(np.float64), locked)]
    table = sorted_unique(np.concatenate((base, restored))) if len(restored) else base
    times = table["co"][:, 0].astype(np.float64)
    hold_left, hold_right = _animators_own(table, "handle_left_type"), _animators_own(table, "handle_right_type")
    for first, last in locked:
        hold_left |= (times > first + SAME_FRAME) & (times <= last + SAME_FRAME)
        hold_right |= (times >= first - SAME_FRAME) & (times < last - SAME_FRAME)
    return Edit(table, hold_left, hold_right, [], kept)


def locked_stretches(table: Table, spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Locked spans widened to the keys that shape the curve at their ends: all keys of a stretch stay."""
    times = table["co"][:, 0].astype(np.float64)
    found = []
    for first, last in spans:
        before, after = times[times <= first + SAME_FRAME], times[times >= last - SAME_FRAME]
        found.append((float(before.max(initial=-np.inf)), float(after.min(initial=np.inf))))
    return [(max(first, -FAR), min(last, FAR)) for first, last in found]


def _within(times: FloatArray, spans: Sequence[tuple[float, float]]) -> BoolArray:
    """Which frames lie in one of some spans, ends included."""
    inside = np.zeros(len(times), bool)
    for first, last in spans:
        inside |= (times >= first - SAME_FRAME) & (times <= last + SAME_FRAME)
    return inside
