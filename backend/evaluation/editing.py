# SPDX-License-Identifier: GPL-3.0-or-later
"""How a model takes an animator's edits, over the papers' grid (3DiFACE, Sec. 5; DF-3DFace): keys and kept spans.

The given values come from a performance of the teacher that the model does not know, so that they are another take's,
moved by two standard deviations where an animator would have changed them. Beside the model stands a cubic spline
through the same values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from tqdm import tqdm

from ..audio.features import extract_features
from ..models import Models
from ..monitor import Monitor
from ..pipelines.given import GivenValues
from ..pipelines.performance import PerformanceOptions, PerformancePipeline
from ..protocol import CHANNEL_NAMES, CONTROL_NAMES, MODEL_FPS
from ..training.speech_folder import read_speech_folder
from ..training.teacher import perform
from .keys import LEAST_SD, raw_sd, seam_norms, second_difference_norm

Flags = NDArray[np.bool_]
Motion = NDArray[np.float32]

MOVED = 2.0  # standard deviations
_SPAN = 15  # frames of a kept span
TEACHER_SEED = 7000  # of the performances that values are taken from
PARTS = {"face": slice(0, len(CONTROL_NAMES)), "head": slice(len(CONTROL_NAMES), len(CHANNEL_NAMES))}


@dataclass(frozen=True)
class Edit:
    """A kind of edit."""

    name: str
    keys_a_second: int = 0
    kept: float = 0.0  # share of the frames that is given in spans
    moved: bool = False
    one_channel: bool = False


GRID = (
    *(Edit(f"{share:.0%} kept", kept=share) for share in (0.05, 0.10, 0.20, 0.50)),
    *(Edit(f"{rate} a second", keys_a_second=rate) for rate in (1, 2, 3)),
    *(Edit(f"{rate} a second, moved", keys_a_second=rate, moved=True) for rate in (1, 2, 3)),
    Edit("1 a second, one channel, moved", keys_a_second=1, moved=True, one_channel=True),
)


def given_frames(
    edit: Edit, frames: int, moving: NDArray[np.int64], generator: np.random.Generator, fps: int = MODEL_FPS
) -> Flags:
    """Which frames and channels (N, C) an edit gives; channels that hardly move are left alone."""
    mask = np.zeros((frames, len(CHANNEL_NAMES)), bool)
    if edit.kept:
        spans = max(1, round(frames * edit.kept / _SPAN))
        for start in np.linspace(0, frames, spans, endpoint=False).astype(int):
            length = max(1, round(frames * edit.kept / spans))
            first = start + int(generator.integers(0, max(1, frames // spans - length)))
            mask[first : first + length, moving] = True
        return mask
    step = fps // edit.keys_a_second
    for frame in range(step // 2, frames, step):
        mask[frame, generator.choice(moving, 1) if edit.one_channel else moving] = True
    return mask


@dataclass
class _Tally:
    """What is gathered of one edit and one part over the recordings."""

    misses: list[float] = field(default_factory=list)  # mean square, sd
    weights: list[int] = field(default_factory=list)
    model: list[NDArray[np.float64]] = field(default_factory=list)  # second differences at the seams
    spline: list[NDArray[np.float64]] = field(default_factory=list)

    def figures(self, reference: float) -> dict[str, float]:
        """`raw_sd`, and `seam_ratio` of the model and of the spline; NaN where nothing was given."""
        if not self.weights:
            return dict.fromkeys(("raw_sd", "seam_ratio", "spline_seam_ratio"), float("nan"))
        return {
            "raw_sd": float(np.sqrt(np.average(self.misses, weights=self.weights))),
            "seam_ratio": float(np.percentile(np.concatenate(self.model), 95) / reference),
            "spline_seam_ratio": float(np.percentile(np.concatenate(self.spline), 95) / reference),
        }


def evaluate_editing(
    folder: Path, models: Models, options: PerformanceOptions, grid: Sequence[Edit] = GRID
) -> dict[str, dict[str, float]]:
    """Measure edits at the model's rate.

    Args:
        folder: Recordings with phone times.
        models: The model.
        options: Takes, guidance, steps, style; the range is each recording's own.
        grid: Kinds of edits.

    Returns:
        By part and edit, "face: 1 a second": `raw_sd`, `seam_ratio`, `spline_seam_ratio`.

    Raises:
        InputError: The folder cannot be read.
    """
    sd, pipeline = np.array(models.channel_sd, np.float64), PerformancePipeline(models)
    moving = np.flatnonzero(sd >= LEAST_SD)
    tallies = {(part, edit.name): _Tally() for part in PARTS for edit in grid}
    norms: dict[str, list[NDArray[np.float64]]] = {part: [] for part in PARTS}
    for number, clip in enumerate(tqdm(read_speech_folder(folder), disable=None)):
        features = extract_features(clip.path, models.encoder, Monitor())
        N = features.frame_count
        teacher = perform(clip.phones, N / MODEL_FPS, style=options.style, seed=TEACHER_SEED + number)[:N]
        for part, columns in PARTS.items():
            norms[part].append(second_difference_norm(teacher[:, columns], sd[columns]))
        for edit in grid:
            generator = np.random.default_rng([number, 1])
            mask, values = given_frames(edit, N, moving, generator), teacher.copy()
            if edit.moved:
                values += (MOVED * sd * generator.choice([-1.0, 1.0], values.shape)).astype(np.float32)
            frames, channels = np.nonzero(mask)
            given = GivenValues.of(frames / MODEL_FPS, channels, values[mask])
            made = pipeline(features, given, options, Monitor())
            takes = made.channels[:, -made.start_frame :][:, :N]
            drawn = spline_through(mask, values, teacher)
            for part, columns in PARTS.items():
                own = (channels >= columns.start) & (channels < columns.stop)
                if own.any():
                    miss = raw_sd(made.given_raw[:, own], given.values[own], channels[own], sd)
                    _note(tallies[part, edit.name], miss, int(own.sum()), mask, takes, drawn, columns, sd)
    references = {part: float(np.percentile(np.concatenate(norms[part]), 95)) for part in PARTS}
    return {f"{part}: {name}": tally.figures(references[part]) for (part, name), tally in tallies.items()}


def _note(
    tally: _Tally,
    miss: float,
    count: int,
    mask: Flags,
    takes: Motion,
    drawn: Motion,
    columns: slice,
    sd: NDArray[np.float64],
) -> None:
    """Add one recording to a tally."""
    tally.misses.append(miss**2)
    tally.weights.append(count)
    seams = np.flatnonzero(mask[:, columns].any(axis=1))
    tally.model.append(seam_norms(takes[..., columns], seams, sd[columns]).ravel())
    tally.spline.append(seam_norms(drawn[:, columns], seams, sd[columns]))


def spline_through(mask: Flags, values: Motion, elsewhere: Motion) -> Motion:
    """A natural cubic spline through the given values of each channel (N, C), straight on beyond its ends.

    Channels with fewer than two given values are those of `elsewhere`.
    """
    drawn, frames = elsewhere.copy(), np.arange(len(values))
    for channel in np.flatnonzero(mask.sum(axis=0) >= 2):
        at = np.flatnonzero(mask[:, channel])
        curve = CubicSpline(at, values[at, channel], bc_type="natural")
        inside = np.clip(frames, at[0], at[-1])
        drawn[:, channel] = curve(inside) + (frames - inside) * curve(inside, 1)
    return drawn
