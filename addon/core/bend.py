# SPDX-License-Identifier: GPL-3.0-or-later
"""Smooth bends of a track onto values it must meet.

Each anchor pulls the track by its residual through a kernel that is 1 at the anchor and 0 at its reach. The kernel is
made of two parabolas: of all kernels of a width it has the smallest largest second difference (4 residuals over the
reach squared), which is what `seam_ratio` measures, and two kernels that face each other between near anchors add up
to 1. No kernel reaches past another anchor, so every residual is met exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .timing import FloatArray

BEND_SECONDS = 0.15  # farthest a bend onto a given value reaches
HEAD_EASE_SECONDS = 0.6  # how long the head takes to leave, and to come back to, what stands beside a range
HEAD_SWING_SECONDS = 0.3  # how long it goes on turning as what stands beside the range turned


@dataclass(frozen=True)
class Anchor:
    """A place where the bent track must have a value.

    Attributes:
        frame: Its scene frame, not whole in general.
        residual: Wanted value minus the track's.
        left: Reach before it in frames; 0 bends nothing there.
        right: Reach after it.
        slope: Wanted slope minus the track's, a frame; met on the side(s) it reaches to.
        slope_reach: How far the slope's own bend reaches at most, frames.
    """

    frame: float
    residual: float
    left: float
    right: float
    slope: float = 0.0
    slope_reach: float = np.inf


def kernel(x: FloatArray) -> FloatArray:
    """1 at 0, 0 at 1 and beyond, slope 0 at both, curvature -4 then 4; x >= 0."""
    x = np.minimum(x, 1.0)
    return np.asarray(np.where(x < 0.5, 1 - 2 * x * x, 2 * (1 - x) ** 2), np.float64)


def slope_kernel(x: FloatArray) -> FloatArray:
    """0 at 0 with slope 1; 0 at 1 and beyond with slope 0; x >= 0."""
    x = np.minimum(x, 1.0)
    return np.asarray(x * (1 - x) ** 2, np.float64)


def bend(frames: FloatArray, anchors: Sequence[Anchor]) -> FloatArray:
    """What to add to a track so that it meets its anchors.

    Args:
        frames: (F,) ascending frames at which the track is known.
        anchors: In order of time; their reaches are cut at the neighbouring anchors.

    Returns:
        (F,) correction; at an anchor's own frame it equals the residual.
    """
    correction = np.zeros(len(frames))
    for anchor in separated(anchors):
        start, at, stop = frames.searchsorted((anchor.frame - anchor.left, anchor.frame, anchor.frame + anchor.right))
        after = at + int(at < len(frames) and frames[at] == anchor.frame)
        correction[at:after] += anchor.residual
        for near, side, reach in ((slice(start, at), -1.0, anchor.left), (slice(after, stop), 1.0, anchor.right)):
            if reach > 0:
                away = np.abs(frames[near] - anchor.frame)
                turning = min(reach, anchor.slope_reach)
                correction[near] += anchor.residual * kernel(away / reach)
                if anchor.slope and turning > 0:
                    correction[near] += anchor.slope * side * turning * slope_kernel(away / turning)
    return correction


def separated(anchors: Sequence[Anchor]) -> list[Anchor]:
    """The anchors with their reaches cut so that none reaches past another."""
    result = list(anchors)
    for number in range(1, len(result)):
        before, after = result[number - 1], result[number]
        gap = after.frame - before.frame
        if before.right > gap or after.left > gap:
            result[number - 1] = replace(before, right=min(before.right, gap))
            result[number] = replace(after, left=min(after.left, gap))
    return result
