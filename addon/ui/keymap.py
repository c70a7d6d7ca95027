# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys on the keyboard: Alt with Page Up and Page Down steps through the takes, in every editor that shows keys."""

from __future__ import annotations

from typing import Any

import bpy

_EDITORS = (("3D View", "VIEW_3D"), ("Dopesheet", "DOPESHEET_EDITOR"), ("Graph Editor", "GRAPH_EDITOR"))
_added: list[tuple[Any, Any]] = []


def add_keys() -> None:
    """Add them to Blender's add-on key configuration; a Blender without windows has none."""
    configuration = bpy.context.window_manager.keyconfigs.addon
    if configuration is None:
        return
    for name, space in _EDITORS:
        keymap = configuration.keymaps.new(name=name, space_type=space)
        for key, back in (("PAGE_UP", True), ("PAGE_DOWN", False)):
            item = keymap.keymap_items.new("retake.step_take", key, "PRESS", alt=True)
            item.properties.back = back
            _added.append((keymap, item))
        _added.append((keymap, keymap.keymap_items.new("retake.compare_takes", "BACK_SPACE", "PRESS", alt=True)))


def remove_keys() -> None:
    """Take them away."""
    for keymap, item in _added:
        keymap.keymap_items.remove(item)
    _added.clear()
