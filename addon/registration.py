# SPDX-License-Identifier: GPL-3.0-or-later
"""Registers everything with Blender, and takes it all away again."""

from __future__ import annotations

import bpy

from .operators import (
    asking,
    backend,
    character,
    checkup,
    comp,
    finish,
    generate,
    joints,
    keeping,
    pose,
    session,
    setup,
    takes,
)
from .operators import performances as performance_operators
from .scene import history, rows, state
from .ui import character as character_section
from .ui import finishing, keying_sets, keymap, overlay, panel, performances, preferences
from .ui import keys as keys_section
from .ui import pose as pose_section
from .ui import takes as takes_section

CLASSES = (
    *rows.CLASSES,
    *state.CLASSES,
    *preferences.CLASSES,
    *setup.CLASSES,
    *joints.CLASSES,
    *character.CLASSES,
    *asking.CLASSES,
    *backend.CLASSES,
    *generate.CLASSES,
    *takes.CLASSES,
    *comp.CLASSES,
    *pose.CLASSES,
    *checkup.CLASSES,
    *finish.CLASSES,
    *keeping.CLASSES,
    *performance_operators.CLASSES,
    *panel.CLASSES,
    *pose_section.CLASSES,
    *takes_section.CLASSES,
    *keys_section.CLASSES,
    *finishing.CLASSES,
    *character_section.CLASSES,
    *performances.CLASSES,
    *keying_sets.CLASSES,
)


def register() -> None:
    """Register classes, and Retake's record on the scene."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.retake = bpy.props.PointerProperty(type=state.RETAKE_PG_scene)
    bpy.types.Scene.retake_pose = bpy.props.PointerProperty(type=pose_section.RETAKE_PG_pose)
    bpy.types.WindowManager.retake_takes = bpy.props.PointerProperty(type=takes_section.RETAKE_PG_takes)
    bpy.types.WindowManager.retake = bpy.props.PointerProperty(type=panel.RETAKE_PG_wanted)
    keymap.add_keys()
    finish.listen()
    joints.follow_identity()
    performance_operators.add_to_menus()
    overlay.add_overlay()
    bpy.app.handlers.load_pre.append(history.close_histories)
    bpy.app.handlers.load_pre.append(session.abandon_at_load)
    bpy.app.handlers.undo_pre.append(session.stop_slices)
    bpy.app.handlers.redo_pre.append(session.stop_slices)


def unregister() -> None:
    """End the backend and take everything away."""
    overlay.remove_overlay()
    performance_operators.remove_from_menus()
    joints.stop_following()
    finish.stop_listening()
    keymap.remove_keys()
    backend.stop_watching()
    session.close()
    bpy.app.handlers.redo_pre.remove(session.stop_slices)
    bpy.app.handlers.undo_pre.remove(session.stop_slices)
    bpy.app.handlers.load_pre.remove(session.abandon_at_load)
    bpy.app.handlers.load_pre.remove(history.close_histories)
    del bpy.types.WindowManager.retake
    del bpy.types.WindowManager.retake_takes
    del bpy.types.Scene.retake_pose
    del bpy.types.Scene.retake
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
