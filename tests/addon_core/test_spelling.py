# SPDX-License-Identifier: GPL-3.0-or-later
"""Control names in the spellings that heads have."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retake.addon.core.spelling import match_controls, plain
from retake.backend.protocol import CONTROL_NAMES

SPELLINGS: dict[str, Callable[[str], str]] = {
    "ARKit's": lambda name: name,
    "sides as letters": lambda name: re.sub(r"(Left|Right)$", lambda side: f"_{side[0][0]}", name),
    "capital first": lambda name: name[0].upper() + name[1:],
    "a prefix": lambda name: f"blendShape1.{name}",
    "a prefix and letters": lambda name: "body_01." + re.sub(r"(Left|Right)$", lambda side: f"_{side[0][0]}", name),
    "snakes": lambda name: re.sub(r"(?<!^)([A-Z])", lambda letter: "_" + letter[0].lower(), name),
    "words": lambda name: re.sub(r"(?<!^)([A-Z])", r" \1", name).title(),
}


@pytest.mark.parametrize("spelling", list(SPELLINGS))
def test_every_control_in_the_usual_spellings(spelling: str) -> None:
    names = tuple(SPELLINGS[spelling](name) for name in CONTROL_NAMES)
    assert dict(match_controls(names)) == dict(zip(CONTROL_NAMES, names, strict=True))


def test_no_two_controls_are_spelled_alike() -> None:
    assert len({plain(name) for name in CONTROL_NAMES}) == len(CONTROL_NAMES)


def test_the_exact_name_goes_before_a_spelling_and_the_first_before_others() -> None:
    assert match_controls(("mouthSmile_L", "mouthSmileLeft"))["mouthSmileLeft"] == "mouthSmileLeft"
    assert match_controls(("a.mouthSmile_L", "mouthSmile_L"))["mouthSmileLeft"] == "a.mouthSmile_L"


def test_what_is_no_control_is_left_alone() -> None:
    assert not match_controls(("Basis", "browInnerUp_L", "mouthSmile", "Identity 001", "jawOpenExtra", "L", ""))


@given(st.lists(st.text(max_size=30), max_size=20).map(tuple))
def test_any_names_are_looked_at(names: tuple[str, ...]) -> None:
    assert set(match_controls(names).values()) <= set(names)
