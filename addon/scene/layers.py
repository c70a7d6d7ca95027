# SPDX-License-Identifier: GPL-3.0-or-later
"""NLA strips below the takes: what they play stays audible beside the range.

A curve in the assigned action silences the NLA on its property at all times. An action that Retake made is told to
play only as far as its keys reach. In an action of the animator that cannot be done without changing what else it
plays, so there a property that only the NLA animates is given, like a driven one.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy

from ...backend.protocol import HEAD_ROTATION
from .. import compat
from .shot import Shot
from .state import Notes, load_notes


@dataclass(frozen=True)
class Layers:
    """What the NLA plays of a head where the assigned action has no curve.

    Attributes:
        playing: Ids of the curves whose values come from NLA strips now.
        blocked: Those of them that may not be written; the neck's always, as a rotation has one owner.
    """

    playing: frozenset[str] = frozenset()
    blocked: frozenset[str] = frozenset()


def read_layers(shot: Shot) -> Layers:
    """What the NLA plays of a head."""
    playing, blocked = set(), set()
    made = set(load_notes(shot.record).made_actions.values())
    for owner in {target.owner for target in shot.targets}:
        properties = compat.nla_properties(owner)
        if not properties:
            continue
        action = owner.animation_data.action
        for target in shot.own_targets(owner):
            fcurve = target.fcurve
            if (target.data_path, target.index) in properties and (fcurve is None or not len(fcurve.keyframe_points)):
                playing.add(target.curve_id)
                if target.channels == HEAD_ROTATION or (action is not None and action.name not in made):
                    blocked.add(target.curve_id)
    return Layers(frozenset(playing), frozenset(blocked))


def let_the_nla_play_beside(owner: bpy.types.ID, role: str, notes: Notes) -> None:
    """Let an action that we just made and assigned play only as far as its keys reach, where the NLA plays below."""
    if compat.nla_properties(owner):
        data = owner.animation_data
        notes.extrapolations[role] = data.action_extrapolation
        data.action_extrapolation = "NOTHING"


def give_extrapolation_back(owner: bpy.types.ID, role: str, notes: Notes) -> None:
    """Undo `let_the_nla_play_beside` once our action is no longer assigned."""
    if role in notes.extrapolations:
        owner.animation_data.action_extrapolation = notes.extrapolations.pop(role)
