# SPDX-License-Identifier: GPL-3.0-or-later
"""Bends motion at model frames through given values that stand between them.

Imputation places a given value on the nearest model frame. Read between its frames by straight lines, the motion then
misses a value at a sub-frame time by a little; here it is bent smoothly, within WIDTH frames, until it does not.
(In Blender the add-on bends the scene's own frames; this is for results that are used without it.)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..protocol import MODEL_FPS
from .given import GivenValues

WIDTH = 4.5  # frames, 0.15 s
_NEGLIGIBLE = 1e-7

Floats = NDArray[np.float64]


def bend_through(channels: NDArray[np.float32], given: GivenValues) -> None:
    """Bend motion, in place, so that straight lines between its frames pass through every given value.

    Args:
        channels: (K, N, C), the first frame at time 0. A value after the last frame is given to that frame.
        given: Values inside the recording.
    """
    positions = np.minimum(given.times * MODEL_FPS, channels.shape[1] - 1)
    for channel in np.unique(given.channels):
        own = np.flatnonzero(given.channels == channel)
        own = own[np.argsort(positions[own], kind="stable")]
        breaks = np.flatnonzero(np.diff(positions[own]) > 2.0 * WIDTH + 1.0) + 1
        for cluster in np.split(own, breaks):
            _bend_cluster(channels[:, :, channel], positions[cluster], given.values[cluster])


def _bend_cluster(track: NDArray[np.float32], positions: Floats, values: NDArray[np.float32]) -> None:
    """Bend tracks (K, N) through values (G,) at frame positions (G,) that are near each other.

    The bend is a sum of smooth bumps, one at each value, whose heights solve a small linear system: with the reading
    L (G, M) and a positive definite kernel K (M, M) it is K L^T h, and L K L^T h is what was missing.
    """
    first = max(0, int(np.floor(positions[0] - WIDTH)))
    frames = np.arange(first, min(track.shape[1], int(np.ceil(positions[-1] + WIDTH)) + 1))
    reading = _straight_lines(positions, frames)  # (G, M)
    missing = values - track[:, frames] @ reading.T  # (K, G)
    if np.abs(missing).max() < _NEGLIGIBLE:
        return
    bumps = reading @ _kernel(frames)  # (G, M)
    heights = np.linalg.lstsq(bumps @ reading.T, missing.T, rcond=1e-10)[0]  # (G, K)
    track[:, frames] += (heights.T @ bumps).astype(np.float32)


def _straight_lines(positions: Floats, frames: NDArray[np.int64]) -> Floats:
    """Weights (G, M) with which reading at each position takes in the frames."""
    weights: Floats = np.clip(1.0 - np.abs(positions[:, None] - frames[None, :]), 0.0, 1.0)
    return weights


def _kernel(frames: NDArray[np.int64]) -> Floats:
    """Wendland's function (1 - r)^4 (4 r + 1) of the distances between frames over WIDTH, (M, M)."""
    distance = np.minimum(np.abs(frames[:, None] - frames[None, :]) / WIDTH, 1.0)
    kernel: Floats = (1.0 - distance) ** 4 * (4.0 * distance + 1.0)
    return kernel
