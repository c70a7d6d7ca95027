# SPDX-License-Identifier: GPL-3.0-or-later
"""Augmentation of recordings, so that the encoder hears more rooms, microphones and voices than were recorded.

Of the waveform: speed (with pitch and vocal tract), equaliser, reverberation, noise, clipping to a band. Of the
features: SpecAugment masks (Park et al. 2019) and a warp of the bands (vocal tract length, Jaitly and Hinton 2013).
Of the phone densities: masks of frames.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt
from torch import Tensor

from ..audio.log_mel import SAMPLE_RATE

Audio = NDArray[np.float32]

_SPEEDS = (17, 18, 19, 20, 21, 22, 23)  # twentieths


def change_speed(audio: Audio, generator: np.random.Generator) -> tuple[Audio, float]:
    """Play faster or slower by up to 15%; returns the audio and the factor by which its times grew."""
    pace = int(generator.choice(_SPEEDS))
    if pace == 20:
        return audio, 1.0
    played = resample_poly(audio, 20, pace).astype(np.float32)
    return played, 20.0 / pace


def colour(audio: Audio, generator: np.random.Generator) -> Audio:
    """Pass the audio (S,) through a random room, microphone and noise."""
    signal = audio.astype(np.float64)
    if generator.uniform() < 0.5:
        signal = _reverberate(signal, generator)
    if generator.uniform() < 0.6:
        signal = _equalise(signal, generator)
    if generator.uniform() < 0.7:
        signal = signal + _noise(signal, generator)
    level = generator.uniform(0.2, 1.2) / (np.abs(signal).max() + 1e-6)
    heard: Audio = (signal * level).astype(np.float32)
    return heard


def _reverberate(signal: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Convolve with decaying noise behind the direct sound: 0.1 to 0.6 s of reverberation."""
    seconds = generator.uniform(0.1, 0.6)
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tail = generator.normal(0.0, 1.0, len(times)) * np.exp(-6.9 * times / seconds)
    tail[: int(0.002 * SAMPLE_RATE)] = 0.0
    tail *= generator.uniform(0.1, 0.7) / (np.sqrt((tail**2).sum()) + 1e-9)
    tail[0] = 1.0
    heard: NDArray[np.float64] = fftconvolve(signal, tail)[: len(signal)]
    return heard


def _equalise(signal: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Add or subtract a band, and now and then cut the band to that of a telephone."""
    low, width = generator.uniform(80.0, 3500.0), generator.uniform(1.3, 3.0)
    band = butter(1, [low, min(7800.0, low * width)], "bandpass", fs=SAMPLE_RATE, output="sos")
    signal = signal + generator.uniform(-0.7, 1.5) * sosfilt(band, signal)
    if generator.uniform() < 0.15:
        cut = butter(
            3, [generator.uniform(100, 300), generator.uniform(3300, 5500)], "bandpass", fs=SAMPLE_RATE, output="sos"
        )
        signal = sosfilt(cut, signal)
    return signal


def _noise(signal: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """White to brown noise at 8 to 40 dB under the speech, white as often as not."""
    spectrum = np.fft.rfft(generator.normal(0.0, 1.0, len(signal)))
    slope = max(0.0, generator.uniform(-1.0, 1.0))
    tilt = np.maximum(np.arange(len(spectrum)), 20.0 * len(spectrum) / 8000.0) ** -slope
    noise = np.fft.irfft(spectrum * tilt, len(signal))
    level = np.sqrt((signal**2).mean()) * 10 ** (-generator.uniform(8.0, 40.0) / 20)
    scaled: NDArray[np.float64] = noise * level / (np.sqrt((noise**2).mean()) + 1e-9)
    return scaled


def mask_features(log_mel: Tensor, generator: torch.Generator, bands: int = 14, frames: int = 14) -> Tensor:
    """SpecAugment: blank two spans of bands and three of frames in each of (B, M, 80), with 0, the speech mean."""
    B, M, width = log_mel.shape
    keep = _kept(B, width, bands, 2, generator)[:, None, :] * _kept(B, M, frames, 3, generator)[:, :, None]
    return log_mel * keep


def mask_frames(densities: Tensor, generator: torch.Generator, frames: int = 7) -> Tensor:
    """Blank three spans of frames in each of (B, M, W), with 0."""
    B, M, _ = densities.shape
    return densities * _kept(B, M, frames, 3, generator)[:, :, None]


def _kept(count: int, length: int, longest: int, spans: int, generator: torch.Generator) -> Tensor:
    """Ones (count, length) with random spans of zeros."""
    position = torch.arange(length)[None, None, :]
    start = torch.randint(0, length, (count, spans, 1), generator=generator)
    size = torch.randint(0, longest + 1, (count, spans, 1), generator=generator)
    blank = ((position >= start) & (position < start + size)).any(dim=1)
    return (~blank).float()


def warp_bands(log_mel: Tensor, generator: torch.Generator, strength: float = 0.10) -> Tensor:
    """Stretch the band axis of each of (B, M, 80) by a factor within 1 +- strength: another vocal tract."""
    B, _, bands = log_mel.shape
    factor = 1.0 + strength * (2.0 * torch.rand(B, 1, generator=generator) - 1.0)
    source = (torch.arange(bands)[None, :] * factor).clamp(0, bands - 1)
    low = source.floor().long().clamp(max=bands - 2)
    weight = (source - low)[:, None, :]
    index = low[:, None, :].expand(-1, log_mel.shape[1], -1)
    return log_mel.gather(2, index) * (1.0 - weight) + log_mel.gather(2, index + 1) * weight


def worsen(log_mel: Tensor, generator: torch.Generator) -> Tensor:
    """Another microphone and more noise for each of normalised (B, M, 80): a smooth tilt of the bands, a raised floor.

    Noise reaches the features as a floor under which nothing is seen, as `audio.log_mel` clips it there.
    """
    B, _, bands = log_mel.shape
    position = torch.linspace(-1.0, 1.0, bands)
    slope, bow, floor, chance = torch.randn(4, B, 1, 1, generator=generator)
    tilted = log_mel + 0.15 * (slope * position + bow * (1.5 * position**2 - 0.5))
    level = -2.0 + 0.7 * floor + 0.2 * slope * position
    return torch.where(chance > 0.25, torch.maximum(tilted, level), tilted)
