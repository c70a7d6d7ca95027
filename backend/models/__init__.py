# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks, one a file, and the checkpoint that holds them."""

from __future__ import annotations

from .audio_encoder import AudioEncoder
from .checkpoint import DEFAULT_CHECKPOINT, Models, load_checkpoint, save_checkpoint
from .config import AudioEncoderConfig, DenoiserConfig
from .face_denoiser import FaceDenoiser
from .head_denoiser import HeadDenoiser

__all__ = [
    "DEFAULT_CHECKPOINT",
    "AudioEncoder",
    "AudioEncoderConfig",
    "DenoiserConfig",
    "FaceDenoiser",
    "HeadDenoiser",
    "Models",
    "load_checkpoint",
    "save_checkpoint",
]
