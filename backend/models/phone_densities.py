# SPDX-License-Identifier: GPL-3.0-or-later
"""How well each phone fits the sound of a moment, by the Gaussian densities of a speech recogniser.

They were estimated from far more voices than our recordings have (see `training.acoustic_model` for where they come
from), so that what they say differs less from voice to voice than the sound does. The audio encoder hears it beside the
sound, as in tandem recognition (Hermansky, Ellis and Sharma 2000).
"""

from __future__ import annotations

from functools import cache

import librosa
import numpy as np
import torch
from torch import Tensor, nn

from .config import BANDS, FEATURE_RATE, HIGHEST_HZ, LOWEST_HZ, NATS

STREAMS, CEPSTRA = 3, 13  # cepstra, their first and their second differences
_FILTERS, _LIFTER, _RANGE_HZ, _FRAME_RATE = 25, 22, (130.0, 6800.0), 100  # of the recogniser's front end
_SCALE = 4.0  # nats: brings the log densities to about unit variance
_AT_ONCE = 256  # frames: what they need at once stays in the processor's cache


class PhoneDensities(nn.Module):
    """The likeliest of each phone's densities, in each of three streams; the mixtures' weights are left out.

    Attributes:
        quadratic: (3, 26, P D) weights of the squared and of the plain coefficients in the log density.
        constant: (3, P D) log density at 0.
    """

    quadratic: Tensor
    constant: Tensor

    def __init__(self, phones: int, densities: int) -> None:
        super().__init__()
        self.phones = phones
        self.register_buffer("quadratic", torch.zeros(STREAMS, 2 * CEPSTRA, phones * densities))
        self.register_buffer("constant", torch.zeros(STREAMS, phones * densities))

    @property
    def width(self) -> int:
        """3 P, values a frame."""
        return STREAMS * self.phones

    def forward(self, log_mel: Tensor) -> Tensor:
        """Normalised log-mel (B, 4 N, 80) at 120 Hz to (B, 3 P, 2 N) at 60 Hz.

        Returns:
            Log densities less their mean over the phones, a stream, over 4 nats.
        """
        B, M, _ = log_mel.shape
        frames = coefficients(log_mel).flatten(0, 1)
        heard = torch.cat([self._of(some) for some in torch.split(frames, _AT_ONCE)])
        return heard.reshape(B, M // 2, self.width).transpose(1, 2)

    def _of(self, frames: Tensor) -> Tensor:
        """(F, 3 P) of coefficients (F, 3, 13)."""
        heard = []
        for stream in range(STREAMS):
            own = frames[:, stream]
            density = torch.addmm(self.constant[stream], torch.cat([own.square(), own], dim=1), self.quadratic[stream])
            best = density.reshape(len(own), self.phones, -1).amax(dim=2)
            heard.append((best - best.mean(dim=1, keepdim=True)) / _SCALE)
        return torch.cat(heard, dim=1)


def coefficients(log_mel: Tensor) -> Tensor:
    """The recogniser's coefficients from normalised features: (B, 4 N, 80) at 120 Hz to (B, 2 N, 3, 13) at 60 Hz.

    Liftered mel cepstra with their first and second differences over the recogniser's own 10 ms frames. Other than the
    recogniser, which takes the mean of an utterance off its cepstra and steady noise off its bands, they keep what the
    normalisation of the features left: the mean of the louder frames is about 0, noise is a floor.
    """
    filters, cosines = (each.to(log_mel) for each in (_filters(), _cosines()))
    cepstra = ((log_mel * NATS).clamp(max=30.0).exp() @ filters.T + 1e-12).log() @ cosines.T
    last = cepstra.shape[1] - 1
    times = torch.arange(0, cepstra.shape[1], 2, device=log_mel.device)

    def later(frames: int) -> Tensor:
        whole, rest = divmod(frames * FEATURE_RATE, _FRAME_RATE)
        before, after = ((times + whole + one).clamp(0, last) for one in (0, 1))
        return torch.lerp(cepstra[:, before], cepstra[:, after], rest / _FRAME_RATE)

    second = (later(3) - later(-1)) - (later(1) - later(-3))
    return torch.stack([later(0), later(2) - later(-2), second], dim=2)


@cache
def _filters() -> Tensor:
    """(25, 80): the recogniser's triangular filters over the bands of our features."""
    centres = librosa.mel_frequencies(BANDS + 2, fmin=LOWEST_HZ, fmax=HIGHEST_HZ)[1:-1]
    lowest, highest = (2595.0 * np.log10(1.0 + hertz / 700.0) for hertz in _RANGE_HZ)
    edges = 700.0 * (10.0 ** (np.linspace(lowest, highest, _FILTERS + 2) / 2595.0) - 1.0)
    low, middle, high = (edges[start : start + _FILTERS, None] for start in range(3))
    rise, fall = (centres - low) / (middle - low), (high - centres) / (high - middle)
    filters = np.clip(np.minimum(rise, fall), 0.0, None) * np.gradient(centres)
    empty = filters.sum(axis=1) == 0.0  # narrower than our bands lie apart: the nearest one
    filters[empty, np.abs(centres - middle).argmin(axis=1)[empty]] = 1.0
    return torch.from_numpy((filters / filters.sum(axis=1, keepdims=True)).astype(np.float32))


@cache
def _cosines() -> Tensor:
    """(13, 25): the recogniser's liftered cosine transform."""
    order = np.arange(CEPSTRA)[:, None]
    cosines = np.cos(np.pi * order * (np.arange(_FILTERS) + 0.5) / _FILTERS) * np.sqrt(2.0 / _FILTERS)
    cosines[0] /= np.sqrt(2.0)
    lifted = cosines * (1.0 + _LIFTER / 2.0 * np.sin(order * np.pi / _LIFTER))
    return torch.from_numpy(lifted.astype(np.float32))
