# SPDX-License-Identifier: GPL-3.0-or-later
"""FLAME parameters on a FLAME head: a sequence as tracks, and what plays as a sequence.

Expression goes to the expression keys, each joint's turn to its bone, the place of the head to the root bone; identity
is set, not keyed. The named controls come on top of all of that, as always; taken out, what they do is part of the
parameters.
"""

from __future__ import annotations

from collections.abc import Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.protocol import CONTROL_NAMES, JOINT_NAMES
from ..core.flame_sequence import FlameSequence
from ..core.wording import shortened
from .axes import to_blender
from .flame_head import EXPRESSION, IDENTITY, control_expressions, is_flame_head, key_name, model_name
from .key_table import read_table
from .performance import (
    Performance,
    Track,
    beyond_limits,
    key_target,
    location_track,
    rotation_track,
    why_left,
)
from .played import play, turn_and_place, weights
from .shot import Shot
from .targets import control_keys, evaluate

FloatArray = NDArray[np.float64]

_JAW = JOINT_NAMES[2]
_SEEN = 1e-6  # a coefficient that stays below it moves nothing


def performance_of(
    shot: Shot, sequence: FlameSequence, with_place: bool, shown: Sequence[Track] | None = None
) -> Performance:
    """A sequence on a head.

    Args:
        shot: The head.
        sequence: Parameters a scene frame.
        with_place: Whether the place of the head is taken over too.
        shown: What shows its expression and its jaw, where the expression keys and the jaw's bone shall not.

    Returns:
        Tracks of one value a scene frame, and what either lacks.
    """
    key, armature = shot.head.data.shape_keys, shot.armature
    present, missing = _split(key, EXPRESSION, sequence.expression)
    tracks = list(shown or ())
    if shown is None:
        tracks += [
            Track(name, (key_target(key, key.key_blocks[name], EXPRESSION),), values[:, None])
            for name, values in present.items()
        ]
    left = [*missing, *sequence.left_out]
    poses = {joint: turns for joint, turns in sequence.poses.items() if shown is None or joint != _JAW}
    for joint, turns in poses.items():
        bone = armature.pose.bones.get(joint) if armature is not None else None
        if bone is None:
            left.append(f"turn of {joint}")
        else:
            tracks.append(rotation_track(armature, bone, turns))
    root = armature.pose.bones.get(JOINT_NAMES[0]) if armature is not None else None
    if with_place and sequence.translation is not None and root is not None:
        tracks.append(location_track(armature, root, to_blender(sequence.translation)))
    untold = _first_to_last([name for name in _names(key, EXPRESSION) if name not in present and shown is None])
    bones = armature.pose.bones if armature is not None else ()
    untold += [f"turn of {joint}" for joint in JOINT_NAMES if joint not in sequence.poses and joint in bones]
    return Performance(tracks, left, untold)


def set_identity(shot: Shot, identity: FloatArray) -> tuple[int, list[str]]:
    """Give a head an identity (S,), once.

    Returns:
        How many identity keys were set, and sentences about what was left.
    """
    key = shot.head.data.shape_keys
    present, missing = _split(key, IDENTITY, identity[None])
    targets = {name: key_target(key, key.key_blocks[name], IDENTITY) for name in present}
    held = [
        name
        for name, target in targets.items()
        if target.fcurve is not None or why_left(Track(name, (target,), np.zeros((0, 1))))
    ]
    free = [Track(name, (targets[name],), present[name][:, None]) for name in targets if name not in held]
    for track in free:
        track.targets[0].set_static(float(track.values[0, 0]))
    sentences = [f"Of identity, the head has no keys for {shortened(missing)}."] * bool(missing)
    if held:
        sentences.append(f"Left as they are, as they are animated: {shortened(held)}.")
    if passed := beyond_limits(free):
        sentences.append(f"These shape keys reach their slider limits: {shortened(passed)}.")
    return len(free), sentences


def _split(key: bpy.types.Key, kind: str, table: FloatArray) -> tuple[dict[str, FloatArray], list[str]]:
    """Columns of a table (F, K) by the shape key that each belongs to, and what is told but has no key."""
    names = [key_name(kind, number) for number in range(table.shape[1])]
    present = {name: table[:, column] for column, name in enumerate(names) if name in key.key_blocks}
    told = [name for column, name in enumerate(names) if name not in present and np.abs(table[:, column]).max() > _SEEN]
    return present, _first_to_last(told)


def _first_to_last(names: list[str]) -> list[str]:
    """Consecutive components in short."""
    return names if len(names) < 2 else [f"{names[0]} to {names[-1].rpartition(' ')[2]}"]


def controls_on_top(shot: Shot, frames: Sequence[int]) -> bool:
    """Whether a named control moves the head in some scene frames."""
    times = np.array(frames, np.float64)
    controls = [target for target in shot.targets if target.channels[0] in CONTROL_NAMES]
    played = (evaluate(target, times - shot.shifts[target.curve_id], with_modifiers=True) for target in controls)
    return any(np.abs(values).max() > _SEEN for values in played)


def expression_notices(shot: Shot) -> list[str]:
    """A sentence, where expression keys of a FLAME head play a performance that takes do not replace."""
    if not is_flame_head(shot.head):
        return []
    key = shot.head.data.shape_keys
    curves = [key_target(key, key.key_blocks[name], EXPRESSION).fcurve for name in _names(key, EXPRESSION)]
    playing = [read_table(curve)["co"][:, 1] for curve in curves if curve is not None and not curve.mute]
    plays = any(len(values) > 1 and np.abs(values).max() > _SEEN for values in playing)
    told = "The expression keys are animated, and takes add to them: mute their curves, or import On the Controls."
    return [told] * plays


def record(shot: Shot, frames: Sequence[int], fps: float) -> tuple[FlameSequence, list[str]]:
    """What plays, as parameters.

    Args:
        shot: The head.
        frames: Scene frames.
        fps: Frames a second of the scene.

    Returns:
        The sequence, and sentences about what it does not tell.
    """
    key, armature = shot.head.data.shape_keys, shot.armature
    keys = [_names(key, kind) for kind in (EXPRESSION, IDENTITY)]
    named = {control: block.name for control, block in control_keys(key).items()}
    joints = [joint for joint in JOINT_NAMES if armature is not None and joint in armature.pose.bones]
    rows: list[list[float]] = []
    turns: list[list[tuple[FloatArray, FloatArray]]] = []

    def look(depsgraph: bpy.types.Depsgraph) -> None:
        rows.append(weights(key, [*keys[0], *keys[1], *named.values()], depsgraph))
        turns.append([turn_and_place(armature, joint, depsgraph) for joint in joints])

    play(shot, frames, look)
    own, identity, controls = np.split(np.array(rows), np.cumsum([len(keys[0]), len(keys[1])]), axis=1)
    places = np.array(turns).reshape(len(frames), len(joints), 2, 3)
    poses = {joint: places[:, column, 0] for column, joint in enumerate(joints)}
    root = places[:, joints.index(JOINT_NAMES[0]), 1] if JOINT_NAMES[0] in joints else None
    expression, sentences = _with_controls(shot, own, dict(zip(named, controls.T, strict=True)))
    if np.ptp(identity, axis=0).max(initial=0.0) > _SEEN:
        sentences.append(f"Identity changes in time; the file has that of frame {frames[0]}.")
    return FlameSequence(expression, poses, identity[0], root, fps, model_name(shot.head)), sentences


def _names(key: bpy.types.Key, kind: str) -> list[str]:
    """Names of the components' keys, as far as they go without a gap."""
    names: list[str] = []
    while (name := key_name(kind, len(names))) in key.key_blocks:
        names.append(name)
    return names


def _with_controls(shot: Shot, own: FloatArray, controls: dict[str, FloatArray]) -> tuple[FloatArray, list[str]]:
    """Expression (N, E) of the head's own keys (N, K) and its controls, E being all that the model has."""
    expressions = control_expressions(shot.head)
    if not expressions:
        plays = any(np.abs(values).max(initial=0.0) > _SEEN for values in controls.values())
        told = ["The head was made by an older Retake: what its named controls do is not in the file."] * plays
        return own, told
    whole = np.zeros((len(own), max(own.shape[1], *(len(each) for each in expressions.values()))))
    whole[:, : own.shape[1]] = own
    for control, values in controls.items():
        if control in expressions:
            whole[:, : len(expressions[control])] += values[:, None] * expressions[control]
    return whole, []
