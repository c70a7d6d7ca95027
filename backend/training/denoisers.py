# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the face and the head denoiser (3DiFACE, Sec. 3.1, 3.2, 9.4; Algorithm 1) on frozen audio features.

Deviations from the paper: errors count by the diffusion step (`step_weights`) and more where lips have to touch
or rest (`Batches`), and the features tell most of what the encoder missed (`encode_cache`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from ..audio.log_mel import FRAMES_PER_MOTION_FRAME
from ..diffusion.losses import LossWeights, keyframe_loss, simple_loss, velocity_loss
from ..diffusion.schedules import NUM_TRAIN_TIMESTEPS, ddpm_scheduler
from ..models.unet import ConditionedUNet
from .augment import mask_features
from .cache import Cache, CropSampler, Segment, gather_crops
from .encoder import EncoderWithHeads
from .keyframes import KeyframeSampler
from .loop import Evaluate, LoopConfig, train
from .takes import Takes

_FEATURE_NOISE = 0.3  # in standard deviations of a feature: training clips are heard better than new ones
_LARGEST_WEIGHT = 12.0  # of a diffusion step
_TOLD = 0.6  # share of what the encoder missed that the denoisers are told in training
_BLUR = 0.3  # of the phone densities, in about their standard deviation
_SHRINKING = 0.25  # by how much the rule is made smaller at most, as a regression does
_CONTACT_SHRINKING = 0.8  # the same where lips or teeth have to touch: half heard, they are to touch all the same


@dataclass(frozen=True)
class DenoiserTraining:
    """What differs between the face's training and the head's."""

    channels: slice  # columns of the 55
    crop: int  # motion frames; the paper: 30 for the face, 300 for the head
    batch: int = 64
    condition_dropout: float = 0.1  # share of samples without audio, for classifier-free guidance
    contact_weight: float = 1.0  # of the errors while lips or teeth have to touch
    pause_weight: float = 1.0  # of the errors while nothing is said
    weights: LossWeights = field(default_factory=LossWeights)


class StyledDenoiser(nn.Module):
    """A denoiser and the style vectors it learns with, the same for the face and the head."""

    def __init__(self, denoiser: ConditionedUNet, styles: int) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.styles = nn.Embedding(styles, denoiser.config.style_dim)
        self.styles.weight = nn.Parameter(style_vectors(styles, denoiser.config.style_dim), requires_grad=False)

    def forward(self, sample: Tensor, timesteps: Tensor, audio: Tensor, style: Tensor, mask: Tensor) -> Tensor:
        """Predict x0 as `ConditionedUNet.forward`, with style indices (B,)."""
        predicted: Tensor = self.denoiser(sample, timesteps, audio, self.styles(style), mask)
        return predicted


def style_vectors(styles: int, dim: int) -> Tensor:
    """Vectors (styles, dim) of unit variance for the named styles: orthogonal, fixed, the same for every network."""
    generator = torch.Generator().manual_seed(0)
    directions, _ = torch.linalg.qr(torch.randn(max(styles, dim), dim, generator=generator))
    scaled: Tensor = directions[:styles] * float(max(styles, dim)) ** 0.5
    return scaled


def encode_cache(
    cache: Cache, network: EncoderWithHeads, controls: NDArray[np.float32], contacts: NDArray[np.bool_], seed: int
) -> NDArray[np.float16]:
    """Audio features (F, 64) of a whole cache, drawn towards what the encoder should have heard.

    What the encoder mishears is drawn at random by a denoiser that learns from the encoder's own words: its takes then
    differ in what is said and not only in how. So the features are moved along the directions of the encoder's linear
    control head, most of the way to the rule itself, made smaller by a factor drawn for each segment, as a regression
    makes small what it is unsure of. The sound is masked lightly and the phone densities are blurred, so that they err
    somewhat as on unheard speech: a tenth of the phones is heard otherwise.

    Args:
        cache: What is said.
        network: The trained encoder with its head.
        controls: The head's targets (F, 11), standardised, see `encoder.all_targets`.
        contacts: (F,) True where lips or teeth have to touch; these are made smaller each by a factor of its own.
        seed: Of masks and factors.
    """
    features = np.zeros((cache.frames, network.encoder.config.feature_dim), np.float16)
    generator = torch.Generator().manual_seed(seed)
    back = torch.linalg.pinv(network.control_head.weight.detach())  # (64, 11)
    with torch.inference_mode():
        for segment in tqdm(cache.segments, desc="features"):
            rows = slice(segment.start, segment.start + segment.frames)
            heard = slice(rows.start * FRAMES_PER_MOTION_FRAME, rows.stop * FRAMES_PER_MOTION_FRAME)
            mel = torch.from_numpy(cache.mel[heard].astype(np.float32))[None]
            masked = mask_features(mel, generator, bands=10, frames=10)
            encoded = network.encoder(masked, _misheard(network, mel, generator))[0]
            factor = _factors(contacts[rows], generator)[:, None]
            missed = factor * torch.from_numpy(controls[rows]) - network.control_head(encoded)
            features[rows] = (encoded + _TOLD * missed @ back.T).numpy()
    return features


def _misheard(network: EncoderWithHeads, log_mel: Tensor, generator: torch.Generator) -> Tensor | None:
    """What the encoder's phone densities say of features, blurred."""
    if network.encoder.densities is None:
        return None
    said: Tensor = network.encoder.densities(log_mel)
    return said + _BLUR * torch.randn(said.shape, generator=generator)


def _factors(contacts: NDArray[np.bool_], generator: torch.Generator) -> Tensor:
    """What a segment's targets are multiplied by, (N,): one factor for all, and another for each contact."""
    runs = torch.from_numpy(np.cumsum(np.diff(contacts, prepend=False)))
    common = 1.0 - _SHRINKING * torch.rand(1, generator=generator)
    own = 1.0 - _CONTACT_SHRINKING * torch.rand(len(contacts) + 1, generator=generator)
    return torch.where(torch.from_numpy(contacts), own[runs], common)


def train_denoiser(
    network: StyledDenoiser,
    data: TrainingData,
    training: DenoiserTraining,
    keyframes: KeyframeSampler,
    folder: Path,
    config: LoopConfig,
    evaluate: Evaluate,
) -> StyledDenoiser:
    """Train a denoiser by Algorithm 1 with the losses of Eq. 1 to 4.

    Args:
        network: The denoiser with its styles.
        data: Features, normalised takes and styles.
        training: The face's or the head's settings.
        keyframes: Draws given values.
        folder: Of the run, see `loop.train`.
        config: The run.
        evaluate: Judges the averaged network, see `loop.train`.

    Returns:
        The trained network.
    """
    batches = Batches(data, training, keyframes, config.seed)

    def step_losses(model: nn.Module, step: int, device: torch.device) -> Mapping[str, Tensor]:
        return denoising_losses(model, batches.draw(step, device), training.weights)

    trained = train(network, step_losses, config, folder, evaluate)
    assert isinstance(trained, StyledDenoiser)
    return trained


def denoising_losses(model: nn.Module, batch: Batch, weights: LossWeights) -> dict[str, Tensor]:
    """Lines 9 and 10 of Algorithm 1: predict x0 and weigh its errors, Eq. 3 and 4, by step and by frame.

    Returns:
        Scalars: `total`, and the terms `simple`, `velocity` and `keyframes` before they are weighed.
    """
    predicted = model(batch.sample, batch.timesteps, batch.audio, batch.style, batch.mask)
    frames = torch.ones(predicted.shape[:2], dtype=torch.bool, device=predicted.device)
    weight = (step_weights(batch.timesteps)[:, None] * batch.emphasis).sqrt()[:, :, None]
    simple = simple_loss(weight * batch.target, weight * predicted, frames)
    velocity = velocity_loss(batch.target, predicted, frames)
    given = keyframe_loss(batch.target, predicted, batch.mask)
    total = simple + weights.velocity * velocity + weights.keyframes * given
    return {"total": total, "simple": simple, "velocity": velocity, "keyframes": given}


def draw_timesteps(count: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """Line 3 of Algorithm 1: diffusion steps (count,), each as likely as the others."""
    return (NUM_TRAIN_TIMESTEPS * generator.uniform(size=count)).astype(np.int64)


def step_weights(timesteps: Tensor) -> Tensor:
    """How much the errors at diffusion steps (B,) count, (B,): the signal-to-noise ratio, 1 at least, 12 at most.

    How far a take goes beyond another is small beside what both share; it is decided in the last steps, whose errors
    are small. Counted alike, they are not learned, and takes are too much alike (cf. min-SNR weighting, Hang et al.
    2023, which would neglect the noisy steps where the audio is learned).
    """
    alphas = ddpm_scheduler().alphas_cumprod[timesteps.cpu()].to(timesteps.device)
    weights: Tensor = (alphas / (1.0 - alphas)).clamp(1.0, _LARGEST_WEIGHT)
    return weights


@dataclass(frozen=True)
class TrainingData:
    """Arrays to draw batches from."""

    segments: list[Segment]
    features: NDArray[np.float16]  # (F, 64)
    takes: Takes
    mean: NDArray[np.float32]  # (55,)
    scale: NDArray[np.float32]  # (55,)
    contacts: NDArray[np.bool_]  # (F,), True where lips or teeth have to touch, see `encoder.contact_frames`
    pauses: NDArray[np.bool_]  # (F,), True where nothing is said


@dataclass(frozen=True)
class Batch:
    """Inputs and target of one step, all (B, N, .)."""

    target: Tensor
    sample: Tensor
    timesteps: Tensor
    audio: Tensor
    style: Tensor
    mask: Tensor
    emphasis: Tensor  # (B, N), weight of each frame's errors


class Batches:
    """Draws training batches, each a function of (seed, step) alone."""

    def __init__(self, data: TrainingData, training: DenoiserTraining, keyframes: KeyframeSampler, seed: int) -> None:
        self._data, self._training, self._keyframes, self._seed = data, training, keyframes, seed
        self._crops = CropSampler(data.segments, training.crop, seed)
        self._starts = np.array([segment.start for segment in data.segments])
        self._add_noise: Callable[..., Tensor] = ddpm_scheduler().add_noise

    def draw(self, step: int, device: torch.device) -> Batch:
        """Lines 2 to 8 of Algorithm 1 for a batch."""
        generator = np.random.default_rng([self._seed, step, 1])
        starts = self._crops.draw(step, self._training.batch)
        given = self._keyframes.draw(self._motion(starts, generator), generator)
        motion, style = given.target, self._style(starts)
        target, mask = torch.from_numpy(motion), torch.from_numpy(given.mask)
        timesteps = torch.from_numpy(draw_timesteps(len(target), generator))
        noise = torch.from_numpy(generator.standard_normal(motion.shape, dtype=np.float32))
        sample = torch.where(mask, target, self._add_noise(target, noise, timesteps))
        audio, emphasis = self._audio(starts, generator), torch.from_numpy(self._emphasis(starts))
        tensors = (target, sample, timesteps, audio, torch.from_numpy(style), mask, emphasis)
        return Batch(*(tensor.to(device) for tensor in tensors))

    def _motion(self, starts: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.float32]:
        """Normalised motion of the crops, each from a take at random; `_style` reads which."""
        self._take = generator.integers(0, len(self._data.takes.motion), len(starts))
        columns = self._training.channels
        rows = starts[:, None] + np.arange(self._training.crop)
        motion = self._data.takes.motion[self._take[:, None], rows, columns].astype(np.float32)
        normalised: NDArray[np.float32] = (motion - self._data.mean[columns]) / self._data.scale[columns]
        return normalised

    def _style(self, starts: NDArray[np.int64]) -> NDArray[np.int64]:
        """Style of the takes that `_motion` drew, (B,)."""
        segment = np.searchsorted(self._starts, starts, side="right") - 1
        return self._data.takes.styles[self._take, segment]

    def _emphasis(self, starts: NDArray[np.int64]) -> NDArray[np.float32]:
        """Weights (B, N) of the crops' frames: larger where lips have to touch, and in pauses.

        A lip that does not quite touch is seen, one that touches too often not, nor a mouth that rests a little long.
        Errors of x0 weighed by what x0 is make the samples those of a distribution in which it is likelier by as much.
        """
        rows = starts[:, None] + np.arange(self._training.crop)
        weights = np.where(self._data.contacts[rows], self._training.contact_weight, 1.0)
        return np.where(self._data.pauses[rows], self._training.pause_weight, weights).astype(np.float32)

    def _audio(self, starts: NDArray[np.int64], generator: np.random.Generator) -> Tensor:
        """Audio features of the crops with a little noise; some without audio (Sec. 3.1: 10%)."""
        audio = gather_crops(self._data.features, starts, self._training.crop)
        audio += _FEATURE_NOISE * generator.standard_normal(audio.shape, dtype=np.float32)
        kept = generator.uniform(size=len(audio)) >= self._training.condition_dropout
        return torch.from_numpy(audio * kept[:, None, None].astype(np.float32))
