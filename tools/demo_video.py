# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders the demo's shot to a small video with the scene's own sound. Runs inside Blender."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import bpy

from .blender_render import set_camera, set_workbench

SIZE = 320  # px
_LOOK_AT, _HEIGHT = (0.0, -0.03, 0.03), 0.255  # point in model axes and height that fills the picture, m
_ANGLE = 10.0  # degrees, a little from the character's left


def render_video(path: Path) -> None:
    """Render the scene's frame range to an .mp4 with H.264 and AAC.

    Args:
        path: The file; replaced if it exists.
    """
    scene = bpy.context.scene
    set_workbench(SIZE, SIZE, vertex_colors=False)
    set_camera(_ANGLE, _LOOK_AT, _HEIGHT)
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):  # from 5.0
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    ffmpeg = scene.render.ffmpeg
    ffmpeg.format, ffmpeg.codec, ffmpeg.constant_rate_factor = "MPEG4", "H264", "HIGH"
    ffmpeg.audio_codec, ffmpeg.audio_bitrate = "AAC", 160
    scene.render.filepath = str(path)
    scene.render.use_file_extension = False
    with _silenced():
        bpy.ops.render.render(animation=True)


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Keep Blender's two lines a frame off the terminal; they are written below Python."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "w", encoding="utf-8") as nothing:  # noqa: PTH123 (os.devnull is no path on Windows)
        os.dup2(nothing.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)
