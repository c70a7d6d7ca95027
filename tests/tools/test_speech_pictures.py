# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pictures of speech show, and the clip that pictures and sound are joined into."""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from retake.backend.training.speech import read_phones
from retake.backend.training.speech_folder import Clip
from retake.backend.training.styles import STYLE_NAMES
from retake.tools import speech_tracks
from retake.tools.speech_pictures import main


def test_eight_phones_tell_a_sentence_in_its_order() -> None:
    names = ("sil", "m", "aa", "t", "f", "iy", "w", "s", "m", "sh", "dh", "k", "sil")
    phones = read_phones([(0.1 * n, 0.1 * n + 0.1, name) for n, name in enumerate(names)], 1.3)
    shown = speech_tracks.telling_phones(Clip(Path("x.flac"), "a", "x", 1.3, phones))
    assert [phone.name for phone in shown] == ["m", "aa", "f", "iy", "w", "s", "sh", "dh"]


@pytest.fixture
def rendered(tmp_path: Path) -> argparse.Namespace:
    """Two frames of every style from both sides, as Blender would leave them."""
    work = tmp_path / "work"
    frames = round(json.loads(speech_tracks.SAMPLE.with_suffix(".json").read_text())["seconds"] * speech_tracks.FPS)
    for style in STYLE_NAMES:
        for view, grey in (("front", 60), ("turned", 180)):
            (work / style / view).mkdir(parents=True)
            for number in range(frames):
                Image.new("RGB", (64, 64), (grey,) * 3).save(work / style / view / f"{number:04d}.png")
    shown = [{"track": style, "frames": list(range(frames))} for style in STYLE_NAMES]
    (work / "rendered.json").write_text(json.dumps(shown))
    return argparse.Namespace(kind="styles", work=work, out=tmp_path / "out")


def test_clips_have_both_views_and_the_sound(rendered: argparse.Namespace) -> None:
    assert speech_tracks.join(rendered) == 0
    clip = rendered.out / "sad.mp4"
    told = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(clip)], capture_output=True, text=True).stderr
    assert "128x64" in told
    assert "Audio: aac" in told
    with Image.open(rendered.out / "styles.png") as sheet:
        assert sheet.height > len(STYLE_NAMES) * 150
        row = np.asarray(sheet.convert("L"))[100]
        assert {60, 180} <= set(row.tolist())


def test_styles_differ_in_what_is_performed(tmp_path: Path) -> None:
    assert speech_tracks.perform(argparse.Namespace(kind="styles", work=tmp_path)) == 0
    tracks = np.load(tmp_path / "tracks.npz")
    assert set(tracks.files) == set(STYLE_NAMES)
    assert np.abs(tracks["shouting"] - tracks["whispering"]).max() > 0.3


@pytest.mark.parametrize("arguments", [[], ["phones"], ["phones", "folder"]])
def test_what_is_missing_is_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "required" in capsys.readouterr().err
