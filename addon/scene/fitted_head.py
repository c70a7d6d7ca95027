# SPDX-License-Identifier: GPL-3.0-or-later
"""A head of the scene as `core.vertex_fit` sees it: its keys with their limits, its jaw, what turns all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix
from numpy.typing import NDArray

from ...backend.errors import RigError
from .. import compat
from ..core.vertex_fit import FitRig, Jaw
from ..core.wording import shortened
from .axes import MODEL_TO_BLENDER, rotation_path
from .driven import FrameSampler
from .flame_head import EXPRESSION, IDENTITY, is_flame_head, jaw_turns, pose_key_names
from .performance import BY_THE_NLA, is_constrained, why_target_is_left
from .shot import Shot, armature_of, metres_a_unit
from .targets import Target, evaluate, shape_key_targets
from .timeline import tweak_shift
from .turning import rotation_mode_is_animated

FloatArray = NDArray[np.float64]

CORRECTIVE = "retake corrective"
"""How the names of corrective keys begin."""

_DEAREST = 4.0  # times the ridge: keys without a control's name, which Retake does not direct


@dataclass(frozen=True)
class Bone:
    """A bone that can be keyed.

    Attributes:
        pose: The bone.
        targets: Its rotation in its mode, and its location where that is keyed too and it is not tied to its parent.
        place: (3,) m, its head on the mesh, model axes.
        to_mesh: (3, 3) from the armature's axes and units to the mesh's, both Blender's.
    """

    pose: bpy.types.PoseBone
    targets: tuple[Target, ...]
    place: FloatArray
    to_mesh: FloatArray


@dataclass(frozen=True)
class FittedHead:
    """A head with what a motion can be put on.

    Attributes:
        head: The mesh.
        armature: Its armature, None where it has none that can be keyed.
        rig: Its arrays, K keys.
        targets: The keys' curves, in the order of the rig's keys.
        blocked: Place of a key that may not be written -> why.
        jaw: The jaw's bone, None where there is none that may be written.
        whole: The bone that turns the whole head, None where there is none that may be written.
        notices: Sentences on what is left out.
    """

    head: bpy.types.Object
    armature: bpy.types.Object | None
    rig: FitRig
    targets: tuple[Target, ...]
    blocked: dict[int, str]
    jaw: Bone | None
    whole: Bone | None
    notices: tuple[str, ...]

    @property
    def can_add_keys(self) -> bool:
        """Whether shape keys can be added to its mesh."""
        mesh = self.head.data
        return compat.is_editable(mesh) and mesh.override_library is None and self.head.override_library is None

    def held_weights(self, scene: bpy.types.Scene, frames: FloatArray) -> FloatArray | None:
        """Weights (N, K) of keys that may not be written at scene frames (N,), NaN for the others; None if all may."""
        if not self.blocked:
            return None
        held = np.full((len(frames), len(self.targets)), np.nan)
        played = [place for place, reason in self.blocked.items() if reason in ("driven", BY_THE_NLA)]
        key = self.head.data.shape_keys
        if played:
            names = [self._block(place).name for place in played]
            objects = [self.head, *([self.armature] if self.armature is not None else [])]

            def probe(depsgraph: bpy.types.Depsgraph) -> Sequence[float]:
                blocks = key.evaluated_get(depsgraph).key_blocks
                return [blocks[name].value for name in names]

            held[:, played] = FrameSampler(scene, objects, probe)(frames)
        for place in self.blocked:
            target = self.targets[place]
            if place not in played:
                held[:, place] = evaluate(target, frames - tweak_shift(target.owner), with_modifiers=True)
        return held

    def _block(self, place: int) -> bpy.types.ShapeKey:
        """The shape key of a place."""
        found: bpy.types.ShapeKey = self.targets[place].owner.path_resolve(
            self.targets[place].data_path.removesuffix(".value")
        )
        return found


def read_head(head: bpy.types.Object) -> FittedHead:
    """Read a head off the scene.

    Raises:
        RigError: It has no shape keys, absolute ones, or none that can be fitted.
    """
    key = head.data.shape_keys if head.type == "MESH" else None
    if key is None:
        raise RigError(f"'{head.name}' has no shape keys to fit.", "Choose a head with shape keys, or add one.")
    if not compat.is_editable(key):
        raise RigError(f"The shape keys of '{head.name}' are linked from another file.", "Press Make Editable.")
    if not key.use_relative:
        raise RigError(f"The shape keys of '{head.name}' are absolute.", "Switch them to Relative.")
    unit = metres_a_unit(head)
    others = [block for block in key.key_blocks if block != key.reference_key]
    blocks = [block for block in others if _is_fitted(head, block)]
    if not blocks:
        raise RigError(f"'{head.name}' has no shape keys that can be fitted.", "Unmute them, or add a head.")
    named = {target.data_path: target for target in shape_key_targets(key)}
    targets = [_key_target(key, block, named) for block in blocks]
    reasons = {place: why_target_is_left(target) for place, target in enumerate(targets)}
    blocked = {place: reason for place, reason in reasons.items() if reason}
    template = unit * _points(key.reference_key) + _standing(head, key, unit)
    armature = armature_of(head)
    if armature is not None and not compat.is_editable(armature):
        armature = None
    jaw_bone = _bone_named(armature, "jaw")
    jaw = _bone(head, armature, jaw_bone, unit, False) if armature is not None and jaw_bone is not None else None
    whole_bone = _bone_named(armature, "root") or _bone_named(armature, "neck")
    whole = _bone(head, armature, whole_bone, unit, True) if armature is not None and whole_bone is not None else None
    names = [block.name for block in blocks]
    rig = FitRig(
        template,
        np.stack([(unit * (_points(block) - _points(block.relative_key))).astype(np.float32) for block in blocks]),
        np.array([block.slider_min for block in blocks]),
        np.array([block.slider_max for block in blocks]),
        np.array([1.0 if target.data_path in named else _DEAREST for target in targets]),
        _jaw(head, armature, jaw, names, unit),
    )
    hidden = [block.name for block in others if block.mute or block.vertex_group]
    notices = [f"Left out, as they are muted or limited to a vertex group: {shortened(hidden)}."] * bool(hidden)
    if blocked:
        told = shortened([f"{names[place]} ({reason})" for place, reason in blocked.items()])
        notices.append(f"Not written: {told}. The others are fitted around them.")
    for bone, name in ((jaw, "jaw"), (whole, "head")):
        if bone is not None and _why_bone_blocked(bone):
            notices.append(
                f"The bone '{bone.pose.name}' is {_why_bone_blocked(bone)}: the {name}'s turns are not put on it."
            )
    free = [bone if bone is not None and not _why_bone_blocked(bone) else None for bone in (jaw, whole)]
    return FittedHead(head, armature, rig, tuple(targets), blocked, *free, tuple(notices))


def neck_of(shot: Shot) -> tuple[Bone, FloatArray] | None:
    """The bone that turns a head, and how much each vertex (V,) follows it; None where none may be written."""
    if shot.neck is None or shot.armature is None:
        return None
    shares = follows(shot.head, shot.armature, shot.neck.bone)
    bone = _bone(shot.head, shot.armature, shot.neck, metres_a_unit(shot.head), False)
    return (bone, shares) if shares.any() and not _why_bone_blocked(bone) else None


def _why_bone_blocked(bone: Bone) -> str:
    """Why a bone may not be written; empty where it may."""
    reasons = [why_target_is_left(target) for target in bone.targets]
    if is_constrained(bone.pose) or rotation_mode_is_animated(bone.targets[0].owner, bone.pose):
        reasons.append("constrained")
    return next(filter(None, reasons), "")


def _is_fitted(head: bpy.types.Object, block: bpy.types.ShapeKey) -> bool:
    """Whether a key shows motion: not one that is muted or masked, nor a FLAME head's identity and pose."""
    if block.mute or block.vertex_group:
        return False
    return not is_flame_head(head) or not (block.name.startswith(f"{IDENTITY} ") or block.name in pose_key_names())


def _key_target(key: bpy.types.Key, block: bpy.types.ShapeKey, named: dict[str, Target]) -> Target:
    """The curve of a key: the control's that it is named like, or its own."""
    path = f'key_blocks["{bpy.utils.escape_identifier(block.name)}"].value'
    group = EXPRESSION if block.name.startswith(f"{EXPRESSION} ") else "Shape Keys"
    return named.get(path) or corrective_target(key, block.name, group)


def corrective_target(key: bpy.types.Key, name: str, group: str = "Correctives") -> Target:
    """The curve of a key by its name."""
    return Target(name, (), key, f'key_blocks["{bpy.utils.escape_identifier(name)}"].value', 0, group)


def _standing(head: bpy.types.Object, key: bpy.types.Key, unit: float) -> FloatArray:
    """What a FLAME head's identity adds to its neutral (V, 3), m."""
    found = np.zeros((len(head.data.vertices), 3))
    for block in key.key_blocks if is_flame_head(head) else ():
        if block.name.startswith(f"{IDENTITY} ") and not block.mute and block.value:
            found += block.value * unit * (_points(block) - _points(block.relative_key))
    return found


def _points(block: bpy.types.ShapeKey) -> FloatArray:
    """Points (V, 3) of a key in model axes, the mesh's unit."""
    flat = np.empty(3 * len(block.points), np.float32)
    block.points.foreach_get("co", flat)
    found: FloatArray = flat.reshape(-1, 3).astype(np.float64) @ MODEL_TO_BLENDER
    return found


def _bone_named(armature: bpy.types.Object | None, word: str) -> bpy.types.PoseBone | None:
    """The bone of that name, in any case; else the first that deforms and is named with it."""
    bones = list(armature.pose.bones) if armature is not None and armature.pose is not None else []
    exact = [bone for bone in bones if bone.name.lower() == word]
    alike = [bone for bone in bones if word in bone.name.lower() and bone.bone.use_deform and word == "jaw"]
    return next(iter(exact + alike), None)


def _bone(
    head: bpy.types.Object, armature: bpy.types.Object, bone: bpy.types.PoseBone, unit: float, with_location: bool
) -> Bone:
    """A bone with its curves and its place on the mesh."""
    to_mesh = head.matrix_world.inverted() @ armature.matrix_world
    name, count = rotation_path(bone.rotation_mode)
    moves = with_location and not bone.bone.use_connect
    paths = [(name, index) for index in range(count)] + [("location", axis) for axis in range(3) if moves]
    targets = tuple(
        Target(f"{bone.name}.{path}[{index}]", (), armature, bone.path_from_id(path), index, bone.name)
        for path, index in paths
    )
    place = unit * np.array(to_mesh @ bone.bone.head_local) @ MODEL_TO_BLENDER
    return Bone(bone, targets, place, np.array(to_mesh.to_3x3()))


def _jaw(
    head: bpy.types.Object, armature: bpy.types.Object | None, bone: Bone | None, names: Sequence[str], unit: float
) -> Jaw | None:
    """The jaw's arrays; None where no vertex follows it."""
    if bone is None or armature is None:
        return None
    weights = follows(head, armature, bone.pose.bone)
    if not weights.any():
        return None
    pose, turns = np.zeros((9, len(weights), 3)), jaw_turns(head)
    if is_flame_head(head):
        blocks = head.data.shape_keys.key_blocks
        for place, name in enumerate(name for name in pose_key_names() if name.startswith("Pose jaw ")):
            if name in blocks and not blocks[name].mute:
                pose[place] = unit * (_points(blocks[name]) - _points(blocks[name].relative_key))
    by_key = np.stack([turns.get(name, np.zeros(3)) for name in names])
    return Jaw(bone.place, weights, pose, by_key, not _why_bone_blocked(bone))


def follows(head: bpy.types.Object, armature: bpy.types.Object, bone: bpy.types.Bone) -> FloatArray:
    """(V,) the share of a bone and those below it in what moves each vertex."""
    below = {bone.name, *(child.name for child in bone.children_recursive)}
    deforming = {other.name for other in armature.data.bones if other.use_deform}
    groups = {group.index: group.name in below for group in head.vertex_groups if group.name in deforming}
    found = np.zeros(len(head.data.vertices))
    if not any(groups.values()):
        return found
    for vertex in head.data.vertices:
        shares = [(element.weight, groups[element.group]) for element in vertex.groups if element.group in groups]
        total = sum(weight for weight, _ in shares)
        if total > 0.0:
            found[vertex.index] = sum(weight for weight, follows in shares if follows) / total
    return found


def bone_to_model(bone: Bone) -> FloatArray:
    """(3, 3) turn of a bone's own axes to the model axes of the mesh."""
    turn = np.array(Matrix(bone.to_mesh.tolist()).normalized())
    found: FloatArray = MODEL_TO_BLENDER.T @ turn @ np.array(bone.pose.bone.matrix_local.to_3x3())
    return found


def turn_to_bone(rotations: FloatArray, bone: Bone) -> FloatArray:
    """Rotation matrices (F, 3, 3) in model axes of the mesh -> in the bone's own axes, relative to its rest."""
    to_model = bone_to_model(bone)
    found: FloatArray = to_model.T @ rotations @ to_model
    return found


def shift_to_bone(shifts: FloatArray, bone: Bone, unit: float) -> FloatArray:
    """Displacements (F, 3) m, model axes of the mesh -> the bone's location, its own axes and unit."""
    rest = np.array(bone.pose.bone.matrix_local.to_3x3())
    found: FloatArray = (shifts / unit) @ MODEL_TO_BLENDER.T @ np.linalg.inv(bone.to_mesh).T @ rest
    return found
