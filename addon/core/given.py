# SPDX-License-Identifier: GPL-3.0-or-later
"""Given values by channel, and as the arrays of a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import InputError
from .curves import Evaluate
from .keys import KeyState
from .timing import AudioClock, FloatArray, Span


class NothingFreeError(InputError):
    """Everything in the range is given; the sentence names what holds it."""

    code = "nothing_free"


@dataclass(frozen=True)
class GivenChannel:
    """What is given on one channel.

    Attributes:
        channel: Its name.
        frames: (G,) scene frames of its given keys (for the neck: of any component's), ascending, distinct.
        values: (G,) channel values there.
        held: Spans of frames in which every frame is given: moving holds, constant keys, locked spans.
        obstacle: Why all of it is given ("driver", "constraint", "muted curve", "locked curve"); empty if it is not.
        evaluate: Channel values (F,) at any frames, as they stand (within `held`: as they are held).
    """

    channel: str
    frames: FloatArray
    values: FloatArray
    held: tuple[Span, ...]
    obstacle: str
    evaluate: Evaluate


@dataclass(frozen=True)
class Given:
    """Everything that is given, by channel; a channel that is absent is not mapped.

    Attributes:
        channels: Channel name -> what is given there.
    """

    channels: Mapping[str, GivenChannel]

    def key_frames(self, channels: Iterable[str] | None = None) -> FloatArray:
        """Distinct frames of the given keys of some channels (of all if None), ascending."""
        raise NotImplementedError


def collect(state: KeyState) -> Given:
    """Given values of all curves.

    The neck rotation is one group: a key on any component gives all three channels at its time, as they evaluate.

    Args:
        state: Classified and decided keys.
    """
    raise NotImplementedError


def check_free(given: Given, channels: Iterable[str], frames: Span) -> None:
    """Refuse a range in which nothing is free.

    Args:
        given: What is given.
        channels: Channels that are to be generated.
        frames: The range, scene frames.

    Raises:
        NothingFreeError: No channel has a free frame; the sentence names the keys, drivers or locks that hold them.
    """
    raise NotImplementedError


@dataclass(frozen=True)
class RequestValues:
    """Arrays of a `generate` request.

    Attributes:
        times: (G,) float64 s, audio time.
        channels: (G,) int32 indices into CHANNEL_NAMES.
        values: (G,) float32.
        is_key: (G,) bool: a given key, not a dense value (context, a left-out part, a hold, a driver).
    """

    times: FloatArray
    channels: NDArray[np.int32]
    values: NDArray[np.float32]
    is_key: NDArray[np.bool_]


def request_values(
    given: Given, clock: AudioClock, span: Span, parts: Iterable[str], context: Iterable[Span] = ()
) -> RequestValues:
    """Given values of a request.

    All given keys of the scene are sent, wherever they are, so that a take does not depend on its range. Channels of
    left-out parts, and those with an obstacle, are dense, one value a model frame, as far around the range as the
    backend's windows reach; holds are dense within their spans.

    Args:
        given: What is given.
        clock: Audio time to scene frames.
        span: The range to generate, s.
        parts: Parts that are generated; the others are context.
        context: Spans of seconds beside the range whose present curves the result shall continue (dense, up to
            CONTEXT_SECONDS from the range): where another take or other animation stands. Give none where the same
            take stands there (Update Take), since it continues itself.
    """
    raise NotImplementedError
