# SPDX-License-Identifier: GPL-3.0-or-later
"""The curves of a shot as they stand: what the core decides on.

Frames are the scene's here. Values are as keyed, without F-curve modifiers, for curves that may be written, and as they
play for those that may not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.protocol import CHANNEL_NAMES, HEAD_ROTATION
from ..core.curves import CurveKeys, Evaluate
from ..core.ledger import Ledger, WrittenCurve
from ..core.steps import Steps
from ..core.timing import Span
from .driven import FrameSampler
from .key_table import Table, at_frame, empty, read_plain, read_table
from .layers import Layers, read_layers
from .orphans import without_orphans
from .shot import Shot
from .splice import BEZIER, uncuttable
from .targets import (
    Obstacles,
    Target,
    bone_is_constrained,
    evaluate,
    eyes_are_aimed,
    obstacles,
)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Snapshot:
    """Curves of a shot.

    Attributes:
        shot: Where they were read.
        curves: One a target, in the order of `shot.targets`.
        tables: Curve id -> its keys, every attribute, in frames of the action.
        locked: Spans of scene frames that the animator locked.
        layers: What the NLA plays.
        plain: Ids of curves that hold only keys as we make them: handles and selection are left 0 in their tables.
    """

    shot: Shot
    curves: tuple[CurveKeys, ...]
    tables: dict[str, Table]
    locked: tuple[Span, ...]
    layers: Layers
    plain: frozenset[str] = frozenset()

    def whole_table(self, target: Target) -> Table:
        """Keys of a target with every attribute."""
        return read_table(target.fcurve) if target.curve_id in self.plain else self.tables[target.curve_id]

    def raw(self, target: Target, frames: FloatArray) -> FloatArray:
        """Values (F,) of a target's own curve, without modifiers, at scene frames; of the NLA where there is none."""
        if target.curve_id in self.layers.playing and target.channels != HEAD_ROTATION:
            played = next(curve for curve in self.curves if curve.curve_id == target.curve_id).evaluate(frames)
            members = self.shot.groups[target.channels]
            return self.shot.bindings[target.channels].values_of(played)[:, members.index(target)]
        return evaluate(target, frames - self.shot.shifts[target.curve_id], with_modifiers=False)

    def outside(self) -> dict[str, Evaluate]:
        """Channel -> its present values (F,) at scene frames."""
        found: dict[str, Evaluate] = {}
        for curve in self.curves:
            for column, channel in enumerate(curve.channels):
                found[channel] = _column(curve.evaluate, column)
        return found


def _column(function: Evaluate, column: int) -> Evaluate:
    """One channel of an evaluation."""
    return lambda frames: function(frames)[:, column]


def read_snapshot(
    shot: Shot, frames: Span, locked: Sequence[Span] = (), ledger: Ledger | None = None
) -> Steps[Snapshot]:
    """Read all curves of a shot, a few at a time.

    Args:
        shot: The shot.
        frames: The range of the coming write, scene frames. An eased segment that crosses its edge stays whole: it
            cannot be cut without changing what lies outside.
        locked: Spans of scene frames that the animator locked.
        ledger: What was last written, in frames of the actions: helper keys that lost their key are left out.

    Raises:
        InputError: A key is not a finite number.
    """
    written = ledger.curves if ledger is not None else {}
    tables: dict[str, Table] = {}
    blocked: dict[str, Obstacles] = {}
    plain, level = [], set()
    for target in shot.targets:
        name, fcurve = target.curve_id, target.fcurve
        table, is_plain = (empty(), False) if fcurve is None else read_plain(fcurve)
        tables[name] = without_orphans(table, written.get(name))
        blocked[name] = obstacles(target, fcurve)
        if is_plain and tables[name] is table:
            plain.append(name)
            if fcurve.extrapolation == "CONSTANT":
                level.add(name)
        yield False
    layers = read_layers(shot)
    blocked |= {name: replace(blocked[name], layered=True) for name in layers.blocked}
    blocked = block_aimed_eyes(shot, block_groups_together(shot, blocked))
    sampler = FrameSampler(shot.scene, shot.objects, lambda depsgraph: _probe(shot, depsgraph))
    neck = _neck_evaluate(shot, blocked, sampler, layers)
    curves, functions = [], {HEAD_ROTATION: neck}
    for target in shot.targets:
        function = functions.get(target.channels)
        if function is None:
            table = tables[target.curve_id] if target.curve_id in level and not blocked[target.curve_id].any else None
            function = functions[target.channels] = _group_evaluate(shot, target, blocked, sampler, layers, table)
        spans = (*locked, *_eased_across(tables[target.curve_id], frames, shot.shifts[target.curve_id]))
        curves.append(_curve_keys(shot, target, tables[target.curve_id], blocked[target.curve_id], function, spans))
        yield False
    return Snapshot(shot, tuple(curves), tables, tuple(locked), layers, frozenset(plain))


def _eased_across(table: Table, frames: Span, shift: float) -> list[Span]:
    """Scene frames of eased segments at the edges of a range."""
    if not (table["interpolation"] > BEZIER).any():
        return []
    edges = (np.ceil(frames.start - 1e-6) - shift, np.floor(frames.end + 1e-6) - shift)
    found = [uncuttable(table, float(edge)) for edge in edges if at_frame(table, float(edge)) is None]
    return [Span(segment[0] + shift, segment[1] + shift) for segment in found if segment is not None]


def _curve_keys(
    shot: Shot, target: Target, table: Table, blocked: Obstacles, function: Evaluate, locked: Sequence[Span]
) -> CurveKeys:
    """A table in the core's terms."""
    return CurveKeys(
        curve_id=target.curve_id,
        channels=target.channels,
        frames=table["co"][:, 0].astype(np.float64) + shot.shifts[target.curve_id],
        values=table["co"][:, 1].astype(np.float64),
        types=table["type"],
        interpolations=table["interpolation"],
        evaluate=function,
        driven=blocked.driven,
        constrained=blocked.constrained,
        muted=blocked.muted,
        locked=blocked.locked,
        layered=blocked.layered,
        locked_spans=tuple(locked),
        follows=target.shown.leader is not None,
    )


def block_groups_together(shot: Shot, blocked: dict[str, Obstacles]) -> dict[str, Obstacles]:
    """What shows channels together is written together or not at all: an obstacle of one is one of all."""
    found = dict(blocked)
    for channels, members in shot.groups.items():
        constrained = channels == HEAD_ROTATION and shot.turn is not None and shot.turn.is_constrained()
        if len(members) == 1 and not constrained:
            continue
        ids = [target.curve_id for target in members]
        together = Obstacles(
            driven=any(blocked[name].driven for name in ids),
            constrained=constrained or any(blocked[name].constrained for name in ids),
            muted=any(blocked[name].muted for name in ids),
            locked=any(blocked[name].locked for name in ids),
            layered=any(blocked[name].layered for name in ids),
        )
        found |= dict.fromkeys(ids, together)
    return found


def block_aimed_eyes(shot: Shot, blocked: dict[str, Obstacles]) -> dict[str, Obstacles]:
    """Where a constraint aims the eyes, their gaze is left to it: nothing is written on it."""
    if not eyes_are_aimed(shot.armature):
        return blocked
    gaze = [target.curve_id for target in shot.targets if all(name.startswith("eyeLook") for name in target.channels)]
    return blocked | {name: replace(blocked[name], constrained=True) for name in gaze}


def _group_evaluate(
    shot: Shot,
    target: Target,
    blocked: dict[str, Obstacles],
    sampler: FrameSampler,
    layers: Layers,
    table: Table | None,
) -> Evaluate:
    """Evaluation of a group's channels; a single property's from its keys where they are ours alone and level."""
    members, binding = shot.groups[target.channels], shot.bindings[target.channels]
    if blocked[target.curve_id].driven or any(each.curve_id in layers.playing for each in members):
        columns = [CHANNEL_NAMES.index(name) for name in target.channels]
        return lambda frames: sampler(frames)[:, columns]
    modifiers, shift = blocked[target.curve_id].any, shot.shifts[target.curve_id]
    if not binding.is_plain:

        def several(frames: FloatArray) -> FloatArray:
            values = [evaluate(each, frames - shot.shifts[each.curve_id], modifiers) for each in members]
            return binding.channels_of(np.stack(values, axis=-1))

        return several

    def function(frames: FloatArray) -> FloatArray:
        at = frames - shift
        known = None if table is None else _known_values(table, at)
        return (evaluate(target, at, modifiers) if known is None else known)[:, None]

    return function


def _known_values(table: Table, frames: FloatArray) -> FloatArray | None:
    """Values (F,) of a curve of ours that are its keys' own or those of its level ends; None if any is not."""
    times = table["co"][:, 0]
    places = times.searchsorted(frames.astype(np.float32)).clip(0, len(times) - 1)
    known = (times[places] == frames) | (frames < times[0]) | (frames > times[-1])
    return table["co"][places, 1].astype(np.float64) if known.all() else None


def _neck_evaluate(shot: Shot, blocked: dict[str, Obstacles], sampler: FrameSampler, layers: Layers) -> Evaluate:
    """Evaluation of the neck's three channels."""
    turn = shot.turn
    targets = [target for target in shot.targets if target.channels == HEAD_ROTATION]
    first = CHANNEL_NAMES.index(HEAD_ROTATION[0])
    elsewhere = any(blocked[t.curve_id].driven or t.curve_id in layers.playing for t in targets)
    if turn is None or elsewhere or bone_is_constrained(turn.thing):
        return lambda frames: sampler(frames)[:, first : first + 3]
    modifiers = any(blocked[target.curve_id].any for target in targets)

    def function(frames: FloatArray) -> FloatArray:
        shifted = [frames - shot.shifts[target.curve_id] for target in targets]
        columns = [evaluate(target, times, modifiers) for target, times in zip(targets, shifted, strict=True)]
        return turn.rotations(np.stack(columns, axis=-1))

    return function


def _probe(shot: Shot, depsgraph: bpy.types.Depsgraph) -> list[float]:
    """All channels (C,) as an evaluated scene has them; 0 where one is not mapped."""
    values = dict.fromkeys(CHANNEL_NAMES, 0.0)
    for channels, members in shot.groups.items():
        if channels != HEAD_ROTATION:
            standing = np.array([[target.value_in(depsgraph) for target in members]])
            values.update(zip(channels, shot.bindings[channels].channels_of(standing)[0].tolist(), strict=True))
    if shot.turn is not None:
        values.update(zip(HEAD_ROTATION, shot.turn.evaluated(depsgraph), strict=True))
    return [values[name] for name in CHANNEL_NAMES]


def in_scene_frames(ledger: Ledger, shot: Shot) -> Ledger:
    """A copy of a ledger with the frames of the actions shifted to the scene's."""
    shifted = {
        name: replace(written, frames=(written.frames + np.float32(shot.shifts.get(name, 0.0))))
        for name, written in ledger.curves.items()
    }
    return Ledger(shifted)


def recorded(table: Table) -> WrittenCurve:
    """A curve as the ledger keeps it, in frames of the action."""
    return WrittenCurve(table["co"][:, 0].copy(), table["co"][:, 1].copy(), table["type"].astype(np.uint8))
