# SPDX-License-Identifier: GPL-3.0-or-later
"""What was rendered before is used again only where it would come out the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from retake.addon.core.finishing import Finishing
from retake.addon.core.library import Library
from retake.addon.core.remembered import PlanMemory
from retake.addon.core.render import ChannelPlan, render
from retake.addon.core.timing import AudioClock, Span
from retake.tests.addon_core.builders import (
    HOLD,
    curve,
    fresh,
    given_of,
    library_of,
    make_lips,
    make_take,
    waves,
    whole_head,
)

CLOCK, LIPS = AudioClock(24.0, 0.0), make_lips()
Scene = dict[str, object]


def assert_same(plans: dict[str, ChannelPlan], others: dict[str, ChannelPlan]) -> None:
    """Equal to the last bit."""
    assert plans.keys() == others.keys()
    for name, plan in plans.items():
        other = others[name]
        assert np.array_equal(plan.frames, other.frames)
        assert np.array_equal(plan.values, other.values)
        assert (plan.rewrite, plan.restore, plan.cleared) == (other.rewrite, other.restore, other.cleared)


def stands(slope: float) -> Callable[[np.ndarray], np.ndarray]:
    """A curve that stands beside a range."""
    return lambda frames: (0.1 + slope * np.asarray(frames))[:, None]


@pytest.fixture
def library() -> Library:
    """Two takes, the first playing."""
    return library_of(make_take(1, waves()))


def test_a_take_that_comes_back_is_not_rendered_again(library: Library) -> None:
    given = given_of(whole_head())
    first = render(library, CLOCK, given, LIPS)
    again = render(library, CLOCK, given_of(whole_head()), LIPS)
    assert all(again[name] is first[name] for name in first)


CHANGES = {
    "a key": lambda: given_of(whole_head(jawOpen=curve("jawOpen", [30.2], [0.4]))),
    "a hold": lambda: given_of(whole_head(browInnerUp=curve("browInnerUp", [20, 40], [0.4, 0.4], HOLD))),
    "what stands beside": lambda: given_of(
        whole_head(browInnerUp=replace(curve("browInnerUp"), evaluate=stands(0.01)))
    ),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_what_the_animator_changed_is_rendered_anew(library: Library, change: str) -> None:
    before = render(library, CLOCK, given_of(whole_head()), LIPS)
    given = CHANGES[change]()
    after = render(library, CLOCK, given, LIPS)
    assert_same(after, fresh(library, CLOCK, given, LIPS))
    assert any(not np.array_equal(after[name].values, before[name].values) for name in after)


@settings(max_examples=25)
@hypothesis_given(
    st.lists(
        st.tuples(
            st.sampled_from([24.0, 30.0]),
            st.sampled_from([None, Span(20.0, 60.0)]),
            st.sampled_from([0.0, 0.02]),
            st.sampled_from([1.0, 1.5]),
            st.booleans(),
        ),
        min_size=2,
        max_size=6,
    )
)
def test_any_sequence_of_changes_renders_as_with_nothing_remembered(
    steps: list[tuple[float, Span | None, float, float, bool]],
) -> None:
    takes = library_of(make_take(1, waves())), library_of(make_take(1, waves(1)))
    for fps, limit, slope, strength, other in steps:
        library = takes[other]
        library.finishing = Finishing(strength={"upper_face": strength})
        given = given_of(whole_head(browInnerUp=replace(curve("browInnerUp"), evaluate=stands(slope))))
        arguments = (library, replace(CLOCK, fps=fps), given, LIPS, None, limit)
        assert_same(render(*arguments), fresh(*arguments))


def test_memory_is_bounded(library: Library) -> None:
    memory = PlanMemory(most_bytes=1)
    plans = render(library, CLOCK, given_of(whole_head()), LIPS)
    memory.keep("first", plans, [], ())
    memory.keep("second", plans, [], ())
    assert memory.find("first", given_of(whole_head()), {}) is None
    assert memory.find("second", given_of(whole_head()), {}) is plans
