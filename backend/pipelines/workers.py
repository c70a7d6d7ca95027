# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads that sample, each alone on its batch.

The networks are small: threads that share one convolution wait for each other at every layer, spinning (then a busy
Blender costs them a hundredfold) or sleeping (then waking up takes longer than the work). A batch that one thread
computes alone waits for nobody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

import torch

_GLANCE = 0.2  # s
_MOST = 4  # more gain little on requests of a few takes, and Blender wants some cores

Item = TypeVar("Item")
Done = TypeVar("Done")


class Workers:
    """A few threads in which torch computes without threads of its own."""

    def __init__(self, count: int | None = None) -> None:
        """Prepare threads; they start with the first work.

        Args:
            count: How many; None for as many as torch would use (cores, or OMP_NUM_THREADS), at most four.
        """
        self.count = count or min(torch.get_num_threads(), _MOST)
        self._pool = ThreadPoolExecutor(self.count, "sampler", torch.set_num_threads, (1,))

    def run(self, function: Callable[[], Done], halt: Callable[[], None]) -> Done:
        """Call a function in one of the threads and return what it returns.

        Args:
            function: What to call.
            halt: Makes the function end early; called where the wait for it is interrupted.
        """
        future = self._pool.submit(function)
        try:
            return _outcome(future)
        finally:
            if not future.done():
                halt()
                wait([future])
            del future  # see _outcome

    def map(
        self, function: Callable[[Item], Done], items: Iterable[Item], halt: Callable[[], None]
    ) -> Iterator[tuple[Item, Done]]:
        """Work on items side by side, few at a time.

        Args:
            function: Called in the threads; it must not use these workers itself.
            items: What it is called with.
            halt: Makes the function end early, now and whenever it is called again; called where an item fails or the
                wait is interrupted.

        Yields:
            Each item and what the function returned, in the order of the items. After an error, which is raised, no
            further item is begun and none is under way any more.
        """
        pending: deque[tuple[Item, Future[Done]]] = deque()
        try:
            for item in items:
                pending.append((item, self._pool.submit(function, item)))
                if len(pending) > self.count:
                    yield pending[0][0], _outcome(pending[0][1])
                    pending.popleft()
            while pending:
                yield pending[0][0], _outcome(pending[0][1])
                pending.popleft()
        except BaseException:
            halt()
            raise
        finally:
            _end(pending)


def _outcome(future: Future[Done]) -> Done:
    """What a future returns or raises, with a glance every now and then for Ctrl-C, which Windows needs.

    An error's traceback holds this frame: that may not hold the future, which holds the error, or the arrays of every
    failed request would stay until the garbage collector comes by.
    """
    try:
        while not future.done():
            wait([future], _GLANCE)
        return future.result()
    finally:
        del future


def _end(pending: deque[tuple[Item, Future[Done]]]) -> None:
    """Take back what has not begun, and wait for the rest."""
    futures = [future for _, future in pending]
    pending.clear()
    for future in futures:
        future.cancel()
    wait(futures)
