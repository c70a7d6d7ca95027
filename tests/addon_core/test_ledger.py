# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of what was last written."""

from __future__ import annotations

import numpy as np

from retake.addon.core.ledger import Ledger


def test_a_record_is_in_order_of_time_and_in_blenders_precision() -> None:
    ledger = Ledger()
    ledger.record("a", np.array([5.1, 2.0]), np.array([0.1, 0.2]), np.array([5, 0]))
    written = ledger.curves["a"]
    np.testing.assert_array_equal(written.frames, np.array([2.0, 5.1], np.float32))
    np.testing.assert_array_equal(written.values, np.array([0.2, 0.1], np.float32))
    np.testing.assert_array_equal(written.types, [0, 5])
    assert written.frames.dtype == np.float32
    assert written.types.dtype == np.uint8


def test_forgetting() -> None:
    ledger = Ledger()
    for name in "ab":
        ledger.record(name, np.zeros(1), np.zeros(1), np.zeros(1, int))
    ledger.forget("a")
    ledger.forget("a")
    assert list(ledger.curves) == ["b"]
