# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retake.backend.errors import OutputError
from retake.backend.pipelines.performance import Performance
from retake.backend.protocol import CONTROL_NAMES
from retake.backend.results import ResultFiles

PERFORMANCE = Performance(
    np.arange(2 * 4 * 55, dtype=np.float32).reshape(2, 4, 55), np.zeros((2, 0), np.float32), 0, 0.13
)


def test_members(tmp_path: Path) -> None:
    path = tmp_path / "r.npz"
    with ResultFiles([path]) as files:
        files.write(path, PERFORMANCE, [7, 8])
        assert not path.exists()
        files.commit()
    with np.load(path, allow_pickle=False) as result:
        assert result["channels"].shape == (2, 4, 52)
        assert result["channels"].dtype == result["head_rotation"].dtype == np.float32
        np.testing.assert_array_equal(result["head_rotation"], PERFORMANCE.channels[:, :, 52:])
        assert result["channel_names"].tolist() == list(CONTROL_NAMES)
        assert result["seeds"].tolist() == [7, 8]
        assert (int(result["fps"]), float(result["audio_seconds"])) == (30, 0.13)
    assert list(tmp_path.iterdir()) == [path]


def test_leaving_without_commit_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    path = folder / "a.npz"
    with ResultFiles([path], folder) as files:
        files.write(path, PERFORMANCE, [7, 8])
        assert len(list(folder.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_survives_a_failure_and_is_replaced_by_success(tmp_path: Path) -> None:
    path = tmp_path / "r.npz"
    path.write_text("old")
    with ResultFiles([path]) as files:
        files.write(path, PERFORMANCE, [7, 8])
    assert path.read_text() == "old"
    with ResultFiles([path]) as files:
        files.write(path, PERFORMANCE, [7, 8])
        files.commit()
    assert path.read_bytes()[:2] == b"PK"


def test_impossible_targets_are_found_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for paths, folder in [
        ([tmp_path], None),
        ([tmp_path / "nowhere" / "r.npz"], None),
        ([tmp_path / "file" / "a.npz"], tmp_path / "file"),
        ([tmp_path / "no" / "where" / "a.npz"], tmp_path / "no" / "where"),
    ]:
        with pytest.raises(OutputError):
            ResultFiles(paths, folder)
