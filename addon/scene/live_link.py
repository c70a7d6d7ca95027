# SPDX-License-Identifier: GPL-3.0-or-later
"""Live Link Face on a head with ARKit's shape keys: its recordings as tracks, and what plays as a recording."""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from ..core.live_link import LiveLinkTake
from .performance import Performance, Track, head_track
from .played import play, turn_and_place
from .shot import Shot
from .targets import Target

FloatArray = NDArray[np.float64]

EYES = ("left eye", "right eye")


def performance_of(shot: Shot, take: LiveLinkTake, fps: float) -> Performance:
    """A recording on a head.

    Args:
        shot: The head.
        take: The recording.
        fps: Frames a second of the scene.

    Returns:
        Tracks of one value a scene frame, and what either lacks.
    """
    controls, head = take.at(fps)
    tracks, carried = [], set()
    for channels, binding in shot.bindings.items():
        if set(channels) & set(controls):
            still = np.zeros(len(next(iter(controls.values()))))
            values = binding.values_of(np.stack([controls.get(name, still) for name in channels], axis=-1))
            tracks.append(Track(", ".join(channels[:3]), shot.groups[channels], values))
            carried |= set(channels)
    left = [control for control in controls if control not in carried]
    if head is not None and shot.turn is not None:
        tracks.append(head_track(shot.turn, head))
    elif head is not None:
        left.append("the head's turns (nothing turns it: choose what does under Character)")
    untold = [control for control in carried_by(shot) if control not in controls]
    untold += ["the head's turns"] * (head is None and shot.turn is not None)
    return Performance(tracks, [*left, *take.unknown], untold)


def carried_by(shot: Shot) -> list[str]:
    """Controls that a head carries."""
    return [name for channels in shot.bindings for name in channels]


def record(
    shot: Shot, frames: Sequence[int]
) -> tuple[dict[str, FloatArray], FloatArray, tuple[FloatArray, FloatArray]]:
    """What plays, as Live Link Face would record it.

    Args:
        shot: The head.
        frames: Scene frames, N of them.

    Returns:
        Control -> (N,) weights; rotation of the head, (N, 3) axis-angle in rad, model axes; the same of both eye
        bones. What the head has nothing for is at rest.
    """
    armature = shot.armature
    shown = carried_by(shot)
    eyes = [eye if armature is not None and eye in armature.pose.bones else "" for eye in EYES]
    values, turns = [], []

    def look(depsgraph: bpy.types.Depsgraph) -> None:
        row: list[float] = []
        for channels, binding in shot.bindings.items():
            standing = np.array([[_played(target, depsgraph) for target in shot.groups[channels]]])
            row += binding.channels_of(standing)[0].tolist()
        values.append(row)
        turned = [turn_and_place(armature, eye, depsgraph)[0] if eye else np.zeros(3) for eye in eyes]
        turns.append(np.stack([np.zeros(3) if shot.turn is None else shot.turn.evaluated(depsgraph), *turned]))

    play(shot, frames, look)
    table, turned = np.array(values), np.array(turns)
    found = {control: table[:, column] for column, control in enumerate(shown)}
    return found, turned[:, 0], turned[:, 1], turned[:, 2]


def _played(target: Target, depsgraph: bpy.types.Depsgraph) -> float:
    """Value of a target as it plays; at rest where its shape key is muted."""
    block = target.block
    return target.rest if block is not None and block.mute else target.value_in(depsgraph)
