# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel says of the animator's keys and of the range, read fast enough to be drawn."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from ...backend.errors import RetakeError
from ..core import ranges
from ..core.heard import Heard
from ..core.timing import AudioClock, Span
from . import state
from .keying import OURS
from .shot import Shot, has_moved, open_shot, recording_for_takes

_SECONDS = 0.5  # a summary is as old as this at most


@dataclass(frozen=True)
class Summary:
    """Of a head.

    Attributes:
        keys: How many keys of the animator's stand on its curves.
        channels: On how many curves.
        frames: Scene frames of these keys, ascending.
        selected: First and last selected key; None where less than two times are selected.
        clock: Audio time to scene frames; None where nothing tells it.
        seconds: Length of the recording.
        moved: Whether the recording stands elsewhere than at the last write.
    """

    keys: int
    channels: int
    frames: tuple[float, ...]
    selected: Span | None
    clock: AudioClock | None
    seconds: float
    moved: bool


_known: dict[str, tuple[float, Summary]] = {}


def summary_of(scene: bpy.types.Scene, head: bpy.types.Object) -> Summary | None:
    """The summary of a head, at most half a second old; None where the head cannot be directed."""
    name = head.name_full
    at, known = _known.get(name, (0.0, None))
    screen = bpy.context.screen
    if known is not None and (time.monotonic() - at < _SECONDS or (screen is not None and screen.is_animation_playing)):
        return known
    try:
        found = summarise(open_shot(scene, head))
    except RetakeError:
        return None
    _known.clear()
    _known[name] = (time.monotonic(), found)
    return found


def summarise(shot: Shot) -> Summary:
    """Read the keys of a shot."""
    keys, channels = 0, 0
    frames: set[float] = set()
    selected: list[float] = []
    for target in shot.targets:
        fcurve = target.fcurve
        points = fcurve.keyframe_points if fcurve is not None else ()
        if not len(points):
            continue
        times, types, chosen = (np.empty(len(points) * width, kind) for width, kind in _COLUMNS)
        points.foreach_get("co", times)
        points.foreach_get("type", types)
        points.foreach_get("select_control_point", chosen)
        times = times[::2] + shot.shifts[target.curve_id]
        own = times[types != _OURS_NUMBER]
        keys, channels = keys + len(own), channels + bool(len(own))
        frames.update(np.round(own.astype(np.float64), 3).tolist())
        selected += [float(times[chosen].min()), float(times[chosen].max())] if chosen.any() else []
    span = Span(min(selected), max(selected)) if selected and max(selected) - min(selected) >= 1.0 else None
    try:
        recording = recording_for_takes(shot)
        clock, seconds = recording.clock, recording.seconds
        moved = has_moved(state.load_notes(shot.record), recording)
    except RetakeError:
        clock, seconds, moved = None, 0.0, False
    return Summary(keys, channels, tuple(sorted(frames)), span, clock, seconds, moved)


_COLUMNS = ((2, np.float32), (1, np.int32), (1, np.bool_))
_OURS_NUMBER = bpy.types.Keyframe.bl_rna.properties["type"].enum_items[OURS].value


def range_frames(scene: bpy.types.Scene, record: Any, mode: str, found: Summary) -> Span | None:
    """The scene frames that a range mode comes to now; None where it comes to none, or takes long to find out."""
    playhead = scene.frame_current_final
    if mode == "PREVIEW":
        return Span(scene.frame_preview_start, scene.frame_preview_end) if scene.use_preview_range else None
    if mode == "SELECTED":
        return found.selected
    if found.clock is None:
        return None
    whole = found.clock.frame_span(ranges.whole_audio(found.seconds))
    if mode == "NEIGHBOURS":
        before = [frame for frame in found.frames if frame < playhead - 1e-4]
        after = [frame for frame in found.frames if frame > playhead + 1e-4]
        start, end = before[-1] if before else whole.start, after[0] if after else whole.end
        return Span(start, end) if start < end else None
    if mode == "PHRASE":
        pauses = [pause for pause in Heard.from_text(record.heard).pauses if pause.length >= ranges.MIN_PAUSE]
        return (
            found.clock.frame_span(ranges.phrase_at(pauses, found.clock, playhead, found.seconds)) if pauses else None
        )
    return whole
