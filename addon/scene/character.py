# SPDX-License-Identifier: GPL-3.0-or-later
"""The other meshes of a head's character, which move with it: body, teeth, tongue, eyes."""

from __future__ import annotations

from dataclasses import replace

import bpy

from .. import compat
from ..core.binding import Property
from .targets import Target, shape_groups, shape_key_targets

_LEFT = "retake_left_alone"  # on an object: the animator does not want it driven


def other_meshes(scene: bpy.types.Scene, head: bpy.types.Object) -> list[bpy.types.Object]:
    """Meshes with shape keys of ours that hang on the same armature or parent as a head, or on it, in order of name.

    Not those that are heads themselves, or copies of it that may become such, and not those that cannot be keyed.
    """
    armature, parent = armature_of(head), head.parent
    heads = {record.head for record in scene.retake.heads}
    found, keys = [], {head.data.shape_keys}
    for thing in scene.objects:
        key = thing.data.shape_keys if thing.type == "MESH" and thing != head else None
        if key is None or key in keys or thing in heads or not compat.is_editable(key):
            continue
        if len(thing.data.vertices) == len(head.data.vertices):
            continue
        same = (armature is not None and armature_of(thing) == armature) or (
            thing.parent is not None and thing.parent in (parent, head)
        )
        if same and shape_groups(key):
            found.append(thing)
            keys.add(key)
    return sorted(found, key=lambda thing: thing.name)


def armature_of(head: bpy.types.Object) -> bpy.types.Object | None:
    """Object of the mesh's first armature modifier, else its parent if that is an armature."""
    objects = [modifier.object for modifier in head.modifiers if modifier.type == "ARMATURE" and modifier.object]
    parent = [head.parent] if head.parent is not None and head.parent.type == "ARMATURE" else []
    return next(iter([*objects, *parent]), None)


def is_driven_too(thing: bpy.types.Object) -> bool:
    """Whether a mesh moves with the head: the animator may leave it alone."""
    return not thing.get(_LEFT, False)


def leave_alone(thing: bpy.types.Object, alone: bool) -> None:
    """Let a mesh move with the head, or not."""
    if alone:
        thing[_LEFT] = True
    elif _LEFT in thing:
        del thing[_LEFT]


def with_other_meshes(targets: list[Target], meshes: list[bpy.types.Object]) -> list[Target]:
    """A head's targets and those of other meshes.

    A shape key for what the head has follows the head's; for what only it has, as eyes have their looks, it leads. One
    that would need several of the head's at once is left.
    """
    found = list(targets)
    for thing in meshes:
        for target in shape_key_targets(thing.data.shape_keys):
            named = replace(target, curve_id=f"{target.curve_id}@{thing.name}")
            group = [each for each in found if each.channels == target.channels]
            carried = {name for each in found for name in each.channels}
            if not group and not carried & set(target.channels):
                found.append(named)
            elif len(group) == 1 or (group and all(each.shown.leader is not None for each in group[1:])):
                gain = _ratio(group[0].shown.shows, target.shown.shows)
                follows = Property((0.0,) * len(target.channels), leader=0, gain=gain)
                found.append(replace(named, shown=follows))
    return found


def _ratio(leader: tuple[float, ...], follower: tuple[float, ...]) -> float:
    """A unit of a leader's in units of what follows it, told by the channel that the follower shows most of."""
    place = max(range(len(follower)), key=lambda each: abs(follower[each]))
    return leader[place] / follower[place]
