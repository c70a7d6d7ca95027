# SPDX-License-Identifier: GPL-3.0-or-later
"""Sampling of guided motion diffusion: Algorithm 2 of 3DiFACE over diffusers' schedulers.

DPM-Solver++ of second order (Lu et al. 2022) with few steps is the default: as quick as DDIM (Song et al. 2021), but
takes differ and blink about as with twice its steps. DDIM, and DDPM (Ho et al. 2020) with all 500, on request. Both run
through `DDIMScheduler.step`: its eta = 1 is DDPM's posterior exactly (Song et al., Eq. 16; a test compares it with
`DDPMScheduler.step`), and unlike `DDPMScheduler` it lets the caller give the noise, which a take's own noise needs.

Deviation: the paper's Eq. 6 noises the predicted motion anew for the next step, N(sqrt(a_bar) x0, (1 - a_bar) I); its
Algorithm 2, line 10, samples the posterior q(x_{t-1} | x_t, x0). Here it is Algorithm 2's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from .imputation import impute_keyframes
from .schedules import NUM_TRAIN_TIMESTEPS, ddim_scheduler, dpm_solver_scheduler, spread_timesteps

Denoise = Callable[[Tensor, Tensor], Tensor]
Advance = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Sampler:
    """How noise is turned into motion."""

    order: int  # of the solver: 2 = DPM-Solver++; 1 = DDIM and DDPM
    eta: float  # 0 = deterministic after the initial noise; 1 = DDPM
    default_steps: int


SAMPLERS = {
    "dpmpp_2m": Sampler(2, 0.0, 10),
    "ddim": Sampler(1, 0.0, 10),
    "ddpm": Sampler(1, 1.0, NUM_TRAIN_TIMESTEPS),
}


@dataclass(frozen=True)
class Sampled:
    """Motion and what the network said last, both (B, N, C), normalised."""

    sample: Tensor  # given values exactly as given
    raw: Tensor  # the last prediction before imputation: how well the network itself honours given values


def sample_motion(
    denoise: Denoise,
    noise: Callable[[int], Tensor],
    keyframe_values: Tensor,
    keyframe_mask: Tensor,
    *,
    takes_mask: bool,
    sampler: Sampler,
    num_inference_steps: int,
    on_step: Callable[[], None],
) -> Sampled:
    """Sample motion around given values (Algorithm 2).

    Args:
        denoise: Predicts the clean motion from a noisy sample (B, N, C) and a timestep ().
        noise: Noise (B, N, C) of a step: 0 the initial one, i the one added after step i (DDPM only).
        keyframe_values: Given values, normalised, (B, N, C).
        keyframe_mask: (B, N, C) bool, True = given.
        takes_mask: The network has guidance flags, so given values are written into the noisy sample too (line 7).
            Without flags they would be taken for noise: such a network gets plain imputation of its predictions.
        sampler: One of `SAMPLERS`.
        num_inference_steps: Steps, 1 to 500.
        on_step: Called before every step; it may raise to stop the sampling.

    Returns:
        The motion and the last raw prediction.
    """
    timesteps, advance = _solver(sampler, num_inference_steps, noise)
    sample = noise(0)
    for timestep in timesteps:
        on_step()
        if takes_mask:
            sample = impute_keyframes(sample, keyframe_values, keyframe_mask)  # line 7
        raw = denoise(sample, timestep)  # line 8
        clean = impute_keyframes(raw, keyframe_values, keyframe_mask)  # line 9
        sample = advance(clean, timestep, sample)  # lines 10 and 11
    return Sampled(clean, raw)


def _solver(sampler: Sampler, steps: int, noise: Callable[[int], Tensor]) -> tuple[Tensor, Advance]:
    """Diffusion steps to predict at, and what makes the next noisy motion of a prediction there."""
    if sampler.order == 2:
        solver = dpm_solver_scheduler()
        solver.set_timesteps(timesteps=spread_timesteps(steps))
        return solver.timesteps, lambda clean, timestep, sample: solver.step(clean, timestep, sample).prev_sample
    scheduler = ddim_scheduler()
    scheduler.set_timesteps(steps)
    following = {int(timestep): index for index, timestep in enumerate(scheduler.timesteps, start=1)}

    def advance(clean: Tensor, timestep: Tensor, sample: Tensor) -> Tensor:
        index = following[int(timestep)]
        is_noisy = sampler.eta > 0 and index < steps
        stepped: Tensor = scheduler.step(
            clean,
            int(timestep),
            sample,
            eta=sampler.eta if is_noisy else 0.0,
            variance_noise=noise(index) if is_noisy else None,
        ).prev_sample
        return stepped

    return scheduler.timesteps, advance
