# SPDX-License-Identifier: GPL-3.0-or-later
"""What ships, as it is called: the recording and the model of the extension, default settings, real processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retake.backend.evaluation.lips import LipRig
from retake.backend.evaluation.takes import neck_difference_degrees, take_difference_mean

from .conftest import ROOT, run_backend

SAMPLE = ROOT / "backend" / "assets" / "sample.flac"

Result = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """Two takes of the sample, made twice, each time by a process of its own."""
    return [generated(tmp_path_factory.mktemp("results") / "r.npz") for _ in range(2)]


def generated(out: Path) -> Result:
    done = run_backend("generate", str(SAMPLE), "--takes", "2", "--out", str(out))
    assert (done.returncode, done.stderr) == (0, "")
    with np.load(out, allow_pickle=False) as result:
        return dict(result)


def test_two_processes_make_the_same_bytes(results: list[Result]) -> None:
    first, second = results
    assert first.keys() == second.keys()
    for name in first:
        assert first[name].dtype == second[name].dtype
        assert first[name].tobytes() == second[name].tobytes(), name


def test_takes_differ_visibly(results: list[Result]) -> None:
    result = results[0]
    assert take_difference_mean(LipRig.of_head().gap(result["channels"])) >= 0.3  # mm
    assert neck_difference_degrees(result["head_rotation"]) >= 0.5
