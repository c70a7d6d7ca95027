# SPDX-License-Identifier: GPL-3.0-or-later
"""Rendered curves: through given values, joined to what stands beside them, closures whole, at every frame rate."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from retake.addon.core.channels import CHANNEL_INDEX
from retake.addon.core.render import ChannelPlan, render
from retake.addon.core.takes import ORIGINAL
from retake.addon.core.timing import AudioClock, Span
from retake.backend.protocol import CHANNEL_NAMES, HEAD_ROTATION
from retake.tests.addon_core.builders import (
    CONSTANT,
    FPS,
    HOLD,
    OURS,
    curve,
    fresh,
    given_of,
    library_of,
    make_lips,
    make_take,
    neck,
    waves,
    whole_head,
)

LIPS = make_lips()
clocks = st.builds(AudioClock, st.sampled_from(FPS), st.floats(-50, 1200))


def spoken(closures: list[tuple[int, int]], count: int = 181, opening: float = 0.5) -> np.ndarray:
    """Track (N, 55) of a jaw that is open but for some runs of model frames, with a ramp of two frames beside them."""
    frames = np.arange(count)
    away = np.full(count, 99.0)
    for first, length in closures:
        away = np.minimum(away, np.maximum(np.maximum(first - frames, frames - first - length + 1), 0))
    track = np.zeros((count, len(CHANNEL_NAMES)))
    track[:, CHANNEL_INDEX["jawOpen"]] = opening * np.minimum(away / 2, 1)
    return track


def opening_of(plans: dict[str, ChannelPlan]) -> tuple[np.ndarray, np.ndarray]:
    """Frames and lip opening in mm of rendered mouth channels that all have the same frames."""
    frames = plans["jawOpen"].frames
    track = np.zeros((len(frames), len(CHANNEL_NAMES)))
    for name, plan in plans.items():
        track[:, CHANNEL_INDEX[name]] = np.interp(frames, plan.frames, plan.values)
    return frames, LIPS.opening(track)


closure_lists = st.lists(st.tuples(st.integers(6, 20), st.integers(1, 4)), min_size=1, max_size=7).map(
    lambda steps: [
        (int(np.sum([gap for gap, _ in steps[: n + 1]]) + 4 * n), length) for n, (_, length) in enumerate(steps)
    ]
)


@hypothesis_given(clocks, closure_lists)
@settings(max_examples=150, deadline=None)
def test_every_closure_takes_a_whole_frame_at_every_rate_and_phase(
    clock: AudioClock, closures: list[tuple[int, int]]
) -> None:
    library = library_of(make_take(1, spoken(closures), parts=("mouth",)))
    frames, opening = opening_of(render(library, clock, given_of(whole_head()), LIPS))
    positions = clock.seconds(frames) * 30
    for first, length in closures:
        if first + length > 175:
            continue
        near = (positions > first - 1) & (positions < first + length)
        assert opening[near].min() < 0.02, (first, length, positions[near], opening[near])


@hypothesis_given(clocks, closure_lists)
@settings(max_examples=60, deadline=None)
def test_closures_stay_apart_and_the_mouth_open_between_them(
    clock: AudioClock, closures: list[tuple[int, int]]
) -> None:
    library = library_of(make_take(1, spoken(closures), parts=("mouth",)))
    frames, opening = opening_of(render(library, clock, given_of(whole_head()), LIPS))
    positions = clock.seconds(frames) * 30
    for (first, length), (following, _) in itertools.pairwise(closures):
        between = (positions > first + length) & (positions < following - 1)
        if following < 175 and following - first - length >= 5:
            assert opening[between].max() > 10


@pytest.mark.parametrize("fps", FPS)
def test_a_track_is_read_where_it_belongs(fps: float) -> None:
    clock, motion = AudioClock(fps, 1013.4), waves()
    plans = render(library_of(make_take(1, motion)), clock, given_of(whole_head()), LIPS)
    inner = (plans["browInnerUp"].frames > clock.frame(0.7)) & (plans["browInnerUp"].frames < clock.frame(5.3))
    for name in ("browInnerUp", "eyeBlinkLeft", "head_rotation.y"):
        plan = plans[name]
        wanted = motion(clock.seconds(plan.frames), CHANNEL_INDEX[name])
        np.testing.assert_allclose(plan.values[inner], wanted[inner], atol=2e-3)
        assert (plan.frames == np.round(plan.frames)).all()


@pytest.mark.parametrize("fps", FPS)
def test_the_head_leaves_what_stands_beside_a_range_without_a_jerk(fps: float) -> None:
    turned = np.zeros((181, len(CHANNEL_NAMES)))
    turned[:, CHANNEL_INDEX["head_rotation.y"]] = 0.1
    plans = render(library_of(make_take(1, turned)), AudioClock(fps, 0.0), given_of(whole_head()), LIPS)
    plan = plans["head_rotation.y"]
    assert plan.values[0] == pytest.approx(0, abs=1e-9)
    assert plan.values[-1] == pytest.approx(0, abs=1e-9)
    seconds = plan.frames / fps
    np.testing.assert_allclose(plan.values[(seconds > 0.6) & (seconds < 5.35)], 0.1, atol=1e-6)
    bends = np.abs(np.diff(plan.values, 2, prepend=[0.0, 0.0], append=[0.0, 0.0]))
    assert bends.max() < 4.2 * 0.1 / (0.6 * fps) ** 2  # of the kernel that bends least


@hypothesis_given(st.sampled_from(FPS), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.integers(1, 12), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_head_does_not_swing_far_past_what_stands_beside_a_range(
    fps: float, near: float, far: float, gap: int, is_start: bool
) -> None:
    edge = 0 if is_start else round(6 * fps)
    beside = edge - gap if is_start else edge + gap
    frames, values = zip(*sorted([(beside, far), (edge, near)]), strict=True)
    still = library_of(make_take(1, np.zeros((181, len(CHANNEL_NAMES)))))
    outside = {"head_rotation.y": lambda at: np.interp(at, frames, values)}
    plan = render(still, AudioClock(fps, 0.0), given_of(whole_head()), LIPS, outside=outside)["head_rotation.y"]
    swing = max(0.02, min(abs(near), abs(near - far) / gap * 0.3 * fps * 4 / 27))
    assert plan.values.min() > min(0, near) - swing - 1e-6
    assert plan.values.max() < max(0, near) + swing + 1e-6


def test_the_head_of_a_short_range_still_moves() -> None:
    turned = np.zeros((181, len(CHANNEL_NAMES)))
    turned[:, CHANNEL_INDEX["head_rotation.y"]] = 0.1
    limit = Span(48.0, 48.0 + 0.6 * 24)
    clock, library = AudioClock(24, 0.0), library_of(make_take(1, turned))
    plan = render(library, clock, given_of(whole_head()), LIPS, limit=limit)["head_rotation.y"]
    assert plan.values.max() == pytest.approx(0.1, abs=1e-3)


@hypothesis_given(
    clocks,
    st.lists(st.tuples(st.floats(0.3, 5.7), st.floats(-0.2, 1.0)), min_size=1, max_size=6, unique_by=lambda k: k[0]),
)
@settings(max_examples=100, deadline=None)
def test_given_keys_are_met_smoothly_and_nothing_stands_near_them(
    clock: AudioClock, wanted: list[tuple[float, float]]
) -> None:
    times = sorted(wanted)
    frames = [clock.frame(time) for time, _ in times]
    keyed = curve("browInnerUp", frames, [value for _, value in times])
    plans = render(library_of(make_take(1, waves())), clock, given_of(whole_head(browInnerUp=keyed)), LIPS)
    plan = plans["browInnerUp"]
    assert np.abs(plan.frames[:, None] - np.array(frames)).min() > 0.5
    untouched = render(library_of(make_take(1, waves())), clock, given_of(whole_head()), LIPS)["browInnerUp"]
    far = np.abs(plan.frames[:, None] - np.array(frames)).min(axis=1) > 0.15 * clock.fps + 1e-6
    far &= (plan.frames > clock.frame(0.2)) & (plan.frames < clock.frame(5.8))
    np.testing.assert_allclose(
        plan.values[far], untouched.values[np.isin(untouched.frames, plan.frames[far])], atol=1e-12
    )


@pytest.mark.parametrize("fps", FPS)
@pytest.mark.parametrize("phase", [0.0, 0.3, 0.5, 0.8])
def test_a_bend_is_as_smooth_as_its_reach_allows(fps: float, phase: float) -> None:
    clock = AudioClock(fps, 0.0)
    key = round(clock.frame(3.0)) + phase
    keyed = curve("browInnerUp", [key], [1.0])
    still = make_take(1, np.zeros((181, 55)))
    plan = render(library_of(still), clock, given_of(whole_head(browInnerUp=keyed)), LIPS)["browInnerUp"]
    frames = np.append(plan.frames, key)
    values = np.append(plan.values, 1.0)[np.argsort(frames)]
    frames = np.sort(frames)
    steps = np.diff(values) / np.diff(frames)
    curvature = np.diff(steps) / ((frames[2:] - frames[:-2]) / 2)
    assert np.abs(curvature).max() < 4.6 / (0.15 * fps) ** 2
    assert values.max() == 1.0
    assert values.min() >= 0.0


def test_edges_join_the_curve_beside_them_in_value_and_slope() -> None:
    clock = AudioClock(24.0, 0.0)
    beside = curve("browInnerUp", [0, 24, 120, 140], [0.0, 1.0, 0.5, 0.9], types=OURS)
    take = make_take(1, waves(), Span(2.0, 4.0))
    plan = render(library_of(take), clock, given_of(whole_head(browInnerUp=beside)), LIPS)["browInnerUp"]
    assert plan.rewrite == (Span(48.0, 96.0),)
    outside = np.interp([46, 47, 48, 96, 97, 98], [0, 24, 120, 140], [0.0, 1.0, 0.5, 0.9])
    values = np.concatenate([outside[:2], plan.values, outside[4:]])
    assert plan.values[0] == pytest.approx(outside[2], abs=1e-12)
    assert plan.values[-1] == pytest.approx(outside[3], abs=1e-12)
    assert np.abs(np.diff(values, 2)).max() < 0.3


@pytest.mark.parametrize("fps", FPS)
def test_an_edge_takes_up_the_slope_beside_it(fps: float) -> None:
    clock = AudioClock(fps, 0.0)
    first = float(np.ceil(clock.frame(2.0)))
    beside = curve("browInnerUp", [first - 10, first, first + 10], [-0.5, 0.0, 0.5], types=OURS)
    take = make_take(1, np.zeros((61, 55)), Span(2.0, 4.0))
    plan = render(library_of(take), clock, given_of(whole_head(browInnerUp=beside)), LIPS)["browInnerUp"]
    values = np.concatenate([[-0.1, -0.05], plan.values[:20]])
    assert np.abs(np.diff(values, 2)).max() < 0.035
    assert plan.values[0] == pytest.approx(0.0, abs=1e-12)


def test_nothing_is_written_outside_the_limit() -> None:
    clock = AudioClock(25.0, 0.0)
    given = given_of(whole_head())
    plans = render(library_of(make_take(1, waves())), clock, given, LIPS, limit=Span(50.0, 75.0))
    for plan in plans.values():
        assert plan.frames.min() == 50.0
        assert plan.frames.max() == 75.0
        assert plan.values[0] == plan.values[-1] == 0.0
        assert plan.rewrite == (Span(50.0, 75.0),)


@hypothesis_given(clocks, st.floats(-0.6, 0.6), st.floats(0.05, 0.8))
@settings(max_examples=100, deadline=None)
def test_a_bend_never_breaks_a_closure(clock: AudioClock, away: float, value: float) -> None:
    closure = (88, 3)
    key = clock.frame((89 + 30 * away) / 30)
    keyed = curve("jawOpen", [key], [value])
    library = library_of(make_take(1, spoken([closure]), parts=("mouth",)))
    plans = render(library, clock, given_of(whole_head(jawOpen=keyed)), LIPS)
    free = render(library, clock, given_of(whole_head()), LIPS)
    frames, opening = opening_of(free)
    closed = frames[(opening < 1.5) & (np.abs(clock.seconds(frames) * 30 - 89) < 3)]
    if key >= closed[0] - 0.51 and key <= closed[-1] + 0.51:
        return  # the key itself is in the closure and overrules it
    bent = np.interp(closed, plans["jawOpen"].frames, plans["jawOpen"].values)
    wanted = np.interp(closed, free["jawOpen"].frames, free["jawOpen"].values)
    np.testing.assert_allclose(bent, wanted, atol=1e-9)


def test_many_small_bends_together_do_not_break_a_closure() -> None:
    clock = AudioClock(30.0, 0.0)
    slopes = LIPS.slopes.copy()
    names = ("mouthSmileLeft", "mouthSmileRight", "mouthUpperUpLeft", "mouthUpperUpRight", "mouthLowerDownRight")
    for name in names:
        slopes[CHANNEL_INDEX[name]] = 0.9
    keyed = {name: curve(name, [91.6], [0.2]) for name in names}
    library = library_of(make_take(1, spoken([(88, 3)]), parts=("mouth",)))
    lips = type(LIPS)(LIPS.neutral_mm, slopes)
    plans = render(library, clock, given_of(whole_head(**keyed)), lips)
    for name in names:
        closed = np.isin(plans[name].frames, [88, 89, 90])
        np.testing.assert_array_equal(plans[name].values[closed], 0.0)


def test_a_later_take_fades_in_inside_its_own_span() -> None:
    clock = AudioClock(24.0, 0.0)
    low, high = make_take(1, np.zeros((181, 55))), make_take(2, np.full((181, 55), 1.0))
    library = library_of(low)
    library.takes[2] = high
    library.show(2, ["upper_face"], Span(2.0, 4.0))
    plan = render(library, clock, given_of(whole_head()), LIPS)["browInnerUp"]
    outside = (plan.frames < 48) | (plan.frames > 96)
    assert (plan.values[outside] == 0).all()
    full = (plan.frames >= 48 + 3.6) & (plan.frames <= 96 - 3.6)
    assert (plan.values[full] == 1).all()
    assert np.abs(np.diff(plan.values)).max() < 0.46


def test_a_fade_waits_for_a_given_key_and_a_closure() -> None:
    clock = AudioClock(30.0, 0.0)
    below, above = spoken([(60, 3)]), spoken([(60, 3)])
    above[:, CHANNEL_INDEX["mouthPucker"]] = 1.0
    library = library_of(make_take(1, below))
    library.takes[2] = make_take(2, above)
    library.show(2, ["mouth"], Span(2.0, 4.0))
    plan = render(library, clock, given_of(whole_head()), LIPS, ["mouth"])["mouthPucker"]
    fading = plan.frames[(plan.values > 1e-6) & (plan.values < 1 - 1e-6)]
    assert fading.min() >= 63
    assert fading[fading < 100].max() - fading.min() <= 4.5
    keyed = given_of(whole_head(jawLeft=curve("jawLeft", [65.0], [0.0])))
    plan = render(library, clock, keyed, LIPS, ["mouth"])["mouthPucker"]
    fading = plan.frames[(plan.values > 1e-6) & (plan.values < 1 - 1e-6) & (plan.frames < 100)]
    assert fading.min() > 65


def test_take_0_is_restored_in_its_span_and_joined() -> None:
    clock = AudioClock(24.0, 0.0)
    library = library_of(make_take(1, np.full((181, 55), 1.0)))
    library.show(ORIGINAL, ["upper_face"], Span(2.0, 4.0))
    outside = {"browInnerUp": lambda frames: np.full(len(frames), 0.25)}
    plan = render(library, clock, given_of(whole_head()), LIPS, outside=outside)["browInnerUp"]
    assert plan.restore == (Span(48.0, 96.0),)
    assert not ((plan.frames >= 48) & (plan.frames <= 96)).any()
    assert plan.values[plan.frames == 47] == pytest.approx(0.25)
    assert plan.values[plan.frames == 97] == pytest.approx(0.25)
    assert {span.start for span in plan.rewrite} == {0.0, 48.0, 97.0}


def test_held_driven_and_locked_channels_are_left_alone() -> None:
    clock = AudioClock(24.0, 0.0)
    given = given_of(
        whole_head(
            browInnerUp=curve("browInnerUp", [40, 60], [0.4, 0.4], types=HOLD),
            noseSneerLeft=curve("noseSneerLeft", [40, 60], [0.3, 0.7], interpolations=[CONSTANT, 2]),
            cheekSquintLeft=curve("cheekSquintLeft", driven=True),
            eyeWideLeft=curve("eyeWideLeft", locked_spans=(Span(70, 80),)),
        )
    )
    plans = render(library_of(make_take(1, waves())), clock, given, LIPS)
    assert "cheekSquintLeft" not in plans
    for name in ("browInnerUp", "noseSneerLeft"):
        frames = plans[name].frames
        assert not ((frames >= 40) & (frames <= 60)).any()
        assert {39.0, 61.0} <= set(frames)
        assert plans[name].rewrite[0].contains(50.0)
    wide = plans["eyeWideLeft"]
    assert not ((wide.frames >= 70) & (wide.frames <= 80)).any()
    assert wide.rewrite == (Span(0.0, 69.0), Span(81.0, 144.0))
    assert wide.values[wide.frames == 69] == pytest.approx(0.0)


def test_a_neck_key_on_one_component_gives_the_whole_rotation() -> None:
    clock = AudioClock(24.0, 0.0)
    rotation = np.array([[0.1, 0.5, -0.2]])
    curves = [c for c in whole_head() if c.channels != HEAD_ROTATION]
    curves += [neck(0, [50.4], rotation), *(neck(axis, [], rotation) for axis in (1, 2))]
    curves[-2:] = [replace(empty, evaluate=curves[-3].evaluate) for empty in curves[-2:]]
    plans = render(library_of(make_take(1, waves())), clock, given_of(curves), LIPS)
    for axis, name in enumerate(HEAD_ROTATION):
        plan = plans[name]
        assert plan.values[plan.frames == 50.4] == pytest.approx(rotation[0, axis])
        others = plan.frames[plan.frames != 50.4]
        assert np.abs(others - 50.4).min() > 0.5


def test_unmapped_channels_have_no_plan() -> None:
    given = given_of([curve("jawOpen"), curve("browInnerUp")])
    plans = render(library_of(make_take(1, waves())), AudioClock(24.0, 0.0), given, LIPS)
    assert set(plans) == {"jawOpen", "browInnerUp"}


def test_the_same_comp_renders_the_same_bytes() -> None:
    given = given_of(whole_head(jawOpen=curve("jawOpen", [30.2], [0.4])))
    library, clock = library_of(make_take(1, waves()), make_take(2, waves(1), Span(2.0, 3.0))), AudioClock(23.976, 7.3)
    first, second = (fresh(library, clock, given, LIPS) for _ in range(2))
    for name, plan in first.items():
        assert plan.frames.tobytes() == second[name].frames.tobytes()
        assert plan.values.tobytes() == second[name].values.tobytes()
