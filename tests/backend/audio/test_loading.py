# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile

from retake.backend.audio import loading
from retake.backend.audio.loading import Recording
from retake.backend.errors import AudioError

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()


def read(path: Path) -> tuple[np.ndarray, float]:
    recording = Recording(path)
    samples = np.concatenate(list(recording.blocks()))
    return samples, recording.seconds


def tone(seconds: float, rate: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_rate_and_channels(tmp_path: Path, rate: int, channels: int) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.repeat(tone(1.5, rate)[:, None], channels, axis=1), rate)
    samples, seconds = read(path)
    assert samples.dtype == np.float32
    assert seconds == round(1.5 * rate) / rate
    assert abs(len(samples) - 24000) <= 2
    middle = slice(2000, 22000)
    np.testing.assert_allclose(samples[middle], tone(1.5, 16000)[middle], atol=2e-3)


@pytest.mark.parametrize("suffix", ["flac", "ogg", "aiff", "mp3", "au"])
def test_soundfiles_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone(2.0, 32000), 32000)
    samples, seconds = read(path)
    assert seconds == pytest.approx(2.0, abs=0.1)
    assert np.sqrt(np.mean(samples[8000:24000] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("suffix", ["m4a", "mp4", "mka", "webm"])
def test_ffmpegs_formats(tmp_path: Path, suffix: str) -> None:
    source, path = tmp_path / "tone.wav", tmp_path / f"tone.{suffix}"
    soundfile.write(source, tone(2.0, 48000), 48000)
    subprocess.run([FFMPEG, "-v", "error", "-i", str(source), str(path)], check=True, stdin=subprocess.DEVNULL)
    samples, seconds = read(path)
    assert seconds == pytest.approx(2.0, abs=0.1)
    assert np.sqrt(np.mean(samples[8000:24000] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


def test_ffmpeg_of_a_package_where_none_is_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("imageio_ffmpeg")
    monkeypatch.setenv("PATH", str(tmp_path))
    path = tmp_path / "tone.unknown"
    path.write_bytes(b"nothing that any decoder knows")
    with pytest.raises(AudioError, match="soundfile or ffmpeg"):
        read(path)


def test_channels_are_averaged(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    left = tone(1.0, 16000)
    soundfile.write(path, np.stack([left, np.zeros_like(left)], axis=1), 16000, subtype="FLOAT")
    np.testing.assert_allclose(read(path)[0], 0.5 * left, atol=1e-7)


def test_resampling_shifts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "click.wav"
    click = np.zeros(3 * 48000, np.float32)
    click[72000] = 1.0
    soundfile.write(path, click, 48000, subtype="FLOAT")
    assert int(np.argmax(np.abs(read(path)[0]))) == 24000


def test_blocks_join_as_if_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(3.0, 44100), 44100)
    whole, _ = read(path)
    monkeypatch.setattr(loading, "_BLOCK", 1000)
    np.testing.assert_allclose(read(path)[0], whole, atol=1e-6)


def test_it_can_be_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(1.0, 44100), 44100)
    recording = Recording(path)
    first, second = (np.concatenate(list(recording.blocks())) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_names_that_look_like_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-i.wav", "a b'c.wav", "pipe:0.wav", "ünïcode 声.wav"):
        soundfile.write(tmp_path / name, tone(0.5, 16000), 16000)
        assert read(Path(name))[1] == 0.5


class TestBadInput:
    def refusal(self, path: Path) -> str:
        with pytest.raises(AudioError) as caught:
            read(path)
        assert "\n" not in str(caught.value)
        assert path.name in str(caught.value)
        return str(caught.value)

    def test_missing(self, tmp_path: Path) -> None:
        assert "does not exist" in self.refusal(tmp_path / "nowhere.wav")

    def test_folder(self, tmp_path: Path) -> None:
        assert "not a file" in self.refusal(tmp_path)

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "empty.wav").touch()
        assert "empty (0 bytes)" in self.refusal(tmp_path / "empty.wav")

    @pytest.mark.parametrize("text", ["Not audio at all.\n", "#EXTM3U\nhttp://127.0.0.1/x.ts\n", "x" * 100000])
    def test_text_called_wav(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "text.wav").write_text(text)
        assert "not a recording" in self.refusal(tmp_path / "text.wav")

    def test_zero_length(self, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "zero.wav", np.zeros(0, np.float32), 16000)
        assert "0 samples" in self.refusal(tmp_path / "zero.wav")

    def test_header_cut_short(self, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "cut.wav", tone(1.0, 16000), 16000)
        (tmp_path / "cut.wav").write_bytes((tmp_path / "cut.wav").read_bytes()[:30])
        self.refusal(tmp_path / "cut.wav")

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_not_finite(self, tmp_path: Path, bad: float) -> None:
        samples = tone(2.0, 16000)
        samples[20000] = bad
        soundfile.write(tmp_path / "nan.wav", samples, 16000, subtype="FLOAT")
        assert "not numbers" in self.refusal(tmp_path / "nan.wav")

    @pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read anything")
    def test_not_readable(self, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "locked.wav", tone(1.0, 16000), 16000)
        (tmp_path / "locked.wav").chmod(0)
        assert "cannot be opened" in self.refusal(tmp_path / "locked.wav")

    def test_video_without_sound(self, tmp_path: Path) -> None:
        command = [FFMPEG, "-v", "error", "-f", "lavfi", "-i", "color=red:s=16x16:d=0.2", str(tmp_path / "v.mp4")]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        self.refusal(tmp_path / "v.mp4")


def test_samples_too_large_for_float32_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(0.5, 16000) * np.float32(1e9), 16000, subtype="FLOAT")
    assert np.isfinite(read(path)[0]).all()
    soundfile.write(path, np.repeat(tone(0.5, 16000)[:, None], 2, 1) * np.float32(1e38), 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"a\.wav holds samples of up to 5e\+37"):
        read(path)
