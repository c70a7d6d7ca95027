# SPDX-License-Identifier: GPL-3.0-or-later
"""Log-mel features: 80 bands at 120 Hz, four to a motion frame, normalised an utterance.

Frame m is centred on audio time m / 120 s, so frame 4 n stands at motion frame n. A window is 25 ms. Frames are
computed block by block with the same values whatever the blocks, and the normalisation needs only sums, so two hours
of audio take two passes in bounded memory:

    statistics = LogMelStatistics()
    for block in log_mel_blocks(audio_blocks):       # first pass
        statistics.update(block)
    normaliser = statistics.normaliser()
    for block in log_mel_blocks(audio_blocks):       # second pass
        features = normaliser.apply(block)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..models.config import BANDS, FEATURE_RATE, HIGHEST_HZ, LOWEST_HZ, NATS

SAMPLE_RATE = 16000
MOTION_FPS = 30
FRAMES_PER_MOTION_FRAME = FEATURE_RATE // MOTION_FPS
_WINDOW = 400  # 25 ms
_FFT = 512
_FLOOR = 1e-9  # power added before the logarithm: far below 16-bit noise

_LOUDNESS_BINS = np.linspace(-21.0, 15.0, 361)  # edges of the loudness histogram, nats, 0.1 wide
_NOISE_SHARE = 0.10  # the quietest frames tell the noise floor
_NOISE_MARGIN = 1.0  # nats above the mean of the noise: its fluctuation is clipped away
_DYNAMIC_RANGE = 10.4  # nats (45 dB) under the loud frames: anything lower is silence
_SPEECH_MARGIN = 4.6  # nats (20 dB) under the loud frames: frames above count as speech
_LEAST_SOUNDING = FEATURE_RATE // 4  # frames above pauses that make a voice, not a click
_QUIET_MARGIN = 2.3  # nats (10 dB) above the noise floor: frames below are pauses
_STEADY = 0.5  # nats between the loud frames and the noise floor, below which there is nothing but steady noise
_STEADY_MARGIN = 3.0  # nats above its mean, which the fluctuation of a band hardly reaches

Array = NDArray[np.float32]


def frame_count(samples: int) -> int:
    """Log-mel frames of a recording: four for each of its ceil(seconds * 30) motion frames."""
    return FRAMES_PER_MOTION_FRAME * -(-samples * MOTION_FPS // SAMPLE_RATE)


def log_mel(audio: Array) -> Array:
    """Raw log-mel features of a whole recording.

    Args:
        audio: (S,) float32 in [-1, 1], 16 kHz mono; silence is assumed before and after.

    Returns:
        (4 N, 80) float32, natural logarithm of band power, N = ceil(S * 30 / 16000).
    """
    blocks = list(log_mel_blocks([audio]))
    return np.concatenate(blocks) if blocks else np.zeros((0, BANDS), np.float32)


def log_mel_blocks(audio_blocks: Iterable[Array]) -> Iterator[Array]:
    """Raw log-mel features of a recording that arrives in blocks of any length, see `log_mel`.

    Yields:
        Blocks (M, 80) whose concatenation equals `log_mel` of the joined audio, bit for bit.
    """
    stream = LogMelStream()
    for block in audio_blocks:
        yield from stream.push(block)
    yield from stream.finish()


class LogMelStream:
    """Turns a stream of audio blocks into blocks of raw log-mel frames."""

    _frames_at_once = 1024

    def __init__(self) -> None:
        self._pending = np.zeros(_WINDOW // 2, np.float32)  # samples from the first window still to come
        self._start = -_WINDOW // 2  # absolute position of its first sample
        self._samples = 0
        self._frame = 0

    def push(self, audio: Array) -> Iterator[Array]:
        """Take in samples (S,) and yield the frames they complete, in blocks (M, 80)."""
        self._samples += len(audio)
        self._pending = np.concatenate([self._pending, np.asarray(audio, np.float32)])
        ready = (self._start + len(self._pending) - _WINDOW // 2) * FEATURE_RATE // SAMPLE_RATE
        yield from self._compute(min(ready, frame_count(self._samples)))

    def finish(self) -> Iterator[Array]:
        """Yield the last frames, with silence after the end."""
        last = frame_count(self._samples)
        needed = int(_centre(last)) + _WINDOW - self._start - len(self._pending)
        self._pending = np.concatenate([self._pending, np.zeros(max(0, needed), np.float32)])
        yield from self._compute(last)

    def _compute(self, end: int) -> Iterator[Array]:
        while self._frame < end:
            stop = min(end, self._frame + self._frames_at_once)
            starts = _centre(np.arange(self._frame, stop)) - _WINDOW // 2 - self._start
            yield _band_power(self._pending[starts[:, None] + np.arange(_WINDOW)])
            self._frame = stop
        drop = max(0, int(_centre(self._frame)) - _WINDOW // 2 - self._start)
        self._pending, self._start = self._pending[drop:], self._start + drop


def silent_log_mel(frames: int) -> Array:
    """Raw features (M, 80) of digital silence, to perform before and after a recording."""
    return np.full((frames, BANDS), np.log(_FLOOR), np.float32)


@dataclass(frozen=True)
class Normaliser:
    """The level, noise floor and speech mean of one recording.

    `floor` and `speech_mean` are (80,) float32, nats. Volume, microphone and steady noise leave what `apply` returns.
    """

    floor: Array
    speech_mean: Array

    def apply(self, raw: Array) -> Array:
        """Normalise raw features (M, 80): noise floor clipped, speech mean of each band subtracted, unit-scaled."""
        normalised: Array = ((np.maximum(raw, self.floor) - self.speech_mean) / NATS).astype(np.float32)
        return normalised


class LogMelStatistics:
    """Accumulates what the normalisation needs, in memory that does not grow: sums a loudness bin."""

    def __init__(self) -> None:
        self._counts = np.zeros(len(_LOUDNESS_BINS) + 1, np.int64)
        self._sums = np.zeros((len(_LOUDNESS_BINS) + 1, BANDS))

    def update(self, raw: Array) -> None:
        """Take in raw features (M, 80)."""
        bins = np.digitize(raw.mean(axis=1), _LOUDNESS_BINS)
        self._counts += np.bincount(bins, minlength=len(self._counts))
        np.add.at(self._sums, bins, raw)

    def normaliser(self) -> Normaliser:
        """Return the normalisation of everything taken in so far; that of silence where nothing was."""
        sounding = self._counts.astype(np.float64)
        sounding[0] = 0.0  # digital silence tells nothing of the microphone's noise
        if not sounding.any():
            quiet = silent_log_mel(1)[0]
            return Normaliser(quiet, quiet)
        noise_bin = _share_bin(sounding, _NOISE_SHARE)
        noise = self._mean(slice(1, noise_bin + 1))
        sounding = _without_long_pauses(sounding)
        loud = _edge(_share_bin(sounding, 0.95))
        if loud - _edge(noise_bin) < _STEADY:
            steady = (self._mean(slice(1, None)) + _STEADY_MARGIN).astype(np.float32)
            return Normaliser(steady, steady)
        speech = self._mean(slice(max(1, int(np.digitize(loud - _SPEECH_MARGIN, _LOUDNESS_BINS))), None))
        floor = np.maximum(noise + _NOISE_MARGIN, speech.mean() - _DYNAMIC_RANGE)
        floor = np.minimum(floor, speech - 1.0)
        return Normaliser(floor.astype(np.float32), speech.astype(np.float32))

    def _mean(self, bins: slice) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = self._sums[bins].sum(axis=0) / max(1, self._counts[bins].sum())
        return mean


def normalised_log_mel(audio: Array) -> Array:
    """Features of a short recording in one call: (S,) at 16 kHz to (4 N, 80), normalised by its own statistics."""
    raw = log_mel(audio)
    statistics = LogMelStatistics()
    statistics.update(raw)
    return statistics.normaliser().apply(raw)


def _without_long_pauses(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The histogram with pauses counted for at most half of all frames, as in a spoken sentence.

    A voice that is heard for ten seconds of ten minutes is then as loud as it would be in a recording of its own.
    """
    floor = _edge(_share_bin(counts, _NOISE_SHARE))
    first = int(np.digitize(floor + _QUIET_MARGIN, _LOUDNESS_BINS))
    pauses, rest = counts[:first].sum(), counts[first:].sum()
    if rest < _LEAST_SOUNDING or pauses <= rest:
        return counts
    return np.concatenate([counts[:first] * (rest / pauses), counts[first:]])


def _edge(number: int) -> float:
    """Loudness at which a bin ends, nats."""
    return float(_LOUDNESS_BINS[min(number, len(_LOUDNESS_BINS) - 1)])


def _share_bin(counts: NDArray[np.float64], share: float) -> int:
    """Index of the bin in which the cumulative count reaches a share of the whole."""
    cumulative = np.cumsum(counts)
    return int(np.searchsorted(cumulative, share * cumulative[-1]))


def _centre(frame: NDArray[np.int64] | int) -> NDArray[np.int64]:
    """Absolute sample on which a frame is centred, rounded to the nearest."""
    return (2 * np.asarray(frame, np.int64) * SAMPLE_RATE + FEATURE_RATE) // (2 * FEATURE_RATE)


def _band_power(windows: Array) -> Array:
    """Log power of the mel bands of windows (M, 400): (M, 80)."""
    spectrum = np.fft.rfft(windows * _hann(), _FFT, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    banded: Array = np.log(np.einsum("mk,bk->mb", power, _mel_filters()) + _FLOOR).astype(np.float32)
    return banded


@cache
def _hann() -> Array:
    """Periodic Hann window (400,), scaled to unit energy so that band power is about that of the signal."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)
    unit: Array = (window / np.sqrt((window**2).sum())).astype(np.float32)
    return unit


@cache
def _mel_filters() -> Array:
    """Triangular mel filters (80, 257) from 50 to 7600 Hz, each of unit sum."""
    import librosa

    filters = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=_FFT, n_mels=BANDS, fmin=LOWEST_HZ, fmax=HIGHEST_HZ)
    unit: Array = (filters / filters.sum(axis=1, keepdims=True)).astype(np.float32)
    return unit
