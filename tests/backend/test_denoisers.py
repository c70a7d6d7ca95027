# SPDX-License-Identifier: GPL-3.0-or-later
"""What the denoisers see in training and what they are told about it (Algorithm 1, Eq. 1 to 4)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from retake.backend.diffusion.losses import LossWeights
from retake.backend.models import DenoiserConfig, FaceDenoiser
from retake.backend.protocol import CHANNEL_NAMES
from retake.backend.training.cache import Segment
from retake.backend.training.denoisers import (
    Batch,
    Batches,
    DenoiserTraining,
    StyledDenoiser,
    TrainingData,
    denoising_losses,
    step_weights,
    train_denoiser,
)
from retake.backend.training.keyframes import KeyframeSampler
from retake.backend.training.loop import LoopConfig
from retake.backend.training.takes import Takes

FACE = slice(0, 52)
STYLES = np.array([[3, 1], [2, 0]])  # of take t in segment s, whose motion is 2 t + s throughout
FRAMES = 40


def data() -> TrainingData:
    """Two takes of two recordings."""
    levels = np.repeat(np.array([[0.0, 1.0], [2.0, 3.0]]), FRAMES, axis=1)
    motion = np.repeat(levels[:, :, None], 55, axis=2).astype(np.float16)
    segments = [Segment(number * FRAMES, FRAMES, 0.5, "a", "x", []) for number in range(2)]
    features = np.ones((2 * FRAMES, 6), np.float16)
    contacts, pauses = np.arange(2 * FRAMES) % 4 == 0, np.arange(2 * FRAMES) % 4 == 2
    zeros, ones = np.zeros(55, np.float32), np.ones(55, np.float32)
    return TrainingData(segments, features, Takes(motion, STYLES), zeros, ones, contacts, pauses)


@pytest.fixture(scope="module")
def batch() -> Batch:
    keyframes = KeyframeSampler(CHANNEL_NAMES[FACE], together=False)
    return Batches(data(), DenoiserTraining(FACE, crop=16, batch=400), keyframes, 0).draw(3, torch.device("cpu"))


def test_a_tenth_of_the_samples_is_without_audio(batch: Batch) -> None:
    silent = (batch.audio == 0).all(dim=2).all(dim=1)
    assert 0.06 < silent.float().mean() < 0.15
    assert (batch.audio[~silent] != 0).float().mean() > 0.99


def test_contacts_and_pauses_count_more_where_that_is_asked_for() -> None:
    keyframes = KeyframeSampler(CHANNEL_NAMES[FACE], together=False)
    training = DenoiserTraining(FACE, crop=16, batch=8, contact_weight=3.0, pause_weight=2.0)
    heavy = Batches(data(), training, keyframes, 0).draw(3, torch.device("cpu"))
    assert set(heavy.emphasis.flatten().tolist()) == {1.0, 2.0, 3.0}
    assert heavy.emphasis.mean() == pytest.approx(1.75)
    even = replace(heavy, emphasis=torch.ones_like(heavy.emphasis))
    threefold = replace(heavy, emphasis=torch.full_like(heavy.emphasis, 3.0))
    once, thrice = (denoising_losses(Sloping(), one, LossWeights()) for one in (even, threefold))
    assert thrice["simple"].item() == pytest.approx(3.0 * once["simple"].item())
    assert thrice["velocity"].item() == once["velocity"].item()


def test_given_values_stand_in_the_noisy_sample(batch: Batch) -> None:
    assert 0.05 < batch.mask.float().mean() < 0.95
    torch.testing.assert_close(batch.sample[batch.mask], batch.target[batch.mask], rtol=0, atol=0)
    assert (batch.sample[~batch.mask] - batch.target[~batch.mask]).abs().mean() > 0.3


def test_each_sample_is_told_the_style_of_its_take(batch: Batch) -> None:
    untouched = ~batch.mask.any(dim=2).any(dim=1)
    levels = batch.target[untouched].mean(dim=(1, 2)).round().long()
    assert set(levels.tolist()) == {0, 1, 2, 3}
    assert batch.style[untouched].tolist() == STYLES.ravel()[levels.numpy()].tolist()


def test_the_style_matters_to_the_network(batch: Batch) -> None:
    network = small_network()
    with torch.no_grad():
        for parameter in network.denoiser.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
        inputs = (batch.sample[:2], batch.timesteps[:2], batch.audio[:2])
        spoken = [network(*inputs, torch.full((2,), style), batch.mask[:2]) for style in range(4)]
    assert min((one - spoken[0]).abs().max().item() for one in spoken[1:]) > 1e-3


def test_the_total_weighs_velocity_by_ten_and_given_values_by_one() -> None:
    target, mask = torch.zeros(1, 4, 2), torch.zeros(1, 4, 2, dtype=torch.bool)
    mask[0, 3, 0] = True
    batch = Batch(target, target, torch.tensor([450]), torch.zeros(1, 4, 6), torch.tensor([2]), mask, torch.ones(1, 4))
    losses = denoising_losses(Sloping(), batch, DenoiserTraining(FACE, crop=4).weights)
    expected = {"simple": 14.0, "velocity": 4.0, "keyframes": 36.0, "total": 14.0 + 10 * 4.0 + 36.0}
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx(expected)


def test_errors_of_nearly_clean_steps_count_more() -> None:
    weights = step_weights(torch.arange(500))
    assert (weights[1:] <= weights[:-1]).all()
    assert weights[0] == pytest.approx(12.0)
    assert (weights[300:] == 1.0).all()
    target, mask = torch.zeros(1, 4, 2), torch.zeros(1, 4, 2, dtype=torch.bool)
    same = (torch.zeros(1, 4, 6), torch.tensor([2]), mask, torch.ones(1, 4))
    batches = [Batch(target, target, torch.tensor([t]), *same) for t in (5, 450)]
    clean, noisy = (denoising_losses(Sloping(), batch, LossWeights())["simple"].item() for batch in batches)
    assert clean == pytest.approx(12.0 * noisy)


def test_every_diffusion_step_is_as_likely_as_the_others(batch: Batch) -> None:
    counts, _ = np.histogram(batch.timesteps.numpy(), bins=5, range=(0, 500))
    assert counts.min() > 50
    assert counts.max() < 115


class Sloping(torch.nn.Module):
    """Errs in frame n by n times the number of the style."""

    def forward(
        self,
        sample: torch.Tensor,
        timesteps: torch.Tensor,
        audio: torch.Tensor,
        style: torch.Tensor,
        mask: torch.Tensor,
    ) -> torch.Tensor:
        return sample + style[:, None, None] * torch.arange(sample.shape[1])[None, :, None]


@pytest.mark.parametrize("other", [LossWeights(velocity=0.0), LossWeights(keyframes=0.0)], ids=str)
def test_the_training_steps_by_the_weighed_losses(tmp_path: Path, other: LossWeights) -> None:
    assert not np.array_equal(trained(tmp_path / "whole", LossWeights()), trained(tmp_path / "part", other))


def trained(folder: Path, weights: LossWeights) -> np.ndarray:
    """All weights after two steps."""
    keyframes = KeyframeSampler(CHANNEL_NAMES[FACE], together=False)
    training = DenoiserTraining(FACE, crop=16, batch=16, weights=weights)
    config = LoopConfig(2, evaluate_every=2, save_every=2)
    network = train_denoiser(small_network(), data(), training, keyframes, folder, config, lambda _: (0.0, {}))
    return torch.cat([value.flatten() for value in network.denoiser.parameters()]).detach().numpy()


def small_network() -> StyledDenoiser:
    torch.manual_seed(0)
    return StyledDenoiser(FaceDenoiser(DenoiserConfig(52, feature_dim=6, style_dim=4, widths=(8, 12))), 4)
