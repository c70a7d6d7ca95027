# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from retake.backend.diffusion.samplers import SAMPLERS, Sampled, sample_motion
from retake.backend.diffusion.schedules import ddim_scheduler, ddpm_scheduler, spread_timesteps
from retake.backend.errors import CancelledError
from retake.backend.protocol import DEFAULT_SAMPLER

SHAPE = (2, 12, 3)
NOTHING = torch.zeros(SHAPE)
FREE = torch.zeros(SHAPE, dtype=torch.bool)


def noise(step: int) -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(step))


def shrink(sample: Tensor, timestep: Tensor) -> Tensor:
    """A denoiser whose prediction depends on the sample."""
    return 0.5 * sample.clamp(-2, 2) + 0.1


def run(
    name: str = DEFAULT_SAMPLER, steps: int = 10, values: Tensor = NOTHING, mask: Tensor = FREE, **options: Any
) -> Sampled:
    usual: dict[str, Any] = {"takes_mask": True, "on_step": lambda: None} | options
    denoise = usual.pop("denoise", shrink)
    return sample_motion(denoise, noise, values, mask, sampler=SAMPLERS[name], num_inference_steps=steps, **usual)


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("dpmpp_2m", 1),
        ("dpmpp_2m", 2),
        ("dpmpp_2m", 10),
        ("dpmpp_2m", 500),
        ("ddim", 1),
        ("ddim", 10),
        ("ddpm", 50),
        ("ddpm", 500),
    ],
)
def test_it_ends_at_the_last_prediction(name: str, steps: int) -> None:
    sampled = run(name, steps)
    assert sampled.sample.shape == sampled.raw.shape == SHAPE
    assert torch.equal(sampled.sample, sampled.raw)
    assert torch.isfinite(sampled.sample).all()


def test_defaults() -> None:
    steps = {name: sampler.default_steps for name, sampler in SAMPLERS.items()}
    assert steps == {"dpmpp_2m": 10, "ddim": 10, "ddpm": 500}
    assert DEFAULT_SAMPLER in SAMPLERS


@pytest.mark.parametrize("name", SAMPLERS)
def test_given_values_come_back_exactly(name: str) -> None:
    values = torch.full(SHAPE, 1.25)
    mask = torch.rand(SHAPE, generator=torch.Generator().manual_seed(0)) < 0.3
    sampled = run(name, 10, values, mask)
    assert torch.equal(sampled.sample[mask], values[mask])
    assert not torch.equal(sampled.raw[mask], values[mask])
    assert torch.equal(sampled.sample[~mask], sampled.raw[~mask])


@pytest.mark.parametrize("takes_mask", [True, False])
def test_only_networks_with_flags_see_given_values_in_the_noise(takes_mask: bool) -> None:
    values, mask = torch.full(SHAPE, 7.0), FREE.clone()
    mask[:, 4] = True
    seen = []

    def watch(sample: Tensor, timestep: Tensor) -> Tensor:
        seen.append(bool((sample[:, 4] == 7.0).all()))
        return shrink(sample, timestep)

    run("ddim", 5, values, mask, denoise=watch, takes_mask=takes_mask)
    # Plain imputation reaches the sample too, but as a step of the scheduler, at the noise level of that step.
    assert seen == [takes_mask] * 5


@pytest.mark.parametrize("timestep", [1, 2, 50, 250, 499])
def test_ddpm_is_diffusers_ddpm(timestep: int) -> None:
    """DDIM's step with eta = 1 over all steps equals DDPMScheduler's, given the same noise."""
    clean, noisy = 0.4 * noise(1), noise(2)
    ddpm, ddim = ddpm_scheduler(), ddim_scheduler()
    ddpm.set_timesteps(500)
    ddim.set_timesteps(500)
    expected = ddpm.step(clean, timestep, noisy, generator=torch.Generator().manual_seed(3)).prev_sample
    ours = ddim.step(clean, timestep, noisy, eta=1.0, variance_noise=noise(3)).prev_sample
    torch.testing.assert_close(ours, expected, atol=2e-5, rtol=1e-4)


def test_ddpm_draws_its_own_noise_each_step() -> None:
    steps = []

    def watched(step: int) -> Tensor:
        steps.append(step)
        return noise(step)

    for name in SAMPLERS:
        steps.clear()
        sample_motion(
            shrink,
            watched,
            NOTHING,
            FREE,
            takes_mask=True,
            sampler=SAMPLERS[name],
            num_inference_steps=6,
            on_step=lambda: None,
        )
        assert steps == ([0, 1, 2, 3, 4, 5] if name == "ddpm" else [0])


def test_the_callback_can_stop_it() -> None:
    calls = []

    def stop() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise CancelledError("Enough.")

    with pytest.raises(CancelledError):
        run("ddim", 10, on_step=stop)
    assert len(calls) == 3


def test_a_perfect_denoiser_is_followed() -> None:
    truth = noise(77)
    for name in SAMPLERS:
        torch.testing.assert_close(run(name, 10, denoise=lambda sample, timestep: truth).sample, truth)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 25, 100, 499, 500])
def test_steps_are_spread_from_the_noisiest_down(count: int) -> None:
    steps = spread_timesteps(count)
    assert len(steps) == count
    assert steps[0] == 499
    assert (np.diff(steps) < 0).all()
    assert min(steps) >= 0


def test_ten_steps_of_second_order_end_where_a_hundred_of_first_do() -> None:
    """A denoiser of two points: samples end at one or the other, as the exact solution does from the same noise."""

    def two_points(sample: Tensor, timestep: Tensor) -> Tensor:
        alpha = ddpm_scheduler().alphas_cumprod[timestep]
        return torch.tanh(sample * alpha.sqrt() / (1.0 - alpha)) * 0.8 + 0.1 * sample

    exact = run("ddim", 500, denoise=two_points).sample
    quick, quickest = (run(name, 10, denoise=two_points).sample for name in ("dpmpp_2m", "ddim"))
    assert (quick - exact).abs().mean() < 0.5 * (quickest - exact).abs().mean()
