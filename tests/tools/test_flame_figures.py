# SPDX-License-Identifier: GPL-3.0-or-later
"""The default model speaks on stand-in FLAME heads; commands refuse in a sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from retake.tests.flame_files import TEMPLATE, needs_template
from retake.tools.flame_figures import SEEDS, make_model, measure, perform

ROOT = Path(__file__).resolve().parents[2]


@needs_template
def test_lips_follow_the_built_in_heads_on_every_stand_in() -> None:
    tracks = perform([ROOT / "backend" / "assets" / "sample.flac"])
    for seed in SEEDS:
        found = measure(make_model(TEMPLATE, seed), tracks)
        assert found["gap_correlation"] >= 0.95, seed
        assert found["closures_kept"] >= 0.95, seed
        assert found["closures"] >= 5
        assert 0.8 < found["gap_share"] < 1.2
        assert 8.0 < found["jaw_degrees"] < 40.0, "the jaw turns"
        assert found["largest_sd"] < 5.0, "and nothing is stretched beyond what faces do"


@pytest.mark.parametrize(
    ("script", "arguments", "sentence"),
    [
        ("demo.py", ("--head", "nobody.pkl"), "There is no head at 'nobody.pkl'"),
        ("measure_flame.py", ("nothing.npz", "."), "nothing.npz does not exist."),
        ("bench.py", ("--blender", "blender"), "--blender goes with --window VERSION"),
    ],
)
def test_what_is_not_there_is_one_sentence(script: str, arguments: tuple[str, ...], sentence: str) -> None:
    command = [sys.executable, str(ROOT / "scripts" / script), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
