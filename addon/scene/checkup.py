# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps a take from being seen although its keys are there: each cause with what mends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from .. import compat
from ..core.wording import shortened
from .keying import OURS
from .shot import Shot
from .targets import Target

DRIVEN = "driven"
"""The cause that only an explicit choice mends: drivers are the animator's."""

_OVERRIDING = ("MESH_CACHE", "MESH_SEQUENCE_CACHE")


@dataclass(frozen=True)
class Cause:
    """One thing that overrides the result.

    Attributes:
        code: Stable name of the kind.
        sentence: What it is, with its names.
        remedy: Name of the button that mends it; empty where the animator has to decide.
        mend: Mends it.
    """

    code: str
    sentence: str
    remedy: str = ""
    mend: Callable[[], None] = lambda: None


def find_causes(shot: Shot, view_layer: bpy.types.ViewLayer, written: set[str], shows_take: bool) -> list[Cause]:
    """Look for everything that overrides the result of a head.

    Args:
        shot: The head.
        view_layer: What the window shows.
        written: Ids of the curves that we wrote last.
        shows_take: Whether a take is shown, not the original.
    """
    found = []
    if not shows_take:
        found.append(Cause("original", "The original is shown, not a take.", "Show the Last Take"))
    owners: list[bpy.types.ID] = list(dict.fromkeys(target.owner for target in shot.targets))
    for owner in owners:
        found += _animation(owner, [target for target in shot.own_targets(owner) if target.curve_id in written])
    found += _curves(shot, written)
    found += _sliders(shot)
    for thing in (shot.head, *shot.meshes):
        found += _mesh(thing)
    found += _selection(shot, view_layer)
    return found


def _animation(owner: bpy.types.ID, ours: list[Target]) -> Iterator[Cause]:
    """Another action or slot, and what the NLA does over or under it."""
    data = owner.animation_data
    if data is None:
        return
    if ours and not any(_has_our_keys(target) for target in ours):
        action = _action_with(ours)
        playing = f"'{data.action.name}'" if data.action is not None else "no action"
        if action is not None:
            sentence = f"'{owner.name}' plays {playing}; the take is in '{action.name}'."
            yield Cause("action", sentence, "Assign It", lambda: compat.assign_action(owner, action))
        else:
            yield Cause("action", f"'{owner.name}' plays {playing}, which has no key of a take.", "Show the Take Again")
    if data.use_tweak_mode:
        yield Cause(
            "tweak", f"An NLA strip of '{owner.name}' is being tweaked.", "Leave Tweak Mode", lambda: _leave_tweak(data)
        )
    for track in data.nla_tracks:
        if track.is_solo:
            yield Cause(
                "solo",
                f"The NLA track '{track.name}' of '{owner.name}' plays solo.",
                "End Solo",
                lambda track=track: setattr(track, "is_solo", False),  # type: ignore[misc]
            )
    if data.action is not None and not data.use_tweak_mode:
        if data.action_influence < 1.0:
            yield Cause(
                "influence",
                f"The action of '{owner.name}' has an influence of {data.action_influence:.2f}.",
                "Set It to 1",
                lambda: setattr(data, "action_influence", 1.0),
            )
        if data.action_blend_type not in ("REPLACE", "COMBINE") and data.nla_tracks:
            yield Cause(
                "blend",
                f"The action of '{owner.name}' is blended by {data.action_blend_type.lower()} over the NLA.",
                "Set It to Replace",
                lambda: setattr(data, "action_blend_type", "REPLACE"),
            )


def _has_our_keys(target: Target) -> bool:
    fcurve = target.fcurve
    return fcurve is not None and any(point.type == OURS for point in fcurve.keyframe_points)


def _action_with(ours: list[Target]) -> bpy.types.Action | None:
    """The action that holds generated keys of some targets, None where there is none."""
    paths = {(target.data_path, target.index) for target in ours}
    for action in bpy.data.actions:
        for fcurve in compat.all_fcurves(action):
            if (fcurve.data_path, fcurve.array_index) in paths and any(p.type == OURS for p in fcurve.keyframe_points):
                return action
    return None


def _leave_tweak(data: Any) -> None:
    data.use_tweak_mode = False


def _curves(shot: Shot, written: set[str]) -> Iterator[Cause]:
    """Muted curves and groups, drivers."""
    muted, driven = [], []
    for target in shot.targets:
        fcurve = target.fcurve
        if fcurve is not None and (fcurve.mute or (fcurve.group and fcurve.group.mute)):
            muted.append((target.curve_id, fcurve))
        if target.driver is not None:
            driven.append(target)
    if muted:
        names = shortened([name for name, _ in muted])
        yield Cause("muted", f"These channels are muted: {names}.", "Unmute Them", lambda: _unmute(muted))
    if driven:
        names = shortened([target.curve_id for target in driven])
        sentence = f"These channels are driven, and keys on them play nothing: {names}."
        choice = "Let takes play on what drives them (Character, Use What Drives Them), or remove the drivers."
        is_local = all(compat.is_editable(one.owner) and one.owner.override_library is None for one in driven)
        remedy = "Remove These Drivers" if is_local else ""
        yield Cause(DRIVEN, f"{sentence} {choice}", remedy, lambda: _remove_drivers(driven))


def _remove_drivers(driven: list[Target]) -> None:
    for target in driven:
        target.owner.driver_remove(target.data_path, *([target.index] if _is_array(target) else []))


def _is_array(target: Target) -> bool:
    """Whether a target is one component of several."""
    return not isinstance(target.owner.path_resolve(target.data_path), float | int)


def _unmute(muted: list[tuple[str, Any]]) -> None:
    for _, fcurve in muted:
        fcurve.mute = False
        if fcurve.group and fcurve.group.mute:
            fcurve.group.mute = False


def _sliders(shot: Shot) -> Iterator[Cause]:
    """Shape keys whose slider ends before the take does, or that are muted."""
    clamped: list[tuple[Any, float, float]] = []
    muted = []
    for target in shot.targets:
        block, fcurve = target.block, target.fcurve
        if block is None:
            continue
        if block.mute:
            muted.append(block)
        if fcurve is None or not len(fcurve.keyframe_points):
            continue
        co = np.empty(2 * len(fcurve.keyframe_points), np.float32)
        fcurve.keyframe_points.foreach_get("co", co)
        if co[1::2].max() > block.slider_max + 1e-6 or co[1::2].min() < block.slider_min - 1e-6:
            clamped.append((block, float(co[1::2].min()), float(co[1::2].max())))
    if clamped:
        names = shortened([block.name for block, _, _ in clamped])
        yield Cause(
            "clamped", f"The sliders of {names} end before the take does.", "Widen Them", lambda: _widen(clamped)
        )
    if muted:
        names = shortened([block.name for block in muted])
        yield Cause("shape_mute", f"These shape keys are muted: {names}.", "Unmute Them", lambda: _set_all(muted))


def _widen(clamped: list[tuple[Any, float, float]]) -> None:
    for block, lowest, highest in clamped:
        block.slider_min, block.slider_max = min(block.slider_min, lowest), max(block.slider_max, highest)


def _set_all(muted: list[Any]) -> None:
    for block in muted:
        block.mute = False


def _mesh(head: bpy.types.Object) -> Iterator[Cause]:
    """Modifiers and settings of a mesh that hide its shape keys or its bones."""
    for modifier in head.modifiers:
        if modifier.type == "ARMATURE" and not modifier.show_viewport:
            yield Cause(
                "armature",
                f"The armature modifier '{modifier.name}' of '{head.name}' is off in the viewport.",
                "Turn It On",
                lambda modifier=modifier: setattr(modifier, "show_viewport", True),  # type: ignore[misc]
            )
        if modifier.type in _OVERRIDING and modifier.show_viewport:
            yield Cause(
                "cache",
                f"The modifier '{modifier.name}' of '{head.name}' plays a cache over the shape keys.",
                "Turn It Off",
                lambda modifier=modifier: setattr(modifier, "show_viewport", False),  # type: ignore[misc]
            )
    if head.show_only_shape_key:
        yield Cause(
            "solo_shape",
            f"'{head.name}' shows only its active shape key.",
            "Show All",
            lambda: setattr(head, "show_only_shape_key", False),
        )
    if not head.data.shape_keys.use_relative:
        key = head.data.shape_keys
        sentence = f"The shape keys of '{head.name}' are absolute: their values play nothing."
        yield Cause("absolute", sentence, "Make Them Relative", lambda: setattr(key, "use_relative", True))


def _selection(shot: Shot, view_layer: bpy.types.ViewLayer) -> Iterator[Cause]:
    """The head is not the active object, or is hidden."""
    active = view_layer.objects.active
    if active is not None and active not in (shot.head, shot.armature):
        sentence = f"'{active.name}' is selected; the takes are those of '{shot.head.name}'."
        yield Cause("selection", sentence, "Select the Head", lambda: _select(shot.head, view_layer))
    if not shot.head.visible_get(view_layer=view_layer):
        yield Cause("hidden", f"'{shot.head.name}' is hidden.", "Show It", lambda: _unhide(shot.head))


def _select(head: bpy.types.Object, view_layer: bpy.types.ViewLayer) -> None:
    for other in view_layer.objects:
        other.select_set(other == head)
    view_layer.objects.active = head


def _unhide(head: bpy.types.Object) -> None:
    head.hide_viewport = False
    head.hide_set(False)
