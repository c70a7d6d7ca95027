# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import pytest
import torch

from retake.backend.pipelines.workers import Workers


def nothing() -> None:
    pass


def test_results_come_in_order_whoever_is_ready_first() -> None:
    second_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_is_done.wait(10.0)
        else:
            second_is_done.set()
        return item * item

    assert list(Workers(2).map(work, range(6), nothing)) == [(item, item * item) for item in range(6)]


def test_torch_has_one_thread_in_each_and_keeps_its_own_elsewhere() -> None:
    before = torch.get_num_threads()
    workers = Workers(3)
    assert {threads for _, threads in workers.map(lambda _: torch.get_num_threads(), range(9), nothing)} == {1}
    assert torch.get_num_threads() == before


def test_after_an_error_nothing_is_begun_and_nothing_goes_on() -> None:
    begun, under_way = [], []

    def work(item: int) -> None:
        begun.append(item)
        under_way.append(item)
        try:
            if item == 2:
                raise ValueError("the third")
        finally:
            under_way.remove(item)

    with pytest.raises(ValueError, match="the third"):
        list(Workers(2).map(work, range(100), nothing))
    assert not under_way
    assert 2 in begun
    assert len(begun) < 10


def test_only_a_few_results_are_ahead_of_the_reader() -> None:
    begun: list[int] = []
    reader = Workers(2).map(begun.append, range(100), nothing)
    next(reader)
    assert len(begun) <= 4


def test_one_call_runs_in_a_worker() -> None:
    assert Workers(1).run(threading.get_ident, nothing) != threading.get_ident()


def test_an_error_ends_what_is_under_way() -> None:
    halted = threading.Event()

    def work(item: int) -> None:
        if item == 0:
            raise MemoryError
        assert halted.wait(20.0), "nobody told it to end"

    with pytest.raises(MemoryError):
        list(Workers(2).map(work, range(10), halted.set))


class Heavy:
    """Something large that can be watched."""


def test_a_failed_request_leaves_nothing_behind() -> None:
    watched = []

    def fail(_: int) -> None:
        raise ValueError

    def request(workers: Workers) -> None:
        heavy = Heavy()
        watched.append(weakref.ref(heavy))
        for _ in workers.map(fail, range(3), nothing):
            pass

    workers = Workers(2)
    gc.disable()
    try:
        for _ in range(3):
            with pytest.raises(ValueError):
                request(workers)
        left = [one() for one in watched]
    finally:
        gc.enable()
    assert left == [None] * 3


INTERRUPTED = """
import signal
import threading
from retake.backend.pipelines.workers import Workers

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are born deaf to it
halted = threading.Event()

def work(*_):
    print("begun", flush=True)
    halted.wait(60)

try:
    {call}
finally:
    print("halted" if halted.is_set() else "went on", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT for one process")
@pytest.mark.parametrize(
    "call",
    [
        "Workers(1).run(work, halted.set)",
        "list(Workers(2).map(work, range(5), halted.set))",
    ],
)
def test_an_interrupt_ends_the_work(call: str) -> None:
    start = "import sys; sys.path.insert(0, 'scripts'); import _start; _start.register_package()"
    root = Path(__file__).parents[3]
    code = start + INTERRUPTED.format(call=call)
    child = subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"begun\n"
    time.sleep(0.3)  # until the main thread waits
    child.send_signal(signal.SIGINT)
    told, _ = child.communicate(timeout=30)
    assert told.endswith(b"halted\n")
