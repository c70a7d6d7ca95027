# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work in slices: the same result at once or a little at a time, and other threads that are waited for."""

from __future__ import annotations

import threading
import time

import pytest

from retake.addon.core.steps import Slices, Steps, aside, finish


def counting(seen: list[int], units: int) -> Steps[int]:
    """Note each unit of work."""
    for unit in range(units):
        time.sleep(0.002)
        seen.append(unit)
        yield False
    return sum(seen)


def test_all_at_once() -> None:
    seen: list[int] = []
    assert finish(counting(seen, 5)) == 10
    assert seen == [0, 1, 2, 3, 4]


def test_a_slice_ends_after_its_time() -> None:
    seen: list[int] = []
    slices = Slices(counting(seen, 20))
    assert not slices.advance(0.005)
    assert 1 <= len(seen) < 20
    while not slices.advance(0.005):
        pass
    assert slices.is_done
    assert slices.result == 190
    assert 0.0 < slices.longest < 1.0


def test_what_is_closed_goes_no_farther() -> None:
    seen: list[int] = []
    slices = Slices(counting(seen, 20))
    slices.advance(0.0)
    slices.close()
    assert slices.is_closed
    assert len(seen) == 1


def test_a_failure_comes_out_of_the_slice() -> None:
    def failing() -> Steps[None]:
        yield False
        raise ValueError("bad")

    slices = Slices(failing())
    with pytest.raises(ValueError, match="bad"):
        slices.advance(1.0)


def test_work_aside_runs_on_another_thread_and_is_waited_for() -> None:
    names: list[str] = []

    def work() -> int:
        names.append(threading.current_thread().name)
        time.sleep(0.02)
        return 7

    slices = Slices(aside(work))
    waits = 0
    while not slices.advance(1.0):
        waits += 1
        time.sleep(0.001)
    assert (slices.result, waits > 1) == (7, True)
    assert names != [threading.current_thread().name]
    assert finish(aside(lambda: 8)) == 8


def test_a_failure_aside_comes_out_too() -> None:
    with pytest.raises(ZeroDivisionError):
        finish(aside(lambda: 1 // 0))
