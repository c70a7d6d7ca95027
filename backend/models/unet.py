# SPDX-License-Identifier: GPL-3.0-or-later
"""The fully convolutional 1D U-Net of 3DiFACE (Sec. 3.1), shared by the face and the head.

Deviations from the paper: the style vector enters every block instead of only the last one, the timestep modulates
every block and gates the noisy motion (early steps carry no motion, and its noise would drown the audio), and a
guidance flag *a channel* (Sec. 3.2 has one a frame) is concatenated to the given values, of the face as well. The
outermost skip connection is `GivenSkip` or `SmoothGivenSkip`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import ShapeError
from .config import DenoiserConfig
from .layers import ConditionedBlock, GivenSkip, SmoothGivenSkip, TimestepEmbedding


class ConditionedUNet(nn.Module):
    """Predicts clean motion from noisy motion, the diffusion step, audio, style and given values."""

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        self.stride: int = 2 ** (len(config.widths) - 1)
        modulation_dim = config.time_dim + config.style_dim
        self.motion_encoder = nn.Conv1d(config.motion_dim, config.widths[0], 1)
        self.given_encoder = nn.Conv1d(2 * config.motion_dim, config.widths[0], 1) if config.takes_mask else None
        self.timestep_embedding = TimestepEmbedding(config.time_dim)
        self.timestep_gate = nn.Linear(config.time_dim, 2 * config.widths[0])
        self.down = nn.ModuleList(self._level(width, modulation_dim) for width in config.widths[:-1])
        self.shrink = nn.ModuleList(
            nn.Conv1d(above, below, 4, stride=2, padding=1)
            for above, below in zip(config.widths, config.widths[1:], strict=False)
        )
        self.middle = nn.ModuleList(
            ConditionedBlock(config.widths[-1], modulation_dim, config.feature_dim, dilation)
            for dilation in config.dilations
        )
        self.grow = nn.ModuleList(
            nn.ConvTranspose1d(below, above, 4, stride=2, padding=1)
            for above, below in zip(config.widths, config.widths[1:], strict=False)
        )
        self.join = nn.ModuleList(
            nn.Conv1d(2 * width, width, 1) if config.skip_connections else nn.Identity() for width in config.widths[:-1]
        )
        self.up = nn.ModuleList(self._level(width, modulation_dim) for width in config.widths[:-1])
        self.motion_decoder = nn.Conv1d(config.widths[0], config.motion_dim, 1)
        self.given_skip = given_skip(config)

    def _level(self, width: int, modulation_dim: int) -> nn.ModuleList:
        """Blocks of one level, on one of its two sides."""
        return nn.ModuleList(
            ConditionedBlock(width, modulation_dim, self.config.feature_dim) for _ in range(self.config.blocks)
        )

    def forward(
        self, sample: Tensor, timesteps: Tensor, audio_features: Tensor, style: Tensor, keyframe_mask: Tensor
    ) -> Tensor:
        """Predict the clean motion x0 (Eq. 1; Algorithm 2, line 8).

        Args:
            sample: Noisy motion x_t, normalised, with given values already in place (Algorithm 2, line 7), (B, N, C).
            timesteps: Diffusion steps, (B,), 0 to T - 1.
            audio_features: The audio encoder's output, (B, N, D); zeros are the null condition.
            style: Style vectors, (B, S).
            keyframe_mask: (B, N, C) bool, True where `sample` holds a given value.

        Returns:
            `pred_original_sample`, normalised, (B, N, C). Any N: it is padded inside to a multiple of `stride`.

        Raises:
            ShapeError: The shapes disagree; the message names them.
        """
        check_shapes(self.config, sample, audio_features, style, keyframe_mask)
        N = sample.shape[1]
        padding = (0, -N % self.stride)
        audio = functional.pad(audio_features.transpose(1, 2), padding)
        embedding = self.timestep_embedding(timesteps)
        modulation = torch.cat([embedding, style], dim=-1)
        hidden = functional.pad(self._embed(sample, embedding, keyframe_mask), padding)
        hidden = self._decode(*self._encode(hidden, modulation, audio), modulation, audio)
        predicted: Tensor = self.motion_decoder(hidden)[:, :, :N]
        if self.given_skip is not None:
            flags = keyframe_mask.to(sample.dtype).transpose(1, 2)
            predicted = self.given_skip(predicted, sample.transpose(1, 2), flags)
        return predicted.transpose(1, 2)

    def _embed(self, sample: Tensor, embedding: Tensor, keyframe_mask: Tensor) -> Tensor:
        """Project the motion to (B, W, N), with the timestep and the given values.

        The noisy part is gated by the timestep, since early it says next to nothing; given values never are.
        """
        scale, shift = self.timestep_gate(embedding)[:, :, None].chunk(2, dim=1)
        noisy, given = sample, shift
        if self.given_encoder is not None:
            flags = keyframe_mask.to(sample.dtype)
            noisy = sample * (1.0 - flags)
            given = shift + self.given_encoder(torch.cat([sample * flags, flags], dim=-1).transpose(1, 2))
        embedded: Tensor = torch.sigmoid(scale) * self.motion_encoder(noisy.transpose(1, 2)) + given
        return embedded

    def _encode(self, hidden: Tensor, modulation: Tensor, audio: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Run the way down and the lowest level; returns its output and each upper level's output."""
        kept: list[Tensor] = []
        for level, (blocks, shrink) in enumerate(zip(self.down, self.shrink, strict=True)):
            hidden = run_blocks(blocks, hidden, modulation, pooled(audio, level))
            kept.append(hidden)
            hidden = shrink(hidden)
        return run_blocks(self.middle, hidden, modulation, pooled(audio, len(kept))), kept

    def _decode(self, hidden: Tensor, kept: list[Tensor], modulation: Tensor, audio: Tensor) -> Tensor:
        """Run the way up, joining what the way down kept where the configuration says so."""
        for level in reversed(range(len(kept))):
            hidden = self.grow[level](hidden)
            if self.config.skip_connections:
                hidden = self.join[level](torch.cat([hidden, kept[level]], dim=1))
            hidden = run_blocks(self.up[level], hidden, modulation, pooled(audio, level))
        return hidden


def given_skip(config: DenoiserConfig) -> GivenSkip | SmoothGivenSkip | None:
    """The skip connection of the given values that a configuration asks for."""
    if config.given_reaches:
        return SmoothGivenSkip(config.motion_dim, config.given_reaches)
    return GivenSkip(config.motion_dim, config.given_reach) if config.given_reach else None


def run_blocks(blocks: nn.Module, hidden: Tensor, modulation: Tensor, audio: Tensor) -> Tensor:
    """Run the blocks of one level in turn: (B, W, N) to (B, W, N)."""
    for block in blocks.children():
        hidden = block(hidden, modulation, audio)
    return hidden


def pooled(audio: Tensor, level: int) -> Tensor:
    """Audio features (B, D, N) averaged to the frame rate of a level, (B, D, N / 2^level)."""
    return functional.avg_pool1d(audio, 2**level) if level else audio


def check_shapes(
    config: DenoiserConfig, sample: Tensor, audio_features: Tensor, style: Tensor, keyframe_mask: Tensor
) -> None:
    """Raise ShapeError in one sentence where an input of a denoiser has the wrong shape."""
    B, N = sample.shape[:2]
    expected = {
        "sample": (sample, (B, N, config.motion_dim)),
        "audio_features": (audio_features, (B, N, config.feature_dim)),
        "style": (style, (B, config.style_dim)),
        "keyframe_mask": (keyframe_mask, (B, N, config.motion_dim)),
    }
    for name, (tensor, shape) in expected.items():
        if tuple(tensor.shape) != shape:
            raise ShapeError(f"{name} has shape {tuple(tensor.shape)} where {shape} is needed.")
