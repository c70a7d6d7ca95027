# SPDX-License-Identifier: GPL-3.0-or-later
"""Joints of FLAME heads that follow identity: moved by themselves once an identity value stays, or by a button."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from ...backend.errors import RigError
from .. import compat
from ..scene.flame_head import is_flame_head, joints_are_due, update_joints
from ..scene.shot import armature_of, find_head
from .common import Context, Outcome, refuse, reporting

SETTLING = 0.5  # s without a change before bones are moved: not while a slider is dragged

Head = tuple[bpy.types.Object, bpy.types.Object]
"""A FLAME head and its armature."""


class RETAKE_OT_update_joints(bpy.types.Operator):
    """Move the bones of a FLAME head to where its identity puts the joints"""

    bl_idname = "retake.update_joints"
    bl_label = "Update Joints"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """A FLAME head, in Object Mode."""
        reason = "" if context.mode == "OBJECT" else "Switch to Object Mode first"
        return refuse(cls, reason or ("" if is_flame_head(find_head(context)) else "Select a FLAME head"))

    def execute(self, context: Context) -> Outcome:
        """Move them."""

        def work() -> None:
            head = find_head(context)
            armature = armature_of(head)
            if armature is None:
                raise RigError(f"'{head.name}' has no armature any more.", "Add the head anew.")
            update_joints(context.view_layer, head, armature)

        return reporting(self, work)


def due_heads(scene: bpy.types.Scene) -> list[Head]:
    """FLAME heads of a scene whose joints are not where their identity puts them."""
    heads = [record.head for record in scene.retake.heads if is_flame_head(record.head)]
    found = [(head, armature_of(head)) for head in heads]
    return [(head, armature) for head, armature in found if armature is not None and joints_are_due(head, armature)]


@persistent
def notice_identity(scene: bpy.types.Scene, depsgraph: bpy.types.Depsgraph) -> None:
    """Handler: an identity value may have changed; wait until it stays."""
    if bpy.app.background or not depsgraph.id_type_updated("KEY") or compat.is_playing() or not due_heads(scene):
        return
    if bpy.app.timers.is_registered(settle):
        bpy.app.timers.unregister(settle)
    bpy.app.timers.register(settle, first_interval=SETTLING)


def settle() -> None:
    """Timer: move the bones that are due, in Object Mode; elsewhere the panel says that they are."""
    context = bpy.context
    if context.mode != "OBJECT" or compat.is_playing():
        return
    for head, armature in due_heads(context.scene):
        is_ours = compat.is_editable(armature) and compat.is_editable(armature.data)
        if is_ours and armature.name in context.view_layer.objects and armature.visible_get():
            update_joints(context.view_layer, head, armature)
    compat.redraw()


def follow_identity() -> None:
    """Let joints follow."""
    bpy.app.handlers.depsgraph_update_post.append(notice_identity)


def stop_following() -> None:
    """Undo `follow_identity`."""
    bpy.app.handlers.depsgraph_update_post.remove(notice_identity)
    if bpy.app.timers.is_registered(settle):
        bpy.app.timers.unregister(settle)


CLASSES = (RETAKE_OT_update_joints,)
