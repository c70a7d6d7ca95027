# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest

from retake.backend.evaluation.reach import reach_of


def triangle(width: int, height: float) -> np.ndarray:
    return height * np.maximum(0.0, 1.0 - np.abs(np.arange(-36, 37)) / width)


def test_half_an_effect_lasts_as_long_as_it_is_wide_at_half_its_height() -> None:
    found = reach_of(np.stack([triangle(12, 0.4), triangle(12, -2.0)]))
    assert found["half_seconds"] == found["least_half_seconds"] == pytest.approx(12 / 30)
    assert found["faded_seconds"] == pytest.approx(12 / 30)  # frame 11 holds 1/12


def test_what_comes_back_later_does_not_count_as_lasting_but_as_not_faded() -> None:
    effect = triangle(6, 1.0)
    effect[36 + 30] = 0.8
    found = reach_of(effect[None])
    assert found["half_seconds"] == pytest.approx(6 / 30)
    assert found["longest_faded_seconds"] == pytest.approx(31 / 30)


def test_an_effect_without_end_fills_what_is_looked_at() -> None:
    assert reach_of(np.ones((1, 73)))["half_seconds"] == pytest.approx(74 / 30)
