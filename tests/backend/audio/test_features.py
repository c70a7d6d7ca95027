# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from retake.backend.audio import features
from retake.backend.audio.features import PADDING, FeatureCache, count_frames, extract_features
from retake.backend.audio.log_mel import normalised_log_mel, silent_log_mel
from retake.backend.errors import AudioError, CancelledError
from retake.backend.monitor import Monitor

from ..conftest import speech_like


@pytest.fixture(scope="module")
def encoder(session: Any) -> Any:
    return session.models.encoder


def test_shape(encoder: Any, recording: Path) -> None:
    extracted = extract_features(recording, encoder, Monitor())
    assert (extracted.seconds, extracted.frame_count) == (5.0, 150)
    assert extracted.frames.shape == (PADDING + 150 + PADDING, encoder.config.feature_dim)
    assert extracted.frames.dtype == torch.float32


@pytest.mark.parametrize(("seconds", "frames"), [(1.0, 30), (1.01, 31), (0.001, 1), (5.0, 150), (0.1, 3)])
def test_frame_count(seconds: float, frames: int) -> None:
    assert count_frames(seconds) == frames


@pytest.mark.parametrize("samples", [1, 100, 533, 534, 16001, 44100])
def test_any_length(encoder: Any, tmp_path: Path, samples: int) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, speech_like(3.0, 44100)[:samples], 44100)
    extracted = extract_features(path, encoder, Monitor())
    assert len(extracted.frames) == 2 * PADDING + count_frames(samples / 44100)
    assert torch.isfinite(extracted.frames).all()


@pytest.mark.filterwarnings("error")
def test_very_loud_samples_are_heard(encoder: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, speech_like(1.0) * np.float32(1e12), 16000, subtype="FLOAT")
    assert torch.isfinite(extract_features(path, encoder, Monitor()).frames).all()


def test_features_that_are_not_finite_are_one_sentence(encoder: Any, recording: Path) -> None:
    deaf = copy.deepcopy(encoder)
    for parameter in deaf.parameters():
        parameter.fill_(float("nan"))
    with pytest.raises(AudioError, match=r"five\.wav.*not finite"):
        extract_features(recording, deaf, Monitor())


def test_blocks_equal_the_whole(encoder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, speech_like(9.0), 16000, subtype="FLOAT")
    extracted = extract_features(path, encoder, Monitor())
    log_mel = normalised_log_mel(speech_like(9.0))
    with torch.inference_mode():
        whole = encoder(torch.from_numpy(log_mel)[None])[0]
    reach = encoder.receptive_frames
    inner = slice(PADDING + reach, PADDING + 270 - reach)
    torch.testing.assert_close(extracted.frames[inner], whole[reach : 270 - reach], atol=1e-5, rtol=1e-4)
    monkeypatch.setattr(features, "_BLOCK", 37)
    torch.testing.assert_close(
        extract_features(path, encoder, Monitor()).frames, extracted.frames, atol=1e-5, rtol=1e-4
    )


def test_silence_goes_on_beyond_the_padding(encoder: Any, recording: Path) -> None:
    extracted = extract_features(recording, encoder, Monitor())
    far = extracted.span(-1000, -990)
    assert far.shape == (10, encoder.config.feature_dim)
    torch.testing.assert_close(far, extracted.frames[:1].expand(10, -1))
    torch.testing.assert_close(extracted.span(-PADDING, 0), extracted.frames[:PADDING])


def test_silence_is_silence(encoder: Any, tmp_path: Path) -> None:
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(48000, np.float32), 16000)
    extracted = extract_features(path, encoder, Monitor())
    middle = extracted.frames[40:-40]
    torch.testing.assert_close(middle, middle[:1].expand_as(middle), atol=1e-5, rtol=1e-4)
    assert silent_log_mel(3).shape == (3, 80)


def test_a_head_hears_silence_where_it_does_not_speak(session: Any, encoder: Any, recording: Path) -> None:
    whole = extract_features(recording, encoder, Monitor())
    part = extract_features(recording, encoder, Monitor(), ((1.0, 2.0),))
    margin, first = encoder.receptive_frames, PADDING + 30
    spoken = slice(first + margin, first + 30 - margin)
    torch.testing.assert_close(part.frames[spoken], whole.frames[spoken], atol=1e-5, rtol=1e-4)
    listens = part.frames[PADDING + 60 + margin : PADDING + 150]
    torch.testing.assert_close(listens, part.frames[:1].expand_as(listens), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(listens, whole.frames[PADDING + 60 + margin : PADDING + 150], atol=1e-2)
    heard = session.hear(recording, speaking=((1.0, 2.0),))
    assert torch.equal(heard.frames, part.frames)
    assert torch.equal(session.hear(recording).frames, whole.frames), "the two are kept apart"


def test_memory_does_not_grow_with_the_recording(encoder: Any, tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    minute = (speech_like(60.0) * 32767).astype(np.int16)
    with soundfile.SoundFile(path, "w", 16000, 1) as file:
        for _ in range(10):
            file.write(minute)
    tracemalloc.start()
    extracted = extract_features(path, encoder, Monitor())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert extracted.frame_count == 18000
    assert peak < 25 << 20  # the recording alone is 38 MB as float32, its log-mel features 23 MB


def test_cancelling_stops_it(encoder: Any, recording: Path) -> None:
    with pytest.raises(CancelledError):
        extract_features(recording, encoder, Monitor(is_cancelled=lambda: True))


def test_progress_reaches_its_total(encoder: Any, recording: Path) -> None:
    reports: list[tuple[str, int, int, float | None]] = []
    extract_features(recording, encoder, Monitor(lambda *report: reports.append(report)))
    stage, step, total, _ = reports[-1]
    assert (stage, step, total) == ("audio", 10, 10)


class TestCache:
    def test_the_same_file_is_read_once(self, encoder: Any, recording: Path) -> None:
        cache = FeatureCache(encoder)
        assert cache.get(recording, Monitor()) is cache.get(str(recording), Monitor())

    def test_a_written_file_is_read_again(self, encoder: Any, tmp_path: Path) -> None:
        path = tmp_path / "a.wav"
        cache = FeatureCache(encoder)
        soundfile.write(path, speech_like(1.0), 16000)
        before = cache.get(path, Monitor())
        soundfile.write(path, speech_like(1.0)[::-1].copy(), 16000)
        assert cache.get(path, Monitor()) is not before

    def test_the_oldest_makes_room(self, encoder: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(features, "_CACHED_FRAMES", 2 * (2 * PADDING + 30))
        cache = FeatureCache(encoder)
        paths = [tmp_path / f"{index}.wav" for index in range(3)]
        for path in paths:
            soundfile.write(path, speech_like(1.0), 16000)
        kept = [cache.get(path, Monitor()) for path in paths]
        assert cache.get(paths[2], Monitor()) is kept[2]
        assert cache.get(paths[1], Monitor()) is kept[1]
        assert cache.get(paths[0], Monitor()) is not kept[0]
