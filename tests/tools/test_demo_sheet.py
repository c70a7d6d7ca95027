# SPDX-License-Identifier: GPL-3.0-or-later
"""The contact sheet, from a video that is written here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from retake.tools import demo_sheet
from retake.tools.demo_sheet import Picture, Row

SIZE = 64


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Twenty grey frames, frame n of brightness 10 n."""
    path = tmp_path / "grey.mp4"
    frames = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.full((1, SIZE, SIZE, 3), 10, np.uint8)
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{SIZE}x{SIZE}", "-r", "24", "-i", "-"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *source, "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, input=frames.tobytes(), check=True)
    return path


def test_frames_are_those_asked_for(video: Path) -> None:
    frames = demo_sheet.read_frames(video, {3, 11, 99})
    assert sorted(frames) == [3, 11]
    assert frames[3].shape == (SIZE, SIZE, 3)
    assert frames[3].mean() == pytest.approx(30, abs=4)
    assert frames[11].mean() == pytest.approx(110, abs=4)


def test_sheet_has_a_row_a_take_and_frames_the_keys(tmp_path: Path) -> None:
    grey: Picture = np.full((SIZE, SIZE, 3), 128, np.uint8)
    rows = [Row("take 1", [grey] * 3), Row("take 2", [grey] * 3)]
    demo_sheet.draw_sheet(rows, ["0.0 s", "1.0 s", "2.0 s"], {1}, tmp_path / "sheet.png")
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    is_framed = (sheet == demo_sheet.KEYED).all(axis=2)
    cell = demo_sheet.TILE + 2 * demo_sheet.MARGIN
    columns = np.flatnonzero(is_framed.any(axis=0)) - demo_sheet.TITLE
    assert (columns.min() // cell, columns.max() // cell) == (1, 1)
    assert is_framed[: sheet.shape[0] // 2].any()
    assert is_framed[sheet.shape[0] // 2 :].any()
    assert sheet.shape[1] == demo_sheet.TITLE + 3 * cell
