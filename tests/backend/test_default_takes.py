# SPDX-License-Identifier: GPL-3.0-or-later
"""What ships, as it is called: the recording and the model of the extension, default settings, real processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retake.backend.evaluation.lips import LipRig
from retake.backend.evaluation.takes import neck_difference_degrees, take_difference_mean
from retake.backend.pipelines.given import GivenValues
from retake.backend.pipelines.performance import PerformanceOptions
from retake.backend.protocol import CHANNEL_NAMES
from retake.backend.session import Session

from .conftest import ROOT, run_backend

SAMPLE = ROOT / "backend" / "assets" / "sample.flac"

Result = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    """Four takes of the sample, made twice, each time by a process of its own."""
    return [generated(tmp_path_factory.mktemp("results") / "r.npz") for _ in range(2)]


def generated(out: Path) -> Result:
    done = run_backend("generate", str(SAMPLE), "--takes", "4", "--out", str(out))
    assert (done.returncode, done.stderr) == (0, "")
    with np.load(out, allow_pickle=False) as result:
        return dict(result)


def test_two_processes_make_the_same_bytes(results: list[Result]) -> None:
    first, second = results
    assert first.keys() == second.keys()
    for name in first:
        assert first[name].dtype == second[name].dtype
        assert first[name].tobytes() == second[name].tobytes(), name


def test_takes_differ_visibly(results: list[Result]) -> None:
    result = results[0]
    assert take_difference_mean(LipRig.of_head().gap(result["channels"])) >= 0.25  # mm; real speech: docs/model-card.md
    assert neck_difference_degrees(result["head_rotation"]) >= 0.5


@pytest.fixture(scope="module")
def default_session() -> Session:
    return Session()


@pytest.mark.parametrize("channel", ["eyeLookOutLeft", "mouthSmileLeft", "browInnerUp", "jawOpen", "head_rotation.y"])
def test_a_key_changes_nothing_beyond_three_quarters_of_a_second(default_session: Session, channel: str) -> None:
    column, time = CHANNEL_NAMES.index(channel), 2.5
    sd = np.asarray(default_session.models.channel_sd)
    options = PerformanceOptions(seeds=(0, 1))

    def with_key(value: float) -> np.ndarray:
        return default_session.generate(SAMPLE, GivenValues.of([time], [column], [value]), options).channels

    free = default_session.generate(SAMPLE, GivenValues.none(), options)
    frames = free.start_frame + np.arange(free.channels.shape[1])
    value = float(free.channels[0, frames == round(time * 30), column][0])
    changed = np.abs(with_key(value + 2 * sd[column]) - with_key(value))[:, :, sd >= 0.01] / sd[sd >= 0.01]
    assert changed.max() > 1.0
    assert changed[:, np.abs(frames / 30 - time) > 0.75].max() < 0.1


def test_what_was_asked_before_changes_no_bit(default_session: Session) -> None:
    given = GivenValues.of([2.5], [CHANNEL_NAMES.index("jawOpen")], [0.4])
    before = default_session.generate(SAMPLE, given, PerformanceOptions(seeds=(3, 4)))
    default_session.generate(SAMPLE, GivenValues.none(), PerformanceOptions(seeds=(4,)))
    default_session.generate(SAMPLE, GivenValues.none(), PerformanceOptions(seeds=(3, 4), style="broad"))
    fresh = Session().generate(SAMPLE, given, PerformanceOptions(seeds=(3, 4)))
    again = default_session.generate(SAMPLE, given, PerformanceOptions(seeds=(3, 4)))
    assert before.channels.tobytes() == again.channels.tobytes() == fresh.channels.tobytes()
