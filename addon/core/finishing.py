# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator changes of a take without generating: how strong each part is, how smooth, and the mouth's lead.

Closures of the lips stay as the take has them at any setting; given values are met afterwards, by bending.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ...backend.protocol import MODEL_FPS
from .blinks import change_blinks, change_gaze
from .timing import FloatArray, Span

WIDEST = 0.08 * MODEL_FPS  # model frames; standard deviation of the smoothing at 1
_LEAST = 0.1  # model frames; a smaller deviation would change nothing
_EASE = 3  # model frames within which a closure's surroundings come back to the take


@dataclass(frozen=True)
class Finishing:
    """Settings by part; what is not named is left as it is.

    Attributes:
        strength: Part -> factor on its motion, from rest; 1 is as generated.
        smoothing: Part -> 0 (none) to 1.
        lead: Scene frames by which the mouth comes earlier; negative: later.
        blinks: Blinks for each one of the take, 0 to 2; 1 is as generated.
        gaze: Factor on the darts of the eyes; 1 is as generated.
        quiet: Spans of audio time without blinks, s.
    """

    strength: Mapping[str, float] = field(default_factory=dict)
    smoothing: Mapping[str, float] = field(default_factory=dict)
    lead: float = 0.0
    blinks: float = 1.0
    gaze: float = 1.0
    quiet: tuple[Span, ...] = ()

    def changes(self, part: str) -> bool:
        """Whether values of a part are changed."""
        return self.strength.get(part, 1.0) != 1.0 or self.smoothing.get(part, 0.0) > 0.0

    def shift(self, part: str, fps: float) -> float:
        """Model frames by which a part is read later than it plays."""
        return self.lead / fps * MODEL_FPS if part == "mouth" else 0.0

    def apply_eyes(self, values: FloatArray, names: Sequence[str], start_frame: int) -> FloatArray:
        """Change the blinks and the gaze of the part `eyes`, then its motion as that of any part.

        Args:
            values: (N, C) at the model's rate.
            names: (C,) its channels.
            start_frame: Model frame of the first row.

        Returns:
            (N, C).
        """
        lids = [column for column, name in enumerate(names) if name.startswith("eyeBlink")]
        looks = [column for column, name in enumerate(names) if name.startswith("eyeLook")]
        if self.blinks != 1.0 or self.quiet or self.gaze != 1.0:
            values = values.copy()
        if lids and (self.blinks != 1.0 or self.quiet):
            values[:, lids] = change_blinks(values[:, lids], self.blinks, self.quiet, start_frame)
        if looks and self.gaze != 1.0:
            values[:, looks] = change_gaze(values[:, looks], self.gaze)
        return self.apply("eyes", values)

    def apply(self, part: str, values: FloatArray, closed: NDArray[np.bool_] | None = None) -> FloatArray:
        """Change a part's motion.

        Args:
            part: Which.
            values: (N, C) at the model's rate; 0 is rest.
            closed: (N,) where the lips close; None where none do.

        Returns:
            (N, C).
        """
        if not self.changes(part):
            return values
        changed = smoothed(values, self.smoothing.get(part, 0.0) * WIDEST) * self.strength.get(part, 1.0)
        if closed is None or not closed.any():
            return changed
        kept = closeness(closed)[:, None]
        return np.asarray(changed + kept * (values - changed), np.float64)


def smoothed(values: FloatArray, deviation: float) -> FloatArray:
    """Gaussian mean over time of (N, C), the ends held; `deviation` in frames."""
    if deviation < _LEAST or len(values) < 2:
        return values
    half = int(np.ceil(3.0 * deviation))
    weights = np.exp(-0.5 * (np.arange(-half, half + 1) / deviation) ** 2)
    weights /= weights.sum()
    padded = np.concatenate([np.repeat(values[:1], half, 0), values, np.repeat(values[-1:], half, 0)])
    return np.stack([np.convolve(column, weights, "valid") for column in padded.T], axis=1)


def closeness(closed: NDArray[np.bool_]) -> FloatArray:
    """(N,) 1 where the lips close, falling to 0 within a few frames beside."""
    near = np.zeros(len(closed))
    for away in range(_EASE, -1, -1):
        weight = 0.5 + 0.5 * np.cos(np.pi * away / (_EASE + 1))
        for shifted in {away, -away}:
            moved = np.roll(closed, shifted)
            if shifted > 0:
                moved[:shifted] = False
            elif shifted < 0:
                moved[shifted:] = False
            near = np.maximum(near, weight * moved)
    return near
