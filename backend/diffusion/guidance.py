# SPDX-License-Identifier: GPL-3.0-or-later
"""Classifier-free guidance (Ho and Salimans 2022; 3DiFACE, Sec. 5): how closely the motion follows the audio."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..models.unet import ConditionedUNet


@dataclass(frozen=True)
class GuidedDenoiser:
    """A network with its conditions bound, called as `denoise(sample, timestep)`.

    The prediction is uncond + s * (cond - uncond): 0 is unconditional, 1 conditional, more amplifies the audio.
    The null condition is audio features of zeros; style and given values stay in both.
    """

    network: ConditionedUNet
    audio_features: Tensor  # (B, N, D)
    style: Tensor  # (B, S)
    keyframe_mask: Tensor  # (B, N, C) bool
    guidance_scale: float

    def __call__(self, sample: Tensor, timestep: Tensor) -> Tensor:
        """Predict the clean motion.

        Args:
            sample: Noisy motion, normalised, (B, N, C).
            timestep: The diffusion step, ().

        Returns:
            Guided prediction of the clean motion, (B, N, C).
        """
        if self.guidance_scale == 1.0:
            return self._predict(sample, timestep, self.audio_features)
        unconditional = self._predict(sample, timestep, torch.zeros_like(self.audio_features))
        if self.guidance_scale == 0.0:
            return unconditional
        conditional = self._predict(sample, timestep, self.audio_features)
        return unconditional + self.guidance_scale * (conditional - unconditional)

    def _predict(self, sample: Tensor, timestep: Tensor, audio_features: Tensor) -> Tensor:
        """What the network says, wherever it computes; what comes and goes is on the CPU."""
        device = next(self.network.parameters()).device
        told = (sample, timestep.expand(len(sample)), audio_features, self.style, self.keyframe_mask)
        predicted: Tensor = self.network(*(each.to(device) for each in told))
        return predicted.to(sample.device)
