# SPDX-License-Identifier: GPL-3.0-or-later
"""The audio encoder: normalised log-mel frames to the audio features that condition both denoisers.

It stands where the paper has wav2vec 2.0 and a linear layer (3DiFACE, Sec. 3): small enough for a laptop, trained
on phones and teacher controls, then frozen. A part of it may have learned before how well each state of a phone fits,
from a recogniser that heard more voices (`training.states`); what it says goes into the rest, as in tandem recognition
(Hermansky et al. 2000).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from ..errors import ShapeError
from .config import AudioEncoderConfig
from .layers import ResidualBlock

_HALF_RATE = 7  # modules of `AudioEncoder.front` up to 60 Hz
_STATE_KERNEL = 15  # feature frames, 125 ms


class PhoneStates(nn.Module):
    """How well each state of a phone fits the sound, 60 times a second, from 125 ms around."""

    def __init__(self, config: AudioEncoderConfig) -> None:
        super().__init__()
        width = config.state_width
        self.hear = nn.Conv1d(config.mel_bands, width, _STATE_KERNEL, 2, _STATE_KERNEL // 2)
        self.mix = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(2))
        self.tell = nn.Conv1d(width, config.state_count, 1)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Normalised log-mel (B, 80, 4 N) to log-likelihoods (B, state_count, 2 N), centred and scaled a frame."""
        hidden = functional.silu(self.hear(log_mel))
        for mix in self.mix:
            hidden = hidden + functional.silu(mix(hidden))
        likelihoods: Tensor = self.tell(hidden)
        return likelihoods


class AudioEncoder(nn.Module):
    """Convolutional encoder of 1.5 to 2 million parameters, 120 Hz in, 30 fps out."""

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
        self.states = self.heard_states = None
        if config.state_width:
            self.states = PhoneStates(config)
            self.heard_states = nn.Sequential(
                nn.BatchNorm1d(config.state_count),
                *_unit(config.state_count, middle, kernel=3, stride=1),
                nn.Dropout(config.dropout),
            )
        self.body = nn.Sequential(*(ResidualBlock(config.width, step, config.dropout) for step in config.dilations))
        self.project = nn.Conv1d(config.width, config.feature_dim, 1)
        self.standardise = nn.BatchNorm1d(config.feature_dim, affine=False)
        self.phone_head = nn.Linear(config.feature_dim, config.phone_count)

    @property
    def receptive_frames(self) -> int:
        """Motion frames on each side that a feature frame depends on: blocks with this margin agree."""
        return sum(self.config.dilations) + 3

    def forward(self, log_mel: Tensor) -> Tensor:
        """Encode normalised log-mel features.

        Args:
            log_mel: (B, 4 N, 80) at 120 Hz, from `audio.log_mel`; frame 4 n is centred on motion frame n.

        Returns:
            `audio_features`, (B, N, D), about zero mean and unit variance a dimension; zeros are the null condition.

        Raises:
            ShapeError: The bands or the number of frames do not fit; the message names the shape.
        """
        B, M, bands = log_mel.shape
        if bands != self.config.mel_bands or M % self.config.frames_per_motion_frame:
            raise ShapeError(f"log_mel has shape {(B, M, bands)} where (B, 4 N, {self.config.mel_bands}) is needed.")
        mel = log_mel.transpose(1, 2)
        hidden = self.front[:_HALF_RATE](mel)
        if self.states is not None and self.heard_states is not None:
            hidden = hidden + self.heard_states(self.states(mel))
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
