# SPDX-License-Identifier: GPL-3.0-or-later
"""A sequence of vertices onto a head: fitted at the file's rate, keyed on the scene's frames as `performance` does.

Everything is computed before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np
from mathutils import Euler, Matrix
from numpy.typing import NDArray

from ...backend.errors import InputError
from .. import compat
from ..core.correctives import MOST, Correctives, fit_with_correctives, no_correctives
from ..core.flame import rotation_matrices
from ..core.resample import interpolate
from ..core.timing import AudioClock, Span, whole_frames_within
from ..core.vertex_file import Points, read_neutral, read_sequence
from ..core.vertex_fit import Fit, fit_vertices
from ..core.vertex_motion import HeadMotion, Neck, calm_vertices, carry_over
from .axes import to_blender
from .fitted_head import (
    CORRECTIVE,
    Bone,
    FittedHead,
    bone_to_model,
    corrective_target,
    neck_of,
    read_head,
    shift_to_bone,
    turn_to_bone,
)
from .performance import Track, Written, components_of, followers, head_track, left_told, past_the_end, write_tracks
from .shot import Shot, metres_a_unit
from .targets import Target
from .timeline import tweak_shift

FloatArray = NDArray[np.float64]

STEPS = 10  # of an import; fitting takes most of them
_STANDS = 1e-6  # a property that stays within this of its rest gets no curve where it has none


@dataclass(frozen=True)
class Options:
    """What is asked for.

    Attributes:
        path: The sequence.
        neutral: The subject's neutral face, None if it has to be found.
        frame: Scene frame of the sequence's first.
        fps: Frames a second of the sequence.
        tolerance_mm: Largest distance of a vertex that may be left.
        correctives: Whether keys may be added to reach it.
    """

    path: Path
    neutral: Path | None
    frame: int
    fps: float
    tolerance_mm: float
    correctives: bool


def import_vertices(shot: Shot, options: Options, tell: Callable[[int], None]) -> list[str]:
    """Put a sequence on a head.

    Args:
        shot: The head.
        options: What is asked for.
        tell: Takes how much of it is done, of `STEPS`.

    Returns:
        Sentences: what was read, what was fitted and is left, what could not be written.

    Raises:
        InputError: The file is none for this head, or nothing can be written; nothing has changed then.
    """
    fitted = read_head(shot.head)
    if not np.isfinite(options.fps) or options.fps <= 0.0:
        raise InputError(f"A frame rate of {options.fps:g} cannot be used.", "Set the file's frame rate.")
    count, neck = len(fitted.rig.template), neck_of(shot)
    sequence = read_sequence(options.path, count)
    tell(1)
    neutral = None if options.neutral is None else read_neutral(options.neutral, count, options.path.stem)
    whole = f"the bone '{fitted.whole.pose.name}'" if fitted.whole is not None else ""
    bends = None if neck is None else Neck(f"the bone '{neck[0].pose.name}'", neck[0].place, neck[1])
    motion = carry_over(sequence, neutral, fitted.rig.template, _calm(fitted, bends), whole, bends)
    tell(2)
    N = len(sequence)
    render = shot.scene.render
    clock = AudioClock(render.fps / render.fps_base, float(options.frame))
    held = fitted.held_weights(shot.scene, clock.frames(np.arange(N) / options.fps))
    fit, added = _fit(fitted, motion.displacements, held, options)
    tell(STEPS - 1)
    positions = _positions(clock, options.fps, N)
    tracks = _tracks(fitted, positions, fit)
    if motion.head is not None:
        tracks += _of_the_head(shot, fitted, motion.head, positions, None if neck is None else neck[0])
    tracks += followers(shot, tracks)
    _check_writable(fitted, tracks)
    tracks += _add_correctives(fitted, added, positions)
    written = _write(shot, tracks, options.frame)
    last = options.frame + len(positions) - 1
    frames = f"{N} frame{'s' if N != 1 else ''} at {options.fps:g} fps"
    return [
        f"{options.path.name}: {frames}, keyed on frames {options.frame} to {last}. {' '.join(motion.notices)}",
        *fitted.notices,
        *left_told(written),
        _told(fitted, fit, added, options),
        *past_the_end(shot.scene, last),
    ]


def _calm(fitted: FittedHead, neck: Neck | None) -> NDArray[np.int64]:
    """Vertices of the skull: what turns with the neck, but not with the jaw."""
    jaw = fitted.rig.jaw
    others = np.zeros(len(fitted.rig.template)) if jaw is None else jaw.weights
    return calm_vertices(fitted.rig.fields, others if neck is None else others + 1.0 - neck.shares)


def _fit(
    fitted: FittedHead, displacements: Points, held: FloatArray | None, options: Options
) -> tuple[Fit, Correctives]:
    """Fit, with as many correctives as may be added."""
    old = sum(block.name.startswith(CORRECTIVE) for block in fitted.head.data.shape_keys.key_blocks)
    most = max(0, MOST - old) if options.correctives and fitted.can_add_keys else 0
    if most:
        return fit_with_correctives(fitted.rig, displacements, held, options.tolerance_mm, most)
    fit = fit_vertices(fitted.rig, displacements, held)
    return fit, no_correctives(displacements, fit)


def _tracks(fitted: FittedHead, positions: FloatArray, fit: Fit) -> list[Track]:
    """What the head's own keys and its jaw play at the scene's frames, told as positions (F,) in the sequence."""
    weights = np.clip(interpolate(fit.weights, positions), fitted.rig.lower, fitted.rig.upper)
    tracks = [
        Track(target.curve_id, (target,), weights[:, [place]])
        for place, target in enumerate(fitted.targets)
        if place not in fitted.blocked
    ]
    if fitted.jaw is not None and fitted.rig.jaw is not None:
        whole = rotation_matrices(interpolate(fit.jaw_pose, positions))
        tracks.append(_turn(_beside_controls(fitted, whole, weights), fitted.jaw))
    return tracks


def _positions(clock: AudioClock, fps: float, count: int) -> FloatArray:
    """Where in a sequence the whole scene frames lie that it spans, in its frames."""
    last = clock.frame((count - 1) / fps)
    frames = whole_frames_within(Span(clock.start_frame, last)).astype(np.float64)
    positions = clock.seconds(frames) * fps
    nearest = np.round(positions)
    return np.asarray(np.where(np.abs(positions - nearest) < 1e-6, nearest, positions), np.float64)


def _beside_controls(fitted: FittedHead, whole: FloatArray, weights: FloatArray) -> FloatArray:
    """The jaw's own rotation (F, 3, 3) in its own axes: what the controls turn it comes before it."""
    assert fitted.jaw is not None
    assert fitted.rig.jaw is not None
    local = turn_to_bone(whole, fitted.jaw)
    turns = weights @ fitted.rig.jaw.turns
    if not turns.any():
        return local
    own_axes = turns @ bone_to_model(fitted.jaw)
    controls = np.stack([np.array(Euler(turn.tolist(), "XYZ").to_matrix()) for turn in own_axes])
    found: FloatArray = controls.transpose(0, 2, 1) @ local
    return found


def _turn(rotations: FloatArray, bone: Bone) -> Track:
    """Rotations (F, 3, 3), in a bone's own axes, in its rotation mode."""
    quaternions = np.array([tuple(Matrix(rotation.tolist()).to_quaternion()) for rotation in rotations])
    targets = tuple(target for target in bone.targets if not target.data_path.endswith("location"))
    return Track(f"turn of {bone.pose.name}", targets, components_of(quaternions, bone.pose.rotation_mode))


def _of_the_head(
    shot: Shot, fitted: FittedHead, head: HeadMotion, positions: FloatArray, neck: Bone | None
) -> list[Track]:
    """What the neck, or the bone that turns the whole head, plays; keys that would turn it once more rest meanwhile."""
    rotations, shifts = (interpolate(values, positions) for values in (head.rotations, head.shifts))
    if head.is_on_neck and neck is not None:
        return [_turn(turn_to_bone(rotation_matrices(rotations), neck), neck)]
    if fitted.whole is None:
        return []
    tracks = _of_the_whole(fitted, fitted.whole, rotations, shifts)
    turn = shot.turn
    if turn is not None and turn.thing != fitted.whole.pose and any(target.fcurve for target in turn.targets()):
        tracks.append(head_track(turn, np.zeros_like(rotations)))
    return tracks


def _of_the_whole(fitted: FittedHead, bone: Bone, rotations: FloatArray, shifts: FloatArray) -> list[Track]:
    """Rotation and location of the bone that turns the whole head."""
    matrices = rotation_matrices(rotations)
    moved = matrices @ bone.place + shifts - bone.place
    tracks = [_turn(turn_to_bone(matrices, bone), bone)]
    if targets := tuple(target for target in bone.targets if target.data_path.endswith("location")):
        places = shift_to_bone(moved, bone, metres_a_unit(fitted.head))
        tracks.append(Track(f"place of {bone.pose.name}", targets, places))
    return tracks


def _check_writable(fitted: FittedHead, tracks: Sequence[Track]) -> None:
    """Raise InputError where nothing could be written, or an action is linked."""
    if not tracks:
        raise InputError(f"Every shape key of '{fitted.head.name}' is locked, muted or driven.", "Unlock some.")
    owners = {target.owner for track in tracks for target in track.targets}
    for owner in {fitted.head.data.shape_keys, *owners}:
        tweak_shift(owner)  # refuses strips whose time cannot be mapped
        action = owner.animation_data.action if owner.animation_data else None
        if action is not None and not compat.is_editable(action):
            raise InputError(f"The action '{action.name}' is linked from another file.", "Make it local.")


def _write(shot: Shot, tracks: Sequence[Track], frame: int) -> Written:
    """Key what moves, or has a curve; what stands at rest gets none."""
    moving = []
    for track in tracks:
        if not _stands(track):
            moving.append(track)
            continue
        for target in track.targets:
            target.set_static(_at_rest(target))
    return write_tracks(shot, moving, frame) if moving else Written()


def _stands(track: Track) -> bool:
    """Whether nothing of it moves, or has a curve."""
    rest = np.array([_at_rest(target) for target in track.targets])
    has_curve = any(target.fcurve is not None for target in track.targets)
    return not has_curve and bool(np.abs(track.values - rest).max() <= _STANDS)


def _at_rest(target: Target) -> float:
    """The value of a property at rest: 0, or 1 for the first component of a quaternion and an axis-angle's axis."""
    if target.data_path.endswith("rotation_quaternion"):
        return float(target.index == 0)
    return float(target.data_path.endswith("rotation_axis_angle") and target.index == 2)


def _add_correctives(fitted: FittedHead, added: Correctives, positions: FloatArray) -> list[Track]:
    """Add the corrective keys; what they play."""
    head, key = fitted.head, fitted.head.data.shape_keys
    if not len(added.fields):
        return []
    weights = np.clip(interpolate(added.weights, positions), -1.0, 1.0)
    basis = np.empty(3 * len(fitted.rig.template), np.float32)
    key.reference_key.points.foreach_get("co", basis)
    scale, tracks = 1.0 / metres_a_unit(head), []
    for place, field in enumerate(added.fields):
        block = head.shape_key_add(name=_next_name(key), from_mix=False)
        block.slider_min, block.slider_max, block.value = -1.0, 1.0, 0.0
        moved = (scale * to_blender(field)).astype(np.float32).ravel()
        block.points.foreach_set("co", basis + moved)
        tracks.append(Track(block.name, (corrective_target(key, block.name),), weights[:, [place]]))
    key.update_tag()
    return tracks


def _next_name(key: bpy.types.Key) -> str:
    """The first name of a corrective that is free."""
    names = (f"{CORRECTIVE} {number:02d}" for number in range(1, 10_000))
    return next(name for name in names if name not in key.key_blocks)


def _told(fitted: FittedHead, fit: Fit, added: Correctives, options: Options) -> str:
    """What was fitted and what is left."""
    jaw = " and the jaw" if fitted.rig.jaw is not None and fitted.rig.jaw.is_free else ""
    keys = len(fitted.targets) - len(fitted.blocked)
    count = len(added.fields)
    own = f"{keys} keys{jaw} come within {fit.mean_mm.mean():.3f} mm on average, {fit.worst_mm.max():.2f} mm at most"
    if count:
        own += (
            f"; with {count} corrective key{'s' if count != 1 else ''} {added.mean_mm.mean():.3f} mm on average, "
            f"{added.worst_mm.max():.2f} mm at most"
        )
    worst = int(np.argmax(added.worst_mm))
    if added.worst_mm[worst] <= options.tolerance_mm:
        return f"{own}."
    why = ""
    if options.correctives and not fitted.can_add_keys:
        why = " Shape keys cannot be added to a mesh that is linked or overridden."
    return f"{own}: more than {options.tolerance_mm:g} mm, at worst in the file's frame {worst}.{why}"
