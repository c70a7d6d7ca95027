# SPDX-License-Identifier: GPL-3.0-or-later
"""Least squares within limits: what is found is the least, nearly singular systems included."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from retake.addon.core.bounded import solve_within


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), nearly_singular=st.booleans())
def test_the_least_within_limits_is_the_least(seed: int, nearly_singular: bool) -> None:
    rng = np.random.default_rng(seed)
    N, P = 4, 12
    root = rng.normal(size=(N, P, 6 if nearly_singular else P))
    hessian = root @ root.transpose(0, 2, 1) + 1e-4 * np.eye(P)
    gradient = rng.normal(size=(N, P))
    low, high = -rng.random((N, P)), rng.random((N, P))
    low[:, 0] = high[:, 0] = 0.0
    found = solve_within(hessian, gradient, low, high)
    assert (found >= low).all()
    assert (found <= high).all()
    presses = gradient - np.einsum("npq,nq->np", hessian, found)
    inside = (found > low + 1e-9) & (found < high - 1e-9)
    assert np.abs(presses[inside]).max(initial=0.0) < 1e-5
    assert (presses[(found <= low + 1e-9) & (low < high)] < 1e-5).all()
    assert (presses[(found >= high - 1e-9) & (low < high)] > -1e-5).all()
