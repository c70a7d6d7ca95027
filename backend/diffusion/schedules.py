# SPDX-License-Identifier: GPL-3.0-or-later
"""The forward process and the samplers' schedules, both by diffusers (3DiFACE, Sec. 9.1 and 9.4).

T = 500 steps of a cosine schedule (Nichol and Dhariwal 2021), the networks predict the clean motion.
"""

from __future__ import annotations

import numpy as np
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

NUM_TRAIN_TIMESTEPS = 500
_NOISIEST, _CLEANEST = 10.0, 0.06  # noise over signal between which few steps are spread, evenly in its logarithm
_SCHEDULE = {
    "num_train_timesteps": NUM_TRAIN_TIMESTEPS,
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "sample",
    "clip_sample": False,
}


def ddpm_scheduler() -> DDPMScheduler:
    """Schedule of training (`add_noise`) and of sampling with all 500 steps (Eq. 6)."""
    return DDPMScheduler(**_SCHEDULE, variance_type="fixed_small")


def ddim_scheduler() -> DDIMScheduler:
    """Schedule of sampling in few steps (Song et al. 2021); it starts at the noisiest step and ends clean."""
    return DDIMScheduler(**_SCHEDULE, timestep_spacing="trailing", set_alpha_to_one=True)


def dpm_solver_scheduler() -> DPMSolverMultistepScheduler:
    """Schedule of DPM-Solver++ (2M) (Lu et al. 2022): second order, no more predictions than DDIM; ends clean."""
    return DPMSolverMultistepScheduler(
        **{name: value for name, value in _SCHEDULE.items() if name != "clip_sample"},
        algorithm_type="dpmsolver++",
        solver_order=2,
        final_sigmas_type="zero",
    )


def spread_timesteps(count: int) -> list[int]:
    """Diffusion steps to predict at, falling from the noisiest: the others even in the logarithm of noise over signal.

    DDIM's usual even spacing leaves most of its steps where there is hardly any signal or noise left to decide on. More
    steps than fit so are spread evenly.

    Args:
        count: 1 to `NUM_TRAIN_TIMESTEPS`.

    Returns:
        That many different steps, 499 first.
    """
    alphas = dpm_solver_scheduler().alphas_cumprod.numpy().astype(np.float64)
    levels = 0.5 * np.log((1.0 - alphas) / alphas)  # rises with the step
    wanted = np.linspace(np.log(_NOISIEST), np.log(_CLEANEST), count - 1)
    last = NUM_TRAIN_TIMESTEPS - 1
    steps = [last, *np.rint(np.interp(wanted, levels, np.arange(len(levels)))).astype(int).tolist()]
    if len(set(steps)) < count:
        steps = np.rint(np.linspace(last, 0, count)).astype(int).tolist()
    return steps
