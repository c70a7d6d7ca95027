# SPDX-License-Identifier: GPL-3.0-or-later
"""The teacher's takes on every segment of a cache, and their statistics: what the denoisers learn.

`motion.npy` (T, F, 55) float16 holds T takes of each frame, `styles.npy` (T, segments) the style of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..evaluation import keys
from ..protocol import CHANNEL_NAMES, CONTROL_NAMES
from .cache import Cache, save_array
from .speech_folder import Clip
from .styles import STYLE_NAMES
from .teacher import perform

SEAM_RATES = {"23.976": 24000 / 1001, "24": 24.0, "25": 25.0, "29.97": 30000 / 1001, "30": 30.0, "50": 50.0, "60": 60.0}
_NEUTRAL_SHARE = 0.4  # of the takes; the other styles share the rest
_SMALLEST_CONTROL_SD, _SMALLEST_ROTATION_SD = 0.06, 0.01  # floors of the normalisation: weight, rad


@dataclass(frozen=True)
class Takes:
    """Takes of a cache."""

    motion: NDArray[np.float16]  # (T, F, 55)
    styles: NDArray[np.int64]  # (T, segments), index into STYLE_NAMES

    @property
    def mean(self) -> NDArray[np.float32]:
        """Mean of each channel, (55,)."""
        mean: NDArray[np.float32] = self.motion.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
        return mean

    @property
    def sd(self) -> NDArray[np.float64]:
        """Standard deviation of each channel, (55,)."""
        flat = self.motion.reshape(-1, self.motion.shape[-1])
        deviations = [flat[:, channel].astype(np.float64).std() for channel in range(flat.shape[1])]
        return np.array(deviations)


def scale_of(sd: NDArray[np.float64]) -> NDArray[np.float32]:
    """Divisor of the normalisation, (55,): the deviations, not under a floor, so that still channels can be keyed."""
    floor = np.full(len(CHANNEL_NAMES), _SMALLEST_ROTATION_SD)
    floor[: len(CONTROL_NAMES)] = _SMALLEST_CONTROL_SD
    scale: NDArray[np.float32] = np.maximum(sd, floor).astype(np.float32)
    return scale


def make_takes(cache: Cache, out: Path, takes: int, seed: int) -> Takes:
    """Let the teacher perform every segment `takes` times, each in a style drawn at random, and store it.

    Args:
        cache: What is said.
        out: Folder to write to; takes of the same number and seed that lie there are loaded instead.
        takes: T.
        seed: Of styles and variation.

    Returns:
        The takes.
    """
    folder = out / f"takes_{takes}_{seed}"
    if (folder / "styles.npy").exists():
        return Takes(np.load(folder / "motion.npy"), np.load(folder / "styles.npy"))
    folder.mkdir(parents=True, exist_ok=True)
    motion = np.zeros((takes, cache.frames, len(CHANNEL_NAMES)), np.float16)
    styles = draw_styles(takes, len(cache.segments), seed)
    for index, segment in enumerate(tqdm(cache.segments, desc="takes")):
        for take in range(takes):
            name = STYLE_NAMES[styles[take, index]]
            track = perform(segment.phones, segment.seconds, style=name, seed=(seed * takes + take) * 1_000_003 + index)
            motion[take, segment.start : segment.start + segment.frames] = track
    save_array(folder / "motion.npy", motion)
    save_array(folder / "styles.npy", styles)
    return Takes(motion, styles)


def draw_styles(takes: int, segments: int, seed: int) -> NDArray[np.int64]:
    """Style index of each take of each segment, (T, segments)."""
    others = (1.0 - _NEUTRAL_SHARE) / (len(STYLE_NAMES) - 1)
    shares = np.full(len(STYLE_NAMES), others)
    shares[STYLE_NAMES.index("neutral")] = _NEUTRAL_SHARE
    generator = np.random.default_rng([seed, 77])
    return generator.choice(len(STYLE_NAMES), (takes, segments), p=shares)


def seam_reference(clips: Sequence[Clip], sd: NDArray[np.float64], seed: int = 0) -> dict[str, float]:
    """How strongly the teacher's own curves bend, a frame rate: the scale for `seam_ratio` (see the measures).

    Args:
        clips: Recordings to perform.
        sd: Standard deviation of each channel, (55,); channels under .01 are left out.
        seed: Of the takes.

    Returns:
        For each frame rate the 95th percentile of the norm over channels of the second difference, in sd.
    """
    references = {}
    for name, fps in SEAM_RATES.items():
        tracks = [perform(clip.phones, clip.seconds, fps, seed=seed + n) for n, clip in enumerate(clips)]
        references[name] = round(keys.seam_reference(tracks, sd), 5)
    return references
