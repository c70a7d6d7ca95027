# SPDX-License-Identifier: GPL-3.0-or-later
"""Building blocks that the networks share. Inside them tensors are (B, W, N): batch, width, frames.

Nothing here normalises over time, so a frame depends only on frames within the receptive field: windows of
a long recording agree, and a key's effect stays near it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class FrameNorm(nn.Module):
    """Root-mean-square normalisation of each frame over its channels, with a learned gain (Zhang and Sennrich 2019)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width, 1))

    def forward(self, hidden: Tensor) -> Tensor:
        """Normalise (B, W, N) over W."""
        scale = torch.rsqrt(hidden.square().mean(dim=1, keepdim=True) + 1e-5)
        return hidden * scale * self.gain


class TimestepEmbedding(nn.Module):
    """Sinusoidal encoding of the diffusion step, then a two-layer perceptron (Nichol and Dhariwal 2021)."""

    frequencies: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        half = dim // 2
        self.register_buffer("frequencies", torch.exp(-math.log(10000.0) * torch.arange(half) / half), persistent=False)
        self.layers = nn.Sequential(nn.Linear(2 * half, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, timesteps: Tensor) -> Tensor:
        """Embed steps (B,) as (B, dim)."""
        angles = timesteps.to(self.frequencies.dtype)[:, None] * self.frequencies[None, :]
        embedded: Tensor = self.layers(torch.cat([angles.sin(), angles.cos()], dim=-1))
        return embedded


class ConvBlock(nn.Module):
    """Residual pair of 1D convolutions, modulated by the timestep and the style (scale and shift a channel)."""

    def __init__(self, width: int, modulation_dim: int, dilation: int = 1) -> None:
        super().__init__()
        self.norm = FrameNorm(width)
        self.first = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.modulation = nn.Linear(modulation_dim, 2 * width)
        self.second = nn.Conv1d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)

    def forward(self, hidden: Tensor, modulation: Tensor) -> Tensor:
        """Map (B, W, N) with a modulation vector (B, M) to (B, W, N)."""
        scale, shift = self.modulation(modulation)[:, :, None].chunk(2, dim=1)
        update = self.first(functional.silu(self.norm(hidden)))
        update = functional.silu(torch.addcmul(update + shift, update, scale))
        residual: Tensor = self.second(update)
        return hidden + residual


class ConditionBlock(nn.Module):
    """Inject the audio: concatenate it with the hidden features, then a width-preserving convolution (Sec. 3.1)."""

    def __init__(self, width: int, feature_dim: int) -> None:
        super().__init__()
        self.norm = FrameNorm(width)
        self.mix = nn.Conv1d(width + feature_dim, width, 1)

    def forward(self, hidden: Tensor, audio_features: Tensor) -> Tensor:
        """Map (B, W, N) and features (B, D, N) at the same frame rate to (B, W, N)."""
        joined = torch.cat([functional.silu(self.norm(hidden)), audio_features], dim=1)
        mixed: Tensor = self.mix(joined)
        return hidden + mixed


class ConditionedBlock(nn.Module):
    """A convolution block followed by its condition block, the unit the U-Net is made of."""

    def __init__(self, width: int, modulation_dim: int, feature_dim: int, dilation: int = 1) -> None:
        super().__init__()
        self.convolution = ConvBlock(width, modulation_dim, dilation)
        self.condition = ConditionBlock(width, feature_dim)

    def forward(self, hidden: Tensor, modulation: Tensor, audio_features: Tensor) -> Tensor:
        """Map (B, W, N) to (B, W, N)."""
        conditioned: Tensor = self.condition(self.convolution(hidden, modulation), audio_features)
        return conditioned


class GivenSkip(nn.Module):
    """Outermost skip connection: brings the given values to the output, and a learned share of each to its neighbours.

    What the network misses at the given values is spread by a kernel a channel, 1 at the value and falling with the
    distance: normalised convolution (Knutsson and Westin 1993), so that close values do not add up. The paper gives
    skip connections to the head "to aid the model in reproducing the ground truth signals" (Sec. 3.2); with values on
    single channels and frames, the narrow latent would otherwise have to carry all of them.
    """

    _gain = 20.0  # lets the kernel learn as fast as the weights around it

    def __init__(self, channels: int, reach: int) -> None:
        super().__init__()
        decay = torch.linspace(4.0, -2.0, reach) / self._gain
        self.decay = nn.Parameter(decay.repeat(channels, 1))  # share kept from frame to frame, before the sigmoid

    def kernel(self) -> Tensor:
        """Kernel (C, 1, 2 reach + 1), symmetric, 1 in the middle, falling outwards."""
        side = torch.sigmoid(self._gain * self.decay).cumprod(dim=1)
        return torch.cat([side.flip(1), torch.ones_like(side[:, :1]), side], dim=1)[:, None]

    def forward(self, predicted: Tensor, given: Tensor, flags: Tensor) -> Tensor:
        """Bend a prediction (B, C, N) towards the given values (B, C, N), where the flags (B, C, N) are 1."""
        kernel, channels = self.kernel(), flags.shape[1]
        padding = kernel.shape[-1] // 2
        weight = functional.conv1d(flags, kernel, padding=padding, groups=channels).clamp(min=1.0)
        missed = flags * (given - predicted)
        return predicted + functional.conv1d(missed, kernel, padding=padding, groups=channels) / weight


class SmoothGivenSkip(nn.Module):
    """As `GivenSkip`, for motion so smooth that the bend of a learned kernel shows as a jerk at every given value.

    Raised cosines of several reaches in turn, the widest first, each spreading what those before it left (multilevel
    approximation of scattered data, Lee, Wolberg and Shin 1997): lone values bend widely, close ones are still met.
    """

    def __init__(self, channels: int, reaches: tuple[int, ...]) -> None:
        super().__init__()
        self.channels, self.reaches = channels, reaches
        for number, reach in enumerate(reaches):
            cosine = 0.5 + 0.5 * torch.cos(torch.pi * torch.arange(-reach, reach + 1) / reach)
            self.register_buffer(f"kernel_{number}", cosine.repeat(channels, 1)[:, None], persistent=False)

    def forward(self, predicted: Tensor, given: Tensor, flags: Tensor) -> Tensor:
        """Bend a prediction (B, C, N) towards the given values (B, C, N), where the flags (B, C, N) are 1."""
        for number, reach in enumerate(self.reaches):
            kernel = self.get_buffer(f"kernel_{number}")
            weight = functional.conv1d(flags, kernel, padding=reach, groups=self.channels).clamp(min=1.0)
            missed = flags * (given - predicted)
            predicted = predicted + functional.conv1d(missed, kernel, padding=reach, groups=self.channels) / weight
        return predicted


class ResidualBlock(nn.Module):
    """Dilated residual block with batch normalisation, for the audio encoder."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation),
            nn.BatchNorm1d(width),
            nn.SiLU(),
            nn.Dropout(dropout),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (B, W, N) to (B, W, N)."""
        residual: Tensor = self.layers(hidden)
        return hidden + residual
