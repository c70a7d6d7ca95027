# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from retake.backend.cli import run as main
from retake.backend.evaluation.editing import GRID, Edit, given_frames, spline_through

MOVING = np.array([0, 3, 52, 53, 54])


@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_spans_give_their_share_of_the_frames(share: float) -> None:
    mask = given_frames(Edit("", kept=share), 300, MOVING, np.random.default_rng(0))
    assert mask[:, 0].mean() == pytest.approx(share, abs=0.01)
    assert not mask[:, 1].any()


def test_keys_stand_at_their_rate() -> None:
    mask = given_frames(Edit("", keys_a_second=3), 300, MOVING, np.random.default_rng(0))
    assert np.flatnonzero(mask[:, 3]).tolist() == list(range(5, 300, 10))
    single = given_frames(Edit("", keys_a_second=1, one_channel=True), 300, MOVING, np.random.default_rng(0))
    assert single.sum(axis=1).max() == 1
    assert single.any(axis=1).sum() == 10


def test_the_spline_meets_the_given_values_and_is_smooth() -> None:
    mask, values = np.zeros((60, 55), bool), np.zeros((60, 55), np.float32)
    mask[[10, 30, 50], 3] = True
    values[[10, 30, 50], 3] = [0.0, 1.0, 0.0]
    elsewhere = np.full((60, 55), 0.5, np.float32)
    drawn = spline_through(mask, values, elsewhere)
    np.testing.assert_allclose(drawn[[10, 30, 50], 3], [0.0, 1.0, 0.0], atol=1e-6)
    assert np.abs(np.diff(drawn[:12, 3], 2)).max() < 0.01  # straight on before its first value
    assert np.abs(np.diff(drawn[10:51, 3], 2)).max() < 0.01
    assert (drawn[:, 4] == 0.5).all()


def test_the_command_measures_the_whole_grid(spoken_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["evaluate", "editing", str(spoken_folder), "--takes", "1", "--json", str(spoken_folder / "r.json")]) == 0
    )
    rows = json.loads((spoken_folder / "r.json").read_text())
    reach = rows.pop("reach")
    assert list(rows) == [f"{part}: {edit.name}" for part in ("face", "head") for edit in GRID]
    assert reach["browInnerUp"]["half_seconds"] > reach["jawOpen"]["half_seconds"] > 0.08
    assert all(row["longest_faded_seconds"] < 1.0 for row in reach.values())
    assert all(0.0 <= row["raw_sd"] < 0.3 for row in rows.values() if not np.isnan(row["raw_sd"]))
    assert rows["face: 1 a second, moved"]["seam_ratio"] < 2.0
    assert "spline_seam_ratio" in capsys.readouterr().out
