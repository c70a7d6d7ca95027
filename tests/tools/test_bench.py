# SPDX-License-Identifier: GPL-3.0-or-later
"""How the benchmark sums up; the figures themselves need a quiet computer."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile

from retake.tools import bench, bench_backend


def test_median_and_extremes() -> None:
    figures = bench.summarise({"a_ms": [3.0, 1.0, 100.0, 2.0, 4.0], "peak_mib": [512.3456]})
    assert figures == {"a_ms": 3.0, "a_ms_min": 1.0, "a_ms_max": 100.0, "peak_mib": 512.3}


def test_too_few_runs_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--runs", "3"]) == 2
    assert "3 runs are too few" in capsys.readouterr().err


def test_clips_have_their_length(tmp_path: Path) -> None:
    bench_backend.write_clips(tmp_path)
    for name, seconds in bench_backend.CLIPS.items():
        assert soundfile.info(tmp_path / f"{name}.wav").duration == pytest.approx(seconds, abs=1e-3)
