# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixed windows on absolute time, so that a take does not depend on the range that was asked for.

The frames of a recording, with PADDING before and after, are cut into cores of about CORE frames, in a way that its
length alone determines. Each core is computed with MARGIN frames of context on either side, trimmed at the padded
ends, and neighbours are crossfaded over FADE frames around their boundary. Whenever a range touches a window, the
window is computed whole: what it contains depends on the recording and its index alone. Beyond the padded ends
further cores of silence follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

CORE = 240
MARGIN = 48
FADE = 16
PADDING = 40  # the usual range, 1 s past the ends, stays clear of the fade around them
_PHASE = 16  # windows start at multiples of it: they see the networks' strides in the same phase


@dataclass(frozen=True)
class Window:
    """Frames start to stop - 1, absolute, that are computed together."""

    start: int
    stop: int
    core_start: int
    core_stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def weights(self) -> NDArray[np.float32]:
        """Share of this window in each of its frames, (len(self),) in [0, 1]; all windows' shares sum to 1."""
        frames = np.arange(self.start, self.stop)
        return (_ramp(frames, self.core_start) * (1.0 - _ramp(frames, self.core_stop))).astype(np.float32)


def windows_for(frame_count: int, start: int, stop: int) -> list[Window]:
    """Windows that contribute to the frames start to stop - 1.

    Args:
        frame_count: N, model frames of the recording.
        start: First absolute frame, may be negative.
        stop: The frame after the last.

    Returns:
        The windows in order.
    """
    first, last = -PADDING, frame_count + PADDING
    inner = [first, *_cuts(frame_count), last]
    before = [first - CORE * index for index in range(_cores_beyond(first - start), 0, -1)]
    after = [last + CORE * index for index in range(1, _cores_beyond(stop - last) + 1)]
    boundaries = before + inner + after
    windows = (_window(core_start, core_stop, first, last) for core_start, core_stop in pairwise(boundaries))
    reach = FADE // 2
    return [one for one in windows if one.core_start - reach < stop and start < one.core_stop + reach]


def _cuts(frame_count: int) -> list[int]:
    """Boundaries of the cores inside a recording, equally far apart except for the last core."""
    count = max(1, round(frame_count / CORE))
    spacing = _PHASE * round(frame_count / count / _PHASE)
    return [spacing * index for index in range(1, count)]


def _cores_beyond(frames: int) -> int:
    """Cores needed past a padded end that a range passes by so many frames, the one that fades in included."""
    return max(0, -(-(frames + FADE // 2) // CORE))


def _window(core_start: int, core_stop: int, first: int, last: int) -> Window:
    """Window of a core; inside the recording it is trimmed at the padded ends, outside nothing trims it."""
    start, stop = core_start - MARGIN, core_stop + MARGIN
    if core_start >= first and core_stop <= last:
        # FADE / 2 frames past a padded end are kept, where the silence beyond fades in
        start, stop = max(start, first - FADE // 2), min(stop, last + FADE // 2)
    return Window(start, stop, core_start, core_stop)


def _ramp(frames: NDArray[np.int64], boundary: int) -> NDArray[np.float64]:
    """Smooth step from 0 to 1 over FADE frames around a boundary."""
    position = np.clip((frames + 0.5 - boundary) / FADE + 0.5, 0.0, 1.0)
    return position * position * (3.0 - 2.0 * position)
