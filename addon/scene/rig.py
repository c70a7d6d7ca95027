# SPDX-License-Identifier: GPL-3.0-or-later
"""The head as the backend needs it: neutral mesh, displacements, joints and skinning weights, in model axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.errors import RigError
from ...backend.protocol import CONTROL_NAMES, HEAD_ROTATION
from ..core.channels import LipModel
from ..core.client import Rig
from ..core.flame import rotation_matrices
from ..core.steps import Steps, aside
from .axes import MODEL_TO_BLENDER
from .built_in_head import BONE_NAMES
from .flame_head import jaw_turns
from .shot import Shot, lip_pairs, metres_a_unit
from .targets import Target, control_keys

FloatArray = NDArray[np.float64]
_drawn: dict[tuple[object, ...], NDArray[np.float32]] = {}
"""Displacements that were found by drawing, by the mesh and the properties."""
_AT_A_TIME = 500  # vertices that are read before a window may go on


def build_rig(shot: Shot) -> Steps[Rig]:
    """Read a head's arrays off the scene, some at a time.

    The joint regressor is the one of least norm whose rows sum to 1 and give the bones' heads on the neutral mesh.
    """
    key = shot.head.data.shape_keys
    unit = np.float32(metres_a_unit(shot.head))
    template, controls = unit * _points(key.reference_key, None), {}
    yield False
    for name, read in _displacements(shot, None):
        controls[name] = unit * read()
        yield False
    weights = yield from _weights(shot, len(template))
    joints = float(unit) * _joints(shot)
    neck = HEAD_ROTATION if shot.turn is not None else ()
    rig = Rig(
        channel_names=(*controls, *neck),
        control_names=tuple(controls),
        v_template=template,
        controls=np.stack(list(controls.values())),
        joint_regressor=_regressor(template.astype(np.float64), joints).astype(np.float32),
        weights=weights,
    )
    yield False
    yield from aside(lambda: rig.hash)  # kept by the rig
    return rig


def lip_model(shot: Shot) -> LipModel:
    """How the head's channels open its lips; without stored lip pairs nothing is taken for a closure."""
    pairs, count = lip_pairs(shot.head), len(shot.head.data.vertices)
    if not len(pairs):
        return LipModel(0.0, np.zeros(len(CONTROL_NAMES) + len(HEAD_ROTATION)))
    vertices = np.unique(pairs)
    if vertices[-1] >= count:
        raise RigError(
            f"The lips stored with '{shot.head.name}' name vertex {vertices[-1]}, but its mesh has {count} vertices.",
            "Undo what removed vertices, or add the head anew.",
        )
    template, controls = read_shapes(shot, vertices)
    return LipModel.of_head(template, controls, np.searchsorted(vertices, pairs))


def read_shapes(
    shot: Shot, vertices: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
    """Neutral points (V, 3) and the mapped controls' displacements (V, 3) by name, m, model axes.

    Args:
        shot: The shot.
        vertices: (V,) vertices to read, few; all if None.
    """
    unit = np.float32(metres_a_unit(shot.head))
    found = {name: unit * read() for name, read in _displacements(shot, vertices)}
    return unit * _points(shot.head.data.shape_keys.reference_key, vertices), found


def _displacements(
    shot: Shot, vertices: NDArray[np.int64] | None
) -> list[tuple[str, Callable[[], NDArray[np.float32]]]]:
    """The mapped controls' names, each with what reads its displacement."""
    moved = {channels: members for channels, members in shot.groups.items() if channels != HEAD_ROTATION}
    key = shot.head.data.shape_keys
    blocks = {
        target.curve_id: block
        for members in moved.values()
        for target in members
        if target.owner == key and (block := target.block) is not None
    }
    relative = {curve_id: block.relative_key.name for curve_id, block in blocks.items()}
    basis = {name: _points(key.key_blocks[name], vertices) for name in set(relative.values())}
    turned, named = _turned_by_controls(shot, vertices), control_keys(key)

    def read(channels: tuple[str, ...], column: int) -> NDArray[np.float32]:
        binding, members = shot.bindings[channels], moved[channels]
        found, amounts = turned.get(channels[column], 0.0), np.ones(1)
        if not binding.is_plain:
            unit = np.eye(len(channels))[column]
            amounts = binding.values_of(unit[None])[0] - [target.rest for target in members]
        if not any(target.curve_id in blocks for target in members):
            return np.asarray(found + _otherwise(shot, channels[column], members, amounts, named, vertices), np.float32)
        for target, amount in zip(members, amounts.tolist(), strict=True):
            name = target.curve_id
            if name in blocks and amount:
                found = found + np.float32(amount) * (_points(blocks[name], vertices) - basis[relative[name]])
        return np.asarray(found, np.float32)

    return [
        (name, lambda channels=channels, column=column: read(channels, column))
        for channels in moved
        for column, name in enumerate(channels)
    ]


def _otherwise(
    shot: Shot,
    channel: str,
    members: Sequence[Target],
    amounts: FloatArray,
    named: Mapping[str, bpy.types.ShapeKey],
    vertices: NDArray[np.int64] | None,
) -> NDArray[np.float32]:
    """Displacement (V, 3) by a channel that other properties show: its shape key by name, else as it is drawn."""
    block = named.get(channel)
    if block is not None:
        return _points(block, vertices) - _points(block.relative_key, vertices)
    places = tuple(
        (t.owner.session_uid, t.data_path, t.index, round(a, 6)) for t, a in zip(members, amounts, strict=True)
    )
    known = (shot.head.data.session_uid, len(shot.head.data.vertices), places)
    if known not in _drawn:
        _drawn[known] = _draw(shot, members, amounts)
    return _drawn[known] if vertices is None else _drawn[known][vertices]


def _draw(shot: Shot, members: Sequence[Target], amounts: FloatArray) -> NDArray[np.float32]:
    """Displacement (V, 3) of the head as it is drawn with some properties moved; none where its vertices change."""
    before = [target.static for target in members]
    points = []
    try:
        for share in (0.0, 1.0):
            for target, amount in zip(members, amounts.tolist(), strict=True):
                target.set_static(target.rest + share * amount)
            points.append(_drawn_points(shot))
    finally:
        for target, value in zip(members, before, strict=True):
            target.set_static(value)
        bpy.context.view_layer.update()
    count = len(shot.head.data.vertices)
    if any(len(each) != count for each in points):
        return np.zeros((count, 3), np.float32)
    return np.asarray(points[1] - points[0], np.float32)


def _drawn_points(shot: Shot) -> NDArray[np.float32]:
    """Points of the head as it is drawn, in its own space and model axes."""
    bpy.context.view_layer.update()
    mesh = shot.head.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
    flat = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", flat)
    return flat.reshape(-1, 3) @ MODEL_TO_BLENDER.astype(np.float32)


def _turned_by_controls(shot: Shot, vertices: NDArray[np.int64] | None) -> dict[str, FloatArray]:
    """Displacements (V, 3) by the controls that turn the jaw's bone, at weight 1, m, model axes."""
    turns = jaw_turns(shot.head)
    group = shot.head.vertex_groups.get(BONE_NAMES[2])
    if not turns or group is None:
        return {}
    rest = _points(shot.head.data.shape_keys.reference_key, vertices).astype(np.float64)
    chosen = range(len(rest)) if vertices is None else vertices.tolist()
    weights = np.zeros((len(rest), 1))
    for row, vertex in enumerate(chosen):
        for element in shot.head.data.vertices[vertex].groups:
            if element.group == group.index:
                weights[row] = element.weight
    around = rest - _joints(shot)[2]
    return {name: weights * (around @ rotation_matrices(turn).T - around) for name, turn in turns.items()}


def _points(block: bpy.types.ShapeKey, vertices: NDArray[np.int64] | None) -> NDArray[np.float32]:
    """Points (V, 3) of a shape key in model axes."""
    if vertices is None:
        flat = np.empty(3 * len(block.points), np.float32)
        block.points.foreach_get("co", flat)
    else:
        flat = np.array([block.points[vertex].co[:] for vertex in vertices.tolist()], np.float32)
    return flat.reshape(-1, 3) @ MODEL_TO_BLENDER.astype(np.float32)


def _joints(shot: Shot) -> FloatArray:
    """Heads (5, 3) of the bones in the mesh's space and model axes; the origin where a bone is missing."""
    joints = np.zeros((len(BONE_NAMES), 3))
    if shot.armature is None:
        return joints
    to_mesh = shot.head.matrix_world.inverted() @ shot.armature.matrix_world
    turned = shot.turn.thing.name if shot.turn is not None and shot.turn.is_bone else "neck"
    for row, name in enumerate(BONE_NAMES):
        bone = shot.armature.data.bones.get(turned if name == "neck" else name)
        if bone is not None:
            joints[row] = np.array(to_mesh @ bone.head_local) @ MODEL_TO_BLENDER
    return joints


def _weights(shot: Shot, count: int) -> Steps[NDArray[np.float32]]:
    """Skinning weights (V, 5), rows summing to 1; a vertex without weights follows the root."""
    weights = np.zeros((count, len(BONE_NAMES)), np.float32)
    columns = {
        group.index: BONE_NAMES.index(group.name) for group in shot.head.vertex_groups if group.name in BONE_NAMES
    }
    for vertex in shot.head.data.vertices if columns else ():
        for element in vertex.groups:
            if element.group in columns:
                weights[vertex.index, columns[element.group]] = element.weight
        if vertex.index % _AT_A_TIME == 0:
            yield False
    total = weights.sum(axis=1, keepdims=True)
    weights[total[:, 0] <= 0.0, 0] = 1.0
    return weights / np.where(total > 0.0, total, 1.0)


def _regressor(template: FloatArray, joints: FloatArray) -> FloatArray:
    """(5, V) rows of least norm with row @ (template, 1) = (joint, 1)."""
    homogeneous = np.concatenate((template, np.ones((len(template), 1))), axis=1)
    wanted = np.concatenate((joints, np.ones((len(joints), 1))), axis=1)
    return wanted @ np.linalg.pinv(homogeneous)
