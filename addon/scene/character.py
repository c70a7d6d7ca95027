# SPDX-License-Identifier: GPL-3.0-or-later
"""The other meshes of a head's character, which move with it: body, teeth, tongue, eyes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import bpy

from .. import compat
from ..core.binding import Property
from ..core.wording import shortened
from . import state
from .targets import Target, obstacles, place_in, shape_groups, shape_key_targets


def other_meshes(scene: bpy.types.Scene, head: bpy.types.Object, with_linked: bool = False) -> list[bpy.types.Object]:
    """Meshes with shape keys of ours that hang on the same armature or parent as a head, or on it, in order of name.

    Not those that are heads themselves, or copies of it that may become such, and not those that cannot be keyed
    unless `with_linked`.
    """
    armature, parent = armature_of(head), head.parent
    heads = {record.head for record in scene.retake.heads}
    found, keys = [], {head.data.shape_keys}
    for thing in scene.objects:
        key = thing.data.shape_keys if thing.type == "MESH" and thing != head else None
        if key is None or key in keys or thing in heads or not (with_linked or compat.is_editable(key)):
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


def is_driven_too(record: Any | None, thing: bpy.types.Object) -> bool:
    """Whether a mesh moves with the head: the animator may leave it alone."""
    return record is None or all(left.thing != thing for left in record.left)


def leave_alone(record: Any, thing: bpy.types.Object, alone: bool) -> None:
    """Let a mesh move with the head, or not. Kept in the scene: an override would not save it on the mesh."""
    for place in reversed([place for place, left in enumerate(record.left) if left.thing in (thing, None)]):
        record.left.remove(place)
    if alone:
        record.left.add().thing = thing


def why_left(target: Target, record: Any | None) -> str:
    """Why a shape key of another mesh cannot follow the head's; empty where it can.

    An action of the animator's over NLA strips is one reason: a new curve in it would silence them at all times.
    """
    fcurve, data = target.fcurve, target.owner.animation_data
    found = obstacles(target, fcurve)
    reasons = {
        "driven": found.driven,
        "muted": found.muted,
        "locked": found.locked,
        "moved by a modifier": found.constrained,
    }
    is_free = fcurve is None or not len(fcurve.keyframe_points)
    if is_free and data is not None and data.action is not None and len(data.nla_tracks):
        made = state.load_notes(record).made_actions.values() if record is not None else ()
        played = compat.nla_properties(target.owner) if data.action.name not in made else set()
        reasons["played by the NLA"] = (target.data_path, target.index) in played
    return next((reason for reason, holds in reasons.items() if holds), "")


def left_notices(targets: Sequence[Target], meshes: Sequence[bpy.types.Object], record: Any | None) -> list[str]:
    """A sentence for each mesh of a character that has shape keys which stay; what drives one moves it anyway.

    Args:
        targets: All of the character's.
        meshes: Its other meshes.
        record: What is stored for its head.
    """
    sentences, written = [], {place_in(target) for target in targets}
    for thing in meshes:
        found: dict[str, list[str]] = {}
        for target in shape_key_targets(thing.data.shape_keys):
            reason = why_left(target, record)
            if not reason and place_in(target) not in written:
                reason = "it would show several of the head's"
            if reason not in ("", "driven") and target.block is not None:
                found.setdefault(reason, []).append(target.block.name)
        told = "; ".join(f"{shortened(names)} ({reason})" for reason, names in found.items())
        sentences += [f"'{thing.name}' keeps its own {told}."] * bool(found)
    return sentences


def with_other_meshes(targets: list[Target], meshes: list[bpy.types.Object], record: Any | None) -> list[Target]:
    """A head's targets and those of other meshes.

    A shape key for what the head has follows the head's; for what only it has, as eyes have their looks, it leads. One
    that would need several of the head's at once is left, and so is what may not be written: it holds nothing up.
    """
    found, own = list(targets), {place_in(target) for target in targets}
    for thing in meshes:
        leading = {name for each in found for name in each.channels}
        for target in shape_key_targets(thing.data.shape_keys):
            named = replace(target, curve_id=f"{target.curve_id}@{thing.name}")
            if place_in(target) in own:
                continue  # a row of the table
            if not leading & set(target.channels):
                found.append(named)
            elif not why_left(target, record):
                found += _following(named, target, found)
    return found


def _following(named: Target, target: Target, found: list[Target]) -> list[Target]:
    """A target as it follows one of those found: that of its own kind, else one of its channel's; else none."""
    alike = [each for each in found if each.shown.leader is None and each.curve_id == target.curve_id]
    same = [each for each in found if each.shown.leader is None and each.channels == target.channels]
    shared = len(same) == 1 or len(target.channels) == 1  # those of one channel show equal shares of it
    leader = alike[0] if alike else same[0] if same and shared else None
    if leader is None:
        return []
    place = [each for each in found if each.channels == leader.channels].index(leader)
    gain = 1.0 if alike else len(same) * _ratio(leader.shown.shows, target.shown.shows)
    follows = Property((0.0,) * len(leader.channels), leader=place, gain=gain)
    return [replace(named, channels=leader.channels, shown=follows)]


def _ratio(leader: tuple[float, ...], follower: tuple[float, ...]) -> float:
    """A unit of a leader's in units of what follows it, told by the channel that the follower shows most of."""
    place = max(range(len(follower)), key=lambda each: abs(follower[each]))
    return leader[place] / follower[place]
