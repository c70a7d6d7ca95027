# SPDX-License-Identifier: GPL-3.0-or-later
"""The facial motion generator (3DiFACE, Sec. 3.1), here over the 52 named controls."""

from __future__ import annotations

from ..models import Models
from ..protocol import CHANNEL_NAMES, CONTROL_NAMES
from .motion import MotionPipeline

FACE_CHANNELS = tuple(CHANNEL_NAMES.index(name) for name in CONTROL_NAMES)
_STREAM = 0


class FacePipeline(MotionPipeline):
    """Audio, style and given values to the weights of the named controls."""

    def __init__(self, models: Models) -> None:
        columns = list(FACE_CHANNELS)
        super().__init__(models.face, models.motion_mean[columns], models.motion_sd[columns], columns, _STREAM)
