# SPDX-License-Identifier: GPL-3.0-or-later
"""Same key or another one: tolerances and matching by time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

VALUE_TOLERANCE = 1e-6
FRAME_TOLERANCE = 1e-3  # frames; float32 resolves no better at frame 10000


def nearest_frames(frames: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.int64]:
    """Index of the key in `others` (ascending) at the same frame up to FRAME_TOLERANCE, -1 where there is none."""
    if not len(others):
        return np.full(len(frames), -1, np.int64)
    right = np.clip(np.searchsorted(others, frames), 0, len(others) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(others[left] - frames) <= np.abs(others[right] - frames), left, right)
    return np.where(np.abs(others[nearest] - frames) <= FRAME_TOLERANCE, nearest, -1).astype(np.int64)
