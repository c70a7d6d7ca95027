# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between Blender's versions, found by feature tests. No other module knows a version.

* Actions: one list of curves (up to 4.3), slots with channelbags (from 4.4, the only way from 5.0).
* Sequencer: `sequences` (up to 4.3), `strips` (from 4.4); strip times were renamed in 5.2.
* Sound: a bpy module can be built without Audaspace.
"""

from __future__ import annotations

import contextlib
from typing import Any

import bpy

_KNOWN = bpy.types.Property.bl_rna.properties
RELATIVE_PATHS = {"PATH_SUPPORTS_BLEND_RELATIVE"} if "is_path_supports_blend_relative" in _KNOWN else set()
"""Options of a path that may be told from the .blend file on, with "//"."""


def has_audio() -> bool:
    """Whether this Blender can load sounds; the bpy 4.2 module of PyPI cannot."""
    return bool(bpy.app.build_options.audaspace)


def has_aud() -> bool:
    """Whether Python can use Blender's sound library; Debian's Blender 4.3 has sound, but not this module."""
    with contextlib.suppress(ImportError):
        import aud

        return aud is not None
    return False


def redraw() -> None:
    """Draw every editor of every window anew: what an operator or a timer changes does not by itself."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            area.tag_redraw()


def is_playing() -> bool:
    """Whether an animation plays in some window."""
    return any(window.screen.is_animation_playing for window in bpy.context.window_manager.windows)


def show_in_sequencer(scene: bpy.types.Scene) -> None:
    """Let workspaces whose sequencer shows no scene (from 5.0) show this one."""
    for window in bpy.context.window_manager.windows:
        if hasattr(window.workspace, "sequencer_scene") and window.workspace.sequencer_scene is None:
            window.workspace.sequencer_scene = scene


def is_editable(datablock: bpy.types.ID) -> bool:
    """Whether a datablock can be changed in this file: it is local, or a library override."""
    return datablock.library is None


# Actions


def fcurves_of(owner: bpy.types.ID) -> Any | None:
    """Curves of the action and slot assigned to a datablock; None where there is none yet."""
    data = owner.animation_data
    if data is None or data.action is None:
        return None
    if not hasattr(data, "action_slot"):
        return data.action.fcurves
    bag = _channelbag(data.action, data.action_slot, ensure=False) if data.action_slot else None
    return bag.fcurves if bag else None


def have_same_curves(owner: bpy.types.ID, other: bpy.types.ID) -> bool:
    """Whether two datablocks are one, or play the same slot of the same action."""
    if owner == other:
        return True
    one, two = owner.animation_data, other.animation_data
    if one is None or two is None or one.action is None or one.action != two.action:
        return False
    return bool(getattr(one, "action_slot", None) == getattr(two, "action_slot", None))


def ensure_fcurves(owner: bpy.types.ID, name: str) -> tuple[Any, bool]:
    """Curves of the action and slot assigned to a datablock; what is missing is made and assigned.

    Args:
        owner: Datablock that is animated.
        name: Name for an action that has to be made.

    Returns:
        The curves, and whether an action was made.
    """
    data = owner.animation_data or owner.animation_data_create()
    made = data.action is None
    if made:
        data.action = bpy.data.actions.new(name)
    if not hasattr(data, "action_slot"):
        return data.action.fcurves, made
    if data.action_slot is None:
        data.action_slot = _suitable_slot(data, owner)
    return _channelbag(data.action, data.action_slot, ensure=True).fcurves, made


def share_action(owner: bpy.types.ID, action: bpy.types.Action) -> bool:
    """Give a datablock without an action its own slot in another's action.

    Returns:
        False where actions have no slots: every datablock needs an action of its own there.
    """
    data = owner.animation_data or owner.animation_data_create()
    if not hasattr(data, "action_slot"):
        return False
    data.action = action
    data.action_slot = action.slots.new(owner.id_type, owner.name)
    return True


def assign_action(owner: bpy.types.ID, action: bpy.types.Action) -> None:
    """Assign an action, with the slot in it that animates a datablock of this kind."""
    data = owner.animation_data or owner.animation_data_create()
    data.action = action
    if hasattr(data, "action_slot") and data.action_slot is None:
        data.action_slot = _suitable_slot(data, owner)


def _suitable_slot(data: Any, owner: bpy.types.ID) -> Any:
    """Slot of the assigned action that this datablock should use, made where the action has none for it."""
    suitable = list(data.action_suitable_slots)
    return suitable[0] if len(suitable) == 1 else data.action.slots.new(owner.id_type, owner.name)


def _channelbag(action: bpy.types.Action, slot: Any, ensure: bool) -> Any | None:
    """Curves of a slot in an action's first layer."""
    if ensure and not action.layers:
        action.layers.new("Layer")
    for layer in action.layers:
        if ensure and not layer.strips:
            layer.strips.new(type="KEYFRAME")
        for strip in layer.strips:
            if strip.type == "KEYFRAME":
                return strip.channelbag(slot, ensure=True) if ensure else strip.channelbag(slot)
    return None


def new_fcurve(owner: bpy.types.ID, fcurves: Any, data_path: str, index: int, group: str) -> Any:
    """Make a curve, in a group of that name."""
    names = fcurves.bl_rna.functions["new"].parameters.keys()
    keyword = next((word for word in ("group_name", "action_group") if word in names), None)
    extra = {keyword: group} if keyword and group else {}
    fcurve = fcurves.new(data_path, index=index, **extra)
    if group and not keyword:  # 4.4 and 4.5
        bag = _channelbag(owner.animation_data.action, owner.animation_data.action_slot, ensure=True)
        fcurve.group = bag.groups.get(group) or bag.groups.new(group)
    return fcurve


def all_fcurves(action: bpy.types.Action) -> list[Any]:
    """Every curve of an action, in all slots."""
    if not hasattr(action, "layers"):
        return list(action.fcurves)
    bags = [bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags]
    return [fcurve for bag in bags for fcurve in bag.fcurves]


def curves_like(action: bpy.types.Action, owner: bpy.types.ID) -> Any:
    """Curves of an action in the slot that is the counterpart of the one assigned to a datablock."""
    if not hasattr(action, "layers"):
        return action.fcurves
    handle = owner.animation_data.action_slot.handle
    slot = next(slot for slot in action.slots if slot.handle == handle)
    return _channelbag(action, slot, ensure=False).fcurves


def nla_fcurves(owner: bpy.types.ID) -> list[Any]:
    """Curves of the NLA strips of a datablock that are not muted."""
    data = owner.animation_data
    if data is None or not data.use_nla:
        return []
    return [curve for track in data.nla_tracks if not track.mute for curve in _strip_fcurves(track.strips)]


def nla_properties(owner: bpy.types.ID) -> set[tuple[str, int]]:
    """Data paths and indices that the NLA strips of a datablock play; empty while a strip is tweaked."""
    data = owner.animation_data
    if data is None or data.use_tweak_mode:
        return set()
    return {(curve.data_path, curve.array_index) for curve in nla_fcurves(owner)}


def _strip_fcurves(strips: Any) -> list[Any]:
    """Curves of strips and of those within meta strips."""
    found: list[Any] = []
    for strip in strips:
        if strip.mute:
            continue
        found += _strip_fcurves(strip.strips)
        slot = getattr(strip, "action_slot", None)
        if strip.action is None:
            continue
        if not hasattr(strip.action, "layers"):
            found += strip.action.fcurves
        elif slot is not None and (bag := _channelbag(strip.action, slot, ensure=False)):
            found += bag.fcurves
    return found


def push_down(owner: bpy.types.ID, name: str) -> None:
    """Make the assigned action, with its slot, a strip of a new NLA track on top, and assign none."""
    data = owner.animation_data
    action, slot = data.action, getattr(data, "action_slot", None)
    track = data.nla_tracks.new()
    track.name = name
    strip = track.strips.new(name, int(action.frame_range[0]), action)
    if slot is not None:
        strip.action_slot = slot
    strip.action_frame_start, strip.action_frame_end = action.frame_range
    strip.frame_start, strip.frame_end = action.frame_range
    strip.extrapolation, strip.blend_type = data.action_extrapolation, data.action_blend_type
    data.action = None


def is_curve_free(action: bpy.types.Action) -> bool:
    """Whether an action animates nothing at all, in any slot."""
    return not all_fcurves(action)


# Sequencer


def sequencer_strips(scene: bpy.types.Scene, create: bool = False) -> Any:
    """Top-level strips of a scene's sequencer; an empty tuple where there is no sequencer and none is made."""
    editor = scene.sequence_editor or (scene.sequence_editor_create() if create else None)
    if editor is None:
        return ()
    return editor.strips if hasattr(editor, "strips") else editor.sequences


def all_strips(scene: bpy.types.Scene) -> Any:
    """Every strip of a scene's sequencer, those inside meta strips too."""
    editor = scene.sequence_editor
    if editor is None:
        return ()
    return editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all


def _first(strip: Any, names: tuple[str, str]) -> float:
    """Value of the newer of two names of one property (the older is deprecated where both exist)."""
    return float(getattr(strip, names[0] if hasattr(strip, names[0]) else names[1]))


def strip_content_start(strip: Any) -> float:
    """Frame at which the untrimmed recording of a sound strip starts."""
    start = _first(strip, ("content_start", "frame_start"))
    return start - _first(strip, ("content_trim_start", "animation_offset_start"))


def strip_edges(strip: Any) -> tuple[float, float]:
    """First frame at which a strip is heard, and the frame at which it ends."""
    return _first(strip, ("left_handle", "frame_final_start")), _first(strip, ("right_handle", "frame_final_end"))


def strip_content_frames(strip: Any) -> float:
    """Frames that the untrimmed recording of a strip plays for."""
    return _first(strip, ("content_duration", "frame_duration"))


def strip_sound_offset(strip: Any) -> float:
    """Seconds by which the sound starts later inside its strip; 0 where the version has no such thing."""
    return float(getattr(strip, "sound_offset", 0.0))


def strip_retiming(strip: Any) -> list[float]:
    """Frames of a strip's retiming keys, in order; none where it plays as it was recorded."""
    return sorted(float(key.timeline_frame) for key in getattr(strip, "retiming_keys", ()))
