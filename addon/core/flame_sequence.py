# SPDX-License-Identifier: GPL-3.0-or-later
"""A performance of a FLAME head as parameters, and the file in which Retake writes it.

The file is an .npz under the names of `smplx`, so that its arrays can be given to that package as they are: `betas`
(S,), `expression` (N, E), `global_orient`, `neck_pose`, `jaw_pose`, `leye_pose`, `reye_pose` (N, 3) axis-angle in rad,
each relative to its parent, `transl` (N, 3) in m; beside them `fps` and `model`, the name of the head. Model axes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import InputError, ShapeError
from ...backend.protocol import JOINT_NAMES
from .resample import interpolate, interpolating
from .rotations import resampled
from .steps import finish
from .whole_file import writing

FloatArray = NDArray[np.float64]

POSES: Mapping[str, str] = MappingProxyType(
    dict(zip(("global_orient", "neck_pose", "jaw_pose", "leye_pose", "reye_pose"), JOINT_NAMES, strict=True))
)
"""Name in the file -> joint that it turns, in FLAME's order."""

_LONGEST = 2 * 3600.0  # s
_ON_A_FRAME = 1e-4  # frames; a position this near to a frame is that frame's


@dataclass(frozen=True)
class FlameSequence:
    """Parameters of N frames.

    Attributes:
        expression: (N, E).
        poses: Joint -> (N, 3) axis-angle in rad, relative to its parent; those that are missing are not told.
        identity: (S,); empty where it is not told.
        translation: (N, 3) m, None where it is not told.
        fps: Frames a second, None where it is not told.
        model: Name of the head; empty where it is not told.
        left_out: What the file holds beside.
    """

    expression: FloatArray
    poses: Mapping[str, FloatArray] = field(default_factory=dict)
    identity: FloatArray = field(default_factory=lambda: np.zeros(0))
    translation: FloatArray | None = None
    fps: float | None = None
    model: str = ""
    left_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        frames = len(self.expression)
        parts = {**self.poses, "translation": self.translation}
        for name, values in parts.items():
            if values is not None and values.shape != (frames, 3):
                raise ShapeError(f"'{name}' has the shape {values.shape} where ({frames}, 3) belongs.")

    def at(self, fps: float, own_fps: float) -> FlameSequence:
        """The same at another frame rate; at equal rates frame by frame the same numbers.

        Args:
            fps: Wanted frames a second.
            own_fps: Frames a second of the sequence.

        Raises:
            InputError: It lasts for hours.
        """
        last = len(self.expression) - 1
        if last / own_fps > _LONGEST:
            raise InputError(
                f"The performance lasts {last / own_fps / 3600.0:.1f} hours at {own_fps:g} frames a second.",
                "Set the rate at which it was recorded, or cut it.",
            )
        count = math.floor(last / own_fps * fps + _ON_A_FRAME) + 1
        places = np.minimum(np.arange(count) * (own_fps / fps), last)
        whole = np.round(places)
        places = np.where(np.abs(places - whole) < _ON_A_FRAME, whole, places)
        return FlameSequence(
            finish(interpolating(self.expression, places)),
            {joint: resampled(turns, places) for joint, turns in self.poses.items()},
            self.identity,
            None if self.translation is None else interpolate(self.translation, places),
            fps,
            self.model,
            self.left_out,
        )


def write_sequence(path: Path, sequence: FlameSequence) -> None:
    """Write a performance; joints and a place that it does not tell are at rest.

    Raises:
        OutputError: The file cannot be written.
    """
    rest = np.zeros((len(sequence.expression), 3))
    arrays: dict[str, Any] = {name: sequence.poses.get(joint, rest) for name, joint in POSES.items()}
    arrays["transl"] = rest if sequence.translation is None else sequence.translation
    arrays |= {"betas": sequence.identity, "expression": sequence.expression}
    arrays = {name: np.asarray(array, np.float32) for name, array in arrays.items()}
    arrays |= {"fps": np.float64(sequence.fps or 0.0), "model": np.array(sequence.model)}
    with writing(path) as part, part.open("wb") as file:
        np.savez(file, **arrays)
