# SPDX-License-Identifier: GPL-3.0-or-later
"""The head motion generator (3DiFACE, Sec. 3.2): the neck's rotation, axis-angle in model axes, rad."""

from __future__ import annotations

from ..models import Models
from ..protocol import CHANNEL_NAMES, HEAD_ROTATION
from .motion import MotionPipeline
from .workers import Workers

HEAD_CHANNELS = tuple(CHANNEL_NAMES.index(name) for name in HEAD_ROTATION)
_STREAM = 1
_REACH = 15.0  # frames, 0.5 s: a head is slower than a face
_HORIZON = 22.0  # frames: beyond 0.75 s a key changes nothing


class HeadPipeline(MotionPipeline):
    """Audio, style and given values to the rotation of the neck."""

    def __init__(self, models: Models, workers: Workers) -> None:
        super().__init__(models.head, models, HEAD_CHANNELS, _STREAM, _REACH, _HORIZON, workers)
