# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes: new ones, updates, the comp, pins, deletion, staleness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from retake.addon.core.library import Library
from retake.addon.core.request import RequestValues, request_values
from retake.addon.core.takes import ORIGINAL, OriginalCurve, Settings
from retake.addon.core.timing import AudioClock, Span
from retake.backend.errors import InputError, ShapeError
from retake.backend.protocol import CHANNEL_NAMES, PARTS
from retake.tests.addon_core.builders import curve, given_of, whole_head

CLOCK = AudioClock(24.0, 100.0)
ALL = tuple(PARTS)
SPAN = Span(0.0, 4.0)


def no_values() -> RequestValues:
    return RequestValues(np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, bool))


def result(
    seeds: tuple[int, ...] = (5, 6), span: Span = SPAN, value: float = 0.0
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A `generate` result whose values are value + seed / 100 + frame / 1e4."""
    frames = np.arange(round(span.start * 30), round(span.end * 30) + 1)
    values = value + np.array(seeds)[:, None, None] / 100 + frames[None, :, None] / 1e4
    message = {"seeds": list(seeds), "fps": 30, "start_frame": int(frames[0]), "channel_names": list(CHANNEL_NAMES)}
    channels = np.broadcast_to(values, (len(seeds), len(frames), 55)).astype(np.float32)
    return message, {"channels": channels}


def filled(parts: tuple[str, ...] = ALL) -> Library:
    library = Library()
    library.add_result(*result(), parts, SPAN, no_values(), Settings())
    return library


def test_new_takes_get_new_numbers_and_their_own_parts() -> None:
    library = filled(("mouth", "eyes"))
    assert library.add_result(*result((9,)), ("head",), SPAN, no_values(), Settings(guidance=2.0)) == [3]
    assert [take.seed for take in library.takes.values()] == [5, 6, 9]
    mouth = library.take(1)
    assert mouth.channel_names == tuple(n for n in CHANNEL_NAMES if n in PARTS["mouth"] + PARTS["eyes"])
    assert mouth.values.shape == (121, len(mouth.channel_names))
    assert library.take(3).settings.guidance == 2.0
    assert library.comp == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"seeds": [1]}, "seeds"),
        ({"channel_names": ["jawOpen"]}, "names"),
        ({"fps": 25}, "fps"),
        ({"start_frame": None}, "do not fit"),
        ({"start_frame": 40}, "not the range"),
    ],
)
def test_a_result_that_does_not_fit_is_refused(change: dict[str, Any], words: str) -> None:
    message, arrays = result()
    library = Library()
    with pytest.raises(ShapeError, match=words):
        library.add_result({**message, **change}, arrays, ALL, SPAN, no_values(), Settings())
    assert library.takes == {}


def test_an_imputed_value_gives_way_to_what_its_neighbours_lead_to() -> None:
    times = np.array([1.01, 1.5, 2.0, 3.0, 3.0 + 1 / 30, 0.0])
    sent = RequestValues(times, np.array([3, 3, 54, 4, 4, 3]), np.full(6, 0.9), np.array([1, 0, 1, 1, 1, 1], bool))
    message, arrays = result()
    smooth = arrays["channels"].copy()
    frames = np.round(times * 30).astype(int)
    arrays = {"channels": smooth.copy()}
    arrays["channels"][:, frames, sent.channels] = 0.9
    arrays["channels"][:, [59, 61], 54] += np.float32(0.3)  # the network climbs to its key as to a peak
    arrays["channels"][:, [29, 31], 3] += np.float32(0.3)
    library = Library()
    library.add_result(message, arrays, ("eyes", "head"), SPAN, sent, Settings())
    take = library.take(2)
    blink, turn, other = (take.channel_names.index(CHANNEL_NAMES[index]) for index in (3, 54, 4))
    np.testing.assert_allclose(take.values[59:62, turn], smooth[1, 59:62, 54], atol=1e-6)
    assert take.values[30, blink] == pytest.approx(smooth[1, 30, 3] + 0.3 * 4 / 3, abs=1e-6)
    np.testing.assert_array_equal(take.values[[29, 31], blink], arrays["channels"][1, [29, 31], 3])
    np.testing.assert_array_equal(take.values[[45, 90, 91, 0], [blink, other, other, blink]], np.float32(0.9))
    assert (arrays["channels"][:, frames, sent.channels] == np.float32(0.9)).all()


def test_a_result_that_is_not_finite_is_refused() -> None:
    message, arrays = result()
    arrays = {**arrays, "channels": arrays["channels"].copy()}
    arrays["channels"][1, 3, 2] = np.nan
    with pytest.raises(ShapeError, match="finite"):
        Library().add_result(message, arrays, ALL, SPAN, no_values(), Settings())
    with pytest.raises(ShapeError, match="None"):
        Library().add_result(message, {}, ALL, SPAN, no_values(), Settings())


def test_an_update_of_the_whole_take_replaces_it() -> None:
    library = filled()
    library.update_result([2, 1], *result((6, 5), value=1.0), ALL, SPAN, no_values())
    np.testing.assert_allclose(library.take(1).values[0], 1.05, atol=1e-6)
    np.testing.assert_allclose(library.take(2).values[0], 1.06, atol=1e-6)
    assert library.take(2).name == "Take 2"


def test_an_update_of_a_range_and_a_part_leaves_the_rest_bit_for_bit() -> None:
    library = filled()
    before = library.take(1).values.copy()
    library.update_result([1], *result((5,), Span(1.0, 2.0), 1.0), ("mouth",), Span(1.0, 2.0), no_values())
    take = library.take(1)
    is_mouth = np.isin(take.channel_names, PARTS["mouth"])
    np.testing.assert_array_equal(take.values[:, ~is_mouth], before[:, ~is_mouth])
    np.testing.assert_array_equal(take.values[:30], before[:30])
    np.testing.assert_array_equal(take.values[61:], before[61:])
    np.testing.assert_array_equal(take.values[36:55, is_mouth], before[36:55, is_mouth] + np.float32(1.0))
    assert np.abs(np.diff(take.values, axis=0)).max() < 0.45
    assert take.span == SPAN
    assert take.seed == 5


def test_an_update_beyond_the_take_makes_it_longer() -> None:
    library = filled()
    library.update_result([1], *result((5,), Span(3.0, 6.0), 1.0), ALL, Span(3.0, 6.0), no_values())
    take = library.take(1)
    assert take.span == Span(0.0, 6.0)
    assert len(take.values) == 181
    np.testing.assert_allclose(take.values[-1], 1.05 + 0.018, atol=1e-6)


@pytest.mark.parametrize(
    ("ids", "seeds", "parts", "span", "words"),
    [
        ([9], (5,), ALL, SPAN, "no take 9"),
        ([1], (6,), ALL, SPAN, "seeds"),
        ([1], (5,), ALL, Span(8.0, 9.0), "ends before"),
        ([1], (5,), ALL, Span(8.0, 9.0), r"Take 1 ends before the range from 8\.00 to 9\.00 s, at 4\.00 s\."),
        ([1], (5,), ALL, Span(-9.0, -8.0), r"Take 1 starts after the range from -9\.00 to -8\.00 s, at -?\d\.00 s\."),
        ([1], (5,), ("mouth", "head"), Span(1.0, 2.0), "has no head"),
    ],
)
def test_updates_that_make_no_sense_are_refused(
    ids: list[int], seeds: tuple[int, ...], parts: tuple[str, ...], span: Span, words: str
) -> None:
    library = filled(("mouth",) if "head" in parts and parts != ALL else ALL)
    before = {number: take.values.tobytes() for number, take in library.takes.items()}
    with pytest.raises(InputError, match=words):
        library.update_result(ids, *result(seeds, span), parts, span, no_values())
    assert {number: take.values.tobytes() for number, take in library.takes.items()} == before


def test_an_update_of_the_whole_range_adds_a_part() -> None:
    library = filled(("mouth",))
    library.update_result([1], *result((5,), value=1.0), ("head",), SPAN, no_values())
    assert library.take(1).parts == ("mouth", "head")
    np.testing.assert_allclose(library.take(1).values[0, -1], 1.05, atol=1e-6)
    np.testing.assert_allclose(library.take(1).values[0, 0], 0.05, atol=1e-6)


def test_a_pinned_take_is_neither_updated_nor_deleted() -> None:
    library = filled()
    library.pin(1)
    with pytest.raises(InputError, match="pinned"):
        library.update_result([1], *result((5,)), ALL, SPAN, no_values())
    with pytest.raises(InputError, match="pinned"):
        library.delete(1)
    library.pin(1, False)
    library.delete(1)
    assert list(library.takes) == [2]


def test_a_deleted_take_comes_back_under_its_number_which_no_other_gets() -> None:
    library = filled()
    library.delete(1)
    library.add_result(*result((7,)), ALL, SPAN, no_values(), Settings())
    library.recover(1)
    assert list(library.takes) == [1, 2, 3]
    with pytest.raises(InputError, match="no deleted take 1"):
        library.recover(1)


def test_a_shown_take_is_not_deleted() -> None:
    library = filled()
    library.show(1)
    with pytest.raises(InputError, match="is shown"):
        library.delete(1)
    library.show(2)
    library.delete(1)
    assert {entry.take for entry in library.comp} == {2}


def test_what_plays_is_the_last_entry_there() -> None:
    library = filled()
    library.show(1)
    library.show(2, ["mouth"], Span(1.0, 2.0))
    library.show(ORIGINAL, ["head"], Span(0.0, 1.0))
    assert library.shown("mouth", 1.5) == 2
    assert library.shown("mouth", 3.0) == 1
    assert library.shown("eyes", 1.5) == 1
    assert library.shown("head", 0.5) == ORIGINAL
    assert library.shown("head", 5.0) is None
    library.show(1)
    assert len(library.comp) == len(PARTS)


@pytest.mark.parametrize(
    ("take", "parts", "span", "words"),
    [
        (7, None, None, "no take 7"),
        (1, ["head"], None, "has no head"),
        (1, None, Span(3.0, 9.0), "spans 0.00 to 4.00"),
        (ORIGINAL, None, None, "needs parts"),
        (ORIGINAL, ["nose"], SPAN, "no part 'nose'"),
    ],
)
def test_showing_what_is_not_there_is_refused(
    take: int, parts: list[str] | None, span: Span | None, words: str
) -> None:
    library = filled(("mouth",))
    with pytest.raises(InputError, match=words):
        library.show(take, parts, span)
    assert library.comp == []


def test_names() -> None:
    library = filled()
    library.rename(1, "  the angry one ")
    assert library.take(1).name == "the angry one"
    with pytest.raises(InputError, match="name"):
        library.rename(1, " ")


def test_a_take_is_stale_when_a_key_in_it_changed() -> None:
    def keyed(frame: float, value: float) -> list[Any]:
        return whole_head(jawOpen=curve("jawOpen", [frame, 400.0], [value, 0.3]))

    sent = request_values(given_of(keyed(130.25, 0.4)), CLOCK, SPAN, ALL)
    library = Library()
    library.add_result(*result(), ALL, SPAN, sent, Settings())
    assert not library.stale(1, given_of(keyed(130.25, 0.4)), CLOCK)
    assert library.stale(1, given_of(keyed(130.25, 0.41)), CLOCK)
    assert library.stale(1, given_of(keyed(131.0, 0.4)), CLOCK)
    assert library.stale(1, given_of(whole_head()), CLOCK)
    moved = AudioClock(24.0, 90.0)
    assert library.stale(1, given_of(keyed(130.25, 0.4)), moved)
    beyond = whole_head(jawOpen=curve("jawOpen", [130.25, 400.0], [0.4, 0.9]))
    assert not library.stale(1, given_of(beyond), CLOCK)
    library.update_result([1, 2], *result(), ALL, SPAN, request_values(given_of(whole_head()), CLOCK, SPAN, ALL))
    assert not library.stale(1, given_of(whole_head()), CLOCK)


def test_take_0_is_remembered_once() -> None:
    library = Library()
    first = OriginalCurve(True, {"frames": np.array([1.0, 5.0, 9.0]), "values": np.array([0.1, 0.2, 0.3])})
    library.remember_original("a", first)
    library.remember_original("a", OriginalCurve(False, {}))
    assert library.original["a"] is first


def test_of_take_0_only_what_retake_took_away_comes_back() -> None:
    first = OriginalCurve(True, {"frames": np.array([1.0, 5.0, 9.0]), "values": np.array([0.1, 0.2, 0.3])})
    everything, none = Span(0, 10), np.zeros(0)
    assert len(first.taken_away(everything)["frames"]) == 0
    baked = first.replacing(np.array([5.001, 9.0, 7.0]), np.array([1.0]), 0.01)
    np.testing.assert_array_equal(baked.taken_away(everything)["values"], [0.2, 0.3])
    np.testing.assert_array_equal(baked.taken_away(Span(0, 6))["values"], [0.2])
    back = baked.replacing(none, np.array([1.0, 5.0]), 0.01)
    np.testing.assert_array_equal(back.taken_away(everything)["values"], [0.3])
    assert back.replacing(none, none, 0.01) is back
    assert OriginalCurve(False, {}).taken_away(everything) == {}
