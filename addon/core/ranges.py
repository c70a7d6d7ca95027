# SPDX-License-Identifier: GPL-3.0-or-later
"""The range of a generation, in seconds of audio time (design.md, "Range")."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import InputError
from .given import Given
from .timing import AUDIO_PADDING, AudioClock, FloatArray, Span

MIN_PAUSE = 0.2  # s of quiet that separate two phrases
_HOP = 0.01  # s between loudness measurements
_MIN_SOUND = 0.04  # s; a shorter sound within a pause does not end it
_MIN_CONTRAST = 6.0  # dB between quiet and loud, below which a recording has no pauses
_RANGE_DB = 35.0  # quieter than the loud by this is quiet, however noisy the rest


def whole_audio(audio_seconds: float) -> Span:
    """The audio with 1 s of silence performed before and after."""
    return Span(-AUDIO_PADDING, audio_seconds + AUDIO_PADDING)


def between_neighbours(given: Given, clock: AudioClock, playhead: float, audio_seconds: float) -> Span:
    """From the last given time on any channel before the playhead to the first after it.

    Where there is none, the end of the whole audio (1 s beyond it) takes its place; a key at the playhead itself is
    neither before nor after it.

    Args:
        given: What is given.
        clock: Audio time to scene frames.
        playhead: Current scene frame.
        audio_seconds: Length of the recording.

    Raises:
        InputError: The playhead is outside the whole audio with no given key beyond it.
    """
    whole = clock.frame_span(whole_audio(audio_seconds))
    frames = given.key_frames()
    before, after = frames[frames < playhead - 1e-4], frames[frames > playhead + 1e-4]
    start = float(before[-1]) if len(before) else whole.start
    end = float(after[0]) if len(after) else whole.end
    if not start < end:
        raise InputError(
            f"The playhead at frame {playhead:g} is outside the audio, which spans frames {whole.start:.1f} to "
            f"{whole.end:.1f}.",
            "Move the playhead into the audio.",
        )
    return clock.second_span(Span(start, end))


def selected_keys(frames: FloatArray, clock: AudioClock) -> Span:
    """From the first to the last selected key.

    Args:
        frames: Scene frames of the selected keys of all mapped curves.
        clock: Audio time to scene frames.

    Raises:
        InputError: Fewer than two different times are selected.
    """
    if not len(frames) or float(np.ptp(frames)) < 1.0:
        raise InputError(
            "The selected keys span less than a frame.", "Select keys at two different times on the head's channels."
        )
    return clock.second_span(Span(float(np.min(frames)), float(np.max(frames))))


def preview(first: float, last: float, clock: AudioClock) -> Span:
    """The scene's preview range, given in scene frames."""
    return clock.second_span(Span(first, last))


def find_pauses(samples: NDArray[np.floating], rate: float) -> list[Span]:
    """Pauses of a recording, in order: quiet stretches of at least MIN_PAUSE.

    Loudness is measured every 10 ms; quiet is what lies in the lower 30% between the recording's quiet and loud, in
    dB, or 35 dB below the loud.

    Args:
        samples: (S,) or (S, channels) amplitudes.
        rate: Samples a second.

    Returns:
        Spans of seconds; one that starts at 0 or ends at the audio's end is among them.
    """
    loudness = _loudness(samples, rate)
    if not len(loudness):
        return []
    quiet_db, loud_db = np.percentile(loudness, [5, 95])
    if loud_db - quiet_db < _MIN_CONTRAST:
        return []
    is_quiet = loudness < max(quiet_db + 0.3 * (loud_db - quiet_db), loud_db - _RANGE_DB)
    is_quiet = _without_short(is_quiet, value=False, length=_MIN_SOUND)
    is_quiet = _without_short(is_quiet, value=True, length=MIN_PAUSE)
    return [Span(first * _HOP, min(last * _HOP, len(samples) / rate)) for first, last in _stretches(is_quiet)]


def phrase_at(pauses: Sequence[Span], clock: AudioClock, playhead: float, audio_seconds: float) -> Span:
    """The phrase at the playhead: from the middle of the pause before it to the middle of the pause after.

    A playhead within a pause takes the phrase that is nearer. The first phrase starts, and the last ends, up to 1 s
    beyond the audio.

    Args:
        pauses: What `find_pauses` returned.
        clock: Audio time to scene frames.
        playhead: Current scene frame.
        audio_seconds: Length of the recording.
    """
    whole = whole_audio(audio_seconds)
    inner = [pause for pause in pauses if pause.start > 0.0 and pause.end < audio_seconds - _HOP]
    cuts = [whole.start, *((pause.start + pause.end) / 2 for pause in inner), whole.end]
    second = min(max(clock.second(playhead), whole.start), whole.end)
    number = max(0, min(int(np.searchsorted(cuts, second, side="right")) - 1, len(cuts) - 2))
    return Span(cuts[number], cuts[number + 1])


def _loudness(samples: NDArray[np.floating], rate: float) -> FloatArray:
    """RMS in dB of each 10 ms of a recording, all its channels together; the rest at the end counts as one more."""
    if not np.size(samples):
        return np.zeros(0)
    power = np.square(np.asarray(samples, np.float64).reshape(len(samples), -1)).mean(axis=1)
    edges = np.round(np.arange(0, len(power), _HOP * rate)).astype(np.int64)
    sums = np.add.reduceat(power, edges)
    counts = np.diff(np.append(edges, len(power)))
    return np.asarray(10 * np.log10(sums / counts + 1e-10), np.float64)


def _stretches(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First index and index after the last of each run of true flags."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _without_short(flags: NDArray[np.bool_], *, value: bool, length: float) -> NDArray[np.bool_]:
    """Flags with runs of a value that are shorter than a length in seconds turned over."""
    result = flags.copy()
    for first, last in _stretches(flags == value):
        if (last - first) * _HOP < length - 1e-9:
            result[first:last] = not value
    return result
