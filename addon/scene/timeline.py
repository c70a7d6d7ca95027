# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of the scene and frames of an action: the same, except while an NLA strip is tweaked."""

from __future__ import annotations

from typing import Any

import bpy

from ...backend.errors import InputError


def tweak_shift(owner: bpy.types.ID) -> float:
    """Scene frame minus frame of the assigned action; 0 outside NLA tweak mode.

    Args:
        owner: Datablock whose animation data is asked.

    Raises:
        InputError: The tweaked strip is scaled, reversed, repeated or has its time animated.
    """
    data = owner.animation_data
    if data is None or not data.use_tweak_mode:
        return 0.0
    strip = _tweaked_strip(data)
    if strip is None:
        return 0.0
    problem = _problem(strip)
    if problem:
        raise InputError(
            f"The NLA strip '{strip.name}' that is being tweaked is {problem}, so its keys have no one place in time.",
            "Leave tweak mode, or give the strip scale 1, one repetition and the usual direction.",
        )
    return float(strip.frame_start - strip.action_frame_start)


def _tweaked_strip(data: Any) -> Any | None:
    """The strip whose action is being tweaked."""
    strips = [strip for track in data.nla_tracks for strip in track.strips]
    active = [strip for strip in strips if strip.active and strip.action == data.action]
    return next(iter(active or [strip for strip in strips if strip.action == data.action]), None)


def _problem(strip: Any) -> str:
    """What is wrong with a strip, in a word; empty where nothing is."""
    checks = {
        "scaled": abs(strip.scale - 1.0) > 1e-5,
        "reversed": strip.use_reverse,
        "repeated": abs(strip.repeat - 1.0) > 1e-5,
        "timed by a curve": strip.use_animated_time,
    }
    return next((word for word, holds in checks.items() if holds), "")
