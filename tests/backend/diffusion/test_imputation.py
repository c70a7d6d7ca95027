# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import torch

from retake.backend.diffusion.imputation import impute_keyframes
from retake.backend.errors import ShapeError


def test_given_values_are_exact_and_the_rest_untouched() -> None:
    torch.manual_seed(0)
    sample, values = torch.randn(2, 7, 3), torch.randn(2, 7, 3)
    mask = torch.rand(2, 7, 3) < 0.4
    imputed = impute_keyframes(sample, values, mask)
    assert imputed.shape == (2, 7, 3)
    assert torch.equal(imputed[mask], values[mask])
    assert torch.equal(imputed[~mask], sample[~mask])


def test_what_is_not_given_may_be_anything() -> None:
    sample = torch.zeros(1, 2, 1)
    values = torch.tensor([[[float("nan")], [3.0]]])
    mask = torch.tensor([[[False], [True]]])
    assert impute_keyframes(sample, values, mask).flatten().tolist() == [0.0, 3.0]


def test_shapes_that_disagree_are_named() -> None:
    with pytest.raises(ShapeError, match=r"\(1, 2, 3\), \(1, 2, 3\) and \(1, 2\)"):
        impute_keyframes(torch.zeros(1, 2, 3), torch.zeros(1, 2, 3), torch.zeros(1, 2, dtype=torch.bool))
