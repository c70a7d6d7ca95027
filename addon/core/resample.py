# SPDX-License-Identifier: GPL-3.0-or-later
"""From the model's 30 fps to scene frames of any rate and phase, lip closures surviving.

Between samples a channel follows the cubic Hermite interpolant with fourth-order slopes under the M3-A limits of
H. T. Huynh, "Accurate Monotone Cubic Interpolation" (SIAM J. Numer. Anal. 30, 1993): flat stretches stay flat and
monotone ones monotone, so that nothing shoots over a held value, while a smooth peak between two samples is kept.
Where scene frames fall on model frames the result is the samples themselves.

A closure that would fall between two scene frames is moved onto the nearer one: the mouth is read at slightly other
times there (by at most half a scene frame, easing back to none within 0.1 s), all its channels together, so that the
pose of the closure is whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...backend.protocol import MODEL_FPS
from .steps import Steps
from .timing import FloatArray

_AT_A_TIME = 200_000  # samples that are read before a window may go on
_EASE = 0.1 * MODEL_FPS  # model frames within which a moved closure's surroundings are in time again


@dataclass(frozen=True)
class Closure:
    """A run of closed model frames.

    Attributes:
        first: Position of its first well closed frame, in frames from the track's first.
        last: Position of its last one.
    """

    first: int
    last: int


def interpolate(values: FloatArray, positions: FloatArray) -> FloatArray:
    """Read a track between its samples.

    Args:
        values: (N, C), N >= 1.
        positions: (F,) in frames from the first sample; beyond the ends the end samples hold.

    Returns:
        (F, C).
    """
    if len(values) == 1:
        return np.repeat(values, len(positions), axis=0)
    at = np.clip(positions, 0.0, len(values) - 1.0)
    left = np.minimum(at.astype(np.int64), len(values) - 2)
    x = (at - left)[:, None]
    slopes = _limited_slopes(values)
    a, b, da, db = values[left], values[left + 1], slopes[left], slopes[left + 1]
    rise = b - a
    return np.asarray(a + x * (da + x * (3 * rise - 2 * da - db + x * (da + db - 2 * rise))), np.float64)


def interpolating(values: FloatArray, positions: FloatArray) -> Steps[FloatArray]:
    """`interpolate`, some channels at a time."""
    count = max(1, _AT_A_TIME // max(1, len(values) + len(positions)))
    pieces = []
    for first in range(0, values.shape[1], count):
        pieces.append(interpolate(values[:, first : first + count], positions))
        yield False
    return np.concatenate(pieces, axis=1) if pieces else np.zeros((len(positions), 0))


def find_closures(opening: FloatArray, threshold: float) -> list[Closure]:
    """Closures of a track.

    Args:
        opening: (N,) mm over the neutral gap.
        threshold: Below it the lips are closed.

    Returns:
        One a run of closed frames, narrowed to those that close at least halfway between threshold and the run's
        least opening, where the contact is.
    """
    closures = []
    edges = np.flatnonzero(np.diff(np.concatenate([[False], opening < threshold, [False]]).astype(np.int8)))
    for first, end in edges.reshape(-1, 2):
        run = opening[first:end]
        deep = np.flatnonzero(run <= (run.min() + threshold) / 2)
        closures.append(Closure(int(first + deep[0]), int(first + deep[-1])))
    return closures


def meet_closures(positions: FloatArray, closures: list[Closure]) -> FloatArray:
    """Move reading positions so that each closure is read at one of them at least.

    Args:
        positions: (F,) equally spaced reading positions, in frames of the track.
        closures: In order.

    Returns:
        (F,) ascending positions; those within a closure's reach changed by at most half their spacing.
    """
    anchors = [anchor for closure in closures for anchor in _anchors(positions, closure)]
    if not any(shift for _, shift in anchors):
        return positions
    step = float(positions[1] - positions[0]) if len(positions) > 1 else 1.0
    reach = max(_EASE, 2 * step)
    knots: list[tuple[float, float]] = []
    for place, shift in anchors:
        if not knots or place - knots[-1][0] > 2 * reach:
            knots += [(knots[-1][0] + reach, 0.0)] if knots else []
            knots += [(place - reach, 0.0)]
        knots.append((place, shift))
    knots.append((anchors[-1][0] + reach, 0.0))
    places, shifts = zip(*knots, strict=True)
    return np.asarray(positions + np.interp(positions, places, shifts), np.float64)


def closed_positions(positions: FloatArray, closures: list[Closure]) -> NDArray[np.bool_]:
    """(F,) which reading positions lie within a closure."""
    closed = np.zeros(len(positions), bool)
    for closure in closures:
        closed |= (positions >= closure.first - 1e-6) & (positions <= closure.last + 1e-6)
    return closed


def _anchors(positions: FloatArray, closure: Closure) -> list[tuple[float, float]]:
    """Positions that must be read within a closure, each with its way there: those inside, else the nearest one."""
    inside = positions[closed_positions(positions, [closure])]
    if len(inside):
        return [(float(place), 0.0) for place in inside]
    if not len(positions) or closure.last < positions[0] or closure.first > positions[-1]:
        return []
    place = float(positions[np.argmin(np.abs(positions - (closure.first + closure.last) / 2))])
    target = closure.first if place < closure.first else closure.last
    return [(place, target - place)]


def _limited_slopes(values: FloatArray) -> FloatArray:
    """(N, C) slopes a frame: fourth-order central differences under the limits M3-A; N >= 2."""
    padded = np.concatenate(
        [
            3 * values[:1] - 2 * values[1:2],
            2 * values[:1] - values[1:2],
            values,
            2 * values[-1:] - values[-2:-1],
            3 * values[-1:] - 2 * values[-2:-1],
        ]
    )
    slopes = (8 * (padded[3:-1] - padded[1:-3]) - (padded[4:] - padded[:-4])) / 12
    steps = np.diff(padded, axis=0)  # steps[i + 1] leads from sample i - 1 to i
    bends = np.diff(steps, axis=0) / 2
    shared = _minmod(bends[:-1], bends[1:])
    before, after = steps[1:-2], steps[2:-1]
    smooth = _minmod(before + shared[:-1], after - shared[1:])
    limit = np.maximum(3 * np.abs(_minmod(before, after)), 1.5 * np.abs(smooth))
    return _minmod(slopes, np.sign(smooth) * limit)


def _minmod(a: FloatArray, b: FloatArray) -> FloatArray:
    """The one nearer to 0 where both have one sign, else 0."""
    return np.asarray(np.where(a * b > 0, np.sign(a) * np.minimum(np.abs(a), np.abs(b)), 0.0), np.float64)
