# SPDX-License-Identifier: GPL-3.0-or-later
"""Audio features of a whole recording, block by block: two passes over the file, memory for the features only.

The recording is padded with silence, so that motion before and after it is performed too. Blocks overlap by the
encoder's receptive field on a grid that the recording alone determines: the same file gives the same bits.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import AudioError
from ..models import AudioEncoder
from ..monitor import Monitor
from ..protocol import MODEL_FPS
from .hearing import HeardPhone, heard_phones
from .loading import Recording
from .log_mel import FRAMES_PER_MOTION_FRAME, LogMelStatistics, log_mel_blocks, silent_log_mel

Array = NDArray[np.float32]

Speaking = tuple[tuple[float, float], ...]
"""Spans of seconds of a recording in which a head speaks; none: it speaks everywhere."""

PADDING = 64  # motion frames of silence encoded before and after the recording
_BLOCK = 512  # motion frames encoded at once
_CACHED_FRAMES = 20 * 60 * MODEL_FPS * 12  # the cache holds up to four hours of features, about 110 MB


@dataclass(frozen=True)
class AudioFeatures:
    """What the networks hear of one recording.

    `frames` is (PADDING + N + PADDING, D) float32, the first one at model frame -PADDING.
    """

    seconds: float
    frames: Tensor
    phones: tuple[HeardPhone, ...] = ()  # what the encoder hears, covering the recording

    @property
    def frame_count(self) -> int:
        """N, the model frames of the recording: ceil(seconds * 30)."""
        return count_frames(self.seconds)

    def span(self, start: int, stop: int) -> Tensor:
        """Features (stop - start, D) of absolute model frames; beyond the padding its silence goes on."""
        index = torch.arange(start, stop) + PADDING
        return self.frames[index.clamp(0, len(self.frames) - 1)]


def count_frames(seconds: float) -> int:
    """Model frames of a recording: ceil(seconds * 30), and at least one."""
    return max(1, math.ceil(seconds * MODEL_FPS))


def extract_features(
    path: Path | str, encoder: AudioEncoder, monitor: Monitor, speaking: Speaking = ()
) -> AudioFeatures:
    """Read a recording and encode it.

    Args:
        path: Anything soundfile or ffmpeg reads.
        encoder: The audio encoder of the model, in evaluation mode.
        monitor: Receives progress in the stage "audio", in seconds of recording, twice its length.
        speaking: Where the head speaks; elsewhere it hears silence. Level and noise are those of the whole recording.

    Returns:
        The features, with silence before and after.

    Raises:
        AudioError: The recording cannot be read, see `Recording`, or its features are not finite.
        CancelledError: The request was cancelled.
    """
    with monitor.timed("audio"):
        recording = Recording(path)
        monitor.expect("audio", 2 * math.ceil(recording.seconds), 1.0)
        statistics = LogMelStatistics()
        for block in _raw_blocks(recording, monitor):
            statistics.update(block)
        N = count_frames(recording.seconds)
        normalise = statistics.normaliser().apply
        margin = encoder.receptive_frames
        silence = silent_log_mel((PADDING + margin) * FRAMES_PER_MOTION_FRAME)
        heard = _spoken(_raw_blocks(recording, monitor), speaking)
        sounding = _take_rows(heard, N * FRAMES_PER_MOTION_FRAME)
        padded = (normalise(block) for part in ([silence], sounding, [silence]) for block in part)
        encoded = [
            _encode(encoder, window, margin)
            for window in _overlapping(padded, _BLOCK * FRAMES_PER_MOTION_FRAME, 2 * margin * FRAMES_PER_MOTION_FRAME)
        ]
        frames = torch.cat(encoded)
        if not torch.isfinite(frames).all():
            raise AudioError(f"{recording.path.name} cannot be heard: its features are not finite.", "Export it again.")
        with torch.inference_mode():
            phones = heard_phones(encoder, frames[PADDING : PADDING + N], recording.seconds)
        return AudioFeatures(recording.seconds, frames, phones)


class FeatureCache:
    """Features of recordings used before, by the identity of their files, so that a changed key costs no audio work."""

    def __init__(self, encoder: AudioEncoder) -> None:
        self._encoder = encoder
        self._entries: OrderedDict[tuple[object, ...], AudioFeatures] = OrderedDict()

    def get(self, path: Path | str, monitor: Monitor, speaking: Speaking = ()) -> AudioFeatures:
        """Features of a recording, from the cache where the file is the one seen before; see `extract_features`."""
        key = (*_identity(Path(path)), speaking)
        features = self._entries.get(key) or extract_features(path, self._encoder, monitor, speaking)
        self._entries[key] = features
        self._entries.move_to_end(key)
        while len(self._entries) > 1 and sum(len(entry.frames) for entry in self._entries.values()) > _CACHED_FRAMES:
            self._entries.popitem(last=False)
        return features


def _identity(path: Path) -> tuple[object, ...]:
    """What changes when a file is replaced or written to."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return (path,)  # not readable: extracting it says why
    return (path.absolute(), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _raw_blocks(recording: Recording, monitor: Monitor) -> Iterator[Array]:
    """Raw log-mel blocks of a recording, counting them as progress."""
    frames = 0
    for block in log_mel_blocks(recording.blocks()):
        before = frames // (FRAMES_PER_MOTION_FRAME * MODEL_FPS)
        frames += len(block)
        monitor.advance("audio", frames // (FRAMES_PER_MOTION_FRAME * MODEL_FPS) - before)
        yield block


def _spoken(blocks: Iterable[Array], speaking: Speaking) -> Iterator[Array]:
    """Blocks with digital silence where the head does not speak."""
    first = 0
    for block in blocks:
        seconds = (first + np.arange(len(block)) + 0.5) / (FRAMES_PER_MOTION_FRAME * MODEL_FPS)
        first += len(block)
        speaks = np.logical_or.reduce([(seconds >= start) & (seconds < end) for start, end in speaking])
        yield np.where(speaks[:, None], block, silent_log_mel(1)) if speaking else block


def _take_rows(blocks: Iterable[Array], rows: int) -> Iterator[Array]:
    """Yield exactly so many rows: resampling may have made one motion frame more or less, which is silence."""
    left = rows
    for block in blocks:
        yield block[:left]
        left -= len(block[:left])
    yield silent_log_mel(left)


def _overlapping(blocks: Iterable[Array], size: int, overlap: int) -> Iterator[Array]:
    """Yield windows of `size + overlap` rows that advance by `size`; the last one may be shorter."""
    pending = np.zeros((0, 0), np.float32)
    for block in blocks:
        pending = np.concatenate([pending, block]) if len(pending) else block
        while len(pending) >= size + overlap:
            yield pending[: size + overlap]
            pending = pending[size:]
    if len(pending) > overlap:
        yield pending


def _encode(encoder: AudioEncoder, window: Array, margin: int) -> Tensor:
    """Encode a window of normalised rows and drop the margins: (M, 80) to (M / 4 - 2 margin, D)."""
    with torch.inference_mode():
        features: Tensor = encoder(torch.from_numpy(np.ascontiguousarray(window))[None])[0]
    return features[margin : len(features) - margin].clone()
