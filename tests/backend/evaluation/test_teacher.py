# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

from retake.backend.cli import run as main
from retake.backend.training.styles import STYLE_NAMES


def test_the_teacher_is_measured_in_every_style(spoken_folder: Path) -> None:
    target = spoken_folder / "t.json"
    assert main(["evaluate", "teacher", str(spoken_folder), "--takes", "2", "--json", str(target)]) == 0
    rows = json.loads(target.read_text())
    assert list(rows) == list(STYLE_NAMES)
    assert rows["neutral"]["closure"] > 0.9
    assert rows["shouting"]["opening_mm"] > rows["neutral"]["opening_mm"] > rows["mumbling"]["opening_mm"]
    assert rows["smiling"]["smile"] > 0.2 > rows["sad"]["smile"]
    assert rows["neutral"]["vowel_spread_mm"] > 0.3


def test_the_teacher_on_the_same_phones_timed_anew_is_nearly_itself(spoken_folder: Path) -> None:
    target = spoken_folder / "l.json"
    assert main(["evaluate", "labels", str(spoken_folder), "--json", str(target)]) == 0
    (row,) = json.loads(target.read_text()).values()
    assert row["clips"] == row["all_clips"] == 1
    assert row["closure"] > 0.9
    assert 0.7 < row["gap_correlation"] < 1.0
    assert 0.0 < row["median_ms"] < 40.0
