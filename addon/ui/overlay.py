# SPDX-License-Identifier: GPL-3.0-or-later
"""What lies over the Dope Sheet and the Timeline: the range of the take, locked spans, pauses, and the phones heard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import bpy

from ...backend.errors import RetakeError
from ..core.heard import Heard
from ..core.takes import ORIGINAL
from ..core.timing import AudioClock, Span
from ..operators.common import library_in, record_in
from ..scene import state

_RANGE = (0.25, 0.50, 0.85, 0.10)
_EDGE = (0.35, 0.60, 0.95, 0.70)
_LOCKED = (0.90, 0.45, 0.15, 0.16)
_PAUSE = (0.60, 0.60, 0.60, 0.30)
_TEXT = (0.85, 0.85, 0.85, 0.90)
_STRIP = 16  # pixels of the strip with pauses and phones
_LEAST_PIXELS = 11  # a phone narrower than this has no label
_handle: list[Any] = []


@dataclass(frozen=True)
class Marks:
    """What is drawn, in scene frames."""

    range: Span | None
    locked: tuple[Span, ...]
    pauses: tuple[Span, ...]
    phones: tuple[tuple[float, float, str], ...]


@lru_cache(maxsize=8)
def _heard(text: str) -> Heard:
    return Heard.from_text(text)


def marks_in(context: bpy.types.Context) -> Marks | None:
    """What there is to draw for the head that is meant; None where there is nothing."""
    record, library = record_in(context), library_in(context)
    if record is None or library is None:
        return None
    notes = state.load_notes(record)
    if notes.clock is None:
        return None
    clock, heard = AudioClock(*notes.clock), _heard(record.heard)
    take = library.takes.get(notes.shown) if notes.shown != ORIGINAL else None
    return Marks(
        range=None if take is None else clock.frame_span(take.span),
        locked=tuple(clock.frame_span(Span(*span)) for span in notes.locked),
        pauses=tuple(clock.frame_span(pause) for pause in heard.pauses),
        phones=tuple((clock.frame(start), clock.frame(end), name) for start, end, name in heard.phones),
    )


def visible(marks: Marks, first: float, last: float) -> Marks:
    """The part of it between two frames."""
    window = Span(first, max(first, last))
    return Marks(
        marks.range,
        tuple(span for span in marks.locked if span.overlaps(window)),
        tuple(span for span in marks.pauses if span.overlaps(window)),
        tuple(phone for phone in marks.phones if phone[1] > first and phone[0] < last),
    )


def draw() -> None:
    """Draw over the editor; called by Blender whenever it is drawn."""
    context = bpy.context
    if not context.window_manager.retake_takes.overlay:
        return
    try:
        marks = marks_in(context)
    except RetakeError:  # said in the panel
        return
    if marks is None:
        return
    region = context.region
    view = region.view2d
    first, last = view.region_to_view(0, 0)[0], view.region_to_view(region.width, 0)[0]
    _draw_marks(visible(marks, first, last), region, view)


def _draw_marks(marks: Marks, region: Any, view: Any) -> None:
    """Rectangles first, then the labels."""
    import gpu

    gpu.state.blend_set("ALPHA")
    for span, colour, height in _rectangles(marks, region.height):
        left, right = (view.view_to_region(frame, 0, clip=False)[0] for frame in (span.start, span.end))
        _rectangle(left, right, height, colour)
    if marks.range is not None:
        for frame in (marks.range.start, marks.range.end):
            at = view.view_to_region(frame, 0, clip=False)[0]
            _rectangle(at, at + 1, region.height, _EDGE)
    _draw_phones(marks, view)
    gpu.state.blend_set("NONE")


def _rectangles(marks: Marks, height: int) -> Iterator[tuple[Span, tuple[float, ...], int]]:
    if marks.range is not None:
        yield marks.range, _RANGE, height
    for span in marks.locked:
        yield span, _LOCKED, height
    for span in marks.pauses:
        yield span, _PAUSE, _STRIP


def _rectangle(left: float, right: float, height: float, colour: tuple[float, ...]) -> None:
    import gpu
    from gpu_extras.batch import batch_for_shader

    shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    corners = ((left, 0), (right, 0), (right, height), (left, height))
    batch = batch_for_shader(shader, "TRIS", {"pos": corners}, indices=((0, 1, 2), (0, 2, 3)))
    shader.bind()
    shader.uniform_float("color", colour)
    batch.draw(shader)


def _draw_phones(marks: Marks, view: Any) -> None:
    """Names of the phones that have room."""
    import blf

    font = 0
    blf.size(font, 11 * bpy.context.preferences.system.ui_scale)
    blf.color(font, *_TEXT)
    for start, end, name in marks.phones:
        left, right = (view.view_to_region(frame, 0, clip=False)[0] for frame in (start, end))
        if name != "sil" and right - left >= _LEAST_PIXELS:
            blf.position(font, (left + right - blf.dimensions(font, name)[0]) / 2, 4, 0)
            blf.draw(font, name)


def add_overlay() -> None:
    """Let Blender call `draw`; a Blender without windows does not."""
    if not bpy.app.background:
        _handle.append(bpy.types.SpaceDopeSheetEditor.draw_handler_add(draw, (), "WINDOW", "POST_PIXEL"))


def remove_overlay() -> None:
    """Undo `add_overlay`."""
    while _handle:
        bpy.types.SpaceDopeSheetEditor.draw_handler_remove(_handle.pop(), "WINDOW")
