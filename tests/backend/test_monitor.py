# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time

import pytest

from retake.backend.errors import CancelledError
from retake.backend.monitor import Monitor


def test_time_left_weighs_the_stages_by_their_cost() -> None:
    reports: list[tuple[str, int, int, float | None]] = []
    monitor = Monitor(lambda *report: reports.append(report))
    monitor.expect("quick", 1, 1.0)
    monitor.expect("slow", 1, 9.0)
    with monitor.timed("quick"):
        time.sleep(0.1)
        monitor.advance("quick")
    assert reports[-1][:3] == ("quick", 1, 1)
    assert reports[-1][3] == pytest.approx(0.9, rel=0.5)
    with monitor.timed("slow"):
        monitor.advance("slow")
    assert reports[-1] == ("slow", 1, 1, 0.0)
    assert monitor.seconds["quick"] >= 0.1
    assert monitor.seconds.keys() == {"quick", "slow"}


def test_reports_are_thinned_but_the_last_one_comes() -> None:
    reports: list[int] = []
    monitor = Monitor(lambda stage, step, total, left: reports.append(step))
    monitor.expect("stage", 10000, 1.0)
    for _ in range(10000):
        monitor.advance("stage")
    assert len(reports) < 1000
    assert reports[-1] == 10000


def test_more_than_expected_stays_at_the_total() -> None:
    reports: list[tuple[str, int, int, float | None]] = []
    monitor = Monitor(lambda *report: reports.append(report))
    monitor.expect("stage", 2, 1.0)
    monitor.advance("stage", 5)
    assert reports[-1] == ("stage", 2, 2, 0.0)


def test_cancelling() -> None:
    cancelled = False
    monitor = Monitor(is_cancelled=lambda: cancelled)
    monitor.expect("stage", 2, 1.0)
    monitor.advance("stage")
    cancelled = True
    with pytest.raises(CancelledError):
        monitor.advance("stage")
    with pytest.raises(CancelledError):
        monitor.check()


def test_nobody_listens() -> None:
    monitor = Monitor()
    monitor.expect("stage", 0, 1.0)
    monitor.advance("stage")
    monitor.check()
