# SPDX-License-Identifier: GPL-3.0-or-later
"""Long work cut into slices, so that a window never stands still: generators that yield where one may pause.

A function that returns `Steps[T]` does its work while it is iterated and ends with a T. Whoever has no window to keep
alive calls `finish`; a timer takes a `Slices` and advances it a little at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")
Steps = Generator[bool, None, T]
"""Yields whether it waits for another thread (True) or has more to do at once (False); returns a T."""

_PAUSE = 0.0002  # s between two looks at another thread


def finish(steps: Steps[T]) -> T:
    """Do all of it now."""
    while True:
        try:
            if next(steps):
                time.sleep(_PAUSE)
        except StopIteration as end:
            result: T = end.value
            return result


def aside(work: Callable[[], T]) -> Steps[T]:
    """Do some work that touches neither Blender nor what others change on another thread."""
    future: Future[T] = Future()
    thread = threading.Thread(target=_run, args=(work, future), daemon=True)
    thread.start()
    while not future.done():
        yield True
    thread.join()
    return future.result()


def _run(work: Callable[[], T], future: Future[T]) -> None:
    """Do some work; its result, or what it raised, goes into the future."""
    try:
        future.set_result(work())
    except BaseException as error:
        future.set_exception(error)


class Slices(Generic[T]):
    """Steps that are advanced a slice at a time.

    Attributes:
        is_closed: Whether the rest was given up.
        longest: Seconds of the longest slice so far, for the benchmark.
    """

    def __init__(self, steps: Steps[T]) -> None:
        self._steps = steps
        self._result: list[T] = []
        self.is_closed = False
        self.longest = 0.0

    @property
    def is_done(self) -> bool:
        """Whether all of it is done."""
        return bool(self._result)

    @property
    def result(self) -> T:
        """What came of it, once it is done."""
        return self._result[0]

    def advance(self, seconds: float) -> bool:
        """Go on for about as long; what fails is raised.

        Returns:
            Whether all of it is done.
        """
        started = time.perf_counter()
        try:
            while not self.is_done and not next(self._steps) and time.perf_counter() - started < seconds:
                pass
        except StopIteration as end:
            self._result.append(end.value)
        finally:
            self.longest = max(self.longest, time.perf_counter() - started)
        return self.is_done

    def close(self) -> None:
        """Give the rest up."""
        self._steps.close()
        self.is_closed = True
