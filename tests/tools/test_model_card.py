# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest

from retake.tools.environments import ROOT
from retake.tools.model_card import TABLES, main, renewed


def test_the_card_has_a_place_for_every_table() -> None:
    card = (ROOT / "docs" / "model-card.md").read_text(encoding="utf-8")
    for name in TABLES:
        assert f"<!-- {name} -->" in card, name


def test_a_table_is_renewed_in_its_place_and_the_rest_stays(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text("before\n<!-- labels -->\nold\n<!-- end -->\nafter <!-- noise -->\nstays\n<!-- end -->\n")
    row = dict.fromkeys(("closure", "gap_correlation", "control_correlation", "opening_mm", "fv_auc"), 0.985)
    row |= {"rounding_auc": 0.0712, "rest": float("nan"), "lag_ms": -10.6, "clips": 35.0, "all_clips": 41.0}
    (tmp_path / "labels.json").write_text(json.dumps({"lj": row | {"median_ms": 14.0, "late_ms": 14.0}}))
    assert main([str(tmp_path), "--card", str(card)]) == 0
    text = card.read_text()
    assert "| lj | 0.98 | 0.98 | 0.98 | 0.98 | 0.98 | 0.071 | - | -11 | 35 | 41 | 14 | 14 |" in text
    assert text.startswith("before\n")
    assert "old" not in text
    assert text.endswith("after <!-- noise -->\nstays\n<!-- end -->\n")


def test_folds_stand_in_one_table(tmp_path: Path) -> None:
    card = tmp_path / "card.md"
    card.write_text("<!-- folds -->\n<!-- end -->\n")
    names = ("closure", "gap_correlation", "control_correlation", "opening_mm", "fv_auc", "rounding_auc", "rest")
    measures = {**dict.fromkeys(names, 0.5), "lag_ms": 3.0}
    for fold, closure in ((2, 0.71), (1, 0.83)):
        row = {"clips": 2, "share": {"closure": closure}, "model": measures}
        (tmp_path / f"fold_{fold}.json").write_text(json.dumps(row))
    assert main([str(tmp_path), "--card", str(card)]) == 0
    lines = card.read_text().splitlines()
    assert lines[3].startswith("| 1 | 2 | 0.83 | 0.50 |")
    assert lines[4].startswith("| 2 | 2 | 0.71 | 0.50 |")


def test_what_cannot_be_renewed_leaves_the_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = tmp_path / "card.md"
    card.write_text("no places")
    assert main([str(tmp_path), "--card", str(card)]) == 1
    (tmp_path / "labels.json").write_text("{}")
    assert main([str(tmp_path), "--card", str(card)]) == 1
    assert "no place for 'labels'" in capsys.readouterr().err
    card.write_text("<!-- labels -->\n<!-- end -->\n")
    for content in ('{"lj": {"closure": 1.0}}', "[1]"):
        (tmp_path / "labels.json").write_text(content)
        assert main([str(tmp_path), "--card", str(card)]) == 1
        assert "labels.json lacks" in capsys.readouterr().err
    assert card.read_text() == "<!-- labels -->\n<!-- end -->\n"
    with pytest.raises(ValueError, match="no place"):
        renewed("", {"noise": {}})
