# SPDX-License-Identifier: GPL-3.0-or-later
"""A sequence of vertices onto a head: fitted at the file's rate, keyed on the scene's frames.

Everything is computed before anything is written. The keys are a bake (type JITTER), a key on every scene frame from
the first to the last of the sequence: Retake asks whether to keep or replace them before it generates there. Keys of
the same curves outside that stretch stay; within it they are replaced.
"""

from __future__ import annotations

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
from ..core.vertex_motion import HeadMotion, calm_vertices, carry_over
from .axes import quaternion_to_components, to_blender
from .fitted_head import (
    CORRECTIVE,
    Bone,
    FittedHead,
    bone_to_model,
    corrective_target,
    read_head,
    shift_to_bone,
    turn_to_bone,
)
from .key_table import generated_keys, read_table, sorted_unique, write_table
from .shot import metres_a_unit
from .targets import Target
from .timeline import tweak_shift

FloatArray = NDArray[np.float64]

JITTER = 3
_STANDS = 1e-6  # a property that stays within this of its rest gets no curve where it has none
_TOUCH = 0.5  # frames beside the stretch in which older keys go


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


@dataclass(frozen=True)
class Curves:
    """What is written: values (F,) at scene frames (F,) for each target."""

    frames: FloatArray
    values: dict[Target, FloatArray]


def import_vertices(scene: bpy.types.Scene, head: bpy.types.Object, options: Options) -> list[str]:
    """Put a sequence on a head.

    Returns:
        Sentences: what was read, what was fitted and is left, what could not be written.

    Raises:
        InputError: The file is none for this head, or nothing can be written; nothing has changed then.
    """
    fitted = read_head(head)
    if not np.isfinite(options.fps) or options.fps <= 0.0:
        raise InputError(f"A frame rate of {options.fps:g} cannot be used.", "Set the file's frame rate.")
    count, calm = len(fitted.rig.template), _calm(fitted)
    sequence = read_sequence(options.path, count)
    neutral = None if options.neutral is None else read_neutral(options.neutral, count, options.path.stem)
    whole = f"the bone '{fitted.whole.pose.name}'" if fitted.whole is not None else ""
    motion = carry_over(sequence, neutral, fitted.rig.template, calm, whole)
    N = len(sequence)
    clock = AudioClock(scene.render.fps / scene.render.fps_base, float(options.frame))
    held = fitted.held_weights(scene, clock.frames(np.arange(N) / options.fps))
    fit, added = _fit(fitted, motion.displacements, held, options)
    curves = _curves(fitted, clock, options.fps, fit, motion.head)
    _check_writable(fitted, curves)
    _write(fitted, curves)
    _add_correctives(fitted, added, clock, options.fps)
    return [
        f"{options.path.name}: {N} frame{'s' if N != 1 else ''} at {options.fps:g} fps. {' '.join(motion.notices)}",
        *fitted.notices,
        _told(fitted, fit, added, options),
    ]


def _calm(fitted: FittedHead) -> NDArray[np.int64]:
    """Vertices of the skull."""
    jaw = fitted.rig.jaw
    return calm_vertices(fitted.rig.fields, np.zeros(len(fitted.rig.template)) if jaw is None else jaw.weights)


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


def _curves(fitted: FittedHead, clock: AudioClock, fps: float, fit: Fit, head: HeadMotion | None) -> Curves:
    """Values of every curve on the scene's frames."""
    frames, positions = _scene_frames(clock, fps, len(fit.weights))
    weights = np.clip(interpolate(fit.weights, positions), fitted.rig.lower, fitted.rig.upper)
    values = {target: weights[:, place] for place, target in enumerate(fitted.targets) if place not in fitted.blocked}
    if fitted.jaw is not None and fitted.rig.jaw is not None:
        whole = rotation_matrices(interpolate(fit.jaw_pose, positions))
        values |= _rotation_values(_beside_controls(fitted, whole, weights), fitted.jaw)
    if head is not None and fitted.whole is not None:
        values |= _whole_values(
            fitted, fitted.whole, interpolate(head.rotations, positions), interpolate(head.shifts, positions)
        )
    return Curves(frames, values)


def _scene_frames(clock: AudioClock, fps: float, count: int) -> tuple[FloatArray, FloatArray]:
    """Whole scene frames that a sequence spans, and where in the sequence they lie, in its frames."""
    last = clock.frame((count - 1) / fps)
    frames = whole_frames_within(Span(clock.start_frame, last)).astype(np.float64)
    positions = clock.seconds(frames) * fps
    nearest = np.round(positions)
    return frames, np.where(np.abs(positions - nearest) < 1e-6, nearest, positions)


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


def _rotation_values(rotations: FloatArray, bone: Bone) -> dict[Target, FloatArray]:
    """Components of rotations (F, 3, 3), in a bone's own axes, in its rotation mode."""
    mode, rows, before = bone.pose.rotation_mode, [], None
    for rotation in rotations:
        quaternion = np.array(Matrix(rotation.tolist()).to_quaternion(), np.float64)
        before = quaternion_to_components(quaternion, mode, before)
        rows.append(before)
    table = np.stack(rows)
    return {target: table[:, target.index] for target in bone.targets if not target.data_path.endswith("location")}


def _whole_values(
    fitted: FittedHead, bone: Bone, rotations: FloatArray, shifts: FloatArray
) -> dict[Target, FloatArray]:
    """Rotation and location of the bone that turns the whole head."""
    matrices = rotation_matrices(rotations)
    moved = matrices @ bone.place + shifts - bone.place
    location = shift_to_bone(moved, bone, metres_a_unit(fitted.head))
    values = _rotation_values(turn_to_bone(matrices, bone), bone)
    return values | {
        target: location[:, target.index] for target in bone.targets if target.data_path.endswith("location")
    }


def _check_writable(fitted: FittedHead, curves: Curves) -> None:
    """Raise InputError where nothing could be written, or an action is linked."""
    if not curves.values:
        raise InputError(f"Every shape key of '{fitted.head.name}' is locked, muted or driven.", "Unlock some.")
    for owner in {fitted.head.data.shape_keys, *(target.owner for target in curves.values)}:
        tweak_shift(owner)  # refuses strips whose time cannot be mapped
        action = owner.animation_data.action if owner.animation_data else None
        if action is not None and not compat.is_editable(action):
            raise InputError(f"The action '{action.name}' is linked from another file.", "Make it local.")


def _write(fitted: FittedHead, curves: Curves) -> None:
    """Key the curves, the components of a property together."""
    moving = {
        (target.owner, target.data_path)
        for target, values in curves.values.items()
        if target.fcurve is not None or np.abs(values - _at_rest(target)).max() > _STANDS
    }
    for target, values in curves.values.items():
        if (target.owner, target.data_path) not in moving:
            target.set_static(_at_rest(target))
        else:
            _write_curve(fitted, target, curves.frames, values)
    for owner in {target.owner for target in curves.values}:
        owner.update_tag()


def _at_rest(target: Target) -> float:
    """The value of a property at rest: 0, or 1 for the first component of a quaternion and an axis-angle's axis."""
    if target.data_path.endswith("rotation_quaternion"):
        return float(target.index == 0)
    return float(target.data_path.endswith("rotation_axis_angle") and target.index == 2)


def _write_curve(fitted: FittedHead, target: Target, frames: FloatArray, values: FloatArray) -> None:
    """Keys on every frame; older ones beside the stretch stay."""
    fcurve = target.fcurve or _new_curve(fitted, target)
    own = frames - tweak_shift(target.owner)
    old = read_table(fcurve)
    beside = (old["co"][:, 0] < own[0] - _TOUCH) | (old["co"][:, 0] > own[-1] + _TOUCH)
    added = generated_keys(own, values)
    added["type"] = JITTER
    write_table(fcurve, sorted_unique(np.concatenate((old[beside], added))))
    fcurve.keyframe_points.handles_recalc()
    fcurve.update()


def _new_curve(fitted: FittedHead, target: Target) -> object:
    """Make the curve of a target; an armature without an action shares that of the keys where actions have slots."""
    key = fitted.head.data.shape_keys
    data, other = target.owner.animation_data, key.animation_data
    if target.owner != key and (data is None or data.action is None) and other is not None and other.action is not None:
        compat.share_action(target.owner, other.action)
    curves, _ = compat.ensure_fcurves(target.owner, f"{fitted.head.name} vertices")
    return compat.new_fcurve(target.owner, curves, target.data_path, target.index, target.group)


def _add_correctives(fitted: FittedHead, added: Correctives, clock: AudioClock, fps: float) -> None:
    """Add the corrective keys and their curves."""
    head, key = fitted.head, fitted.head.data.shape_keys
    if not len(added.fields):
        return
    frames, positions = _scene_frames(clock, fps, len(added.weights))
    weights = np.clip(interpolate(added.weights, positions), -1.0, 1.0)
    basis = np.empty(3 * len(fitted.rig.template), np.float32)
    key.reference_key.points.foreach_get("co", basis)
    scale = 1.0 / metres_a_unit(head)
    for place, field in enumerate(added.fields):
        block = head.shape_key_add(name=_next_name(key), from_mix=False)
        block.slider_min, block.slider_max, block.value = -1.0, 1.0, 0.0
        moved = (scale * to_blender(field)).astype(np.float32).ravel()
        block.points.foreach_set("co", basis + moved)
        _write_curve(fitted, corrective_target(key, block.name), frames, weights[:, place])
    key.update_tag()


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
