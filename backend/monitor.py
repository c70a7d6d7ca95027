# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress of a request and its cancellation, seen from the code that does the work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .errors import CancelledError

Report = Callable[[str, int, int, float | None], None]
"""Receives stage, step, total and the seconds left (None: not known yet)."""

_REPORT_INTERVAL = 0.05  # s between two reports of one stage


@dataclass
class _Stage:
    total: int
    cost: float  # relative cost of one step, comparable between stages
    done: int = 0


class Monitor:
    """Counts the work of one request, reports it, and stops it when it is cancelled.

    `seconds` collects the time of each stage. Any thread may count steps.
    """

    def __init__(self, report: Report | None = None, is_cancelled: Callable[[], bool] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._report = report
        self._is_cancelled = is_cancelled
        self._stages: dict[str, _Stage] = {}
        self._started = time.perf_counter()
        self._last_report = 0.0
        self._counting = threading.Lock()
        self._halted = threading.Event()

    def halt(self) -> None:
        """Let every further `check` and `advance` raise, whoever calls: the work is not wanted any more."""
        self._halted.set()

    def check(self) -> None:
        """Raise CancelledError if the request was cancelled."""
        if self._halted.is_set() or (self._is_cancelled is not None and self._is_cancelled()):
            raise CancelledError("The request was cancelled.")

    def expect(self, stage: str, total: int, cost: float) -> None:
        """Announce the steps of a stage; the cost of one is relative to that of other stages' steps."""
        self._stages[stage] = _Stage(total, cost)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to `seconds[stage]`; the time left is extrapolated from the first such start."""
        started = time.perf_counter()
        if not any(one.done for one in self._stages.values()):
            self._started = started
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - started

    def advance(self, stage: str, steps: int = 1) -> None:
        """Count steps done, report them, and raise CancelledError if the request was cancelled."""
        self.check()
        with self._counting:
            counted = self._stages[stage]
            counted.done = min(counted.done + steps, counted.total)
            now = time.perf_counter()
            if self._report is None or (counted.done < counted.total and now - self._last_report < _REPORT_INTERVAL):
                return
            self._last_report = now
            self._report(stage, counted.done, counted.total, self._seconds_left(now))

    def _seconds_left(self, now: float) -> float | None:
        done = sum(stage.done * stage.cost for stage in self._stages.values())
        total = sum(stage.total * stage.cost for stage in self._stages.values())
        return (now - self._started) * (total - done) / done if done else None
