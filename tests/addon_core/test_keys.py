# SPDX-License-Identifier: GPL-3.0-or-later
"""What a key is to the next write: every rule of design.md, "Given values"."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from retake.addon.core.curves import CurveKeys, KeyType
from retake.addon.core.findings import MIN_BAKE_KEYS
from retake.addon.core.keys import Choice, FindingKind, KeyState, KeyStatus, classify, decide, turning_points
from retake.addon.core.ledger import Ledger
from retake.addon.core.timing import Span
from retake.backend.errors import InputError
from retake.tests.addon_core.builders import JITTER, KEY, OURS, curve

FRAMES = np.arange(100.0)
RANGE = Span(0, 99)


def written(values: np.ndarray, name: str = "jawOpen", types: int | np.ndarray = OURS) -> Ledger:
    ledger = Ledger()
    ledger.record(name, FRAMES[: len(values)], values, np.broadcast_to(np.array(types), len(values)))
    return ledger


def motion(seed: int = 0, count: int = 100) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = np.sin(np.arange(count) / 5) * 0.3 + 0.4 + rng.normal(size=count) * 0.01
    return smooth.astype(np.float32).astype(np.float64)


def statuses(state: KeyState) -> list[int]:
    return [int(status) for status in state.curves[0].status]


def our_curve(values: np.ndarray, frames: np.ndarray = FRAMES, types: int | np.ndarray = OURS) -> CurveKeys:
    return curve("jawOpen", frames[: len(values)], values, np.broadcast_to(np.array(types), len(values)))


@pytest.mark.parametrize("kind", [KeyType.KEYFRAME, KeyType.EXTREME, KeyType.BREAKDOWN, KeyType.MOVING_HOLD])
def test_an_animators_key_is_given(kind: KeyType) -> None:
    state = classify([curve("jawOpen", [3.25], [0.5], kind)], Ledger(), RANGE)
    assert statuses(state) == [KeyStatus.GIVEN]
    assert state.curves[0].given.all()


def test_untouched_keys_of_ours_are_free() -> None:
    values = motion()
    state = classify([our_curve(values)], written(values), RANGE)
    assert set(statuses(state)) == {KeyStatus.GENERATED}
    assert state.findings == ()
    assert not state.curves[0].given.any()


def test_generated_keys_without_a_ledger_are_ours() -> None:
    assert set(statuses(classify([our_curve(motion())], Ledger(), RANGE))) == {KeyStatus.GENERATED}


@hypothesis_given(st.integers(0, 99), st.floats(2e-6, 5).map(lambda v: v if v > 0 else -v), st.booleans())
def test_a_changed_value_is_a_correction(index: int, change: float, is_up: bool) -> None:
    values = motion()
    ledger = written(values)
    values[index] += change if is_up else -change
    state = classify([our_curve(values)], ledger, RANGE)
    assert np.flatnonzero(state.curves[0].status == KeyStatus.CORRECTED).tolist() == [index]
    assert state.curves[0].given.sum() == 1


def test_a_change_below_the_tolerance_is_none() -> None:
    values = motion()
    assert set(statuses(classify([our_curve(values + 9e-7)], written(values), RANGE))) == {KeyStatus.GENERATED}


def test_a_changed_type_is_a_correction_and_a_changed_time_too() -> None:
    values = motion()
    types = np.full(100, OURS)
    types[40] = KEY
    frames = FRAMES.copy()
    frames[60] += 0.25
    state = classify([our_curve(values, frames, types)], written(values), RANGE)
    assert np.flatnonzero(state.curves[0].status == KeyStatus.CORRECTED).tolist() == [40, 60]
    np.testing.assert_array_equal(state.curves[0].deleted, [60.0])


def test_a_deleted_key_is_refilled() -> None:
    values = motion()
    keep = np.delete(np.arange(100), [10, 11, 50])
    state = classify([curve("jawOpen", FRAMES[keep], values[keep], OURS)], written(values), RANGE)
    assert set(statuses(state)) == {KeyStatus.GENERATED}
    np.testing.assert_array_equal(state.curves[0].deleted, [10.0, 11.0, 50.0])


def test_a_promoted_key_stays_given_and_one_handed_back_is_free() -> None:
    values = motion()
    types = np.full(100, OURS)
    types[40] = KEY
    ledger = written(values, types=types)
    assert statuses(classify([our_curve(values, types=types)], ledger, RANGE))[40] == KeyStatus.GIVEN
    assert statuses(classify([our_curve(values)], ledger, RANGE))[40] == KeyStatus.GENERATED


def test_five_changed_keys_in_a_row_are_corrections_and_six_a_reshaped_span() -> None:
    for count in (5, 6):
        values = motion()
        ledger = written(values)
        values[20 : 20 + count] += np.array([0.1, 0.3, 0.6, 0.4, 0.2, 0.1])[:count]
        state = classify([our_curve(values)], ledger, RANGE)
        assert [finding.kind for finding in state.findings] == ([] if count == 5 else [FindingKind.RESHAPED])
        assert state.curves[0].given.sum() == count
    (finding,) = state.findings
    assert finding.frames == Span(20, 25)
    assert "jawOpen" in finding.sentence
    assert "20 and 25" in finding.sentence
    peaks = decide(state, Choice.PEAKS).curves[0]
    assert 0 < peaks.given.sum() < 6
    assert peaks.given[np.argmax(values[20:26]) + 20]
    redone = decide(state, {0: Choice.REDO}).curves[0]
    assert not redone.given.any()
    assert set(redone.status[20:26]) == {KeyStatus.REPLACED}


def test_changed_keys_apart_from_each_other_are_no_reshaped_span() -> None:
    values = motion()
    ledger = written(values)
    values[5:95:2] += 0.1 * np.random.default_rng(0).normal(size=45)
    state = classify([our_curve(values)], ledger, RANGE)
    assert state.findings == ()
    assert state.curves[0].given.sum() == 45


@hypothesis_given(st.sampled_from([1.0, -3.0, 4.5, 12.0]), st.integers(52, 100))
def test_a_shift_in_time_is_one_operation(offset: float, count: int) -> None:
    values = motion()
    frames = FRAMES.copy()
    frames[100 - count :] += abs(offset)
    state = classify([our_curve(values, frames)], written(values), RANGE)
    assert [finding.kind for finding in state.findings] == [FindingKind.SHIFTED]
    assert len(state.findings[0].keys["jawOpen"]) == count
    assert f"in time by {abs(offset):g}" in state.findings[0].sentence
    assert not decide(state, Choice.REDO).curves[0].given[100 - count :].any()


def test_a_scale_in_time_and_one_in_value_are_operations() -> None:
    values = motion()
    state = classify([our_curve(values, FRAMES * 1.5)], written(values), RANGE)
    assert [finding.kind for finding in state.findings] == [FindingKind.SCALED]
    assert "in time by the factor 1.5" in state.findings[0].sentence
    state = classify([our_curve(np.float32(values * 1.2).astype(float))], written(values), RANGE)
    assert [finding.kind for finding in state.findings] == [FindingKind.SCALED]
    assert "in value by the factor 1.2" in state.findings[0].sentence


def test_the_same_operation_on_many_curves_is_one_finding_even_with_an_outlier() -> None:
    names = ["jawOpen", "mouthClose", "browInnerUp", "eyeBlinkLeft", "cheekPuff"]
    ledger, curves = Ledger(), []
    for seed, name in enumerate(names):
        values = motion(seed)
        ledger.record(name, FRAMES, values, np.full(100, OURS))
        raised = np.float32(values + 0.25).astype(float)
        raised[50] = 0.9
        curves.append(curve(name, FRAMES, raised, OURS))
    (finding,) = classify(curves, ledger, RANGE).findings
    assert finding.kind is FindingKind.SHIFTED
    assert set(finding.keys) == set(names)
    assert "and 2 more" in finding.sentence


def test_half_of_the_keys_shifted_is_no_operation_but_a_reshaped_span() -> None:
    values = motion()
    ledger = written(values)
    values[:50] += 0.25
    state = classify([our_curve(values)], ledger, RANGE)
    assert [finding.kind for finding in state.findings] == [FindingKind.RESHAPED]


def test_jitter_keys_are_a_bake() -> None:
    types = np.full(100, OURS)
    types[30:40] = JITTER
    values = motion()
    state = classify([our_curve(values, types=types)], written(values, types=types), RANGE)
    (finding,) = state.findings
    assert finding.kind is FindingKind.BAKE
    np.testing.assert_array_equal(finding.keys["jawOpen"], np.arange(30, 40))
    assert state.curves[0].given.sum() == 10
    assert decide(state, Choice.REDO).curves[0].given.sum() == 0
    assert decide(state, Choice.PEAKS).curves[0].given.sum() == 10


@pytest.mark.parametrize(("count", "is_bake"), [(50, False), (51, True)])
def test_more_than_half_the_frames_keyed_is_a_bake(count: int, is_bake: bool) -> None:
    state = classify([curve("jawOpen", FRAMES[:count], motion()[:count])], Ledger(), RANGE)
    assert [finding.kind for finding in state.findings] == [FindingKind.BAKE] * is_bake
    assert state.curves[0].given.all()


def test_a_short_range_is_no_bake_and_an_unwritable_channel_neither() -> None:
    few = curve("jawOpen", [1, 2, 3], [0.1, 0.2, 0.3])
    assert classify([few], Ledger(), Span(1, 3)).findings == ()
    assert MIN_BAKE_KEYS > 3
    dense = curve("jawOpen", FRAMES, motion(), locked=True)
    assert classify([dense], Ledger(), RANGE).findings == ()


def test_only_keys_within_the_range_are_replaced() -> None:
    state = classify([curve("jawOpen", FRAMES, motion())], Ledger(), Span(20, 59))
    replaced = decide(state, Choice.REDO).curves[0]
    np.testing.assert_array_equal(np.flatnonzero(~replaced.given), np.arange(20, 60))


@hypothesis_given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=40))
def test_turning_points_hold_the_extremes(values: list[float]) -> None:
    found = turning_points(np.array(values))
    assert len(found)
    assert (np.diff(found) > 0).all()
    interior = np.array(values)[1:-1]
    ends = sorted((values[0], values[-1]))
    spread = max(values) - min(values)
    if len(interior) and interior.max() > ends[1] + 0.06 * spread + 1e-5:
        assert max(values) in np.array(values)[found]
    if len(interior) and interior.min() < ends[0] - 0.06 * spread - 1e-5:
        assert min(values) in np.array(values)[found]


@hypothesis_given(st.data())
def test_any_mix_of_edits_leaves_untouched_keys_free(data: st.DataObject) -> None:
    values = motion()
    ledger = written(values)
    edited = data.draw(st.sets(st.integers(0, 49).map(lambda n: 2 * n), max_size=20))
    now = values.copy()
    now[list(edited)] += data.draw(st.floats(0.01, 2.0))
    gone = data.draw(st.sets(st.integers(0, 49).map(lambda n: 2 * n + 1), max_size=20))
    keep = np.array([n for n in range(100) if n not in gone])
    state = classify([curve("jawOpen", FRAMES[keep], now[keep], OURS)], ledger, RANGE)
    corrected = {int(keep[n]) for n in np.flatnonzero(state.curves[0].status == KeyStatus.CORRECTED)}
    assert corrected == edited
    assert set(state.curves[0].deleted.astype(int)) == gone


@pytest.mark.parametrize(
    ("frames", "values", "words"),
    [([1.0, 2.0], [0.0, np.nan], "not a finite"), ([2.0, 1.0], [0.0, 0.0], "order"), ([np.inf], [0.0], "not a finite")],
)
def test_curves_that_cannot_be_read_are_refused(frames: list[float], values: list[float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        curve("jawOpen", frames, values)


def test_an_unknown_channel_is_refused() -> None:
    with pytest.raises(InputError, match="jawWide"):
        curve("jawWide")
