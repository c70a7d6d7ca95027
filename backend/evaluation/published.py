# SPDX-License-Identifier: GPL-3.0-or-later
"""The measures that papers of this field print, so that figures can be set beside theirs (3DiFACE, Sec. 9.6).

Lips are the 20 lip landmarks (48 to 67 of the 68) of the built-in head, in mm; the papers take the lip region of
FLAME. The reference is the articulation teacher, where the papers have a captured performance. Frames are those of
the model, 30 a second.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import argrelmin
from scipy.spatial.transform import Rotation

from ..errors import ShapeError
from ..protocol import CONTROL_NAMES
from .lips import HEAD_FILE, read_head

Floats = NDArray[np.float64]

BEAT_SIGMA = 3.0  # frames, of Eq. 9
_LIP_LANDMARKS = slice(48, 68)
_SMOOTHING = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0  # of the head's speed, so that noise is no beat


@dataclass(frozen=True)
class LipVertices:
    """Where the lip landmarks of a head are, linear in the 52 controls."""

    neutral: Floats  # (20, 3) mm
    slope: Floats  # (52, 20, 3) mm a weight of 1

    @staticmethod
    def of_head(path: Path = HEAD_FILE) -> LipVertices:
        """Read the built-in head, or another of the same layout.

        Raises:
            RigError: The file is missing or lacks an array.
        """
        head = read_head(path)
        lips = head.landmarks68[_LIP_LANDMARKS]
        return LipVertices(head.vertices[lips], head.controls[:, lips])

    def __call__(self, channels: NDArray[np.floating]) -> Floats:
        """Positions (..., N, 20, 3), mm, of channels (..., N, 52 or more)."""
        moved = np.tensordot(channels[..., : len(CONTROL_NAMES)], self.slope, axes=1)
        positions: Floats = self.neutral + moved
        return positions


def lip_sync(lips: ArrayLike, reference: ArrayLike) -> float:
    """Lip-Sync: how far lips are from the reference's, each frame beside the one it fits best in order.

    Dynamic time warping (Sakoe and Chiba 1978, steps (1, 1), (1, 0), (0, 1)) of the cost
    c(n, m) = mean over vertices of |a[n, v] - b[m, v]|; the mean of c over the cheapest path (3DiFACE, Sec. 9.6, after
    Imitator; the papers do not say what they divide by).

    Args:
        lips: (N, V, 3) mm.
        reference: (M, V, 3) mm.

    Returns:
        mm a vertex and step; 0 where one is the other at any pace.

    Raises:
        ShapeError: The shapes disagree or there is no frame.
    """
    from librosa.sequence import dtw

    a, b = np.asarray(lips, np.float64), np.asarray(reference, np.float64)
    if a.ndim != 3 or a.shape[1:] != b.shape[1:] or not len(a) or not len(b):
        raise ShapeError(f"Lips of shape {a.shape} were compared with {b.shape}; (N, V, 3) and (M, V, 3) are meant.")
    cost = np.stack([np.linalg.norm(frame - b, axis=-1).mean(axis=-1) for frame in a])
    _, path = dtw(C=cost)
    return float(cost[path[:, 0], path[:, 1]].mean())


def diversity(motions: ArrayLike) -> float:
    """Div of Eq. 8: mean distance of all pairs of motions made for the same audio, 1 / L sum over i < j |m_i - m_j|.

    The norm is that of a frame, averaged over frames, where Eq. 8 leaves open whether long recordings count more.
    Div^L is this of lip vertices (K, N, 20, 3) in mm, Div^H of the neck's rotation (K, N, 3) in rad.

    Args:
        motions: (K, N, ...), two or more.

    Returns:
        In the unit of `motions`.

    Raises:
        ShapeError: There are fewer than two motions, or no frames.
    """
    made = np.asarray(motions, np.float64)
    if made.ndim < 3 or len(made) < 2 or not made.size:
        raise ShapeError(f"Motions of shape {made.shape} cannot be compared: two or more of one length are needed.")
    flat = made.reshape(*made.shape[:2], -1)  # (K, N, D)
    first, second = np.triu_indices(len(flat), k=1)
    return float(
        np.mean([np.linalg.norm(flat[i] - flat[j], axis=-1).mean() for i, j in zip(first, second, strict=True)])
    )


def head_beats(head_rotation: ArrayLike) -> NDArray[np.int64]:
    """Frames at which the head turns round or all but stops: the local minima of its angular speed, a little smoothed.

    A rest is none: its speed has no single smallest frame.

    Args:
        head_rotation: (N, 3) axis-angle, rad.

    Returns:
        Frames (beats,), between 2 and N - 3.

    Raises:
        ShapeError: The shape is another.
    """
    rotation = np.asarray(head_rotation, np.float64)
    if rotation.ndim != 2 or rotation.shape[1] != 3:
        raise ShapeError(f"Rotations of shape {rotation.shape} were given where (N, 3) is meant.")
    if len(rotation) < 5:
        return np.zeros(0, np.int64)
    turns = Rotation.from_rotvec(rotation)
    speed = (turns[:-2].inv() * turns[2:]).magnitude()  # about the frames 1 to N - 2
    smooth = np.convolve(np.pad(speed, 2, mode="edge"), _SMOOTHING, mode="valid")
    beats: NDArray[np.int64] = argrelmin(smooth)[0] + 1
    return beats


def beat_align(head_rotation: ArrayLike, reference: ArrayLike, sigma: float = BEAT_SIGMA) -> float:
    """Beat Align of Eq. 9: how near the head's beats come to each of the reference's.

    1 / |B_g| sum over t_g of exp(-min over t_p |t_p - t_g|^2 / (2 sigma^2)), with the beats of `head_beats`.

    Args:
        head_rotation: (N, 3) axis-angle, rad.
        reference: (M, 3), B_g is taken from it.
        sigma: Frames; 3 in the paper.

    Returns:
        0 to 1; 1 where every beat of the reference has one of the head's in its frame; NaN where it has none.

    Raises:
        ShapeError: A shape is not (N, 3).
    """
    made, wanted = head_beats(head_rotation), head_beats(reference)
    if not len(wanted):
        return float("nan")
    if not len(made):
        return 0.0
    nearest = np.abs(made[None, :] - wanted[:, None]).min(axis=1)
    return float(np.exp(-(nearest**2) / (2.0 * sigma**2)).mean())
