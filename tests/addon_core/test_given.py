# SPDX-License-Identifier: GPL-3.0-or-later
"""Given values by channel and as a request's arrays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retake.addon.core.channels import CHANNEL_INDEX, channels_of
from retake.addon.core.curves import CurveKeys
from retake.addon.core.given import FOREVER, NothingFreeError, check_free
from retake.addon.core.ledger import Ledger
from retake.addon.core.request import CONTEXT_SECONDS, REACH_SECONDS, request_values
from retake.addon.core.timing import AudioClock, Span
from retake.backend.errors import InputError
from retake.backend.protocol import HEAD_ROTATION, PARTS
from retake.tests.addon_core.builders import CONSTANT, HOLD, OURS, curve, given_of, neck, whole_head

CLOCK = AudioClock(24.0, 100.0)
ALL = tuple(PARTS)


def test_a_key_gives_its_own_channel_at_its_own_time() -> None:
    given = given_of(whole_head(eyeBlinkLeft=curve("eyeBlinkLeft", [124.37], [0.8])))
    values = request_values(given, CLOCK, Span(0.0, 3.0), ALL)
    assert values.times.tolist() == [pytest.approx(24.37 / 24)]
    assert values.channels.tolist() == [CHANNEL_INDEX["eyeBlinkLeft"]]
    assert values.values.tolist() == [np.float32(0.8)]
    assert values.is_key.all()


def test_keys_outside_the_range_are_sent_too() -> None:
    given = given_of(whole_head(jawOpen=curve("jawOpen", [100, 400], [0.1, 0.2])))
    assert len(request_values(given, CLOCK, Span(5.0, 6.0), ALL).times) == 2


def test_generated_keys_are_not_given() -> None:
    given = given_of(whole_head(jawOpen=curve("jawOpen", range(100, 200), np.linspace(0, 1, 100), OURS)))
    assert not len(request_values(given, CLOCK, Span(0.0, 4.0), ALL).times)


def test_a_component_of_the_neck_gives_the_whole_rotation() -> None:
    rotation = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])
    empty = neck(1, [], np.zeros((0, 3)))
    curves = [neck(0, [110, 130.5], rotation)]
    curves += [
        empty.__class__(**{**vars(empty), "curve_id": f"neck.{n}", "evaluate": curves[0].evaluate}) for n in (1, 2)
    ]
    given = given_of(curves)
    for axis, name in enumerate(HEAD_ROTATION):
        np.testing.assert_array_equal(given.channels[name].frames, [110, 130.5])
        np.testing.assert_allclose(given.channels[name].values, rotation[:, axis])


def test_a_locked_component_blocks_the_whole_neck() -> None:
    given = given_of([neck(0, [], np.zeros((0, 3)), locked=True), neck(1, [], np.zeros((0, 3)))])
    assert {given.channels[name].obstacle for name in HEAD_ROTATION} == {"locked curve"}


def test_a_constant_key_gives_every_frame_to_the_next_given_key() -> None:
    keyed = curve("jawOpen", [110, 115, 120, 130], [0.3, 0.9, 0.5, 0.1], [0, OURS, 0, 0], [CONSTANT, 2, 2, CONSTANT])
    channel = given_of([keyed]).channels["jawOpen"]
    assert channel.held == (Span(110, 120), Span(130, FOREVER))
    np.testing.assert_allclose(channel.evaluate(np.array([112.0, 115.0, 119.0, 120.0])), [0.3, 0.3, 0.3, 0.5])
    values = request_values(given_of([keyed]), CLOCK, Span(0.0, 2.0), ALL)
    held = values.values[~values.is_key & (values.times < 0.8)]
    assert len(held) > 8
    np.testing.assert_allclose(held, 0.3, atol=1e-6)


def test_a_pair_of_moving_holds_gives_the_frames_between() -> None:
    keyed = curve("jawOpen", [110, 120, 130, 140], [0.3, 0.3, 0.5, 0.1], [HOLD, HOLD, 0, HOLD])
    assert given_of([keyed]).channels["jawOpen"].held == (Span(110, 120),)


def test_generated_keys_within_a_hold_do_not_count() -> None:
    keyed = curve("jawOpen", [110, 114, 120], [0.2, 0.9, 0.4], [HOLD, OURS, HOLD])
    channel = given_of([keyed]).channels["jawOpen"]
    between = channel.evaluate(np.arange(110.0, 121.0))
    assert between.max() <= 0.4
    assert (np.diff(between) >= 0).all()


@pytest.mark.parametrize(
    ("flag", "words"),
    [("driven", "driver"), ("constrained", "constraint"), ("muted", "muted curve"), ("locked", "locked curve")],
)
def test_what_may_not_be_written_is_given_densely(flag: str, words: str) -> None:
    keyed = curve("jawOpen", [100, 148], [0.0, 1.0], **{flag: True})
    given = given_of([keyed])
    assert given.channels["jawOpen"].obstacle == words
    values = request_values(given, CLOCK, Span(0.0, 2.0), ALL)
    assert not values.is_key.any()
    inside = (values.times >= 0) & (values.times <= 2)
    assert inside.sum() == 61
    np.testing.assert_allclose(values.values[inside], np.linspace(0, 1, 61), atol=1e-6)
    assert values.times.min() == pytest.approx(-REACH_SECONDS)


def test_left_out_parts_are_dense_and_free_of_double_values() -> None:
    given = given_of(whole_head(browInnerUp=curve("browInnerUp", [124.1], [0.6])))
    values = request_values(given, CLOCK, Span(0.0, 2.0), ("mouth", "eyes", "head"))
    upper = np.isin(values.channels, [CHANNEL_INDEX[name] for name in channels_of(["upper_face"])])
    assert upper.all()
    brow = values.channels == CHANNEL_INDEX["browInnerUp"]
    times = np.sort(values.times[brow])
    assert np.diff(times).min() > 0.49 / 30
    assert values.is_key[brow].sum() == 1


def test_locked_spans_are_dense() -> None:
    given = given_of(whole_head(jawOpen=curve("jawOpen", locked_spans=(Span(110, 120),))))
    values = request_values(given, CLOCK, Span(0.0, 2.0), ALL)
    assert set(values.channels) == {CHANNEL_INDEX["jawOpen"]}
    assert values.times.min() >= 10 / 24 - 1e-9
    assert values.times.max() <= 20 / 24 + 1e-9


def test_context_is_dense_beside_the_range_only() -> None:
    given = given_of([curve("jawOpen", range(100, 400), np.linspace(0, 1, 300), OURS)])
    values = request_values(given, CLOCK, Span(4.0, 6.0), ALL, [Span(0.0, 12.0)])
    assert ((values.times < 4.0) | (values.times > 6.0)).all()
    assert values.times.min() == pytest.approx(4.0 - CONTEXT_SECONDS)
    assert values.times.max() == pytest.approx(6.0 + CONTEXT_SECONDS)
    assert not values.is_key.any()


def test_a_request_of_nothing_is_empty() -> None:
    assert len(request_values(given_of([]), CLOCK, Span(0.0, 1.0), ALL).times) == 0


def test_two_groups_of_curves_with_one_channel_are_refused() -> None:
    second = curve("jawOpen")
    twice = [second, replace(second, curve_id="other", channels=("jawOpen", "jawLeft"))]
    with pytest.raises(InputError, match=r"Two groups of curves.*jawOpen"):
        given_of(twice)


def test_a_curve_that_follows_gives_nothing() -> None:
    first, second = curve("jawOpen", [10.0], [0.5]), curve("jawOpen", [20.0], [0.7])
    given = given_of([first, replace(second, curve_id="other", follows=True)])
    assert given.channels["jawOpen"].frames.tolist() == [10.0]


def test_a_range_with_a_free_frame_passes() -> None:
    check_free(given_of(whole_head(jawOpen=curve("jawOpen", driven=True))), channels_of(["mouth"]), Span(100, 110))


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (curve("jawOpen", driven=True), "jawOpen by its driver"),
        (curve("jawOpen", [100, 101, 102], [0, 0, 0]), "jawOpen by its keys at frames 100, 101, 102"),
        (curve("jawOpen", [90], [0], interpolations=CONSTANT), "jawOpen by the hold from frame 90 on"),
        (curve("jawOpen", [90, 110], [0, 0], HOLD), "jawOpen by the hold from frame 90 to 110"),
        (curve("jawOpen", locked_spans=(Span(90, 110),)), "jawOpen by a locked span"),
    ],
)
def test_nothing_free_names_what_holds_it(held: CurveKeys, words: str) -> None:
    with pytest.raises(NothingFreeError, match=words) as caught:
        check_free(given_of([held]), ["jawOpen", "mouthClose"], Span(100, 102))
    assert "between frames 100 and 102" in caught.value.message
    assert caught.value.remedy


def test_nothing_mapped_is_said() -> None:
    with pytest.raises(NothingFreeError, match="none of the channels"):
        check_free(given_of([]), ["jawOpen"], Span(0, 9))


def test_a_corrected_key_is_given_at_its_value() -> None:
    ledger = Ledger()
    ledger.record("jawOpen", np.arange(10.0), np.zeros(10), np.full(10, OURS))
    values = np.zeros(10)
    values[4] = 0.7
    channel = given_of([curve("jawOpen", np.arange(10.0), values, OURS)], ledger).channels["jawOpen"]
    np.testing.assert_array_equal(channel.frames, [4.0])
    np.testing.assert_array_equal(channel.values, [0.7])
