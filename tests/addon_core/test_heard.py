# SPDX-License-Identifier: GPL-3.0-or-later
"""What was heard survives being kept, and damage is nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retake.addon.core.heard import Heard

SECONDS = st.floats(0.0, 1000.0)


@given(st.lists(st.tuples(SECONDS, SECONDS, st.sampled_from(["aa", "m", "sil"])), max_size=20), st.lists(SECONDS))
def test_kept_and_read_again(phones: list[tuple[float, float, str]], starts: list[float]) -> None:
    heard = Heard.of_message({"phones": phones, "pauses": [(start, start + 1.0) for start in starts]})
    assert len(heard.phones) == len(phones)
    assert Heard.from_text(heard.to_text()) == heard


@pytest.mark.parametrize("message", [{}, {"phones": [1]}, {"phones": 3}, {"pauses": [(2.0, "x")]}, {"pauses": [[1]]}])
def test_what_makes_no_sense_is_nothing(message: dict[str, Any]) -> None:
    assert Heard.of_message(message) == Heard()


def test_damaged_text_is_nothing() -> None:
    assert Heard.from_text("{") == Heard()
    assert Heard.from_text("") == Heard()
