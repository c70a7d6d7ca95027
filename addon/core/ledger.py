# SPDX-License-Identifier: GPL-3.0-or-later
"""What Retake last wrote: the only way to see that an animator re-keyed a GENERATED key.

The ledger holds every key of every mapped curve as it stood right after the last write, given keys included, so that
changed, moved, deleted and handed-over keys can all be told apart (design.md, "Given values").
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .matching import VALUE_TOLERANCE, nearest_frames

FloatArray32 = NDArray[np.float32]


@dataclass(frozen=True)
class WrittenCurve:
    """The keys of one curve as they stood after the last write.

    Attributes:
        frames: (K,) scene frames, ascending, as Blender holds them (float32).
        values: (K,) raw values (float32).
        types: (K,) KeyType numbers.
    """

    frames: FloatArray32
    values: FloatArray32
    types: NDArray[np.uint8]

    def holds(self, frames: NDArray[np.floating], values: NDArray[np.floating]) -> NDArray[np.bool_]:
        """(K,) which of some keys (K,), (K,) stand at the frame and value of one that stood then."""
        match = nearest_frames(frames, self.frames)
        if not len(self.frames):
            return match >= 0
        apart = np.abs(values - self.values[np.maximum(match, 0)])
        return np.asarray((match >= 0) & (apart <= VALUE_TOLERANCE), np.bool_)

    def tells(self, frames: NDArray[np.floating], values: NDArray[np.floating]) -> bool:
        """Whether most of some keys (K,), (K,) stand as they stood then: the curve is this one, whatever its name."""
        return 2 * int(self.holds(frames, values).sum()) > len(frames)


@dataclass
class Ledger:
    """Curve id -> what stood there after the last write. Curves that Retake never wrote are absent.

    Attributes:
        curves: The record.
    """

    curves: dict[str, WrittenCurve] = field(default_factory=dict)

    def record(
        self, curve_id: str, frames: NDArray[np.floating], values: NDArray[np.floating], types: NDArray[np.integer]
    ) -> None:
        """Remember a curve as it stands now: read it back after writing and pass every key, given ones too.

        Args:
            curve_id: As in `CurveKeys`.
            frames: (K,) scene frames.
            values: (K,) raw values.
            types: (K,) KeyType numbers.
        """
        order = np.argsort(frames, kind="stable")
        self.curves[curve_id] = WrittenCurve(
            np.asarray(frames, np.float32)[order],
            np.asarray(values, np.float32)[order],
            np.asarray(types, np.uint8)[order],
        )

    def forget(self, curve_id: str) -> None:
        """Drop a curve that no longer exists; its GENERATED keys count as ours again."""
        self.curves.pop(curve_id, None)
