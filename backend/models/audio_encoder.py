# SPDX-License-Identifier: GPL-3.0-or-later
"""The audio encoder: normalised log-mel frames to the audio features that condition both denoisers.

It stands where the paper has wav2vec 2.0 and a linear layer (3DiFACE, Sec. 3): small enough for a laptop, trained
on phones and teacher controls, then frozen. Beside the sound it may hear how well each phone fits (`PhoneDensities`).
"""

from __future__ import annotations

from torch import Tensor, nn

from ..errors import ShapeError
from .config import AudioEncoderConfig
from .layers import ResidualBlock
from .phone_densities import PhoneDensities

_HALF_RATE = 7  # modules of `AudioEncoder.front` up to 60 Hz


class AudioEncoder(nn.Module):
    """Convolutional encoder of about 1.6 million weights, 120 Hz in, 30 fps out."""

    def __init__(self, config: AudioEncoderConfig = AudioEncoderConfig()) -> None:  # noqa: B008 (frozen)
        super().__init__()
        self.config = config
        middle = (config.front_width + config.width) // 2
        self.front = nn.Sequential(
            *_unit(config.mel_bands, config.front_width, kernel=5, stride=1),
            *_unit(config.front_width, middle, kernel=4, stride=2),
            nn.Dropout(config.dropout),
            *_unit(middle, config.width, kernel=4, stride=2),
        )
        self.densities = self.hear_densities = None
        if config.density_phones:
            self.densities = PhoneDensities(config.density_phones, config.densities)
            self.hear_densities = nn.Sequential(
                nn.BatchNorm1d(self.densities.width),
                *_unit(self.densities.width, middle, kernel=3, stride=1),
                nn.Dropout(config.dropout),
            )
        self.body = nn.Sequential(*(ResidualBlock(config.width, step, config.dropout) for step in config.dilations))
        self.project = nn.Conv1d(config.width, config.feature_dim, 1)
        self.standardise = nn.BatchNorm1d(config.feature_dim, affine=False)
        self.phone_head = nn.Linear(config.feature_dim, config.phone_count)

    @property
    def receptive_frames(self) -> int:
        """Motion frames on each side that a feature frame depends on: blocks with this margin agree."""
        return sum(self.config.dilations) + 2

    def forward(self, log_mel: Tensor, densities: Tensor | None = None) -> Tensor:
        """Encode normalised log-mel features.

        Args:
            log_mel: (B, 4 N, 80) at 120 Hz, from `audio.log_mel`; frame 4 n is centred on motion frame n.
            densities: (B, 3 P, 2 N), what `self.densities` says of other features than `log_mel`, in training; None
                asks it. An encoder without densities takes none.

        Returns:
            `audio_features`, (B, N, D), about zero mean and unit variance a dimension; zeros are the null condition.

        Raises:
            ShapeError: The bands or the number of frames do not fit, or the densities; the message names the shape.
        """
        B, M, bands = log_mel.shape
        if bands != self.config.mel_bands or M % self.config.frames_per_motion_frame:
            raise ShapeError(f"log_mel has shape {(B, M, bands)} where (B, 4 N, {self.config.mel_bands}) is needed.")
        width = self.densities.width if self.densities is not None else 0
        if densities is not None and densities.shape != (B, width, M // 2):
            raise ShapeError(f"densities has shape {tuple(densities.shape)} where {(B, width, M // 2)} is needed.")
        hidden = self.front[:_HALF_RATE](log_mel.transpose(1, 2))
        if self.densities is not None and self.hear_densities is not None:
            hidden = hidden + self.hear_densities(self.densities(log_mel) if densities is None else densities)
        hidden = self.body(self.front[_HALF_RATE:](hidden))
        features: Tensor = self.standardise(self.project(hidden)).transpose(1, 2)
        return features

    def phone_logits(self, audio_features: Tensor) -> Tensor:
        """Unnormalised log probabilities of the phones, (B, N, phone_count), from `forward`'s output."""
        logits: Tensor = self.phone_head(audio_features)
        return logits


def _unit(channels: int, width: int, kernel: int, stride: int) -> tuple[nn.Module, ...]:
    """Convolution, batch normalisation and activation; the output has 1 / stride as many frames."""
    padding = (kernel - stride + 1) // 2 if stride > 1 else kernel // 2
    return nn.Conv1d(channels, width, kernel, stride, padding), nn.BatchNorm1d(width), nn.SiLU()
