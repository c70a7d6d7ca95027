# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges of the denoisers' training: short runs of the real sampler on recordings that nothing is learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..audio.log_mel import FRAMES_PER_MOTION_FRAME, normalised_log_mel
from ..diffusion.guidance import GuidedDenoiser
from ..diffusion.samplers import SAMPLERS, Sampled, sample_motion
from ..evaluation.lips import LipRig, SpokenClip, measure_lips
from ..models.audio_encoder import AudioEncoder
from ..protocol import CHANNEL_NAMES, CONTROL_NAMES, DEFAULT_SAMPLER
from .denoisers import StyledDenoiser
from .speech_folder import Clip, read_audio
from .teacher import perform

_STEPS = 10
_KEY_EVERY = 30  # frames between keys
_MOVED = 2.0  # standard deviations

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class JudgedClip:
    """A recording with its features (N, 64) and the teacher's rule (N, 55)."""

    clip: Clip
    features: Tensor
    reference: Floats


def judged_clips(clips: Sequence[Clip], encoder: AudioEncoder) -> list[JudgedClip]:
    """Encode recordings to judge by."""
    judged = []
    for clip in clips:
        mel = normalised_log_mel(read_audio(clip.path))
        with torch.inference_mode():
            features = encoder(torch.from_numpy(mel)[None])[0]
        frames = len(mel) // FRAMES_PER_MOTION_FRAME
        reference = perform(clip.phones, frames / 30.0)
        judged.append(JudgedClip(clip, features, reference[:frames]))
    return judged


@dataclass(frozen=True)
class Normalisation:
    """Mean and scale of one network's channels, (C,) each, and their deviation on the teacher's tracks."""

    mean: Floats
    scale: Floats
    sd: NDArray[np.float64]


def sample_takes(
    network: StyledDenoiser,
    clip: JudgedClip,
    seeds: Sequence[int],
    guidance: float,
    given: tuple[Floats, NDArray[np.bool_]],
) -> Sampled:
    """Sample takes in the neutral style; `given` holds normalised values and flags (N, C), the same for every take."""
    B, (N, C) = len(seeds), given[0].shape
    values = torch.from_numpy(given[0]).expand(B, -1, -1)
    mask = torch.from_numpy(given[1]).expand(B, -1, -1)
    noise = torch.stack([torch.randn(N, C, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    style = network.styles.weight[0].expand(B, -1)
    denoise = GuidedDenoiser(network.denoiser, clip.features.expand(B, -1, -1), style, mask, guidance)
    return sample_motion(
        denoise,
        lambda _: noise,
        values,
        mask,
        takes_mask=network.denoiser.config.takes_mask,
        sampler=SAMPLERS[DEFAULT_SAMPLER],
        num_inference_steps=_STEPS,
        on_step=lambda: None,
    )


def moved_keys(motion: Floats, norm: Normalisation, one_channel: bool, seed: int) -> tuple[Floats, NDArray[np.bool_]]:
    """One key a second, moved by two deviations off a performance (N, C): normalised values and flags."""
    generator = np.random.default_rng(seed)
    values, mask = (motion - norm.mean) / norm.scale, np.zeros(motion.shape, bool)
    moving = np.flatnonzero(norm.sd >= 0.01)
    for frame in range(_KEY_EVERY // 2, len(motion), _KEY_EVERY):
        channels = generator.choice(moving, 1) if one_channel else moving
        values[frame] += _MOVED * (norm.sd / norm.scale) * generator.choice([-1.0, 1.0], motion.shape[1])
        mask[frame, channels] = True
    return values.astype(np.float32), mask


def raw_sd(
    network: StyledDenoiser, clips: Sequence[JudgedClip], norm: Normalisation, columns: slice, one: bool
) -> float:
    """How far the last prediction misses keys moved by two deviations, root mean square in deviations."""
    misses = []
    for number, clip in enumerate(clips):
        motion = perform(clip.clip.phones, len(clip.features) / 30.0, seed=number)[: len(clip.features), columns]
        values, mask = moved_keys(motion, norm, one and columns.start == 0, number)
        if mask.any():
            raw = sample_takes(network, clip, [number], 1.0, (values, mask)).raw[0].numpy()
            misses.append(((raw - values) * norm.scale / np.maximum(norm.sd, 1e-6))[mask])
    return float(np.sqrt(np.mean(np.concatenate(misses) ** 2)))


class FaceJudge:
    """Scores a face denoiser: lips beside the teacher's, keys honoured, every channel as alive as the teacher's."""

    def __init__(self, clips: Sequence[JudgedClip], rig: LipRig, norm: Normalisation, guidance: float = 1.0) -> None:
        self._clips, self._rig, self._norm, self._guidance = clips, rig, norm, guidance

    def __call__(self, network: nn.Module) -> tuple[float, dict[str, float]]:
        """Sample two takes of every clip and measure them."""
        assert isinstance(network, StyledDenoiser)
        spoken, spreads, moved = [], [], []
        for clip in self._clips:
            free = np.zeros((len(clip.features), len(CONTROL_NAMES)), np.float32)
            sampled = sample_takes(network, clip, [0, 1], self._guidance, (free, free > 0)).sample.numpy()
            channels = sampled * self._norm.scale + self._norm.mean
            spoken.append(SpokenClip(clip.clip.phones, channels[0], clip.reference))
            spreads.append(self._rig.gap(channels).std(axis=0, ddof=1))
            moved.append(channels[0])
        figures = measure_lips(spoken, self._rig)
        columns = slice(0, len(CONTROL_NAMES))
        figures["raw_all"] = raw_sd(network, self._clips[:12], self._norm, columns, one=False)
        figures["raw_one"] = raw_sd(network, self._clips[:12], self._norm, columns, one=True)
        figures["liveliness"] = self._liveliness(np.concatenate(moved))
        figures["gap_spread_mm"] = float(np.concatenate(spreads).mean())
        score = figures["closure"] + figures["gap_correlation"] + figures["control_correlation"] + figures["rest"]
        score += 0.5 * (figures["fv_auc"] + figures["rounding_auc"]) - 0.5 * (figures["raw_all"] + figures["raw_one"])
        return score + 2.0 * figures["liveliness"], figures  # twice: guidance can sharpen lips, but not enliven brows

    def _liveliness(self, channels: Floats) -> float:
        """Deviation of the channels (N, C) over the teacher's in the same style, at most 1 each, averaged."""
        takes = [
            perform(c.clip.phones, c.clip.seconds, seed=n)[:, : channels.shape[1]] for n, c in enumerate(self._clips)
        ]
        wanted = np.concatenate(takes).std(axis=0)
        moving = wanted >= 0.01
        return float(np.minimum(channels.std(axis=0)[moving] / wanted[moving], 1.0).mean())


class HeadJudge:
    """Scores a head denoiser: keys honoured, and a spread of takes near the teacher's."""

    def __init__(self, clips: Sequence[JudgedClip], norm: Normalisation) -> None:
        self._clips, self._norm = clips, norm

    def __call__(self, network: nn.Module) -> tuple[float, dict[str, float]]:
        """Sample four takes of some clips and measure them."""
        assert isinstance(network, StyledDenoiser)
        columns = slice(len(CONTROL_NAMES), len(CHANNEL_NAMES))
        made, wanted = [], []
        for clip in self._clips[:24]:
            free = np.zeros((len(clip.features), 3), np.float32)
            sampled = sample_takes(network, clip, [0, 1, 2, 3], 1.0, (free, free > 0)).sample.numpy()
            made.append((sampled * self._norm.scale).std(axis=0, ddof=1))
            seconds = len(clip.features) / 30.0
            takes = [perform(clip.clip.phones, seconds, seed=seed)[:, columns] for seed in range(4)]
            wanted.append(np.std(takes, axis=0, ddof=1))
        spread, teacher = np.rad2deg(np.concatenate(made).mean()), np.rad2deg(np.concatenate(wanted).mean())
        figures = {
            "raw": raw_sd(network, self._clips[:24], self._norm, columns, one=False),
            "spread_deg": float(spread),
            "teacher_spread_deg": float(teacher),
        }
        return -figures["raw"] - abs(float(np.log(spread / teacher))), figures
