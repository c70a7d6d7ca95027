# SPDX-License-Identifier: GPL-3.0-or-later
"""The forward process and the samplers' schedules, both by diffusers (3DiFACE, Sec. 9.1 and 9.4).

T = 500 steps of a cosine schedule (Nichol and Dhariwal 2021), the networks predict the clean motion.
"""

from __future__ import annotations

from diffusers import DDIMScheduler, DDPMScheduler

NUM_TRAIN_TIMESTEPS = 500
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
