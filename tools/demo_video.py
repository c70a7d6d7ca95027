# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders the demo's shot to a small video with the scene's own sound. Runs inside Blender."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import bpy

from .blender_render import set_camera, set_workbench

SIZE = 320  # px
_BELOW_THE_EYES, _DEPTH, _HEIGHT = 0.045, 0.03, 0.21  # where the camera looks, and what fills the picture, m
_ANGLE = 10.0  # degrees, a little from the character's left


def prepare_video() -> None:
    """Set the scene up: camera, Workbench, H.264 and AAC in an .mp4. Once a scene."""
    scene = bpy.context.scene
    set_workbench(SIZE, SIZE, vertex_colors=True)
    set_camera(_ANGLE, (0.0, eye_height() - _BELOW_THE_EYES, _DEPTH), _HEIGHT)
    settings = scene.render.image_settings
    if hasattr(settings, "media_type"):  # from 5.0
        settings.media_type = "VIDEO"
    settings.file_format = "FFMPEG"
    ffmpeg = scene.render.ffmpeg
    ffmpeg.format, ffmpeg.codec, ffmpeg.constant_rate_factor = "MPEG4", "H264", "HIGH"
    ffmpeg.audio_codec, ffmpeg.audio_bitrate = "AAC", 160
    scene.render.use_file_extension = False


def eye_height() -> float:
    """Height of the head's eyes, m."""
    bpy.context.view_layer.update()
    rig = next(obj for obj in bpy.context.scene.objects if obj.type == "ARMATURE")
    return float((rig.matrix_world @ rig.data.bones["left eye"].head_local).z)


def render_video(path: Path) -> None:
    """Render the frame range of a prepared scene with its sound.

    Args:
        path: The .mp4 file; replaced if it exists.

    Raises:
        RuntimeError: Blender could not; the message ends with what it said.
    """
    bpy.context.scene.render.filepath = str(path)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        try:
            with _into(log):
                bpy.ops.render.render(animation=True)
        except RuntimeError as error:
            log.seek(0)
            raise RuntimeError(f"{''.join(log.readlines()[-20:])}{error}") from error


@contextlib.contextmanager
def _into(log: IO[str]) -> Iterator[None]:
    """Send what Blender says while rendering, two lines a frame written below Python, to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    try:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        yield
    finally:
        for descriptor, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)
