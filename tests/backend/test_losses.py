# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import torch

from retake.backend.diffusion.losses import keyframe_loss, simple_loss, velocity_loss
from retake.backend.diffusion.schedules import NUM_TRAIN_TIMESTEPS, ddim_scheduler, ddpm_scheduler


@pytest.fixture
def motion() -> torch.Tensor:
    return torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))


def real(frames: int = 6) -> torch.Tensor:
    mask = torch.zeros(2, 6, dtype=torch.bool)
    mask[:, :frames] = True
    return mask


def test_a_constant_error_has_no_velocity(motion: torch.Tensor) -> None:
    assert simple_loss(motion, motion + 2.0, real()).item() == pytest.approx(4.0, rel=1e-5)
    assert velocity_loss(motion, motion + 2.0, real()).item() == pytest.approx(0.0, abs=1e-10)


def test_velocity_is_the_error_of_differences(motion: torch.Tensor) -> None:
    ramp = torch.arange(6.0)[None, :, None]
    assert velocity_loss(motion, motion + 3.0 * ramp, real()).item() == pytest.approx(9.0, rel=1e-5)


def test_padding_does_not_count(motion: torch.Tensor) -> None:
    predicted = motion.clone()
    predicted[:, 4:] += 100.0
    assert simple_loss(motion, predicted, real(4)).item() == 0.0
    assert velocity_loss(motion, predicted, real(4)).item() == 0.0


def test_the_keyframe_loss_weighs_a_single_key_as_much_as_many(motion: torch.Tensor) -> None:
    one, many = torch.zeros(2, 6, 3, dtype=torch.bool), torch.ones(2, 6, 3, dtype=torch.bool)
    one[:, 2, 1] = True
    assert keyframe_loss(motion, motion + 1.0, one).item() == pytest.approx(1.0, rel=1e-5)
    assert keyframe_loss(motion, motion + 1.0, many).item() == pytest.approx(1.0, rel=1e-5)
    assert keyframe_loss(motion, motion + 1.0, torch.zeros_like(one)).item() == 0.0


def test_schedules_agree_and_predict_the_clean_motion() -> None:
    ddim, ddpm = ddim_scheduler(), ddpm_scheduler()
    torch.testing.assert_close(ddim.alphas_cumprod, ddpm.alphas_cumprod)
    assert len(ddpm.alphas_cumprod) == NUM_TRAIN_TIMESTEPS == 500
    assert ddpm.alphas_cumprod[-1] < 1e-3
    ddim.set_timesteps(10)
    assert ddim.timesteps[0] == 499
    clean = torch.ones(1, 2, 3)
    last = ddim.step(clean, int(ddim.timesteps[-1]), torch.randn(1, 2, 3)).prev_sample
    torch.testing.assert_close(last, clean)
