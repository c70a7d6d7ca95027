# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists in sentences."""

from __future__ import annotations

from retake.addon.core.wording import NAMED, shortened


def test_only_the_first_few_are_named() -> None:
    assert shortened([]) == ""
    assert shortened(["jawOpen"]) == "jawOpen"
    assert shortened(["a", "b", "c"], 2) == "a, b and 1 more"
    assert shortened(["x"] * NAMED) == ", ".join(["x"] * NAMED)
