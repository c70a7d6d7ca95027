# SPDX-License-Identifier: GPL-3.0-or-later
"""Sparse keys: plans with as few keys as a tolerance on the face allows, judged by the curves that Blender draws."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import bpy
import numpy as np

from ...backend.protocol import HEAD_ROTATION
from .. import compat
from ..core.given import Given, distance_to
from ..core.render import ChannelPlan
from ..core.steps import Steps
from ..core.thinning import BoolArray, FloatArray, thin
from .key_table import generated_keys, write_table
from .rig import read_shapes
from .shot import Shot

_BESIDE = 2.0  # frames beside the ends of what is rewritten, and beside given keys, where every frame is keyed
_STILL = 1e-3  # mm a unit; a channel that moves nothing has this
_MOST_KEPT = 1024  # channels of takes that are remembered, a byte a frame
_KEPT: OrderedDict[bytes, BoolArray] = OrderedDict()
_HEAD_MM = 200.0  # how far what turns with the neck lies from it, where the mesh does not tell


def thinned(
    shot: Shot, plans: Mapping[str, ChannelPlan], given: Given, tolerance_mm: float
) -> Steps[dict[str, ChannelPlan]]:
    """Plans with fewer keys.

    The lips' closed frames, turning points, the ends of what is rewritten and what lies beside given keys stay keyed.

    Args:
        shot: The shot.
        plans: Plans with a key on every frame.
        given: What is given now.
        tolerance_mm: How far any point of the face may be from the take at a frame, a channel.
    """
    reach = reaches_mm(shot)
    kept_by: dict[str, BoolArray] = {}
    for name, plan in plans.items():
        if len(plan.frames) < 4:
            continue
        kept_by[name] = _kept(plan, _needed(plan, given), tolerance_mm / reach.get(name, _STILL))
        yield False
    for channels in shot.groups:  # what is shown together is keyed together
        together = [kept_by[name] for name in channels if name in kept_by]
        if len(together) > 1:
            kept_by |= dict.fromkeys(channels, np.logical_or.reduce(together))
    return {name: _cut(plan, kept_by[name]) if name in kept_by else plan for name, plan in plans.items()}


def _kept(plan: ChannelPlan, needed: BoolArray, tolerance: float) -> BoolArray:
    """(F,) which keys stay; remembered, as an animator goes back and forth between the same takes."""
    digest = hashlib.sha256(np.float64(tolerance).tobytes())
    for array in (plan.frames, plan.values, needed):
        digest.update(np.ascontiguousarray(array).tobytes())
    key = digest.digest()
    if key not in _KEPT:
        with _Pen() as pen:  # anew for each channel: between two slices it could be saved, or undone
            _KEPT[key] = thin(plan.frames, plan.values, needed, tolerance, pen.draw)
        while len(_KEPT) > _MOST_KEPT:
            _KEPT.popitem(last=False)
    _KEPT.move_to_end(key)
    return _KEPT[key]


def _cut(plan: ChannelPlan, kept: BoolArray) -> ChannelPlan:
    """A plan with some of its keys."""
    return replace(plan, frames=plan.frames[kept], values=plan.values[kept])


def reaches_mm(shot: Shot) -> dict[str, float]:
    """Channel -> mm by which it moves the point that it moves most, a unit (of the neck: a rad)."""
    template, controls = read_shapes(shot)
    found = {
        name: max(float(np.linalg.norm(moved, axis=1).max(initial=0.0)) * 1000.0, _STILL)
        for name, moved in controls.items()
    }
    size = float(np.ptp(template, axis=0).max(initial=0.0)) * 1000.0 / 2.0 or _HEAD_MM
    return found | dict.fromkeys(HEAD_ROTATION, size)


def _needed(plan: ChannelPlan, given: Given) -> BoolArray:
    """(F,) frames that are keyed whatever comes."""
    needed = np.zeros(len(plan.frames), bool) if plan.needed is None else plan.needed.copy()
    for span in plan.rewrite:
        needed |= (np.abs(plan.frames - span.start) <= _BESIDE) | (np.abs(plan.frames - span.end) <= _BESIDE)
    channel = given.channels.get(plan.channel)
    if channel is not None:
        needed |= distance_to(plan.frames, channel.frames) <= _BESIDE
        for held in channel.held:
            needed |= np.abs(plan.frames - held.start) <= _BESIDE
            needed |= np.abs(plan.frames - held.end) <= _BESIDE
    steps = np.diff(plan.frames, prepend=plan.frames[:1], append=plan.frames[-1:])
    return needed | (steps[:-1] > 1.5) | (steps[1:] > 1.5)


class _Pen:
    """A curve of its own in which keys are tried; it goes when done."""

    def __enter__(self) -> _Pen:
        self._holder = bpy.data.objects.new("Retake scratch", None)
        curves, _ = compat.ensure_fcurves(self._holder, "Retake scratch")
        self._curve: Any = compat.new_fcurve(self._holder, curves, "location", 0, "")
        return self

    def __exit__(self, *_: object) -> None:
        action = self._holder.animation_data.action
        bpy.data.objects.remove(self._holder)
        bpy.data.actions.remove(action)

    def draw(self, frames: FloatArray, values: FloatArray) -> Any:
        """What Blender plays between generated keys."""
        write_table(self._curve, generated_keys(frames, values))
        self._curve.keyframe_points.handles_recalc()
        evaluate = self._curve.evaluate
        return lambda asked: np.array([evaluate(frame) for frame in asked.tolist()])
