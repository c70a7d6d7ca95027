# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a linked character editable: a library override of what Retake writes, as Blender makes one."""

from __future__ import annotations

import bpy

from ...backend.errors import RigError
from .. import compat
from .shot import armature_of, other_meshes


def linked_instance(obj: bpy.types.Object | None) -> bpy.types.Collection | None:
    """The linked collection that an object is an instance of; None where it is none."""
    collection = obj.instance_collection if obj is not None and obj.type == "EMPTY" else None
    return collection if collection is not None and collection.library is not None else None


def is_locked_by_link(head: bpy.types.Object | None) -> bool:
    """Whether a head, or what carries its shape keys or turns it, is linked and cannot be changed here."""
    if head is None or head.type != "MESH":
        return False
    armature = armature_of(head)
    owners = [head, head.data, head.data.shape_keys, armature]
    return any(owner is not None and not compat.is_editable(owner) for owner in owners)


def make_editable(scene: bpy.types.Scene, layer: bpy.types.ViewLayer, chosen: bpy.types.Object) -> bpy.types.Object:
    """Make library overrides of a linked character, so that its shape keys and its bones can be keyed here.

    Args:
        scene: Scene it stands in.
        layer: View layer.
        chosen: The linked head, an override of it whose mesh is still linked, or an instance of its collection.

    Returns:
        The head, editable.

    Raises:
        RigError: Blender makes no override of it.
    """
    collection = linked_instance(chosen)
    if collection is not None:
        before = set(scene.objects)
        collection.override_hierarchy_create(scene, layer, reference=chosen, do_fully_editable=True)
        meshes = [obj for obj in scene.objects if obj not in before and obj.type == "MESH" and obj.data.shape_keys]
        head = max(meshes, key=lambda obj: len(obj.data.shape_keys.key_blocks), default=None)
    elif chosen.library is not None:
        head = chosen.override_hierarchy_create(scene, layer, do_fully_editable=True)
    else:
        head = chosen
    if head is None:
        raise RigError(f"'{chosen.name}' holds no mesh with shape keys.", "Link a character whose face has them.")
    armature = armature_of(head)
    if armature is not None and armature.library is not None:
        armature.override_create(remap_local_usages=True)
    if head.data.library is not None:
        head.data.override_create(remap_local_usages=True)
    others = other_meshes(scene, head, with_linked=True)
    for thing in others:
        if thing.library is None and thing.data.library is not None:
            thing.data.override_create(remap_local_usages=True)
    for owner in (head, head.data, armature_of(head), *others, *(thing.data for thing in others)):
        if owner is not None and getattr(owner, "override_library", None) is not None:
            owner.override_library.is_system_override = False
    if is_locked_by_link(head):
        raise RigError(f"Blender makes no library override of '{chosen.name}'.", "Append the character instead.")
    return head
