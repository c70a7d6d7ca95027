# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

ASSETS = Path(__file__).parents[3] / "backend" / "assets"


@pytest.fixture
def spoken_folder(tmp_path: Path) -> Path:
    """A folder with the recording that ships."""
    told = json.loads((ASSETS / "sample.json").read_text())
    audio, rate = soundfile.read(ASSETS / "sample.flac")
    soundfile.write(tmp_path / "sample.flac", audio, rate)
    row = {"file": "sample.flac", "seconds": len(audio) / rate, "phones": told["phones"], "speaker": "sample"}
    (tmp_path / "phones.jsonl").write_text(json.dumps(row))
    return tmp_path
