# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from retake.backend.errors import CheckpointError
from retake.backend.server import peek_model_name
from retake.backend.session import Session, peak_mib

from .conftest import backend_environment


def test_describe_is_json(session: Any) -> None:
    described = json.loads(json.dumps(session.describe()))
    assert described["model"] == "random"
    assert described["styles"] == ["neutral", "calm"]
    assert len(described["channel_sd"]) == 55


def test_warm_up_leaves_no_trace(session: Any, checkpoint: Path, recording: Path) -> None:
    from retake.backend.pipelines.given import GivenValues
    from retake.backend.pipelines.performance import PerformanceOptions

    fresh = Session(checkpoint)
    fresh.warm_up()
    options = PerformanceOptions(num_inference_steps=3)
    ours, theirs = (one.generate(recording, GivenValues.none(), options).channels for one in (fresh, session))
    assert ours.tobytes() == theirs.tobytes()


def test_missing_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="missing"):
        Session(tmp_path / "nowhere.safetensors")


def test_model_name_without_loading(checkpoint: Path, tmp_path: Path) -> None:
    assert peek_model_name(checkpoint) == "random"
    for content in (b"", b"\xff" * 100, b"\x05\x00\x00\x00\x00\x00\x00\x00[1,2]"):
        (tmp_path / "bad.safetensors").write_bytes(content)
        assert peek_model_name(tmp_path / "bad.safetensors") == "bad"


def test_peak_is_this_process_not_the_one_that_started_it() -> None:
    grown = "import subprocess, sys; block = bytearray(700 << 20); print(block[0])\n"
    child = "from backend.session import peak_mib; print(peak_mib())"
    code = f"{grown}print(subprocess.run([sys.executable, '-c', {child!r}], capture_output=True, text=True).stdout)"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=backend_environment(), timeout=120
    )
    assert 50 < float(printed.stdout.split()[1]) < 690
    assert peak_mib() > 50
