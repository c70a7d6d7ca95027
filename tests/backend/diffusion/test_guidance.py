# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
import torch

from retake.backend.diffusion.guidance import GuidedDenoiser


@pytest.fixture
def inputs() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {
        "sample": torch.randn(2, 16, 52),
        "audio": torch.randn(2, 16, 16),
        "style": torch.randn(2, 16),
        "mask": torch.rand(2, 16, 52) < 0.1,
    }


def predict(session: Any, inputs: dict[str, torch.Tensor], scale: float) -> torch.Tensor:
    network = session.models.face
    denoise = GuidedDenoiser(network, inputs["audio"], inputs["style"], inputs["mask"], scale)
    return denoise(inputs["sample"], torch.tensor(120))


def network_on(session: Any, inputs: dict[str, torch.Tensor], audio: torch.Tensor) -> torch.Tensor:
    face: torch.nn.Module = session.models.face
    predicted = face(inputs["sample"], torch.full((2,), 120), audio, inputs["style"], inputs["mask"])
    assert isinstance(predicted, torch.Tensor)
    return predicted


def test_0_is_unconditional_and_1_conditional(session: Any, inputs: dict[str, torch.Tensor]) -> None:
    null = torch.zeros_like(inputs["audio"])
    assert torch.equal(predict(session, inputs, 0.0), network_on(session, inputs, null))
    assert torch.equal(predict(session, inputs, 1.0), network_on(session, inputs, inputs["audio"]))


@pytest.mark.parametrize("scale", [0.5, 1.5, 3.0])
def test_in_between_and_beyond(session: Any, inputs: dict[str, torch.Tensor], scale: float) -> None:
    unconditional, conditional = predict(session, inputs, 0.0), predict(session, inputs, 1.0)
    assert not torch.allclose(unconditional, conditional, atol=1e-3)
    expected = unconditional + scale * (conditional - unconditional)
    torch.testing.assert_close(predict(session, inputs, scale), expected)
