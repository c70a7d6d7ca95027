# SPDX-License-Identifier: GPL-3.0-or-later
"""The facial motion generator (3DiFACE, Sec. 3.1), here over the 52 named controls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..models import Models
from ..protocol import CHANNEL_NAMES, CONTROL_NAMES
from .motion import MotionPipeline
from .settling import speech_closures
from .workers import Workers

FACE_CHANNELS = tuple(CHANNEL_NAMES.index(name) for name in CONTROL_NAMES)
_STREAM = 0
_REACH = 4.5  # frames, 0.15 s
_HORIZON = 22.0  # frames: beyond 0.75 s a key changes nothing


class FacePipeline(MotionPipeline):
    """Audio, style and given values to the weights of the named controls."""

    def __init__(self, models: Models, workers: Workers) -> None:
        super().__init__(models.face, models, FACE_CHANNELS, _STREAM, _REACH, _HORIZON, workers)

    def fixed(self, predicted: NDArray[np.float32], keyframe_mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Closures of speech that the network performs are not opened by bending onto a key beside them."""
        return speech_closures(predicted, keyframe_mask)
