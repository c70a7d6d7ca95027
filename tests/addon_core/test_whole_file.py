# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from retake.addon.core.whole_file import writing
from retake.backend.errors import OutputError


def test_a_file_is_replaced_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    with writing(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [found.name for found in tmp_path.iterdir()] == ["out.csv"]


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError), writing(path) as part:
        part.write_text("half \udc80", encoding="utf-8")
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("place", ["missing/out.csv", "file/out.csv", "folder"])
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="cannot be written") as caught, writing(tmp_path / place) as part:
        part.write_text("")
    assert str(tmp_path / place) in str(caught.value)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["file", "folder"]


def test_a_link_stays_one(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    link.symlink_to(real)
    with writing(link) as part:
        part.write_text("new")
    assert link.is_symlink()
    assert real.read_text() == "new"
