# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator is told before and after a write, and what only the animator can decide."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import numpy as np

from ...backend.errors import InputError
from ..core.channels import channels_of
from ..core.curves import KeyType
from ..core.findings import joined
from ..core.keys import Choice, CurveState, Finding, FindingKind, KeyState, KeyStatus
from ..core.wording import shortened
from ..scene.shot import Shot


class UndecidedError(InputError):
    """Only the animator can say what becomes of changed keys.

    Attributes:
        found: What was found.
    """

    def __init__(self, message: str, remedy: str, found: Collection[Finding]) -> None:
        super().__init__(message, remedy)
        self.found = found


_VISIBLE = 0.02  # what is cut off of a shape key's value before it is told
_OURS = (KeyStatus.GENERATED, KeyStatus.CORRECTED, KeyStatus.REPLACED)


def questions(keys: KeyState, channels: Collection[str]) -> list[Finding]:
    """Bakes, shifts, scales and reshaped spans that a write of some channels has to decide about."""
    writable = {
        curve.keys.curve_id
        for curve in keys.curves
        if not curve.keys.obstacle and any(name in channels for name in curve.keys.channels)
    }
    return [found for found in keys.findings if writable & set(found.keys)]


def finding_notices(found: Iterable[Finding]) -> list[str]:
    """Sentences about what was found, one where the same is said of several channels."""
    return [finding.sentence for finding in joined(found)]


def refuse_unanswered(found: Collection[Finding]) -> None:
    """Refuse to write while the animator did not choose what becomes of changed keys.

    Raises:
        UndecidedError: Something was found; the sentence names it and the choices.
    """
    sentences = finding_notices(found)
    if sentences:
        more = f" (and {len(sentences) - 1} more such changes)" if len(sentences) > 1 else ""
        raise UndecidedError(sentences[0].rstrip(".") + more + ".", "Choose one under Changed Keys.", found)


def kept_notices(asked: Iterable[Finding], corrected: Choice | None, bakes: Choice) -> list[str]:
    """Sentences that say that changed and baked keys were kept, as they are unless something else is chosen."""
    kinds = {finding.kind for finding in asked}
    found = []
    if corrected is Choice.KEEP and kinds - {FindingKind.BAKE}:
        found.append("The changed keys were kept: all of them are given now (Changed Keys: Keep).")
    if bakes is Choice.KEEP and FindingKind.BAKE in kinds:
        found.append("The baked keys were kept: they are given (Bakes: Keep).")
    return found


def corrected_notices(keys: KeyState, parts: Collection[str]) -> list[str]:
    """A sentence about generated keys of some parts that the animator changed: they are given from now on.

    Not those that were keyed anew, by Key Pose or the like: they were the animator's before the write.
    """
    channels = set(channels_of(parts))
    times = {
        (tuple(curve.keys.channels), round(float(frame), 2))
        for curve in keys.curves
        if channels & set(curve.keys.channels) and not curve.keys.obstacle
        for frame in curve.keys.frames[
            (curve.status == KeyStatus.CORRECTED) & (np.asarray(curve.keys.types) == KeyType.GENERATED)
        ]
    }
    count = len(times)
    return [f"{count} corrected key{'s are' if count > 1 else ' is'} now kept."] if count else []


def left_standing(keys: KeyState, is_locked: bool) -> list[str]:
    """Sentences about keys of ours that a write leaves because their curve or span may not be written."""
    blocked = [curve for curve in keys.curves if curve.keys.obstacle and np.isin(curve.status, _OURS).any()]
    found = obstacle_notices(blocked)
    return [*found, "The locked spans stay as they are."] if is_locked else found


def obstacle_notices(curves: Iterable[CurveState]) -> list[str]:
    """A sentence for each thing that keeps curves from being written."""
    by_obstacle: dict[str, dict[str, None]] = {}
    for curve in curves:
        if curve.keys.obstacle:
            by_obstacle.setdefault(curve.keys.obstacle, {}).update(dict.fromkeys(curve.keys.channels))
    return [f"Not written because of a {reason}: {shortened(list(names))}." for reason, names in by_obstacle.items()]


def reached_limits(shot: Shot) -> list[str]:
    """A sentence that names the shape keys whose keys pass their slider's limits, where Blender clamps them."""
    passed = []
    for target in shot.targets:
        block, fcurve = target.block, target.fcurve
        if block is None or fcurve is None or not len(fcurve.keyframe_points):
            continue
        co = np.empty(2 * len(fcurve.keyframe_points), np.float32)
        fcurve.keyframe_points.foreach_get("co", co)
        if co[1::2].max() > block.slider_max + _VISIBLE or co[1::2].min() < block.slider_min - _VISIBLE:
            passed.append(block.name)
    passed = list(dict.fromkeys(passed))  # the meshes of a character have the same ones
    if not passed:
        return []
    return [f"These shape keys reach their slider limits: {shortened(passed)}."]
