# SPDX-License-Identifier: GPL-3.0-or-later
"""Where lips meet, found from what the jaw moves: on the built-in head, and on a real head that others made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retake.addon.core.lips import find_lip_pairs

ROOT = Path(__file__).resolve().parents[2]
ICT = ROOT.parent / "shared" / "data" / "ict_facekit" / "ict_facekit_light.npz"


def test_the_built_in_heads_lips_are_found() -> None:
    with np.load(ROOT / "backend" / "assets" / "head.npz") as head:
        names = [str(name) for name in head["control_names"]]
        found = find_lip_pairs(head["v_template"], head["controls"][names.index("jawOpen")])
        assert sorted(map(tuple, found)) == sorted(map(tuple, head["inner_lip_pairs"].tolist()))


@pytest.mark.skipif(not ICT.is_file(), reason="the ICT head is not on this computer")
@pytest.mark.parametrize("unit", [1.0, 0.01, 10.0])
def test_a_real_heads_lips_are_found_in_any_unit(unit: float) -> None:
    with np.load(ICT) as head:
        names = [str(name) for name in head["expression_names"]]
        points, marks = head["neutral"], head["landmarks68"]
        found = find_lip_pairs(unit * points, unit * head["expressions"][names.index("jawOpen")])
    assert len(found) == 5
    assert [marks[62], marks[66]] in found.tolist()
    apart = np.linalg.norm(points[found[:, 0]] - points[found[:, 1]], axis=1)
    assert apart.max() < 0.15  # cm
    assert (points[found[:, 0], 1] > points[found[:, 1], 1]).all()


def test_what_moves_nothing_has_no_lips() -> None:
    assert find_lip_pairs(np.zeros((0, 3)), np.zeros((0, 3))).shape == (0, 2)
    assert find_lip_pairs(np.random.default_rng(0).normal(size=(50, 3)), np.zeros((50, 3))).shape == (0, 2)
