# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of any kind as a stream of 16 kHz mono blocks, in memory that does not grow with their length.

soundfile reads WAV, FLAC, Ogg, MP3, AIFF and the like; whatever it cannot read goes to ffmpeg (from the PATH, or
that of the `imageio-ffmpeg` package).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from ..errors import AudioError
from .log_mel import SAMPLE_RATE

Array = NDArray[np.float32]

_BLOCK = 1 << 16  # frames read at once
_LOUDEST = 1e12  # samples beyond any scale of a recording, whose power float32 does not hold
_HINT = "Choose a recording such as WAV, FLAC, MP3 or M4A."
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # Windows: no console flashes up


@dataclass(frozen=True)
class _Block:
    samples: Array  # (S,) at 16 kHz mono
    seconds: float  # how much of the recording was read for it


class Recording:
    """A recording that can be read any number of times.

    Attributes:
        path: The file.
        seconds: Its length. What the header claims (0.0 where that is unknown), until `blocks` has been read to its
            end; exact from then on.
    """

    def __init__(self, path: Path | str) -> None:
        """Look at a file.

        Raises:
            AudioError: It is missing, no file, empty, or nothing here can read it.
        """
        self.path = Path(path)
        _check_file(self.path)
        header = _read_header(self.path)
        self.seconds = header or 0.0
        self._decode = _ffmpeg_blocks if header is None else _soundfile_blocks

    def blocks(self) -> Iterator[Array]:
        """Yield the samples at 16 kHz mono in blocks (S,) float32.

        Raises:
            AudioError: The file is damaged, holds no samples, or samples that are not finite or absurdly large.
        """
        read = 0.0
        for block in self._decode(self.path):
            read += block.seconds
            yield block.samples
        if read == 0.0:
            raise AudioError(f"{self.path.name} holds no audio (0 samples).", _HINT)
        self.seconds = read


def _check_file(path: Path) -> None:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise AudioError(f"{path} is not a file.", _HINT)
        path.open("rb").close()
    except FileNotFoundError:
        raise AudioError(f"The recording {path} does not exist.", "Check the path.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"The recording {path} cannot be opened: {reason}.") from error
    if size == 0:
        raise AudioError(f"{path.name} is empty (0 bytes).", _HINT)


def _read_header(path: Path) -> float | None:
    """Length in seconds that a header claims, or None where soundfile does not know the format."""
    try:
        with soundfile.SoundFile(path) as file:
            return float(file.frames / file.samplerate)
    except (soundfile.SoundFileError, TypeError, ValueError, ZeroDivisionError):
        return None


def _soundfile_blocks(path: Path) -> Iterator[_Block]:
    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32") if rate != SAMPLE_RATE else None
            read, nothing = 0, np.zeros(0, np.float32)
            for block in file.blocks(_BLOCK, dtype="float32", always_2d=True):
                _check_samples(block, path, read / rate)
                mono = block.mean(axis=1, dtype=np.float32)
                read += len(block)
                yield _Block(resampler.resample_chunk(mono) if resampler else mono, 0.0)
            tail = resampler.resample_chunk(nothing, last=True) if resampler else nothing
            yield _Block(tail, read / rate)
    except (soundfile.SoundFileError, ValueError, RuntimeError) as error:
        raise AudioError(f"{path.name} is damaged and cannot be read ({error}).", _HINT) from error


def _ffmpeg_blocks(path: Path) -> Iterator[_Block]:
    command = [_find_ffmpeg(path), "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe"]
    command += ["-i", f"file:{path.absolute()}", "-map", "0:a:0", "-ac", "1", "-ar", str(SAMPLE_RATE)]
    command += ["-f", "f32le", "pipe:1"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, creationflags=_NO_WINDOW)
        assert process.stdout is not None
        try:
            read = 0
            while data := process.stdout.read(4 * _BLOCK):
                samples = np.frombuffer(data[: len(data) // 4 * 4], np.float32)
                _check_samples(samples, path, read / SAMPLE_RATE)
                read += len(samples)
                yield _Block(samples, len(samples) / SAMPLE_RATE)
            failed = process.wait() != 0
        finally:
            process.stdout.close()
            process.kill()
            process.wait()
    if failed or read == 0:
        raise AudioError(f"{path.name} is not a recording that soundfile or ffmpeg can read.", _HINT)


def _find_ffmpeg(path: Path) -> str:
    found = shutil.which("ffmpeg")
    if found:
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise AudioError(
            f"{path.name} is not a recording that soundfile can read, and ffmpeg is not installed.",
            "Convert it to WAV, or install ffmpeg.",
        ) from None


def _check_samples(samples: Array, path: Path, start: float) -> None:
    if not np.isfinite(samples).all():
        raise AudioError(
            f"{path.name} holds samples that are not numbers (NaN or infinite) after {start:.2f} s.",
            "Export it again.",
        )
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > _LOUDEST:
        raise AudioError(
            f"{path.name} holds samples of up to {peak:.3g} after {start:.2f} s, where a recording reaches 1.",
            "Export it again.",
        )
