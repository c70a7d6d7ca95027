# SPDX-License-Identifier: GPL-3.0-or-later
"""FLAME's expression and jaw put on a FLAME head's named controls, as near as those come: takes replace them there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import RigError
from ...backend.protocol import JOINT_NAMES
from ..core.bounded import solve_within
from ..core.flame_sequence import FlameSequence
from ..core.vertex_fit import FitRig, fit_vertices, show
from ..core.wording import shortened
from .fitted_head import FittedHead, read_head
from .flame_head import EXPRESSION, key_name
from .performance import Track, followers, key_target, rotation_track
from .shot import Shot

FloatArray = NDArray[np.float64]

_JAW = JOINT_NAMES[2]
_RIDGE = 1e-9  # rad^2 of a weight of 1: keys that turn the jaw alike share


def on_controls(shot: Shot, sequence: FlameSequence, frame_start: int) -> tuple[list[Track], list[str]]:
    """What the controls play to show a sequence's expression and jaw; keys that show it otherwise rest meanwhile.

    Args:
        shot: A FLAME head.
        sequence: Parameters a scene frame.
        frame_start: Scene frame of the first.

    Returns:
        Tracks, and sentences: what the controls come within, and which of them could not be chosen.

    Raises:
        RigError: The head has no jaw bone or no control that can be fitted.
    """
    fitted = read_head(shot.head)
    places = np.flatnonzero(fitted.rig.costs == 1.0)
    if fitted.rig.jaw is None or not len(places):
        raise RigError(f"'{shot.head.name}' has no jaw, or no named control that is not muted.", "Unmute its keys.")
    frames = frame_start + np.arange(len(sequence.expression), dtype=np.float64)
    held = fitted.held_weights(shot.scene, frames)
    if held is None:
        held = np.full((len(frames), len(fitted.targets)), np.nan)
    jaw_pose = sequence.poses.get(_JAW, np.zeros((len(frames), 3)))
    motion = show(fitted.rig, _own_weights(fitted, sequence), jaw_pose)
    rig = _controls_only(fitted.rig, places)
    fit = fit_vertices(rig, motion, _with_jaw(rig, held[:, places], jaw_pose))
    tracks = [
        Track(fitted.targets[place].curve_id, (fitted.targets[place],), fit.weights[:, [column]])
        for column, place in enumerate(places.tolist())
        if place not in fitted.blocked
    ]
    told = f"The controls come within {fit.mean_mm.mean():.2f} mm on average, {fit.worst_mm.max():.1f} mm at most."
    blocked = [
        f"{fitted.targets[place].curve_id} ({fitted.blocked[place]})" for place in places if place in fitted.blocked
    ]
    around = [f"The others go around {shortened(blocked)}."] * bool(blocked)
    return [*tracks, *followers(shot, tracks), *_resting(shot, frames)], [told, *around]


def _own_weights(fitted: FittedHead, sequence: FlameSequence) -> FloatArray:
    """Weights (F, K) of the head's keys that show a sequence's expression by the expression keys alone."""
    numbers = {key_name(EXPRESSION, number): number for number in range(sequence.expression.shape[1])}
    found = np.zeros((len(sequence.expression), len(fitted.targets)))
    for place, target in enumerate(fitted.targets):
        if target.curve_id in numbers:
            found[:, place] = sequence.expression[:, numbers[target.curve_id]]
    return found


def _controls_only(rig: FitRig, places: NDArray[np.int64]) -> FitRig:
    """A head that shows nothing but by some of its keys; the jaw turns as they say."""
    jaw = None if rig.jaw is None else replace(rig.jaw, turns=rig.jaw.turns[places], is_free=False)
    return FitRig(rig.template, rig.fields[places], rig.lower[places], rig.upper[places], rig.costs[places], jaw)


def _with_jaw(rig: FitRig, held: FloatArray, jaw_pose: FloatArray) -> FloatArray:
    """Weights (F, C) that are held, those that turn the jaw among them: they turn it as is told, as far as they go."""
    assert rig.jaw is not None
    turns = rig.jaw.turns
    given = np.where(np.isnan(held), 0.0, held)
    normal = turns @ turns.T + _RIDGE * np.eye(len(turns))
    gradient = (jaw_pose - given @ turns) @ turns.T
    low, high = (np.where(np.isnan(held), limit, 0.0) for limit in (rig.lower, rig.upper))
    found = solve_within(np.tile(normal, (len(held), 1, 1)), gradient, low, high)
    return np.where(np.isnan(held) & turns.any(axis=1), found, held)


def _resting(shot: Shot, frames: FloatArray) -> list[Track]:
    """Expression keys and the jaw's own turn at rest, where they have curves."""
    key, armature = shot.head.data.shape_keys, shot.armature
    names = [block.name for block in key.key_blocks if block.name.startswith(f"{EXPRESSION} ")]
    zero = np.zeros((len(frames), 1))
    tracks = [Track(name, (key_target(key, key.key_blocks[name], EXPRESSION),), zero) for name in names]
    if armature is not None and _JAW in armature.pose.bones:
        tracks.append(rotation_track(armature, armature.pose.bones[_JAW], np.zeros((len(frames), 3))))
    return [track for track in tracks if any(target.fcurve is not None for target in track.targets)]
