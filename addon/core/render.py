# SPDX-License-Identifier: GPL-3.0-or-later
"""From the comp to the keys to write: resampling, joins, closures and bends onto given values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .channels import LipModel
from .curves import Evaluate
from .given import Given
from .takes import Library
from .timing import AudioClock, FloatArray, Span


@dataclass(frozen=True)
class ChannelPlan:
    """What to write on one channel.

    Within `rewrite` the scene removes every key that is not given (KeyState tells), then writes these. Outside it
    nothing is touched.

    Attributes:
        channel: Its name; the neck's three channels have the same frames.
        rewrite: Spans of scene frames, ends included, whose generated keys are replaced.
        frames: (K,) scene frames of the keys to write, type GENERATED: whole frames, none within half a frame of a
            given key; for the neck also the exact times of given keys, where a component may lack its own key
            (write it only on the components that do, so that the whole rotation is met).
        values: (K,) channel values.
        restore: Spans of scene frames where Take 0 plays: the keys of `Library.original` there come back.
    """

    channel: str
    rewrite: tuple[Span, ...]
    frames: FloatArray
    values: FloatArray
    restore: tuple[Span, ...]


def render(
    library: Library,
    clock: AudioClock,
    given: Given,
    outside: Mapping[str, Evaluate],
    lips: LipModel,
    parts: Iterable[str] | None = None,
) -> dict[str, ChannelPlan]:
    """Render the comp at the scene's frame rate.

    Args:
        library: Takes and comp.
        clock: Audio time to scene frames.
        given: What is given now; takes are bent onto it, stale ones too.
        outside: Channel -> its values (F,) at scene frames where Retake writes nothing: the present curve beside the
            ranges, the original one where Take 0 plays. The result joins it without a pop.
        lips: What closes the mouth.
        parts: Parts to render; all if None.

    Returns:
        A plan a channel that is mapped (present in `given`), may be written, and has an entry in the comp.
    """
    raise NotImplementedError
