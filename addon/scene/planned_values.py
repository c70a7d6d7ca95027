# SPDX-License-Identifier: GPL-3.0-or-later
"""What plans come to as values of the properties that carry them: the neck in its rotation mode, groups, followers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...backend.protocol import HEAD_ROTATION
from ..core.given import HALF_FRAME, holds_of, within_spans
from ..core.keys import CurveState, KeyStatus
from ..core.render import ChannelPlan
from ..core.steps import Steps
from ..core.timing import Span
from .axes import quaternion_to_components
from .key_table import SAME_FRAME
from .snapshot import Snapshot
from .targets import Target

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

REMOVED = np.array([status in (KeyStatus.GENERATED, KeyStatus.REPLACED) for status in KeyStatus])
"""Whether keys of a status go when a curve is written, by status."""

_AT_A_TIME = 500  # rotations that are turned before a window may go on


def neck_components(
    snapshot: Snapshot, statuses: Mapping[str, NDArray[np.uint8]], plans: Mapping[str, ChannelPlan]
) -> Steps[FloatArray]:
    """Components (K, 3 or 4) of the neck's planned rotations in the bone's rotation mode.

    At the animator's keys the components are those that the curves have there, so that a component without a key of
    its own gets exactly what it shows now.
    """
    shot, plan = snapshot.shot, plans.get(HEAD_ROTATION[0])
    targets = [target for target in shot.targets if target.channels == HEAD_ROTATION]
    if plan is None or not len(plan.frames) or shot.turn is None:
        return np.zeros((0, max(len(targets), 1)))
    frames, keyed = plan.frames, _keyed_frames(snapshot, targets, statuses)
    standing_rows = np.flatnonzero(_near(frames, keyed) | (np.arange(len(frames)) == 0))
    standing = np.stack([snapshot.raw(target, frames[standing_rows]) for target in targets], axis=-1)
    at_keys = dict(zip(standing_rows.tolist(), standing, strict=True))
    before = at_keys[0] if _near(frames[:1], keyed)[0] else at_keys.pop(0)
    mode = shot.turn.mode
    turned = shot.turn.quaternions(np.stack([plans[name].values for name in HEAD_ROTATION], axis=-1))
    found = np.empty((len(frames), len(targets)))
    for row, quaternion in enumerate(turned):
        before = at_keys[row] if row in at_keys else quaternion_to_components(quaternion, mode, before)
        found[row] = before
        if row % _AT_A_TIME == 0:
            yield False
    return found


def group_values(
    snapshot: Snapshot,
    channels: tuple[str, ...],
    statuses: Mapping[str, NDArray[np.uint8]],
    plans: Mapping[str, ChannelPlan],
) -> dict[str, FloatArray]:
    """Curve id -> planned values (K,) of the properties that show some channels together.

    At the animator's keys they are those that the curves have there, so that a property without a key of its own gets
    exactly what it shows now; what follows another one follows its key, and its own keys are its own.
    """
    shot, plan = snapshot.shot, plans[channels[0]]
    members, binding = shot.groups[channels], shot.bindings[channels]
    if binding.is_plain:
        return {members[0].curve_id: plan.values}
    found = binding.values_of(np.stack([plans[name].values for name in channels], axis=-1))
    leading = [target for target in members if target.shown.leader is None]
    rows = np.flatnonzero(_near(plan.frames, _keyed_frames(snapshot, leading, statuses)))
    if len(rows):
        standing = np.stack([snapshot.raw(target, plan.frames[rows]) for target in members], axis=-1)
        found[rows] = binding.following(standing)
    return {target.curve_id: found[:, column] for column, target in enumerate(members)}


def _near(frames: FloatArray, keyed: FloatArray) -> BoolArray:
    """(F,) which frames are those of keys."""
    if not len(keyed):
        return np.zeros(len(frames), bool)
    return np.abs(frames[:, None] - keyed[None]).min(axis=1) < SAME_FRAME


def _keyed_frames(
    snapshot: Snapshot, targets: Sequence[Target], statuses: Mapping[str, NDArray[np.uint8]]
) -> FloatArray:
    """Scene frames at which the animator keyed any component of the neck."""
    found = [np.zeros(0)]
    for target in targets:
        stay = ~REMOVED[statuses[target.curve_id]]
        times = snapshot.tables[target.curve_id]["co"][stay, 0].astype(np.float64)
        found.append(times + snapshot.shot.shifts[target.curve_id])
    return np.concatenate(found)


def beside_own(plan: ChannelPlan, values: FloatArray, curve: CurveState) -> tuple[ChannelPlan, FloatArray]:
    """A plan and its values (K,) on a curve that follows, without keys in holds of its own and what cannot be cut."""
    holds, whole = holds_of(curve), curve.keys.locked_spans
    if not holds and not whole:
        return plan, values
    free = ~within_spans(plan.frames, (*holds, *whole))
    near = [Span(span.start - HALF_FRAME, span.end + HALF_FRAME) for span in plan.rewrite]
    parts = [part for hold in holds for span in near if (part := hold.intersection(span))]
    needed = plan.needed[free] if plan.needed is not None else None
    frames, kept = plan.frames[free], plan.values[free]
    return replace(plan, frames=frames, values=kept, needed=needed, cleared=(*plan.cleared, *parts)), values[free]
