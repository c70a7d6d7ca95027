# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that measure and render speech in Blender, part by part as they run themselves, on the sample."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import bpy
import numpy as np
import pytest

from retake.addon.core.client import find_python

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "backend" / "assets"

pytestmark = pytest.mark.skipif(bpy.app.version[:2] not in ((4, 5), (5, 2)), reason="they use Blender 4.5 and 5.2")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of speech that holds the sample."""
    told = json.loads((ASSETS / "sample.json").read_text(encoding="utf-8"))
    shutil.copy(ASSETS / "sample.flac", tmp_path)
    row = {"file": "sample.flac", "seconds": told["seconds"], "phones": told["phones"], "speaker": "sample"}
    (tmp_path / "phones.jsonl").write_text(json.dumps(row), encoding="utf-8")
    return tmp_path


def run_parts(script: str, parts: dict[str, str], *arguments: str) -> None:
    """Run the parts of a script, each in its Python."""
    for part, python in parts.items():
        command = [python, str(ROOT / "scripts" / script), *arguments, "--part", part]
        variables = {**os.environ, "RETAKE_BACKEND_PYTHON": str(find_python("", ROOT))}
        run = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=500)
        assert run.returncode == 0, f"{run.stdout[-2000:]}\n{run.stderr[-4000:]}"


def test_what_blender_shows_is_what_the_model_performs(folder: Path, tmp_path: Path) -> None:
    backend, work, target = str(find_python("", ROOT)), tmp_path / "work", tmp_path / "scene.json"
    work.mkdir()
    index = folder / "phones.jsonl"
    index.write_text("\n".join([index.read_text(encoding="utf-8")] * 2), encoding="utf-8")
    parts = {"plan": backend, "shots": sys.executable, "report": backend}
    run_parts("measure_scene.py", parts, str(folder), "--json", str(target), "--work", str(work))
    seconds = json.loads(index.read_text(encoding="utf-8").splitlines()[0])["seconds"]
    for number, shot in enumerate(json.loads((work / "plan.json").read_text(encoding="utf-8"))):
        end = float(np.load(work / f"shot_{number}.npz")["edges"][1])  # 1 s behind the recording, between two frames
        assert end == pytest.approx(1 + shot["phase"] + (seconds + 1) * shot["fps"], abs=0.1)
    figures = json.loads(target.read_text(encoding="utf-8"))
    for rate in ("24 fps", "25 fps"):
        assert figures[rate]["mesh_closure"] == pytest.approx(figures[rate]["model_closure"], abs=0.15)  # of 8 p b m
        assert figures[rate]["mesh_fv_auc"] == pytest.approx(figures[rate]["model_fv_auc"], abs=0.1)
    for name in ("all: 1 a second, moved", "all: 20% kept"):
        assert figures[name]["key_error_max"] < 1e-5
        assert figures[name]["seam_ratio"] < 1.5
        assert figures[name]["raw_sd"] < 0.5


def test_a_sheet_shows_the_phones_of_a_sentence(folder: Path, tmp_path: Path) -> None:
    backend, work, target = str(find_python("", ROOT)), tmp_path / "work", tmp_path / "sheet.png"
    work.mkdir()
    parts = {"perform": backend, "render": sys.executable, "join": backend}
    run_parts(
        "render_speech.py", parts, "phones", str(folder), "sample.flac", "--out", str(target), "--work", str(work)
    )
    width, height = struct.unpack(">II", target.read_bytes()[16:24])
    assert width > 8 * 150
    assert height > 2 * 150
