# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a key on a single channel carries: a take with it against the same take without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ..audio.features import AudioFeatures, extract_features
from ..models import Models
from ..monitor import Monitor
from ..pipelines.given import GivenValues
from ..pipelines.performance import PerformanceOptions, PerformancePipeline
from ..protocol import CHANNEL_NAMES, MODEL_FPS
from ..training.speech_folder import read_speech_folder
from .editing import MOVED

Effects = NDArray[np.float64]

CHANNELS = (
    *("browInnerUp", "browDownLeft", "mouthSmileLeft", "mouthFrownLeft", "jawOpen", "mouthPucker", "mouthFunnel"),
    *("eyeBlinkLeft", "head_rotation.x", "head_rotation.y", "head_rotation.z"),
)
_APART = 75  # frames between two keys, so that each is alone
_AROUND = 36  # frames looked at on either side
_FADED = 0.05  # share of the effect
_LEAST = 0.1  # standard deviations that a key changes, so that its effect can be told


def evaluate_reach(folder: Path, models: Models, options: PerformanceOptions) -> dict[str, dict[str, float]]:
    """Measure the effect of keys two standard deviations from what the model performs, on one channel at a time.

    Args:
        folder: Recordings with phone times.
        models: The model.
        options: Takes (the first is measured), guidance, steps, style.

    Returns:
        By channel, over all keys: `half_seconds`, how long half of the effect lasts, both sides together, and
        `faded_seconds`, the time from the key after which less than a twentieth is left; medians, and their worst
        `least_half_seconds` and `longest_faded_seconds`.

    Raises:
        InputError: The folder cannot be read.
        AudioError: A recording cannot be read.
    """
    sd, pipeline = np.array(models.channel_sd, np.float64), PerformancePipeline(models)
    options = replace(options, seeds=options.seeds[:1])
    effects: dict[str, list[Effects]] = {name: [] for name in CHANNELS}
    for clip in tqdm(read_speech_folder(folder), disable=None):
        features = extract_features(clip.path, models.encoder, Monitor())
        free = _take(pipeline, features, GivenValues.none(), options)
        for name in CHANNELS:
            channel = CHANNEL_NAMES.index(name)
            frames = np.arange(_AROUND, features.frame_count - _AROUND, _APART)
            if len(frames):
                values = (free[frames, channel] + MOVED * sd[channel]).astype(np.float32)
                given = GivenValues.of(frames / MODEL_FPS, np.full(len(frames), channel), values)
                keyed = _take(pipeline, features, given, options)[:, channel] - free[:, channel]
                found = [keyed[frame - _AROUND : frame + _AROUND + 1] for frame in frames]
                effects[name] += [effect for effect in found if abs(effect[_AROUND]) > _LEAST * sd[channel]]
    return {name: reach_of(np.array(found)) for name, found in effects.items() if found}


def _take(
    pipeline: PerformancePipeline, features: AudioFeatures, given: GivenValues, options: PerformanceOptions
) -> Effects:
    made = pipeline(features, given, options, Monitor())
    return made.channels[0, -made.start_frame :].astype(np.float64)


def reach_of(effects: Effects) -> dict[str, float]:
    """Reach of effects around keys, see `evaluate_reach`.

    Half of an effect lasts where it is without a break at least half of that at the key, straight lines between frames.

    Args:
        effects: (K, 2 A + 1) of any unit, the key in the middle, where they are not 0.
    """
    middle = effects.shape[1] // 2
    shares = effects / effects[:, middle : middle + 1]
    half = np.array([_fall(share[middle:]) + _fall(share[middle::-1]) for share in shares]) / MODEL_FPS
    beyond = np.abs(np.arange(effects.shape[1]) - middle)
    faded = np.array([beyond[np.abs(share) > _FADED].max() + 1 for share in shares]) / MODEL_FPS
    return {
        "half_seconds": float(np.median(half)),
        "faded_seconds": float(np.median(faded)),
        "least_half_seconds": float(half.min()),
        "longest_faded_seconds": float(faded.max()),
    }


def _fall(share: Effects) -> float:
    """Frames from the key, where the share is 1, until it first falls under a half."""
    under = np.flatnonzero(share < 0.5)
    if not len(under):
        return float(len(share))
    before, after = share[under[0] - 1], share[under[0]]
    return float(under[0] - 1 + (before - 0.5) / (before - after))
