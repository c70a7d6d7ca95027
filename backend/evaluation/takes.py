# SPDX-License-Identifier: GPL-3.0-or-later
"""How much the takes of one request differ.

Standard deviations are those of the takes themselves (divided by K, not K - 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import Rotation

from ..errors import ShapeError


def take_difference_mean(tracks: ArrayLike) -> float:
    """Standard deviation between takes, of each channel and frame, averaged: mean over n, c of sd over k of x[k, n, c].

    Args:
        tracks: (K, N, C) or, for a single quantity such as the lip gap in mm, (K, N); two takes or more.

    Returns:
        In the unit of `tracks`; channels are weights and, of the neck, rad.

    Raises:
        ShapeError: There are fewer than two takes, or no frames.
    """
    takes = np.asarray(tracks, np.float64)
    if takes.ndim not in (2, 3) or len(takes) < 2 or not takes.size:
        raise ShapeError(f"Takes of shape {takes.shape} cannot be compared: two or more of one length are needed.")
    return float(takes.std(axis=0).mean())


def neck_difference_degrees(head_rotation: ArrayLike) -> float:
    """Standard deviation between takes of the neck: RMS angle from the takes' mean rotation, averaged over frames.

    Args:
        head_rotation: (K, N, 3) axis-angle, rad; two takes or more.

    Returns:
        Degrees.

    Raises:
        ShapeError: There are fewer than two takes, or the shape is another.
    """
    takes = np.asarray(head_rotation, np.float64)
    if takes.ndim != 3 or takes.shape[2] != 3 or len(takes) < 2 or not takes.size:
        raise ShapeError(f"Rotations of shape {takes.shape} cannot be compared: (K, N, 3) with K > 1 is meant.")
    squares = [_mean_square_angle(takes[:, n]) for n in range(takes.shape[1])]
    return float(np.degrees(np.sqrt(squares)).mean())


def _mean_square_angle(rotations: ArrayLike) -> float:
    """Mean squared angle in rad^2 of rotations (K, 3) from their mean."""
    rotation = Rotation.from_rotvec(rotations)
    return float(np.mean((rotation.mean().inv() * rotation).magnitude() ** 2))
