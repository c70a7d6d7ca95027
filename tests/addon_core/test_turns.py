# SPDX-License-Identifier: GPL-3.0-or-later
"""Rotations there and back, and what undoes a skinned one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retake.addon.core.flame import rotation_matrices
from retake.addon.core.rotations import of_matrices
from retake.addon.core.turns import angles_of, best_rotations, unposed


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), size=st.floats(0.0, 3.1))
def test_turns_there_and_back(seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    axis = rng.normal(size=3)
    turn = size * axis / np.linalg.norm(axis)
    R = rotation_matrices(turn[None])
    assert np.abs(of_matrices(R)[0] - turn).max() < 1e-6
    assert angles_of(R)[0] == pytest.approx(size, abs=1e-6)
    cloud = rng.normal(size=(10, 3))
    cloud -= cloud.mean(axis=0)
    assert np.abs(best_rotations((cloud @ R[0].T)[None], cloud) - R).max() < 1e-9
    vectors, shares = rng.normal(size=(1, 5, 3)), rng.random(5) * (0.3 if size > 2.0 else 1.0)
    blended = np.eye(3) + shares[:, None, None] * (R - np.eye(3))
    back = unposed(np.einsum("vab,nvb->nva", blended, vectors).astype(np.float32), shares, turn[None])
    assert np.abs(back - vectors).max() < 1e-4
