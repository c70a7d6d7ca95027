# SPDX-License-Identifier: GPL-3.0-or-later
"""How exactly and how smoothly takes pass through the animator's keys.

Channels are in the order of `protocol.CHANNEL_NAMES`; standard deviations are those of the channels on the teacher's
tracks. Channels that hardly move there (under `LEAST_SD`) are left out of what is told in standard deviations.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.transform import Rotation

from ..errors import ShapeError

LEAST_SD = 0.01  # weight or rad
_SEAM_PERCENTILE = 95.0

Floats = NDArray[np.float64]


def control_error(written: ArrayLike, given: ArrayLike) -> float:
    """Largest difference at given times of shape keys: max |written - given|.

    Args:
        written: Curves' values at the given times, any shape, weight.
        given: What was given there, same shape.

    Returns:
        Weight; 0 where nothing is given.

    Raises:
        ShapeError: The shapes disagree.
    """
    a, b = _alike(written, given)
    return float(np.abs(a - b).max(initial=0.0))


def rotation_error(written: ArrayLike, given: ArrayLike) -> float:
    """Largest difference at given times of the neck: the angle of written^-1 given.

    Args:
        written: Rotations that the curves make at the given times, (G, 3), axis-angle in rad.
        given: What was given there, same shape.

    Returns:
        Angle, rad, 0 to pi; 0 where nothing is given.

    Raises:
        ShapeError: The shapes disagree or are not (G, 3).
    """
    a, b = _alike(written, given)
    if a.ndim != 2 or a.shape[1] != 3:
        raise ShapeError(f"Rotations of shape {a.shape} were given where (G, 3) is meant.")
    if not len(a):
        return 0.0
    difference = Rotation.from_rotvec(a).inv() * Rotation.from_rotvec(b)
    return float(difference.magnitude().max())


def key_error_max(
    written_controls: ArrayLike, given_controls: ArrayLike, written_rotations: ArrayLike, given_rotations: ArrayLike
) -> float:
    """Largest error at a given time, on the curves as written: `control_error` and `rotation_error`, the larger.

    Args:
        written_controls: (G,) weight.
        given_controls: (G,) weight.
        written_rotations: (R, 3) axis-angle, rad.
        given_rotations: (R, 3) axis-angle, rad.

    Returns:
        Weight or rad.

    Raises:
        ShapeError: The shapes disagree.
    """
    return max(control_error(written_controls, given_controls), rotation_error(written_rotations, given_rotations))


def raw_sd(given_raw: ArrayLike, given_values: ArrayLike, given_channels: ArrayLike, channel_sd: ArrayLike) -> float:
    """How far the network itself misses given values: RMS of (raw - given) / sd.

    A model that honours the flag of given values predicts them before they are imputed; one that does not makes the
    motion pop there.

    Args:
        given_raw: The last network prediction before imputation at each given value, (K, G); NaN where its part was
            not generated, which is left out.
        given_values: (G,) weight or rad.
        given_channels: (G,) index of each value's channel.
        channel_sd: (C,) standard deviation of each channel on the teacher's tracks.

    Returns:
        Standard deviations; NaN where nothing that moves is given.

    Raises:
        ShapeError: The shapes disagree.
    """
    raw = np.asarray(given_raw, np.float64)
    values = np.asarray(given_values, np.float64)
    sd = np.asarray(channel_sd, np.float64)[np.asarray(given_channels, np.int64)]
    if raw.ndim != 2 or raw.shape[1:] != values.shape or sd.shape != values.shape:
        raise ShapeError(f"Predictions {raw.shape}, values {values.shape} and their channels {sd.shape} disagree.")
    moving = (sd >= LEAST_SD) & np.isfinite(raw).all(axis=0)
    if not moving.any():
        return float("nan")
    return float(np.sqrt(np.mean(((raw - values)[:, moving] / sd[moving]) ** 2)))


def second_difference_norm(channels: ArrayLike, channel_sd: ArrayLike) -> Floats:
    """Jerkiness of each frame: the norm over channels of x[n-1] - 2 x[n] + x[n+1], in standard deviations.

    Args:
        channels: (..., N, C) motion, N >= 3.
        channel_sd: (C,) standard deviation of each channel on the teacher's tracks.

    Returns:
        (..., N - 2), of the frames 1 to N - 2.

    Raises:
        ShapeError: The shapes disagree or there are fewer than three frames.
    """
    motion, sd = np.asarray(channels, np.float64), np.asarray(channel_sd, np.float64)
    if motion.ndim < 2 or motion.shape[-1:] != sd.shape or motion.shape[-2] < 3:
        raise ShapeError(f"Motion of shape {motion.shape} does not fit {len(sd)} channels and three frames or more.")
    moving = sd >= LEAST_SD
    scaled = motion[..., moving] / sd[moving]
    return np.asarray(np.linalg.norm(np.diff(scaled, n=2, axis=-2), axis=-1), np.float64)


def seam_reference(tracks: Sequence[ArrayLike], channel_sd: ArrayLike) -> float:
    """How jerky speech itself is: 95th percentile of `second_difference_norm` over the teacher's tracks.

    Args:
        tracks: Motions (N, C), each of its own length, at one frame rate.
        channel_sd: (C,) standard deviation of each channel on the teacher's tracks.

    Returns:
        Standard deviations a frame^2, at that frame rate.

    Raises:
        ShapeError: A track's shape does not fit.
    """
    norms = [second_difference_norm(track, channel_sd).ravel() for track in tracks]
    return float(np.percentile(np.concatenate(norms), _SEAM_PERCENTILE))


def seam_ratio(channels: ArrayLike, seams: ArrayLike, channel_sd: ArrayLike, reference: float) -> float:
    """How much jerkier the motion is where something was given than speech is.

    The 95th percentile of `second_difference_norm` over each seam and one frame either side, over `reference`.

    Args:
        channels: (K, N, C) takes.
        seams: (P,) frames of given keys and range edges, as indices into N; rounded; those without both neighbours
            are left out.
        channel_sd: (C,) standard deviation of each channel on the teacher's tracks.
        reference: `seam_reference` of the teacher's tracks of the same clip at the same frame rate.

    Returns:
        Ratio; 1 is as smooth as speech; NaN where there is no seam.

    Raises:
        ShapeError: The shapes disagree.
    """
    norms = seam_norms(channels, seams, channel_sd)
    return float(np.percentile(norms, _SEAM_PERCENTILE) / reference) if norms.size else float("nan")


def seam_norms(channels: ArrayLike, seams: ArrayLike, channel_sd: ArrayLike) -> Floats:
    """`second_difference_norm` at each seam and one frame either side, each frame once.

    Args:
        channels: (..., N, C) takes.
        seams: (P,) frames as indices into N; rounded; those without both neighbours are left out.
        channel_sd: (C,) standard deviation of each channel on the teacher's tracks.

    Returns:
        (..., frames), standard deviations a frame^2.

    Raises:
        ShapeError: The shapes disagree or there are fewer than three frames.
    """
    norms = second_difference_norm(channels, channel_sd)  # (..., N - 2), frame n at n - 1
    near = np.rint(np.asarray(seams, np.float64).reshape(-1, 1)).astype(np.int64) + np.array([-1, 0, 1]) - 1
    inside = np.unique(near[(near >= 0) & (near < norms.shape[-1])])
    return norms[..., inside]


def _alike(written: ArrayLike, given: ArrayLike) -> tuple[Floats, Floats]:
    a, b = np.array(written, np.float64), np.array(given, np.float64)
    if a.shape != b.shape:
        raise ShapeError(f"Written values of shape {a.shape} were compared with given ones of shape {b.shape}.")
    return a, b
