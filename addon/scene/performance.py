# SPDX-License-Identifier: GPL-3.0-or-later
"""A tracked performance as keys: one key a frame, of type JITTER, on the curves that are there.

Such keys are a bake to Retake: New Takes and Update Take report them and keep or replace them, part by part. Keys of
the performance's frames are replaced; what plays a frame before and after them, and further out, stays as it is
(unless it is only the held end of another performance). Curves that may not be written are left, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.errors import RigError
from .. import compat
from ..core.matching import nearest_frames
from ..core.wording import shortened
from . import state
from .axes import model_to_quaternions, quaternion_to_components, rotation_path
from .curve_writer import write_edit
from .edit import Edit, Window, edit_curve
from .flame_head import JAW_CONTROLS
from .key_table import SAME_FRAME, Table, empty, generated_keys, read_table
from .layers import let_the_nla_play_beside
from .original import after_write
from .shot import Shot
from .targets import Target, evaluate, obstacles, place_in
from .timeline import tweak_shift
from .turning import Turn, rotation_mode_is_animated
from .writer import Books

FloatArray = NDArray[np.float64]

JITTER = 3
_REASONS, BY_THE_NLA = ("driven", "constrained", "muted", "locked"), "played by the NLA"
_VISIBLE = 0.02  # what is cut off of a shape key's value before it is told


@dataclass(frozen=True)
class Track:
    """What one animated number, or those of one rotation, shall play.

    Attributes:
        name: For the animator: of the shape key, or of the bone and what is turned or moved.
        targets: The numbers; they are written together or not at all.
        values: (F, len(targets)) values, one row a scene frame.
        obstacle: Why they may not be written, beyond what their curves tell; empty where they may.
    """

    name: str
    targets: tuple[Target, ...]
    values: FloatArray
    obstacle: str = ""


@dataclass(frozen=True)
class Performance:
    """A performance on a head.

    Attributes:
        tracks: What is keyed.
        left: What the performance holds and the head has no place for.
        untold: What the head has and the performance does not tell.
    """

    tracks: list[Track]
    left: list[str]
    untold: list[str]


@dataclass
class Written:
    """What became of tracks.

    Attributes:
        tracks: Those that were written.
        left: Reason -> names of those that were left.
    """

    tracks: list[Track] = field(default_factory=list)
    left: dict[str, list[str]] = field(default_factory=dict)


def key_target(key: bpy.types.Key, block: bpy.types.ShapeKey, group: str) -> Target:
    """The value of a shape key."""
    path = f'key_blocks["{bpy.utils.escape_identifier(block.name)}"].value'
    return Target(curve_id=block.name, channels=(), owner=key, data_path=path, index=0, group=group)


def rotation_track(armature: bpy.types.Object, bone: bpy.types.PoseBone, rotations: FloatArray) -> Track:
    """Rotations (F, 3) of a bone, axis-angle in rad, model axes, relative to rest, in the bone's rotation mode."""
    name, count = rotation_path(bone.rotation_mode)
    quaternions = model_to_quaternions(rotations, bone.bone.matrix_local.to_3x3())
    targets = tuple(_bone_target(armature, bone, name, index) for index in range(count))
    constrained = is_constrained(bone) or rotation_mode_is_animated(armature, bone)
    values = components_of(quaternions, bone.rotation_mode)
    return Track(f"turn of {bone.name}", targets, values, "constrained" if constrained else "")


def head_track(turn: Turn, rotations: FloatArray) -> Track:
    """Rotations (F, 3) of what turns a head, a bone or an object, as `rotation_track` has them."""
    values = components_of(turn.quaternions(rotations), turn.mode)
    constrained = "constrained" if turn.is_constrained() else ""
    return Track(f"turn of {turn.thing.name}", tuple(turn.targets()), values, constrained)


def components_of(quaternions: FloatArray, mode: str) -> FloatArray:
    """Quaternions (F, 4) as components (F, .) of a rotation mode, each near to those before."""
    values, before = np.empty((len(quaternions), rotation_path(mode)[1])), None
    for row, quaternion in enumerate(quaternions):
        before = values[row] = quaternion_to_components(quaternion, mode, before)
    return values


def location_track(armature: bpy.types.Object, bone: bpy.types.PoseBone, places: FloatArray) -> Track:
    """Places (F, 3) of a bone in m relative to rest, in Blender's axes of the armature."""
    values = places @ np.array(bone.bone.matrix_local.to_3x3())
    targets = tuple(_bone_target(armature, bone, "location", index) for index in range(3))
    return Track(f"place of {bone.name}", targets, values, "constrained" if is_constrained(bone) else "")


def _bone_target(armature: bpy.types.Object, bone: bpy.types.PoseBone, name: str, index: int) -> Target:
    """One component of a bone's rotation or location."""
    return Target(
        curve_id=f"{bone.name}.{name}[{index}]",
        channels=(),
        owner=armature,
        data_path=bone.path_from_id(name),
        index=index,
        group=bone.name,
    )


def is_constrained(bone: bpy.types.PoseBone) -> bool:
    """Whether a constraint works on a bone, besides the one by which the named controls turn a FLAME head's jaw."""
    working = [constraint for constraint in bone.constraints if not constraint.mute and constraint.influence > 0.0]
    return any(getattr(constraint, "subtarget", "") != JAW_CONTROLS for constraint in working)


def followers(shot: Shot, tracks: Sequence[Track]) -> list[Track]:
    """What other meshes of the character play along with the head's keys."""
    values = {place_in(track.targets[0]): track.values[:, 0] for track in tracks if len(track.targets) == 1}
    found = []
    for members in shot.groups.values():
        for target in members:
            if target.shown.leader is None:
                continue
            leader = members[target.shown.leader]
            if place_in(leader) in values:
                above = values[place_in(leader)] - leader.shown.offset
                found.append(Track(target.curve_id, (target,), (target.shown.gain * above)[:, None]))
    return found


def write_tracks(shot: Shot, tracks: Sequence[Track], frame_start: int) -> Written:
    """Write tracks of one length onto a head, from a scene frame on.

    Args:
        shot: The head; what Retake remembers of its curves follows.
        tracks: What to write.
        frame_start: Scene frame of their first values.

    Raises:
        InputError: An NLA strip is being tweaked whose time cannot be mapped.
        RigError: Nothing at all may be written; the sentence says why.
    """
    written = Written()
    for track in tracks:
        if reason := why_left(track):
            written.left.setdefault(reason, []).append(track.name)
        else:
            written.tracks.append(track)
    if not written.tracks:
        reasons = " or ".join(written.left)
        raise RigError(f"Nothing can be keyed: every curve is {reasons}.", "Unlock or unmute what shall be keyed.")
    shifts = {target.owner: tweak_shift(target.owner) for track in written.tracks for target in track.targets}
    known = {place_in(target): target.curve_id for target in shot.targets}
    with state.changing(shot.record) as library:
        books = Books(library, state.load_ledger(shot.record), state.load_notes(shot.record))
        for track in written.tracks:
            for target, values in zip(track.targets, track.values.T, strict=True):
                named = replace(target, curve_id=known.get(place_in(target), target.curve_id))
                _write(shot, named, frame_start - shifts[target.owner], values, books)
        state.save_library(shot.record, books.library)
    state.save_ledger(shot.record, books.ledger)
    state.save_notes(shot.record, books.notes)
    for owner in shifts:
        owner.update_tag()
    return written


def why_left(track: Track) -> str:
    """Why a track may not be written; empty where it may."""
    return track.obstacle or next(filter(None, map(why_target_is_left, track.targets)), "")


def why_target_is_left(target: Target) -> str:
    """Why one number may not be written; empty where it may."""
    found = obstacles(target, target.fcurve)
    reasons = (reason for reason in _REASONS if getattr(found, reason))
    return next(reasons, BY_THE_NLA if _is_the_nlas(target) else "")


def _is_the_nlas(target: Target) -> bool:
    """Whether only the NLA plays a number, and a curve of the animator's action would silence it at all times."""
    data, fcurve = target.owner.animation_data, target.fcurve
    if data is None or data.action is None or (fcurve is not None and len(fcurve.keyframe_points)):
        return False
    return (target.data_path, target.index) in compat.nla_properties(target.owner)


def left_told(written: Written) -> list[str]:
    """A sentence for each reason why tracks were left, with their names."""
    return [f"Left as they are, as they are {reason}: {shortened(names)}." for reason, names in written.left.items()]


def beyond_limits(tracks: Sequence[Track]) -> list[str]:
    """Names of the shape keys that cannot show all of their values, as their sliders end before."""
    passed: dict[str, None] = {}
    for track in tracks:
        for target, values in zip(track.targets, track.values.T, strict=True):
            block = target.block
            if block is None or not len(values):
                continue
            if values.min() < block.slider_min - _VISIBLE or values.max() > block.slider_max + _VISIBLE:
                passed[block.name] = None
    return list(passed)


def past_the_end(scene: bpy.types.Scene, last: int) -> list[str]:
    """A sentence, where a performance lasts until after the scene's end."""
    told = f"The scene ends at frame {scene.frame_end}, before the performance does."
    return [told] * (last > scene.frame_end)


def _write(shot: Shot, target: Target, first: float, values: FloatArray, books: Books) -> None:
    """Write one number from a frame of its action on, and bring up to date what is remembered of it."""
    fcurve = target.fcurve
    name, old = target.curve_id, empty() if fcurve is None else read_table(fcurve)
    frames = first + np.arange(len(values), dtype=np.float64)
    edit = _edit(target, old, frames, values, books.notes.frozen.get(name, ()))
    write_edit(fcurve if fcurve is not None else _new_curve(shot, target, books), edit, old)
    if name in books.ledger.curves:
        books.ledger.record(name, edit.table["co"][:, 0], edit.table["co"][:, 1], edit.table["type"])
    if name in books.library.original:
        nothing = np.zeros(len(old), bool)
        books.library.original[name] = after_write(books.library.original[name], old, nothing, edit.table)
    if edit.frozen:
        books.notes.frozen[name] = edit.frozen
    else:
        books.notes.frozen.pop(name, None)


def _edit(target: Target, old: Table, frames: FloatArray, values: FloatArray, frozen: Sequence[Any]) -> Edit:
    """The curve with a key on each frame; where others stand outside, they and what plays there stay."""
    first, last = float(frames[0]), float(frames[-1])
    times = old["co"][:, 0].astype(np.float64)
    left = float(times[times < first - SAME_FRAME].max(initial=first - 1.0))
    right = float(times[times > last + SAME_FRAME].min(initial=last + 1.0))
    inside = (times > left + SAME_FRAME) & (times < right - SAME_FRAME)
    keys = generated_keys(frames, values)
    keys["type"] = JITTER
    if inside.all():
        free = np.zeros(len(keys), bool)
        return Edit(keys, free, free, [])
    window = Window(left, right, frames, values)
    fcurve = target.fcurve
    edit = edit_curve(
        old,
        inside,
        [window],
        lambda frame: float(evaluate(target, np.array([frame]), with_modifiers=False)[0]),
        fcurve.extrapolation == "LINEAR",
        frozen,
    )
    kept = nearest_frames(edit.table["co"][:, 0], old["co"][~inside, 0]) >= 0
    edit.table["type"][~kept] = JITTER
    own_ends = old["type"][[0, -1]] == JITTER
    return _open_ended(edit, first, last, own_ends[0] and times[0] > first, own_ends[1] and times[-1] < last)


def _open_ended(edit: Edit, first: float, last: float, at_start: bool, at_end: bool) -> Edit:
    """The edit without what joins it, at its start or end, to an end of another performance that was held there."""
    times = edit.table["co"][:, 0].astype(np.float64)
    stay = (times > first - SAME_FRAME) | (not at_start)
    stay &= (times < last + SAME_FRAME) | (not at_end)
    return Edit(edit.table[stay], edit.hold_left[stay], edit.hold_right[stay], edit.edges, edit.frozen)


def _new_curve(shot: Shot, target: Target, books: Books) -> Any:
    """Make the curve of a target; an action that has to be made is shared by the head's datablocks where it can be."""
    owner, key = target.owner, shot.head.data.shape_keys
    other, role = (shot.armature, "key") if owner == key else (key, "rig")
    data, others = owner.animation_data, other.animation_data if other is not None else None
    own_name = f"{shot.head.name} performance"
    needed = data is None or data.action is None
    if needed and others is not None and others.action is not None and others.action.name.startswith(own_name):
        compat.share_action(owner, others.action)
    curves, _ = compat.ensure_fcurves(owner, own_name)
    if needed:
        let_the_nla_play_beside(owner, role, books.notes)
    return compat.new_fcurve(owner, curves, target.data_path, target.index, target.group)
