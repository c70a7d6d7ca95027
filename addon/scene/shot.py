# SPDX-License-Identifier: GPL-3.0-or-later
"""A head of the scene with everything that is needed to direct it: found anew for every operation.

Blender's references die at undo, so a `Shot` lives no longer than one operator call.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.errors import AudioError, RigError
from ...backend.protocol import HEAD_ROTATION, PARTS
from .. import compat
from ..core.binding import Binding
from ..core.lips import find_lip_pairs
from ..core.timing import AudioClock, Span
from . import audio, state
from .axes import MODEL_TO_BLENDER
from .character import armature_of, is_driven_too, left_notices, other_meshes, with_other_meshes
from .edit import GENERATED
from .key_table import read_table
from .table import with_rows
from .targets import Target, control_keys, shape_groups, shape_key_targets
from .timeline import tweak_shift
from .turning import Turn, turn_of, why_no_turn

_METRES, _CENTIMETRES = 3.0, 400.0  # sizes up to which a mesh is taken to be in metres, in centimetres
_found_pairs: dict[tuple[int, int], NDArray[np.int64]] = {}
"""Lips found on meshes that store none, by the mesh's session_uid and its number of vertices."""


@dataclass(frozen=True)
class Recording:
    """The recording of a head and its place in the scene.

    Attributes:
        path: The file.
        seconds: Its length.
        clock: Audio time to scene frames.
        heard: Seconds of it that the strip plays (a trim shortens it).
        speaking: Spans of its seconds in which the head speaks: the parts of a strip that was cut and has gaps; none
            where it speaks everywhere, None where that cannot be told.
    """

    path: Path
    seconds: float
    clock: AudioClock
    heard: Span
    speaking: tuple[tuple[float, float], ...] | None = ()


@dataclass(frozen=True)
class Shot:
    """A head and its animated numbers.

    Attributes:
        scene: Scene it stands in.
        head: Mesh object with the shape keys.
        armature: Object whose bones move the head, None where there is none that can be keyed.
        targets: Animated numbers that carry channels.
        shifts: Curve id -> scene frame minus frame of the action (NLA tweak mode).
        turn: What turns the head, None where nothing does.
        meshes: Other meshes of the character.
    """

    scene: bpy.types.Scene
    head: bpy.types.Object
    armature: bpy.types.Object | None
    targets: tuple[Target, ...]
    shifts: dict[str, float]
    turn: Turn | None = None
    meshes: tuple[bpy.types.Object, ...] = ()

    @property
    def record(self) -> state.RETAKE_PG_head:
        """What is stored for this head."""
        return state.ensure_record(self.scene, self.head)

    @property
    def neck(self) -> bpy.types.PoseBone | None:
        """The bone that turns the head, None where it is none."""
        return self.turn.thing if self.turn is not None and self.turn.is_bone else None

    @cached_property
    def owners(self) -> dict[str, bpy.types.ID]:
        """Role -> datablock with curves: "key" the head's shape keys, "rig" its armature, others by their names."""
        known = {"key": self.head.data.shape_keys, **({"rig": self.armature} if self.armature is not None else {})}
        others = dict.fromkeys(target.owner for target in self.targets if target.owner not in known.values())
        return known | {f"{type(owner).__name__} {owner.name}": owner for owner in others}

    def role_of(self, owner: bpy.types.ID) -> str:
        """The role of a datablock."""
        return next(role for role, known in self.owners.items() if known == owner)

    @property
    def objects(self) -> list[bpy.types.Object]:
        """Objects that have to be evaluated to know the channels."""
        owners = [owner for owner in self.owners.values() if isinstance(owner, bpy.types.Object)]
        return list(dict.fromkeys((self.head, *self.meshes, *owners)))

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts of which at least one channel is mapped."""
        mapped = {channel for target in self.targets for channel in target.channels}
        return tuple(part for part, channels in PARTS.items() if mapped & set(channels))

    @cached_property
    def groups(self) -> dict[tuple[str, ...], tuple[Target, ...]]:
        """Channels -> the targets that show them together."""
        found: dict[tuple[str, ...], list[Target]] = {}
        for target in self.targets:
            found.setdefault(target.channels, []).append(target)
        return {channels: tuple(members) for channels, members in found.items()}

    @cached_property
    def bindings(self) -> dict[tuple[str, ...], Binding]:
        """Channels -> how their targets show them; the neck is turned otherwise."""
        return {
            channels: Binding(channels, tuple(target.shown for target in members))
            for channels, members in self.groups.items()
            if channels != HEAD_ROTATION
        }

    def own_targets(self, owner: bpy.types.ID) -> tuple[Target, ...]:
        """Targets that belong to one datablock."""
        return tuple(target for target in self.targets if target.owner == owner)


def find_head(context: bpy.types.Context) -> bpy.types.Object | None:
    """The head that is meant.

    That is the active object if it is a head already or has shape keys, else a mesh bound to the active armature, else
    the scene's only head, else the active mesh (to say what it lacks).
    """
    active = getattr(context, "object", None) or context.view_layer.objects.active
    heads = [record.head for record in context.scene.retake.heads if record.head is not None]
    if active is not None and active.type == "MESH" and active in heads:
        return active
    if active is not None and active.type == "MESH" and active.data.shape_keys:
        return next((head for head in heads if active in other_meshes(context.scene, head)), active)
    bound = _bound_to(context.scene, active) if active is not None and active.type == "ARMATURE" else []
    candidates = [obj for obj in bound if obj in heads] or [obj for obj in bound if obj.data.shape_keys]
    if candidates:
        return max(candidates, key=lambda obj: len(shape_groups(obj.data.shape_keys)) if obj.data.shape_keys else 0)
    if len(heads) == 1:
        return heads[0]
    return active if active is not None and active.type == "MESH" else None


def _bound_to(scene: bpy.types.Scene, armature: bpy.types.Object) -> list[bpy.types.Object]:
    """Meshes of a scene that an armature moves."""
    return [obj for obj in scene.objects if obj.type == "MESH" and armature_of(obj) == armature]


def open_shot(scene: bpy.types.Scene, head: bpy.types.Object | None, needs_controls: bool = True) -> Shot:
    """The shot of a head.

    Args:
        scene: Its scene.
        head: The mesh that is meant.
        needs_controls: Whether some shape key has to have a control's name.

    Raises:
        RigError: There is no head, it has no shape keys, or none of them has a control's name.
        InputError: An NLA strip is being tweaked whose time cannot be mapped.
    """
    if head is None:
        raise RigError("There is no head to direct.", "Select a head, or add the built-in one.")
    key = head.data.shape_keys if head.type == "MESH" else None
    if key is None:
        raise RigError(f"'{head.name}' has no shape keys.", "Choose a head with ARKit-named shape keys, or add ours.")
    if not compat.is_editable(key):
        raise RigError(
            f"The shape keys of '{head.name}' are linked from another file.",
            "Press Make Editable (it makes a library override of its mesh data too), or append the head.",
        )
    armature = armature_of(head)
    if armature is not None and not compat.is_editable(armature):
        armature = None  # its bones cannot be keyed here; see `mixing_notices`
    record = state.record_of(scene, head)
    turn = turn_of(record, armature)
    meshes = [thing for thing in other_meshes(scene, head) if is_driven_too(record, thing)]
    own = with_rows(shape_key_targets(key), record.rows if record is not None else ())
    targets = [*with_other_meshes(own, meshes, record), *(turn.targets() if turn is not None else [])]
    _refuse_linked_actions({target.owner for target in targets})
    if needs_controls and not any(target.channels != HEAD_ROTATION for target in targets):
        raise RigError(
            f"None of the shape keys of '{head.name}' has the name of a control (jawOpen, mouthPucker, ...).",
            "Rename them, name what moves it in the table under Character, or add the built-in head.",
        )
    shifts = {target.curve_id: tweak_shift(target.owner) for target in targets}
    return Shot(scene, head, armature, tuple(targets), shifts, turn, tuple(meshes))


def _refuse_linked_actions(owners: Iterable[bpy.types.ID]) -> None:
    """Raise RigError where keys would have to go into an action of another file, which cannot be written."""
    for owner in owners:
        action = owner.animation_data.action if owner.animation_data else None
        if action is not None and not compat.is_editable(action):
            raise RigError(
                f"The action '{action.name}' that animates '{owner.name}' is linked from another file.",
                "Make it local, or assign another one.",
            )


def recording_of(shot: Shot) -> Recording:
    """The recording of a head, read anew from its strip.

    Raises:
        AudioError: There is none, its strip was deleted, or its file is missing or unreadable.
    """
    record = shot.record
    if not record.audio_path:
        raise AudioError(f"'{shot.head.name}' has no recording.", "Import one first.")
    strip = audio.find_strip(shot.scene, record.uid)
    if strip is None:
        return _recording_without_strip(shot, record)
    path = audio.strip_path(strip)
    seconds = audio.check_recording(path)
    clock, parts, _ = audio.strips_in_step(shot.scene, record.uid)
    heard = Span(parts[0].start, parts[-1].end).intersection(Span(0.0, seconds)) or Span(0.0, seconds)
    return Recording(path, seconds, clock, heard, _speaking(parts, seconds, 1.0 / clock.fps))


def _speaking(parts: Sequence[Span], seconds: float, frame: float) -> tuple[tuple[float, float], ...]:
    """Seconds in which the parts of a strip that was cut let the head speak; a strip ends on a whole frame."""
    if len(parts) < 2:
        return ()
    ends = [seconds if seconds - frame < part.end else part.end for part in parts]
    return tuple((round(part.start, 3), round(end, 3)) for part, end in zip(parts, ends, strict=True))


def recording_for_takes(shot: Shot) -> Recording:
    """The recording of a head as far as showing its takes needs it: they play without the file or its strip too.

    Then the strip tells where it lies, or where there is none, the last write.

    Raises:
        AudioError: Nothing tells when the takes play.
    """
    try:
        return recording_of(shot)
    except AudioError:
        record, notes = shot.record, state.load_notes(shot.record)
        strip = audio.find_strip(shot.scene, record.uid)
        if strip is None and notes.clock is None:
            raise
        clock = _last_clock(shot, strip, notes)
        seconds = max((take.span.end for take in state.load_library(record).takes.values()), default=0.0)
        return Recording(Path(record.audio_path), seconds, clock, Span(0.0, max(seconds, 0.0)), None)


def _last_clock(shot: Shot, strip: Any, notes: state.Notes) -> AudioClock:
    """The clock of a strip whose file cannot be read, that of the last write where it tells none."""
    try:
        if strip is not None:
            return audio.strip_clock(shot.scene, strip)[0]
    except AudioError:
        if notes.clock is None:
            raise
    assert notes.clock is not None
    return AudioClock(*notes.clock)


def _recording_without_strip(shot: Shot, record: state.RETAKE_PG_head) -> Recording:
    """The recording of a head in a Blender that can play none, or whose strip is gone."""
    if compat.has_audio():
        raise AudioError("The sound strip of the recording was deleted.", "Import the recording again.")
    path = Path(bpy.path.abspath(record.audio_path))
    seconds = audio.check_recording(path)
    render = shot.scene.render
    clock = AudioClock.of_strip(render.fps, render.fps_base, record.audio_frame)
    return Recording(path, seconds, clock, Span(0.0, seconds))


def has_moved(notes: state.Notes, recording: Recording) -> bool:
    """Whether the audio moved, or the frame rate changed, since the last write."""
    clock = (recording.clock.fps, recording.clock.start_frame)
    return notes.clock is not None and not np.allclose(notes.clock, clock, rtol=0.0, atol=1e-4)


def written_clock(notes: state.Notes, recording: Recording) -> AudioClock:
    """The clock of the last write, in whose frames locked keys stand."""
    return AudioClock(*notes.clock) if notes.clock is not None else recording.clock


def locked_frames(notes: state.Notes, recording: Recording) -> list[Span]:
    """Locked spans in scene frames: they stay where their keys stand when the audio moves."""
    clock = written_clock(notes, recording)
    return [clock.frame_span(Span(*span)) for span in notes.locked]


def neck_is_animated(shot: Shot) -> bool:
    """Whether the neck, or a bone named head, is animated by keys at more than one time that are not ours.

    Curves of the assigned action count, and those of NLA strips that are not muted.
    """
    if shot.turn is None:
        return False
    owner, thing = shot.turn.owner, shot.turn.thing
    turned = [thing, *(bone for bone in owner.pose.bones if bone.name == "head")] if shot.turn.is_bone else [thing]
    prefixes = tuple(each.path_from_id("rotation_mode").removesuffix("_mode") for each in turned)
    curves = [*(compat.fcurves_of(owner) or ()), *compat.nla_fcurves(owner)]
    return any(_moves(curve) for curve in curves if curve.data_path.startswith(prefixes))


def _moves(curve: Any) -> bool:
    """Whether a curve has samples, or keys of the animator at more than one time."""
    return len(curve.sampled_points) > 0 or int((read_table(curve)["type"] != GENERATED).sum()) > 1


def default_parts(shot: Shot) -> tuple[str, ...]:
    """Parts that are generated unless the animator says otherwise: the head only where it is not animated already."""
    library = state.load_library(shot.record)
    ours = any("head" in take.parts for take in library.takes.values())
    left_out = {"head"} if not ours and neck_is_animated(shot) else set()
    return tuple(part for part in shot.parts if part not in left_out)


def mixing_notices(shot: Shot) -> list[str]:
    """Sentences about owners whose action does not play as it stands, e.g. at half influence over NLA tracks."""
    notices = []
    if audio.find_strip(shot.scene, shot.record.uid) and audio.strips_in_step(shot.scene, shot.record.uid)[2]:
        notices.append("The sound strip was cut and a part moved: only what is in step with its first part counts.")
    armature = armature_of(shot.head)
    if armature is not None and shot.armature is None:
        notices.append(f"'{armature.name}' is linked from another file: override it to direct the head's turns.")
    elif shot.record.turned_by != "AUTO" and (reason := why_no_turn(shot.record, shot.armature)):
        notices.append(f"The head does not turn. {reason}")
    notices += left_notices(shot.targets, shot.meshes, shot.record)
    for owner in {target.owner for target in shot.targets}:
        data = owner.animation_data
        if data is None or data.use_tweak_mode:
            continue
        if data.action_blend_type != "REPLACE" or data.action_influence < 1.0:
            notices.append(
                f"The action of '{owner.name}' is blended ({data.action_blend_type.lower()}, influence "
                f"{data.action_influence:g}): what plays differs from the curves."
            )
        if any(track.is_solo for track in data.nla_tracks):
            notices.append(f"An NLA track of '{owner.name}' plays solo: the action with the takes does not.")
    return notices


def lip_pairs(head: bpy.types.Object) -> NDArray[np.int64]:
    """Inner lip pairs (P, 2): those stored on a head, else found from its jawOpen; (0, 2) where there are none."""
    stored: Sequence[int] = head.data.get("retake_lip_pairs", ())
    if len(stored):
        return np.array(list(stored), np.int64).reshape(-1, 2)
    known = (head.data.session_uid, len(head.data.vertices))
    if known not in _found_pairs:
        _found_pairs[known] = _find_pairs(head)
    return _found_pairs[known]


def _find_pairs(head: bpy.types.Object) -> NDArray[np.int64]:
    """The lips of a head that stores none."""
    jaw = control_keys(head.data.shape_keys).get("jawOpen")
    if jaw is None:
        return np.zeros((0, 2), np.int64)
    points = []
    for block in (jaw.relative_key, jaw):
        flat = np.empty(3 * len(block.points), np.float32)
        block.points.foreach_get("co", flat)
        points.append(flat.reshape(-1, 3).astype(np.float64) @ MODEL_TO_BLENDER)
    return find_lip_pairs(points[0], points[1] - points[0])


def metres_a_unit(head: bpy.types.Object) -> float:
    """What a unit of a head's mesh is, judged by its size: metres up to 3, centimetres up to 400, else millimetres."""
    corners = np.array(head.bound_box)
    size = float(np.ptp(corners, axis=0).max())
    return 1.0 if size < _METRES else 0.01 if size < _CENTIMETRES else 0.001
