# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retake.backend.diffusion.noise import take_noise

FRAMES = st.integers(-(10**7), 10**7)


def test_shape_and_type() -> None:
    noise = take_noise(0, 0, 0, -7, 100, 5)
    assert noise.shape == (107, 5)
    assert noise.dtype == torch.float32


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**63 - 1), FRAMES, st.integers(1, 300), st.integers(0, 299))
def test_it_does_not_depend_on_the_range(seed: int, start: int, length: int, offset: int) -> None:
    whole = take_noise(seed, 0, 3, start, start + length, 4)
    first = min(offset, length - 1)
    assert torch.equal(take_noise(seed, 0, 3, start + first, start + length, 4), whole[first:])


def test_a_channel_does_not_depend_on_those_after_it() -> None:
    assert torch.equal(take_noise(1, 0, 0, -100, 100, 3), take_noise(1, 0, 0, -100, 100, 52)[:, :3])


@pytest.mark.parametrize("other", [(6, 0, 0), (5, 1, 0), (5, 0, 1), (2**63 - 1, 0, 0)])
def test_seed_stream_and_step_make_other_noise(other: tuple[int, int, int]) -> None:
    noise, another = take_noise(5, 0, 0, 0, 2000, 4), take_noise(*other, 0, 2000, 4)
    assert abs(np.corrcoef(noise.numpy().ravel(), another.numpy().ravel())[0, 1]) < 0.05


def test_it_is_white_and_normal() -> None:
    noise = take_noise(9, 0, 0, -20000, 20000, 4).numpy()
    assert abs(noise.mean()) < 0.02
    assert noise.std() == pytest.approx(1.0, abs=0.02)
    assert abs((noise**4).mean() - 3.0) < 0.2
    for lag in (1, 64, 128):
        assert abs(np.corrcoef(noise[lag:, 0], noise[:-lag, 0])[0, 1]) < 0.03
    assert abs(np.corrcoef(noise[:, 0], noise[:, 1])[0, 1]) < 0.03
