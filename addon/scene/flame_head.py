# SPDX-License-Identifier: GPL-3.0-or-later
"""A FLAME head as Blender objects: what the model file describes, driven by the named controls.

* Shape keys: the named controls (each an expression, solved by `core.flame_mapping`), identity, expression, and the
  pose blend shapes, whose values are driven by the bones' rotations in whatever rotation mode.
* Five bones at the regressed joints. The jaw turns with the controls by a constraint from a hidden bone beside it, so
  that its own rotation is the animator's, on top.
* Joints follow identity: a shape key cannot move a bone, so they are moved after an identity value changed.

The evaluated mesh is the model's: linear blend skinning of the same sums.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.errors import RigError
from ...backend.protocol import JOINT_NAMES
from ..core.flame import FlameModel
from ..core.flame_mapping import LANDMARKS, LIP_PAIRS, FlameMapping, solve_mapping
from .axes import MODEL_TO_BLENDER, to_blender
from .built_in_head import HeadFile, make_armature, select_only, skin

FloatArray = NDArray[np.float64]

IDENTITY, EXPRESSION = "Identity", "Expression"
JAW_CONTROLS = "jaw controls"
"""Bone that the controls turn."""

_JOINTS, _JOINT_FIELDS, _TURNS = "retake_flame_joints", "retake_flame_joint_fields", "retake_flame_turns"
_CONTROLS, _EXPRESSIONS, _MODEL = "retake_flame_controls", "retake_flame_expressions", "retake_flame_model"
_CONTROL_RANGE, _COEFFICIENT_RANGE, _POSE_RANGE = (-0.25, 1.5), (-5.0, 5.0), (-3.0, 3.0)
_TAILS = {
    "root": np.array([0.0, 0.05, 0.0]),
    "neck": np.array([0.0, 0.06, 0.0]),
    "jaw": np.array([0.0, 0.0, 0.06]),
    "left eye": np.array([0.0, 0.0, 0.03]),
    "right eye": np.array([0.0, 0.0, 0.03]),
}
_NEAR = 1e-6  # m; joints that are nearer to their place than this are there


def add_flame_head(
    scene: bpy.types.Scene,
    view_layer: bpy.types.ViewLayer,
    model: FlameModel,
    reference: HeadFile,
    name: str,
    identity_count: int,
    expression_count: int,
) -> bpy.types.Object:
    """Make a FLAME head in the active collection, standing at the 3D cursor.

    Args:
        scene: Scene that gets it.
        view_layer: View layer in which the armature is edited for a moment.
        model: The file's arrays.
        reference: The built-in head, which shows what each control looks like.
        name: Of the object.
        identity_count: Identity components that get shape keys; those the file has at most.
        expression_count: The same for expression; the controls use all of the file's.

    Returns:
        The mesh object; its parent is the armature.
    """
    mapping = map_controls(model, reference)
    collection = view_layer.active_layer_collection.collection
    mesh_object = _make_mesh(model, name)
    collection.objects.link(mesh_object)
    armature = make_armature(f"{name} Rig", model.joints(), model.parents, _TAILS, view_layer, collection)
    _add_jaw_controls(armature)
    _add_keys(mesh_object, model, mapping, identity_count, expression_count)
    skin(mesh_object, armature, model.weights)
    _drive_pose_keys(mesh_object, armature)
    _drive_jaw(mesh_object, armature, dict(zip(mapping.names, mapping.turns, strict=True)))
    _remember(mesh_object, model, mapping, identity_count)
    mesh_object.data[_MODEL] = name
    armature.location = scene.cursor.location
    select_only(view_layer, mesh_object)
    return mesh_object


def map_controls(model: FlameModel, reference: HeadFile) -> FlameMapping:
    """The named controls on a FLAME head, as another head's landmarks show them."""
    some = reference.landmarks
    return solve_mapping(model, reference.control_names, reference.controls[:, some], reference.template[some])


def is_flame_head(head: bpy.types.Object | None) -> bool:
    """Whether a mesh is a FLAME head of ours, with joints that follow its identity."""
    return head is not None and head.type == "MESH" and _JOINTS in head.data


def joints_are_due(head: bpy.types.Object, armature: bpy.types.Object) -> bool:
    """Whether an identity value changed since the joints were put where they belong."""
    wanted = wanted_joints(head)
    bones = armature.data.bones
    places = [np.array(bones[name].head_local) for name in JOINT_NAMES if name in bones]
    return len(places) == len(wanted) and bool(np.abs(np.array(places) - to_blender(wanted)).max() > _NEAR)


def wanted_joints(head: bpy.types.Object) -> FloatArray:
    """Where the joints belong with the present identity, (5, 3) m, model axes."""
    joints = np.array(head.data[_JOINTS], np.float64).reshape(-1, 3)
    fields = np.array(head.data[_JOINT_FIELDS], np.float64).reshape(len(joints), 3, -1)
    blocks = head.data.shape_keys.key_blocks
    names = [key_name(IDENTITY, number) for number in range(fields.shape[2])]
    values = np.array([0.0 if name not in blocks or blocks[name].mute else blocks[name].value for name in names])
    found: FloatArray = joints + fields @ values
    return found


def update_joints(view_layer: bpy.types.ViewLayer, head: bpy.types.Object, armature: bpy.types.Object) -> None:
    """Move the bones to where the joints belong; in Object Mode, selection and mode stay as they are.

    Raises:
        RigError: The armature is hidden or linked, so that it cannot be edited.
    """
    if armature.library is not None or armature.data.library is not None or not armature.visible_get():
        raise RigError(f"The bones of '{armature.name}' cannot be edited.", "Show it, or make its data local.")
    places = dict(zip(JOINT_NAMES, to_blender(wanted_joints(head)), strict=True))
    places[JAW_CONTROLS] = places["jaw"]
    selected = [(obj, obj.select_get()) for obj in view_layer.objects]
    active = view_layer.objects.active
    select_only(view_layer, armature)
    bpy.ops.object.mode_set(mode="EDIT")
    for bone in armature.data.edit_bones:
        if bone.name in places:
            reach = bone.tail - bone.head
            bone.head = places[bone.name].tolist()
            bone.tail = bone.head + reach
    bpy.ops.object.mode_set(mode="OBJECT")
    for obj, was_selected in selected:
        obj.select_set(was_selected)
    view_layer.objects.active = active


def jaw_turns(head: bpy.types.Object) -> dict[str, FloatArray]:
    """Control -> axis-angle (3,) by which it turns the jaw at weight 1, rad, model axes; empty for other heads."""
    stored = json.loads(head.data.get(_TURNS, "{}"))
    return {name: np.array(turn) for name, turn in stored.items()}


def control_expressions(head: bpy.types.Object) -> dict[str, FloatArray]:
    """Control -> its expression (E,) at weight 1; empty for other heads, and for those that an older Retake made."""
    names = json.loads(head.data.get(_CONTROLS, "[]"))
    table = np.array(head.data.get(_EXPRESSIONS, ()), np.float64).reshape(len(names) or 1, -1)
    return dict(zip(names, table, strict=False))


def model_name(head: bpy.types.Object) -> str:
    """Name of the model file that a FLAME head was made of; that of its mesh where it is not known."""
    return str(head.data.get(_MODEL, head.data.name))


def key_name(kind: str, number: int) -> str:
    """Name of a component's shape key, counted from 0."""
    return f"{kind} {number + 1:03d}"


def _make_mesh(model: FlameModel, name: str) -> bpy.types.Object:
    """The mesh, smooth, in plain skin."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(to_blender(model.v_template).tolist(), [], model.faces.tolist())
    mesh.polygons.foreach_set("use_smooth", np.ones(len(model.faces), bool))
    mesh.update()
    return bpy.data.objects.new(name, mesh)


def _add_keys(
    mesh_object: bpy.types.Object,
    model: FlameModel,
    mapping: FlameMapping,
    identity_count: int,
    expression_count: int,
) -> None:
    """Shape keys of the controls, of identity, expression and pose."""
    mesh_object.shape_key_add(name="Basis", from_mix=False)
    fields = mapping.displacements(model)
    _add_key_each(mesh_object, model, mapping.names, np.moveaxis(fields, 0, -1), _CONTROL_RANGE)
    for kind, basis, count in (
        (IDENTITY, model.identity, identity_count),
        (EXPRESSION, model.expression, expression_count),
    ):
        some = basis[:, :, :count]
        names = [key_name(kind, number) for number in range(some.shape[2])]
        _add_key_each(mesh_object, model, names, some, _COEFFICIENT_RANGE)
    _add_key_each(mesh_object, model, pose_key_names(), model.pose, _POSE_RANGE)


def pose_key_names() -> list[str]:
    """Names of the pose blend shapes' keys: the joint, and row and column of R - I."""
    return [
        f"Pose {joint} {row + 1}{column + 1}" for joint in JOINT_NAMES[1:] for row in range(3) for column in range(3)
    ]


def _add_key_each(
    mesh_object: bpy.types.Object,
    model: FlameModel,
    names: Sequence[str],
    fields: FloatArray,
    limits: tuple[float, float],
) -> None:
    """One shape key for each of some fields (V, 3, K), m, model axes, at 0."""
    for number, name in enumerate(names):
        key = mesh_object.shape_key_add(name=name, from_mix=False)
        points = to_blender(model.v_template + fields[:, :, number]).astype(np.float32)
        key.points.foreach_set("co", points.ravel())
        key.slider_min, key.slider_max = limits
        key.value = 0.0


def _drive_pose_keys(mesh_object: bpy.types.Object, armature: bpy.types.Object) -> None:
    """Let each bone's rotation, its constraints included, set the pose blend shapes of its joint."""
    names = iter(pose_key_names())
    for joint in JOINT_NAMES[1:]:
        terms = _rotation_terms(bone_axes(armature, joint))
        for term in terms:
            curve = mesh_object.data.shape_keys.key_blocks[next(names)].driver_add("value")
            driver = curve.driver
            driver.type, driver.expression = "SCRIPTED", term
            for letter in "wxyz":
                variable = driver.variables.new()
                variable.name, variable.type = letter, "TRANSFORMS"
                target = variable.targets[0]
                target.id, target.bone_target = armature, joint
                target.transform_type, target.transform_space = f"ROT_{letter.upper()}", "LOCAL_SPACE"
                target.rotation_mode = "QUATERNION"


def bone_axes(armature: bpy.types.Object, bone: str) -> FloatArray:
    """(3, 3) rotation that takes a bone's axes to the model's."""
    rest = np.array(armature.data.bones[bone].matrix_local.to_3x3())
    found: FloatArray = MODEL_TO_BLENDER.T @ rest
    return found


def _rotation_terms(axes: FloatArray) -> list[str]:
    """The nine elements of R - I, row by row, in model axes, of a bone's quaternion (w, x, y, z) in its own axes."""
    a, b, c = (_combination(row) for row in axes)
    return [
        *(f"-2*({b}*{b}+{c}*{c})", f"2*({a}*{b}-{c}*w)", f"2*({a}*{c}+{b}*w)"),
        *(f"2*({a}*{b}+{c}*w)", f"-2*({a}*{a}+{c}*{c})", f"2*({b}*{c}-{a}*w)"),
        *(f"2*({a}*{c}-{b}*w)", f"2*({b}*{c}+{a}*w)", f"-2*({a}*{a}+{b}*{b})"),
    ]


def _combination(row: FloatArray) -> str:
    """A sum of x, y and z with some factors, as short as may be."""
    terms = [(factor, letter) for factor, letter in zip(row.tolist(), "xyz", strict=True) if abs(factor) > 1e-6]
    return "(" + "+".join(letter if abs(f - 1.0) < 1e-6 else f"({f:.7g})*{letter}" for f, letter in terms) + ")"


def _add_jaw_controls(armature: bpy.types.Object) -> None:
    """A hidden bone beside the jaw, and the constraint by which the jaw turns with it before its own rotation."""
    bpy.ops.object.mode_set(mode="EDIT")
    jaw = armature.data.edit_bones["jaw"]
    bone = armature.data.edit_bones.new(JAW_CONTROLS)
    bone.head, bone.tail, bone.roll, bone.parent = jaw.head, jaw.tail, jaw.roll, jaw.parent
    bone.use_deform = False
    bpy.ops.object.mode_set(mode="OBJECT")
    armature.data.bones[JAW_CONTROLS].hide = True
    constraint = armature.pose.bones["jaw"].constraints.new("COPY_ROTATION")
    constraint.name = "Controls"
    constraint.target, constraint.subtarget = armature, JAW_CONTROLS
    constraint.target_space = constraint.owner_space = "LOCAL"
    constraint.mix_mode = "BEFORE"


def remember_control(head: bpy.types.Object, name: str, expression: FloatArray, turn: FloatArray) -> None:
    """Store what a control is from now on; its shape key and the jaw's drivers are the caller's.

    Args:
        head: A FLAME head that tells what its controls are.
        name: The control.
        expression: (E,) its coefficients at weight 1.
        turn: (3,) axis-angle by which it turns the jaw at weight 1, rad, model axes.
    """
    mesh, known, turns = head.data, control_expressions(head), jaw_turns(head)
    known[name] = expression
    mesh[_EXPRESSIONS] = np.stack(list(known.values())).ravel().tolist()
    turns[name] = turn
    mesh[_TURNS] = json.dumps({each: value.tolist() for each, value in turns.items() if np.any(value)})


def drive_jaw_anew(head: bpy.types.Object, armature: bpy.types.Object) -> None:
    """Turn the jaw by what the controls turn it now."""
    bone = armature.pose.bones[JAW_CONTROLS]
    for axis in range(3):
        bone.driver_remove("rotation_euler", axis)
    _drive_jaw(head, armature, jaw_turns(head))


def _drive_jaw(mesh_object: bpy.types.Object, armature: bpy.types.Object, turns: Mapping[str, FloatArray]) -> None:
    """Turn the hidden bone by the sum of what the controls (name -> (3,) axis-angle) turn the jaw."""
    bone = armature.pose.bones[JAW_CONTROLS]
    bone.rotation_mode = "XYZ"
    axes = bone_axes(armature, JAW_CONTROLS)
    own = {name: turn @ axes for name, turn in turns.items()}
    for axis in range(3):
        turning = [(name, turn[axis]) for name, turn in own.items() if abs(turn[axis]) > 1e-9]
        if not turning:
            continue
        driver = bone.driver_add("rotation_euler", axis).driver
        driver.type = "SCRIPTED"
        driver.expression = "+".join(f"({turn:.9g})*v{place}" for place, (_, turn) in enumerate(turning))
        for place, (name, _) in enumerate(turning):
            variable = driver.variables.new()
            variable.name = f"v{place}"
            target = variable.targets[0]
            target.id_type, target.id = "KEY", mesh_object.data.shape_keys
            target.data_path = f'key_blocks["{name}"].value'


def _remember(mesh_object: bpy.types.Object, model: FlameModel, mapping: FlameMapping, identity_count: int) -> None:
    """Store what is needed later with the mesh: lips, joints, and how the controls turn the jaw."""
    mesh = mesh_object.data
    some = model.identity[:, :, :identity_count]
    fields = np.einsum("jv,vks->jks", model.joint_regressor, some)
    mesh["retake_lip_pairs"] = [LANDMARKS[place] for pair in LIP_PAIRS for place in pair]
    mesh[_JOINTS], mesh[_JOINT_FIELDS] = model.joints().ravel().tolist(), fields.ravel().tolist()
    turning = {name: turn.tolist() for name, turn in zip(mapping.names, mapping.turns, strict=True) if turn.any()}
    mesh[_TURNS] = json.dumps(turning)
    mesh[_CONTROLS], mesh[_EXPRESSIONS] = json.dumps(mapping.names), mapping.expression.ravel().tolist()
