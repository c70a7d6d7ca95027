# SPDX-License-Identifier: GPL-3.0-or-later
"""What pocketsphinx's English acoustic model hears, learned by a small network: how well each phone's states fit.

The model's Gaussian mixtures were estimated from far more voices than our recordings have. Nothing of it is shipped:
`PhoneStates` learns on our recordings to say what the mixtures say, also where the microphone is worse than it was for
them. The audio encoder then hears through it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ..audio.log_mel import BANDS, FEATURE_RATE, FRAMES_PER_MOTION_FRAME, normalised_log_mel
from ..errors import InputError, PackageError
from ..models.audio_encoder import PhoneStates
from ..models.config import AudioEncoderConfig
from .augment import warp_bands, worsen
from .cache import Cache, CropSampler, gather_crops
from .loop import LoopConfig, train
from .speech_folder import Clip, read_audio

_CROP, _BATCH = 32, 32  # motion frames; crops a batch
_EDGE = 4  # 60 Hz frames at the ends of a crop that are not learned from: they lack their surroundings
_WARP = 0.2
_SCALE = 8.0  # nats: brings log-likelihoods to about unit variance
_SHARPNESS = 2.0  # of the distribution over states that is matched, a unit of the scaled log-likelihoods
_SQUARES = 20.0  # weight of squared errors beside that distribution's cross-entropy
_NATS = 2.5  # of a unit of the normalised features, see `audio.log_mel`
_LOG_STEP = 1024 * np.log(1.0001)  # nats a step of a stored mixture weight
_STREAMS, _CEPSTRA, _LIFTER, _FILTERS, _LOWEST, _HIGHEST = 3, 13, 22, 25, 130.0, 6800.0  # feat.params of the model

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class AcousticModel:
    """Gaussian mixtures of P phones, each with 3 states over its own D densities, in 3 streams of 13 coefficients.

    Attributes:
        quadratic: (3, 26, P D) weights of the squared and of the plain coefficients.
        constant: (3, P D) log density at 0.
        mixtures: (3, P, D, 3) weights of the densities, summing to about 1 over D.
    """

    quadratic: Tensor
    constant: Tensor
    mixtures: Tensor

    @property
    def phone_count(self) -> int:
        """P."""
        return self.mixtures.shape[1]

    def log_likelihoods(self, coefficients: Tensor) -> Tensor:
        """Of every state, (F, 3 P) nats, given coefficients (F, 3, 13)."""
        frames, total = len(coefficients), torch.zeros(())
        for stream in range(_STREAMS):
            own = coefficients[:, stream]
            density = torch.cat([own.square(), own], dim=1) @ self.quadratic[stream] + self.constant[stream]
            density = density.reshape(frames, self.phone_count, -1)
            top = density.amax(dim=2, keepdim=True)
            mixed = torch.einsum("fpd,pds->fps", (density - top).exp(), self.mixtures[stream])
            total = total + (mixed + 1e-10).log() + top
        return total.reshape(frames, -1)


def load_acoustic_model(folder: Path | None = None) -> AcousticModel:
    """Read the context-independent states of pocketsphinx's English model, or of another of its kind.

    Args:
        folder: With `mdef`, `means`, `variances` and `sendump`; None for that of the installed package.

    Raises:
        PackageError: pocketsphinx is not installed.
        InputError: The files are not those of a phonetically tied model over 13 coefficients and their differences.
    """
    if folder is None:
        try:
            from pocketsphinx import get_model_path
        except ImportError as error:
            raise PackageError(
                "Training needs the package 'pocketsphinx'.", "Run `pip install pocketsphinx`."
            ) from error
        folder = Path(get_model_path()) / "en-us" / "en-us"
    try:
        means, variances = (_gaussians((folder / name).read_bytes()) for name in ("means", "variances"))
        phones, states, senones = _sizes((folder / "mdef").read_bytes())
        packed = np.frombuffer((folder / "sendump").read_bytes(), np.uint8)[-_STREAMS * means.shape[2] * senones :]
        weights = packed.reshape(_STREAMS, means.shape[2], senones)[:, :, :states]
        if states != 3 * phones or means.shape != variances.shape or len(means) != phones:
            raise ValueError(f"{states} states and {len(means)} sets of densities of {phones} phones")
    except (OSError, ValueError, struct.error) as error:
        raise InputError(f"The acoustic model {folder} cannot be used ({error}).", "Install pocketsphinx 5.") from error
    precision = 1.0 / np.maximum(variances, 1e-4)
    mixtures = np.exp(-_LOG_STEP * weights.astype(np.float64)).reshape(_STREAMS, -1, phones, 3)
    quadratic = np.concatenate([-0.5 * precision, means * precision], axis=3)  # (P, 3, D, 26)
    constant = -0.5 * (np.log(2 * np.pi / precision) + means**2 * precision).sum(axis=3)
    return AcousticModel(
        _tensor(quadratic.transpose(1, 3, 0, 2).reshape(_STREAMS, 2 * _CEPSTRA, -1)),
        _tensor(constant.transpose(1, 0, 2).reshape(_STREAMS, -1)),
        _tensor(mixtures.transpose(0, 2, 1, 3)),
    )


def _gaussians(data: bytes) -> NDArray[np.float64]:
    """Means or variances (P, 3, D, 13) of a file of sphinx's own kind: a text header, then little-endian numbers."""
    start = data.index(b"endhdr\n") + 7 + 4  # past the mark that tells the order of bytes
    phones, streams, densities, *widths = struct.unpack_from(f"<3i{_STREAMS}i", data, start)
    if streams != _STREAMS or widths != [_CEPSTRA] * _STREAMS:
        raise ValueError(f"{streams} streams of {widths}")
    count = phones * streams * densities * _CEPSTRA
    numbers = np.frombuffer(data, "<f4", count, start + 4 * (3 + _STREAMS + 1))
    return numbers.reshape(phones, streams, densities, _CEPSTRA).astype(np.float64)


def _sizes(data: bytes) -> tuple[int, int, int]:
    """Phones, their states, and all states of a model definition in its binary form."""
    if data[:4] != b"BMDF":
        raise ValueError("mdef is not binary")
    start = 12 + struct.unpack_from("<i", data, 8)[0]
    phones, _, _, states, senones = struct.unpack_from("<5i", data, start)
    return phones, states, senones


def _tensor(array: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def coefficients(log_mel: Tensor) -> Tensor:
    """The model's coefficients from normalised features: (B, 4 N, 80) at 120 Hz to (B, 2 N, 3, 13) at 60 Hz.

    Mel cepstra with their first and second differences over the model's own 10 ms frames. Their mean, which the model
    takes off a whole utterance, is off already: it is that of the speech.
    """
    power = (log_mel * _NATS).clamp(max=30.0).exp() @ _filters().T
    cepstra = (power + 1e-12).log() @ _cosines().T
    last = cepstra.shape[1] - 1
    times = torch.arange(0, last + 1, 2, dtype=torch.float32)

    def later(frames: float) -> Tensor:
        place = (times + frames * FEATURE_RATE / 100.0).clamp(0.0, last)
        before = place.floor().long().clamp(max=last - 1)
        weight = (place - before)[None, :, None]
        return cepstra[:, before] * (1.0 - weight) + cepstra[:, before + 1] * weight

    second = (later(3) - later(-1)) - (later(1) - later(-3))
    return torch.stack([later(0), later(2) - later(-2), second], dim=2)


@cache
def _filters() -> Tensor:
    """(25, 80) of the model's triangular filters, over the bands of our features."""
    centres = librosa.mel_frequencies(BANDS + 2, fmin=50.0, fmax=7600.0)[1:-1]
    edges = 700.0 * (
        10.0 ** (np.linspace(*(2595.0 * np.log10(1 + f / 700.0) for f in (_LOWEST, _HIGHEST)), 27) / 2595) - 1
    )
    low, middle, high = (edges[start : start + _FILTERS, None] for start in range(3))
    rise, fall = (centres - low) / (middle - low), (high - centres) / (high - middle)
    filters = np.clip(np.minimum(rise, fall), 0.0, None) * np.gradient(centres)
    empty = filters.sum(axis=1) == 0
    filters[empty, np.abs(centres - middle).argmin(axis=1)[empty]] = 1.0
    return _tensor(filters / filters.sum(axis=1, keepdims=True))


@cache
def _cosines() -> Tensor:
    """(13, 25) of the model's liftered cosine transform."""
    order = np.arange(_CEPSTRA)[:, None]
    cosines = np.cos(np.pi * order * (np.arange(_FILTERS) + 0.5) / _FILTERS) * np.sqrt(2.0 / _FILTERS)
    cosines[0] /= np.sqrt(2.0)
    return _tensor(cosines * (1.0 + _LIFTER / 2.0 * np.sin(order * np.pi / _LIFTER)))


def state_targets(model: AcousticModel, log_mel: Tensor) -> Tensor:
    """What `PhoneStates` is to say of features (B, 4 N, 80): (B, 3 P, 2 N), log-likelihoods less their mean, over 8."""
    given = coefficients(log_mel)
    likelihoods = model.log_likelihoods(given.flatten(0, 1)).reshape(*given.shape[:2], -1)
    centred: Tensor = (likelihoods - likelihoods.mean(dim=2, keepdim=True)) / _SCALE
    return centred.transpose(1, 2)


def train_states(
    cache: Cache, judged: Sequence[Clip], folder: Path, config: LoopConfig, sizes: AudioEncoderConfig
) -> PhoneStates:
    """Train the network that hears phone states.

    It hears the features through another microphone and more noise than the model it learns from.

    Args:
        cache: What to learn from.
        judged: Recordings to judge by; nothing is learned from them.
        folder: Of the run, see `loop.train`.
        config: The run.
        sizes: Of the encoder it will be a part of.

    Raises:
        PackageError: pocketsphinx is not installed.
        InputError: Its model cannot be used, or has not as many states as `sizes`.
    """
    model = load_acoustic_model()
    if 3 * model.phone_count != sizes.state_count:
        raise InputError(f"pocketsphinx's model has {3 * model.phone_count} states, not {sizes.state_count}.")
    sampler = CropSampler(cache.segments, _CROP, config.seed)

    def step_losses(network: nn.Module, step: int, device: torch.device) -> Mapping[str, Tensor]:
        starts = sampler.draw(step, _BATCH)
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        mel = torch.from_numpy(gather_crops(cache.mel, starts, _CROP, FRAMES_PER_MOTION_FRAME))
        mel = warp_bands(mel, generator, _WARP)
        with torch.no_grad():
            wanted = state_targets(model, mel)[:, :, _EDGE:-_EDGE].to(device)
        heard = network(worsen(mel, generator).transpose(1, 2).to(device))[:, :, _EDGE:-_EDGE]
        squares = (heard - wanted).square().mean()
        likely = torch.softmax(_SHARPNESS * wanted, dim=1)
        named = -(likely * functional.log_softmax(_SHARPNESS * heard, dim=1)).sum(dim=1).mean()
        return {"total": _SQUARES * squares + named, "squares": squares, "named": named}

    network = train(PhoneStates(sizes), step_losses, config, folder, judge_states(model, judged))
    assert isinstance(network, PhoneStates)
    return network


def judge_states(model: AcousticModel, clips: Sequence[Clip]) -> Callable[[nn.Module], tuple[float, dict[str, float]]]:
    """Make the judge of a run: the share of the likelihoods' variance that is explained on unheard recordings."""
    heard = [torch.from_numpy(normalised_log_mel(read_audio(clip.path)))[None] for clip in clips]
    wanted = [state_targets(model, mel) for mel in heard]

    def judged(network: nn.Module) -> tuple[float, dict[str, float]]:
        device = next(network.parameters()).device
        missed = spread = same = frames = 0.0
        for mel, target in zip(heard, wanted, strict=True):
            said = network(mel.transpose(1, 2).to(device)).cpu()
            missed += float((said - target).square().sum())
            spread += float((target - target.mean(dim=2, keepdim=True)).square().sum())
            same += float((said.argmax(dim=1) // 3 == target.argmax(dim=1) // 3).sum())
            frames += target.shape[2]
        explained = 1.0 - missed / spread
        return explained, {"explained": explained, "same_phone": same / frames}

    return judged
