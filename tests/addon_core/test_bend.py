# SPDX-License-Identifier: GPL-3.0-or-later
"""Bends meet their anchors exactly, reach no farther than they may, and are smooth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retake.addon.core.bend import Anchor, bend, kernel, separated, slope_kernel

FINE = np.arange(0, 60, 1 / 16)
anchor_lists = st.lists(
    st.tuples(st.integers(10 * 16, 50 * 16), st.floats(-1, 1), st.floats(0.1, 9), st.floats(0.1, 9)),
    min_size=1,
    max_size=6,
    unique_by=lambda a: a[0],
).map(lambda found: [Anchor(at / 16, *rest) for at, *rest in sorted(found)])


@given(anchor_lists)
@settings(deadline=None)
def test_every_anchor_is_met_exactly_and_nothing_beyond_its_reach(anchors: list[Anchor]) -> None:
    correction = bend(FINE, anchors)
    allowed = np.zeros(len(FINE), bool)
    for anchor in anchors:
        assert correction[anchor.frame == FINE][0] == anchor.residual
        allowed |= (anchor.frame - anchor.left <= FINE) & (anchor.frame + anchor.right >= FINE)
    np.testing.assert_array_equal(correction[~allowed], 0.0)
    assert np.abs(correction).max() <= max(abs(anchor.residual) for anchor in anchors) + 1e-12


@given(anchor_lists)
def test_no_reach_passes_another_anchor(anchors: list[Anchor]) -> None:
    cut = separated(anchors)
    for before, after in itertools.pairwise(cut):
        assert before.frame + before.right <= after.frame
        assert after.frame - after.left >= before.frame


def test_two_equal_anchors_near_each_other_hold_what_is_between() -> None:
    correction = bend(FINE, [Anchor(20.0, 0.5, 9, 9), Anchor(24.0, 0.5, 9, 9)])
    np.testing.assert_allclose(correction[(FINE >= 20) & (FINE <= 24)], 0.5, atol=1e-12)


def test_a_slope_is_met_on_its_side() -> None:
    anchors = [Anchor(20.0, 0.0, 0.0, 8.0, slope=0.1), Anchor(40.0, 0.0, 8.0, 0.0, slope=-0.2)]
    correction = bend(FINE, anchors)
    assert correction[FINE == 20 + 1 / 16][0] * 16 == pytest.approx(0.1, rel=0.03)
    assert -correction[FINE == 40 - 1 / 16][0] * 16 == pytest.approx(-0.2, rel=0.03)
    np.testing.assert_array_equal(correction[(FINE < 20) | (FINE > 40)], 0.0)


def test_the_kernels_end_values_and_slopes() -> None:
    x = np.array([0.0, 1e-6, 0.5, 1 - 1e-6, 1.0, 3.0])
    np.testing.assert_allclose(kernel(x), [1, 1, 0.5, 0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(slope_kernel(x), [0, 1e-6, 0.125, 0, 0, 0], atol=1e-9)
    np.testing.assert_allclose(kernel(np.linspace(0, 1, 9)) + kernel(np.linspace(1, 0, 9)), 1.0)


def test_its_second_difference_is_the_least_possible_for_its_width() -> None:
    x = np.linspace(-1, 1, 2001)
    second = np.diff(kernel(np.abs(x)), 2) / (x[1] - x[0]) ** 2
    assert np.abs(second).max() == pytest.approx(4.0, rel=1e-3)


def test_an_anchor_without_reach_bends_its_own_frame_only() -> None:
    correction = bend(np.arange(5.0), [Anchor(2.0, 0.3, 0.0, 0.0)])
    np.testing.assert_array_equal(correction, [0, 0, 0.3, 0, 0])
    assert not bend(np.zeros(0), [Anchor(2.0, 0.3, 4.0, 4.0)]).size
