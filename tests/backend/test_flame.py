# SPDX-License-Identifier: GPL-3.0-or-later
"""FLAME in PyTorch is FLAME in numpy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from retake.addon.core.flame_file import flame_of
from retake.backend.errors import ShapeError
from retake.backend.rigs.flame import FlameRig
from retake.tests.flame_files import needs_template, standin

pytestmark = needs_template


def test_both_sides_make_the_same_head() -> None:
    model = flame_of(standin().arrays, "stand-in")
    rig = FlameRig.of(dataclasses.asdict(model), torch.float64)
    rng = np.random.default_rng(0)
    beta, psi, theta = rng.normal(0, 1, (4, 10)), rng.normal(0, 1, (4, 100)), rng.normal(0, 0.5, (4, 5, 3))
    found = rig.vertices(*(torch.from_numpy(part) for part in (beta, psi, theta))).numpy()
    assert found.shape == (4, 5023, 3)
    for row in range(4):
        assert np.abs(found[row] - model.vertices(beta[row], psi[row], theta[row])).max() < 1e-9


def test_wrong_shapes_are_refused() -> None:
    rig = FlameRig.of(dataclasses.asdict(flame_of(standin().arrays, "stand-in")))
    with pytest.raises(ShapeError, match=r"\(1, 4, 3\)"):
        rig.vertices(torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(1, 4, 3))
    with pytest.raises(ShapeError, match="101 coefficients"):
        rig.vertices(torch.zeros(1, 1), torch.zeros(1, 101), torch.zeros(1, 5, 3))


def test_smplx_agrees_where_it_is_installed() -> None:
    smplx = pytest.importorskip("smplx")
    model = flame_of(standin().arrays, "stand-in")
    lbs = smplx.lbs.lbs
    rng = np.random.default_rng(1)
    beta, theta = rng.normal(0, 1, (1, 300)), rng.normal(0, 0.4, (1, 5, 3))
    tensors = [
        torch.from_numpy(array) for array in (beta, theta.reshape(1, -1), model.v_template[None], model.identity)
    ]
    pose = torch.from_numpy(model.pose.reshape(-1, 36).T.copy())
    parents = torch.from_numpy(model.parents)
    regressor, weights = torch.from_numpy(model.joint_regressor), torch.from_numpy(model.weights)
    vertices, _ = lbs(*tensors, pose, regressor, parents, weights)
    assert np.abs(vertices[0].numpy() - model.vertices(beta[0], (), theta[0])).max() < 1e-5
