# SPDX-License-Identifier: GPL-3.0-or-later
"""What the articulation teacher itself shows: nobody can learn more from it than it performs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..protocol import CONTROL_NAMES, MODEL_FPS
from ..training.articulation import is_open_vowel
from ..training.speech_folder import Clip, read_speech_folder
from ..training.styles import STYLE_NAMES
from ..training.teacher import perform
from .lips import LipRig, SpokenClip, measure_lips
from .speech import liveliness, means
from .takes import neck_difference_degrees, take_difference_mean


def evaluate_teacher(folder: Path, takes: int, styles: Sequence[str] = STYLE_NAMES) -> dict[str, dict[str, float]]:
    """Measure the teacher's takes on the phone times of a folder.

    Args:
        folder: Recordings with phone times.
        takes: Takes a recording, two at least.
        styles: Names of styles.

    Returns:
        By style: the lip measures, mean over takes; `blinks` a minute, `neck_sd_deg`; between takes:
        `vowel_spread_mm` of the lip gap at the centres of open vowels, `brow_spread`, `neck_spread_deg`;
        `smile`, `frown`, `brow_inner`: mean weights that tell styles apart.

    Raises:
        InputError: The folder cannot be read.
    """
    clips = read_speech_folder(folder)
    return {style: _measured(clips, takes, style) for style in tqdm(styles, disable=None)}


def _measured(clips: Sequence[Clip], takes: int, style: str) -> dict[str, float]:
    rig = LipRig.of_head()
    spoken = [np.stack([perform(c.phones, c.seconds, style=style, seed=k) for k in range(takes)]) for c in clips]
    rules = [perform(clip.phones, clip.seconds, style=style) for clip in clips]
    lips = [
        measure_lips([SpokenClip(c.phones, s[k], r) for c, s, r in zip(clips, spoken, rules, strict=True)], rig)
        for k in range(takes)
    ]
    frames = [made.shape[1] for made in spoken]
    brow = [take_difference_mean(made[:, :, CONTROL_NAMES.index("browInnerUp")]) for made in spoken]
    neck = [neck_difference_degrees(made[:, :, len(CONTROL_NAMES) :]) for made in spoken]
    vowels = np.concatenate([_at_vowels(rig.gap(made), clip) for made, clip in zip(spoken, clips, strict=True)], axis=1)
    everything = np.concatenate([made.reshape(-1, made.shape[2]) for made in spoken]).mean(axis=0)
    return {
        **means(lips),
        **liveliness(spoken),
        "vowel_spread_mm": float(vowels.std(axis=0).mean()),
        "brow_spread": float(np.average(brow, weights=frames)),
        "neck_spread_deg": float(np.average(neck, weights=frames)),
        "smile": float(everything[CONTROL_NAMES.index("mouthSmileLeft")]),
        "frown": float(everything[CONTROL_NAMES.index("mouthFrownLeft")]),
        "brow_inner": float(everything[CONTROL_NAMES.index("browInnerUp")]),
    }


def _at_vowels(gaps: np.ndarray, clip: Clip) -> np.ndarray:
    """Lip gaps (K, vowels) of takes (K, N) at the centres of open vowels."""
    centres = [round(phone.centre * MODEL_FPS) for phone in clip.phones if is_open_vowel(phone)]
    return gaps[:, np.minimum(np.array(centres, np.int64), gaps.shape[1] - 1)]
