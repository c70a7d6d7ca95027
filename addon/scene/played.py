# SPDX-License-Identifier: GPL-3.0-or-later
"""What plays, frame by frame: the evaluated values, turns and vertices of a head, to be taken out of Blender.

The scene's current frame stays where it is; see `driven`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.errors import RigError
from .axes import MODEL_TO_BLENDER, pose_to_model
from .driven import FrameSampler
from .pointer import counting
from .shot import Shot

FloatArray = NDArray[np.float64]

LOOK = Callable[[bpy.types.Depsgraph], None]
"""Takes what it wants off an evaluated scene."""


def play(shot: Shot, frames: Sequence[int], look: LOOK) -> None:
    """Evaluate a head at scene frames, in order, and let something look at each; the pointer shows how far it is.

    Args:
        shot: The head and its armature.
        frames: Scene frames.
        look: Called once a frame.

    Raises:
        RigError: The head is not evaluated, as it is hidden from all viewports.
    """
    if shot.head.hide_viewport:
        raise RigError(f"'{shot.head.name}' is hidden from all viewports, so nothing plays.", "Show it.")
    seen = itertools.count(1)
    with counting(len(frames)) as tell:

        def probe(depsgraph: bpy.types.Depsgraph) -> Sequence[float]:
            look(depsgraph)
            tell(next(seen))
            return ()

        FrameSampler(shot.scene, shot.objects, probe)(np.array(list(dict.fromkeys(frames)), np.float64))


def weights(key: bpy.types.Key, names: Sequence[str], depsgraph: bpy.types.Depsgraph) -> list[float]:
    """Values of shape keys as they play; 0 for one that is muted."""
    blocks = key.evaluated_get(depsgraph).key_blocks
    return [0.0 if blocks[name].mute else float(blocks[name].value) for name in names]


def turn_and_place(
    armature: bpy.types.Object, name: str, depsgraph: bpy.types.Depsgraph
) -> tuple[FloatArray, FloatArray]:
    """How a bone stands relative to rest and its parent, constraints and drivers included, in model axes.

    Returns:
        Its rotation (3,), axis-angle in rad, and its place (3,), in the armature's unit.
    """
    posed = armature.evaluated_get(depsgraph).pose.bones[name]
    rest = armature.pose.bones[name].bone.matrix_local.to_3x3()
    local = armature.convert_space(pose_bone=posed, matrix=posed.matrix, from_space="POSE", to_space="LOCAL")
    place: FloatArray = MODEL_TO_BLENDER.T @ np.array(rest @ local.translation)
    return pose_to_model(local.to_3x3().normalized(), rest), place


def vertices(head: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> NDArray[np.float32]:
    """Vertices (V, 3) of a head as it is drawn, in its own space and unit, model axes."""
    mesh = head.evaluated_get(depsgraph).data
    points = np.empty(3 * len(mesh.vertices), np.float32)
    mesh.vertices.foreach_get("co", points)
    return points.reshape(-1, 3) @ MODEL_TO_BLENDER.astype(np.float32)
