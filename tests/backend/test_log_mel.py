# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from retake.backend.audio.log_mel import (
    LogMelStatistics,
    frame_count,
    log_mel,
    log_mel_blocks,
    normalised_log_mel,
    silent_log_mel,
)

SAMPLE = Path(__file__).resolve().parents[2] / "backend" / "assets" / "sample.flac"


def speech_like(seconds: float, level: float = 0.1, noise: float = 0.01) -> np.ndarray:
    """Bursts of sound of 0.385 s with as long pauses between them, in a little noise."""
    generator = np.random.default_rng(0)
    times = np.arange(int(seconds * 16000)) / 16000
    bursts = (np.sin(2 * np.pi * 1.3 * times) > 0) * generator.standard_normal(len(times))
    return (level * (bursts + noise * generator.standard_normal(len(times)))).astype(np.float32)


@pytest.mark.parametrize("samples", [1, 533, 534, 16000, 16001])
def test_four_frames_a_motion_frame(samples: int) -> None:
    count = 4 * int(np.ceil(samples * 30 / 16000))
    assert frame_count(samples) == count
    assert log_mel(np.zeros(samples, np.float32)).shape == (count, 80)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 30000), max_size=5))
def test_blocks_of_any_size_give_the_same_bits(cuts: list[int]) -> None:
    audio = speech_like(2.0)
    blocks = np.split(audio, sorted(min(cut, len(audio)) for cut in cuts))
    np.testing.assert_array_equal(np.concatenate(list(log_mel_blocks(blocks))), log_mel(audio))


def test_a_click_lands_on_its_frame() -> None:
    audio = np.zeros(16000, np.float32)
    audio[8000] = 1.0  # at 0.5 s
    assert abs(int(log_mel(audio).mean(axis=1).argmax()) - 60) <= 1


def test_a_tone_lands_in_its_band() -> None:
    times = np.arange(16000) / 16000
    bands = [int(log_mel(np.sin(2 * np.pi * f * times).astype(np.float32))[60].argmax()) for f in (200, 1000, 4000)]
    assert bands[0] < bands[1] < bands[2]


def test_silence_is_the_floor() -> None:
    np.testing.assert_allclose(log_mel(np.zeros(3200, np.float32)), silent_log_mel(24), atol=1e-5)


def test_volume_leaves_the_normalised_features() -> None:
    loud, quiet = normalised_log_mel(speech_like(4.0, 0.5)), normalised_log_mel(speech_like(4.0, 0.02))
    assert np.abs(loud - quiet).mean() < 0.05


def test_steady_noise_becomes_silence() -> None:
    features = normalised_log_mel(speech_like(6.0, noise=0.01))
    pause, speaking = features[52:86], features[10:40]
    assert pause.std(axis=0).mean() < 0.1  # the noise itself varies by 0.4
    assert speaking.mean() > pause.mean() + 0.3


def sample() -> np.ndarray:
    audio, _ = soundfile.read(SAMPLE, dtype="float32")
    return np.asarray(audio, np.float32)


@pytest.mark.parametrize("noise", [0.0, 1e-5, 1e-3])
@pytest.mark.parametrize("minutes", [0.5, 5.0])
def test_a_sentence_within_minutes_of_silence_sounds_as_it_does_alone(minutes: float, noise: float) -> None:
    speech = sample()
    generator = np.random.default_rng(0)
    long = np.concatenate([np.zeros(round(minutes * 60 * 16000), np.float32), speech, np.zeros(32000, np.float32)])
    long += noise * generator.standard_normal(len(long)).astype(np.float32)
    start = len(long) - 32000 - len(speech)
    alone = normalised_log_mel(long[start : start + len(speech)])
    within = normalised_log_mel(long)[round(start / 16000 * 120) :][: len(alone)]
    assert np.abs(within - alone).mean() < 0.25  # of about 1 that speech varies


@pytest.mark.parametrize("level", [1e-4, 1e-3, 0.1])
def test_the_tone_of_a_room_alone_is_silence(level: float) -> None:
    noise = (level * np.random.default_rng(0).standard_normal(10 * 16000)).astype(np.float32)
    features = normalised_log_mel(noise)
    assert (features == features[0]).mean() > 0.999


def test_speech_in_loud_noise_is_still_heard() -> None:
    speech = sample()
    noise = np.sqrt(np.square(speech).mean()) * np.random.default_rng(0).standard_normal(len(speech))
    assert normalised_log_mel((speech + noise).astype(np.float32)).std(axis=0).mean() > 0.05


def test_clicks_are_no_voice() -> None:
    audio = (1e-3 * np.random.default_rng(0).standard_normal(20 * 16000)).astype(np.float32)
    plain = normalised_log_mel(audio)
    audio[8000::80000] = 1.0
    assert np.abs(np.median(normalised_log_mel(audio) - plain)) < 0.1


def test_statistics_do_not_depend_on_the_blocks() -> None:
    raw = log_mel(speech_like(3.0))
    whole, parts = LogMelStatistics(), LogMelStatistics()
    whole.update(raw)
    for part in np.array_split(raw, 7):
        parts.update(part)
    np.testing.assert_allclose(whole.normaliser().apply(raw), parts.normaliser().apply(raw), atol=1e-5)


def test_nothing_but_silence_is_normalised_to_finite_values() -> None:
    assert np.isfinite(normalised_log_mel(np.zeros(16000, np.float32))).all()
    assert np.isfinite(LogMelStatistics().normaliser().apply(silent_log_mel(4))).all()
