# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retake.backend.errors import CancelledError, OptionsError
from retake.backend.monitor import Monitor
from retake.backend.pipelines.given import GivenValues
from retake.backend.pipelines.performance import Performance, PerformanceOptions, PerformancePipeline
from retake.backend.pipelines.workers import Workers
from retake.backend.protocol import CHANNEL_NAMES, CONTROL_NAMES, PARTS

SMILE, JAW, NECK_Y = (CHANNEL_NAMES.index(name) for name in ("mouthSmileLeft", "jawOpen", "head_rotation.y"))
OPTIONS = PerformanceOptions(seeds=(3, 4, 5), num_inference_steps=6)
KEYS = GivenValues.of([1.0, 2.345, 12.0, -0.5], [SMILE, NECK_Y, JAW, JAW], [0.6, 0.3, 0.9, 0.1])


def perform(session: Any, path: Path, given: GivenValues = KEYS, options: PerformanceOptions = OPTIONS) -> Performance:
    performance = session.generate(path, given, options)
    assert isinstance(performance, Performance)
    return performance


def test_shapes(session: Any, recording: Path) -> None:
    result = perform(session, recording)
    assert result.channels.shape == (3, 211, 55)
    assert result.channels.dtype == np.float32
    assert result.given_raw.shape == (3, 4)
    assert (result.start_frame, result.audio_seconds) == (-30, 5.0)
    assert np.isfinite(result.channels).all()


def test_given_values_come_back_exactly(session: Any, long_recording: Path) -> None:
    result = perform(session, long_recording)
    for frame, channel, value in zip(KEYS.frames, KEYS.channels, KEYS.values, strict=True):
        np.testing.assert_array_equal(result.channels[:, frame - result.start_frame, channel], value)
    assert np.isfinite(result.given_raw).all()
    assert not np.allclose(result.given_raw, KEYS.values, atol=1e-4)  # the network's own word, before imputation


def test_takes_differ(session: Any, recording: Path) -> None:
    assert perform(session, recording).channels.std(axis=0).mean() > 1e-3


def test_a_take_does_not_depend_on_the_others(session: Any, long_recording: Path) -> None:
    together = perform(session, long_recording)
    for take, seed in enumerate(OPTIONS.seeds):
        alone = perform(session, long_recording, options=replace(OPTIONS, seeds=(seed,)))
        np.testing.assert_allclose(alone.channels[0], together.channels[take], atol=1e-4)
        np.testing.assert_allclose(alone.given_raw[0], together.given_raw[take], atol=1e-4)


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (9.5, 10.6), (-3.0, 0.5), (20.0, 25.0), (7.77, 7.77), (40.0, 41.0)])
def test_a_take_does_not_depend_on_the_range(session: Any, long_recording: Path, bounds: tuple[float, float]) -> None:
    whole = perform(session, long_recording, options=replace(OPTIONS, range_seconds=(-20.0, 45.0)))
    part = perform(session, long_recording, options=replace(OPTIONS, range_seconds=bounds))
    first = part.start_frame - whole.start_frame
    assert part.start_frame <= bounds[0] * 30 + 1e-6
    assert part.start_frame + part.channels.shape[1] - 1 >= bounds[1] * 30 - 1e-6
    np.testing.assert_allclose(part.channels, whole.channels[:, first : first + part.channels.shape[1]], atol=1e-4)


@pytest.mark.parametrize(("channel", "reach"), [(JAW, 22), (NECK_Y, 22)])
def test_a_key_far_away_changes_nothing(session: Any, long_recording: Path, channel: int, reach: int) -> None:
    without = perform(session, long_recording, GivenValues.none())
    with_key = perform(session, long_recording, GivenValues.of([3.0], [channel], [0.9]))
    difference = np.abs(with_key.channels - without.channels).max(axis=(0, 2))
    frames = np.arange(len(difference)) + without.start_frame
    assert difference[frames == 90] > 0.1
    assert difference[np.abs(frames - 90) > reach].max() < 1e-6


def test_bit_for_bit(session: Any, recording: Path) -> None:
    first, second = perform(session, recording), perform(session, recording)
    assert first.channels.tobytes() == second.channels.tobytes()
    assert first.given_raw.tobytes() == second.given_raw.tobytes()


def test_ddpm_is_repeatable_and_range_free_too(session: Any, recording: Path) -> None:
    options = replace(OPTIONS, scheduler="ddpm", num_inference_steps=40)
    whole = perform(session, recording, options=options)
    part = perform(session, recording, options=replace(options, range_seconds=(1.0, 2.0), seeds=(4,)))
    np.testing.assert_allclose(part.channels[0], whole.channels[1, 60:91], atol=1e-4)
    assert np.abs(whole.channels - perform(session, recording).channels).mean() > 1e-3


def test_style_and_guidance_reach_the_result(session: Any, recording: Path) -> None:
    usual = perform(session, recording).channels
    for other in ({"style": "calm"}, {"guidance_scale": 2.0}, {"guidance_scale": 0.0}):
        assert not np.allclose(
            perform(session, recording, options=replace(OPTIONS, **other)).channels, usual, atol=1e-3
        )


@pytest.mark.parametrize(
    ("parts", "made"),
    [
        (("head",), HEAD := set(range(52, 55))),
        (("mouth", "eyes"), set(range(55)) - HEAD),
        (tuple(PARTS), set(range(55))),
    ],
)
def test_a_part_left_out_is_what_was_given(
    session: Any, recording: Path, parts: tuple[str, ...], made: set[int]
) -> None:
    whole = perform(session, recording)
    result = perform(session, recording, options=replace(OPTIONS, parts=parts))
    kept = sorted(made)
    np.testing.assert_array_equal(result.channels[:, :, kept], whole.channels[:, :, kept])
    _, mask = KEYS.dense(-30, 181, range(55))
    others = sorted(set(range(55)) - made)
    np.testing.assert_array_equal(result.channels[:, :, others] != 0, np.broadcast_to(mask, (3, 211, 55))[:, :, others])
    np.testing.assert_array_equal(np.isnan(result.given_raw[0]), ~np.isin(KEYS.channels, kept) | (KEYS.frames > 300))


def test_a_wild_given_value_does_not_spoil_the_others(session: Any, recording: Path) -> None:
    usual = perform(session, recording, GivenValues.none()).channels
    wild = perform(session, recording, GivenValues.of([2.0], [SMILE], [9.0])).channels
    others = [index for index in range(55) if index != SMILE]
    assert np.abs(wild[:, :, others] - usual[:, :, others]).max() < 3.0
    np.testing.assert_array_equal(wild[:, 90, SMILE], np.float32(9.0))


def test_it_can_be_cancelled_between_two_steps(session: Any, recording: Path) -> None:
    steps = []
    monitor = Monitor(lambda stage, step, *_: steps.append(step), lambda: len(steps) > 0 and steps[-1] > 3)
    with pytest.raises(CancelledError):
        session.generate(recording, KEYS, replace(OPTIONS, num_inference_steps=300), monitor)


def test_the_number_of_threads_does_not_matter(session: Any, recording: Path) -> None:
    options = replace(OPTIONS, seeds=(3, 4, 5, 6, 7))
    found = []
    for count in (1, 2, 3):
        pipeline = PerformancePipeline(session.models, Workers(count))
        found.append(pipeline(session.hear(recording), KEYS, options, Monitor()).channels)
    np.testing.assert_allclose(found[1], found[0], atol=1e-4)
    np.testing.assert_allclose(found[2], found[0], atol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"seeds": ()}, "0 takes"),
        ({"seeds": tuple(range(100))}, "100 takes"),
        ({"seeds": (-1,)}, "seed -1"),
        ({"seeds": (2**63,)}, "seed"),
        ({"parts": ()}, "parts"),
        ({"parts": ("ears",)}, "ears"),
        ({"scheduler": "euler"}, "euler"),
        ({"guidance_scale": float("nan")}, "guidance nan"),
        ({"num_inference_steps": 501}, "501 steps"),
        ({"style": "loud"}, "loud"),
        ({"range_seconds": (1.0, 0.0)}, "range"),
        ({"range_seconds": (float("nan"), 1.0)}, "range"),
    ],
)
def test_wrong_options(session: Any, recording: Path, wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionsError, match=sentence):
        perform(session, recording, options=replace(OPTIONS, **wrong))


def test_face_has_the_named_controls() -> None:
    from retake.backend.pipelines.face import FACE_CHANNELS
    from retake.backend.pipelines.head import HEAD_CHANNELS

    assert [CHANNEL_NAMES[index] for index in FACE_CHANNELS] == list(CONTROL_NAMES)
    assert [*FACE_CHANNELS, *HEAD_CHANNELS] == list(range(55))
