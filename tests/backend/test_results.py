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


def result_bytes(path: Path) -> bytes:
    """Bytes of a result that now stands at a path."""
    with ResultFiles([path]) as files:
        files.write(path, PERFORMANCE, [1, 2])
        files.commit()
    return path.read_bytes()


def test_only_results_and_empty_files_are_replaced(tmp_path: Path) -> None:
    shot, other, link = (tmp_path / name for name in ("shot.blend", "other.npz", "link.npz"))
    shot.write_bytes(b"BLENDER")
    np.savez(other, weights=np.zeros(3))
    link.symlink_to(shot)
    for path in (shot, other, link):
        with pytest.raises(OutputError, match=r"no result.*--out"):
            ResultFiles([path])
    result_bytes(tmp_path / "earlier")
    (tmp_path / "empty").touch()
    ResultFiles([tmp_path / "earlier", tmp_path / "empty", tmp_path / "new"])


def test_inputs_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    recording = tmp_path / "r.wav"
    recording.touch()
    for path in (recording, tmp_path / "sub" / ".." / "r.wav"):
        with pytest.raises(OutputError, match=r"is an input.*--out"):
            ResultFiles([path], inputs=[recording])


def test_what_is_there_survives_a_failure_and_is_replaced_by_success(tmp_path: Path) -> None:
    path = tmp_path / "r.npz"
    old = result_bytes(path)
    with ResultFiles([path]) as files:
        files.write(path, PERFORMANCE, [7, 8])
    assert path.read_bytes() == old
    with ResultFiles([path]) as files:
        files.write(path, PERFORMANCE, [7, 8])
        files.commit()
    with np.load(path, allow_pickle=False) as result:
        assert result["seeds"].tolist() == [7, 8]


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


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="Linux has a folder that nobody can write to")
def test_places_that_take_no_file_are_found_before_any_work() -> None:
    for paths, folder in [
        ([Path("/proc/x.npz")], None),
        ([Path("/proc/new/a.npz")], Path("/proc/new")),
        ([Path("/proc/self/a.npz")], Path("/proc/self")),
    ]:
        with pytest.raises(OutputError, match=rf"{paths[0]} cannot be written.*--out"):
            ResultFiles(paths, folder)


def test_trying_leaves_nothing(tmp_path: Path) -> None:
    folder, earlier = tmp_path / "new", tmp_path / "r.npz.part"
    earlier.write_bytes(b"mine")
    ResultFiles([folder / "a.npz", folder / "b.npz"], folder)
    ResultFiles([tmp_path / "r.npz"])
    with pytest.raises(OutputError, match="cannot be written"):
        ResultFiles([folder / "a.npz", folder / ("b" * 252)], folder)
    assert list(tmp_path.iterdir()) == [earlier]
    assert earlier.read_bytes() == b"mine"
