# SPDX-License-Identifier: GPL-3.0-or-later
"""Blinks taken away and added, and gaze made livelier, on tracks made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retake.addon.core.blinks import change_blinks, change_gaze, find_blinks
from retake.addon.core.finishing import Finishing
from retake.addon.core.timing import Span
from retake.backend.protocol import PARTS

BLINK = np.array([0.2, 0.7, 1.0, 0.8, 0.4, 0.15])


def lids(*places: int, count: int = 300) -> np.ndarray:
    """Lids that blink at some frames, a little open between."""
    track = np.full((count, 2), 0.02)
    for place in places:
        track[place : place + len(BLINK)] = np.maximum(track[place : place + len(BLINK)], BLINK[:, None])
    return track


def test_blinks_are_found_whole() -> None:
    found = find_blinks(lids(40, 120)[:, 0])
    assert found == [(40, 46), (120, 126)]
    asleep = lids()
    asleep[50:150] = 0.9
    assert find_blinks(asleep[:, 0]) == []


def test_fewer_and_none() -> None:
    track = lids(30, 90, 150, 210)
    assert find_blinks(change_blinks(track, 0.0, (), 0)[:, 0]) == []
    half = change_blinks(track, 0.5, (), 0)
    assert len(find_blinks(half[:, 0])) == 2
    kept = [first for first, _ in find_blinks(half[:, 0])]
    more = [first for first, _ in find_blinks(change_blinks(track, 0.75, (), 0)[:, 0])]
    assert set(kept) <= set(more)
    assert change_blinks(track, 1.0, (), 0) == pytest.approx(track)


def test_more_where_there_is_room() -> None:
    track = lids(60, count=600)
    more = find_blinks(change_blinks(track, 2.0, (), 0)[:, 0])
    assert len(more) == 2
    assert (60, 66) in more
    assert abs(more[1][0] - 333) < 10  # the middle of the longest stretch
    crowded = lids(*range(0, 120, 30), count=120)
    assert change_blinks(crowded, 2.0, (), 0) == pytest.approx(crowded)


def test_a_quiet_span_has_none_and_gets_none() -> None:
    track = lids(40, 200)
    quiet = change_blinks(track, 1.0, (Span(1.0, 2.0),), 0)
    assert [first for first, _ in find_blinks(quiet[:, 0])] == [200]
    assert np.array_equal(quiet[100:], track[100:])
    shifted = change_blinks(track, 1.0, (Span(2.0, 3.0),), 30)
    assert [first for first, _ in find_blinks(shifted[:, 0])] == [200]
    alone = change_blinks(lids(count=300), 2.0, (Span(0.0, 4.0),), 0)
    assert all(first > 120 for first, _ in find_blinks(alone[:, 0]))


@given(st.lists(st.integers(0, 280), max_size=8), st.floats(0.0, 2.0))
def test_lids_stay_between_what_was_and_shut(places: list[int], rate: float) -> None:
    track = lids(*places)
    changed = change_blinks(track, rate, (), 0)
    assert changed.shape == track.shape
    assert changed.min() >= 0.0
    assert changed.max() <= 1.0
    if rate <= 1.0:
        assert (changed <= track + 1e-9).all()


def test_gaze_darts_grow_about_where_the_eyes_look() -> None:
    looks = np.zeros((60, 2))
    looks[20:40, 0] = 0.3
    wide = change_gaze(looks, 2.0)
    assert np.ptp(wide[:, 0]) > 1.3 * np.ptp(looks[:, 0])
    assert wide.min() >= 0.0
    assert np.ptp(change_gaze(looks, 0.0)) == pytest.approx(0.1)  # each rests at its mean


def test_the_finishing_changes_the_eyes_alone() -> None:
    names = PARTS["eyes"]
    values = np.zeros((300, len(names)))
    blink = [column for column, name in enumerate(names) if name.startswith("eyeBlink")]
    values[:, blink] = lids(40, 150)
    finishing = Finishing(blinks=0.0, gaze=1.5)
    changed = finishing.apply_eyes(values, names, 0)
    assert find_blinks(changed[:, blink[0]]) == []
    assert Finishing().apply_eyes(values, names, 0) is values
    assert finishing.apply("mouth", values) is values
