# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's two halves as the command runs them, on a short recording, in the Blenders it uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import wave
from pathlib import Path

import bpy
import numpy as np
import pytest

from retake.addon.core.client import find_python

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "demo.py"
SECONDS, RATE = 1.5, 16000

pytestmark = pytest.mark.skipif(bpy.app.version[:2] not in ((4, 5), (5, 2)), reason="the demo uses Blender 4.5 and 5.2")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tone whose loudness rises and falls like syllables."""
    time = np.arange(round(SECONDS * RATE)) / RATE
    tone = 9000 * np.sin(2 * np.pi * 150 * time) * np.sin(2 * np.pi * 2 * time) ** 2
    path = tmp_path_factory.mktemp("audio") / "syllables.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(tone.astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def out(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the demo leaves."""
    folder = tmp_path_factory.mktemp("demo")
    backend = str(find_python("", ROOT))
    for half, python in (("scene", sys.executable), ("report", backend)):
        command = [python, str(SCRIPT), str(clip), "--out", str(folder), "--half", half]
        run = subprocess.run(
            [*command, "--measured", str(folder / "scene")],
            env={**os.environ, "RETAKE_BACKEND_PYTHON": backend},
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert run.returncode == 0, f"{run.stdout[-2000:]}\n{run.stderr[-4000:]}"
    return folder


def test_it_leaves_every_file(out: Path) -> None:
    for name in ("demo.blend", "take1.mp4", "take2.mp4", "take3.mp4", "sheet.png", "report.json"):
        assert (out / name).stat().st_size > 5000 or name == "report.json", name


def test_keys_are_exact_and_takes_differ(out: Path) -> None:
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["key_error_max"] <= 1e-5
    assert report["take_difference_mean"] > 0.0
    assert len(report["key_frames"]) == 3
    assert report["backend_peak_mib"] < 1500


def test_videos_have_picture_and_sound(out: Path) -> None:
    import aud

    sound = aud.Sound(str(out / "take2.mp4"))
    assert sound.specs[0] > 0
    samples = np.asarray(sound.data())
    assert len(samples) / sound.specs[0] == pytest.approx(SECONDS, abs=0.2)
    assert np.abs(samples).max() > 0.05
    clip = bpy.data.movieclips.load(str(out / "take2.mp4"))
    assert clip.frame_duration == pytest.approx(SECONDS * 24, abs=2)
    assert tuple(clip.size) == (320, 320)
    bpy.data.movieclips.remove(clip)


def test_the_saved_shot_still_has_its_takes(out: Path) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'scripts')!r}); import _start; _start.register_package()\n"
        "import bpy, retake; retake.register()\n"
        f"bpy.ops.wm.open_mainfile(filepath={str(out / 'demo.blend')!r})\n"
        "from retake.addon.scene import state\n"
        "records = bpy.context.scene.retake.heads\n"
        "print('takes', len(state.load_library(records[0]).takes)); retake.unregister()\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert "takes 3" in run.stdout, run.stderr
