# SPDX-License-Identifier: GPL-3.0-or-later
"""The range of a generation, in seconds of audio time (design.md, "Range")."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from .given import Given
from .timing import AudioClock, FloatArray, Span

MIN_PAUSE = 0.2  # s of quiet that separate two phrases


class RangeMode(Enum):
    """How the range is chosen."""

    NEIGHBOURS = "NEIGHBOURS"
    SELECTED = "SELECTED"
    PHRASE = "PHRASE"
    PREVIEW = "PREVIEW"
    AUDIO = "AUDIO"


def whole_audio(audio_seconds: float) -> Span:
    """The audio with 1 s of silence performed before and after."""
    raise NotImplementedError


def between_neighbours(given: Given, clock: AudioClock, playhead: float, audio_seconds: float) -> Span:
    """From the last given time on any channel before the playhead to the first after it.

    Where there is none, the end of the whole audio (1 s beyond it) takes its place; a key at the playhead itself is
    neither before nor after it.

    Args:
        given: What is given.
        clock: Audio time to scene frames.
        playhead: Current scene frame.
        audio_seconds: Length of the recording.
    """
    raise NotImplementedError


def selected_keys(frames: FloatArray, clock: AudioClock) -> Span:
    """From the first to the last selected key.

    Args:
        frames: Scene frames of the selected keys of all mapped curves.
        clock: Audio time to scene frames.

    Raises:
        InputError: Fewer than two different times are selected.
    """
    raise NotImplementedError


def preview(first: float, last: float, clock: AudioClock) -> Span:
    """The scene's preview range, given in scene frames."""
    raise NotImplementedError


def find_pauses(samples: NDArray[np.floating], rate: float) -> list[Span]:
    """Pauses of a recording, in order: quiet stretches of at least MIN_PAUSE.

    Args:
        samples: (S,) or (S, channels) amplitudes.
        rate: Samples a second.

    Returns:
        Spans of seconds; one that starts at 0 or ends at the audio's end is among them.
    """
    raise NotImplementedError


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
    raise NotImplementedError
