# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import threading

import pytest
import torch

from retake.backend.pipelines.workers import Workers


def test_results_come_in_order_whoever_is_ready_first() -> None:
    second_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_is_done.wait(10.0)
        else:
            second_is_done.set()
        return item * item

    assert list(Workers(2).map(work, range(6))) == [(item, item * item) for item in range(6)]


def test_torch_has_one_thread_in_each_and_keeps_its_own_elsewhere() -> None:
    before = torch.get_num_threads()
    workers = Workers(3)
    assert {threads for _, threads in workers.map(lambda _: torch.get_num_threads(), range(9))} == {1}
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
        list(Workers(2).map(work, range(100)))
    assert not under_way
    assert 2 in begun
    assert len(begun) < 10


def test_only_a_few_results_are_ahead_of_the_reader() -> None:
    begun: list[int] = []
    reader = Workers(2).map(begun.append, range(100))
    next(reader)
    assert len(begun) <= 4


def test_one_call_runs_in_a_worker() -> None:
    assert Workers(1).run(threading.get_ident) != threading.get_ident()
