# SPDX-License-Identifier: GPL-3.0-or-later
"""The articulation teacher: performs phones with times on the 52 controls and the neck.

The reference for training and for the measures. It is fixed before training. With a seed it performs a take, with its
natural variation; without, the rule itself, against which correlations are measured.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..protocol import CHANNEL_NAMES, MODEL_FPS
from .articulation import Variation, mouth_controls, split_diphthongs
from .expression import GAZE_WEIGHT, blink_track, brow_tracks, drift, gaze, head_rotation
from .speech import Phone
from .styles import Style, style_named

Floats = NDArray[np.float64]

_INDEX = {name: index for index, name in enumerate(CHANNEL_NAMES)}
_COUNTER_ROTATION = 0.75  # share of the head's rotation that the eyes undo


def perform(
    phones: Sequence[Phone], seconds: float, fps: float = MODEL_FPS, style: str = "neutral", seed: int | None = None
) -> NDArray[np.float32]:
    """Perform speech.

    Args:
        phones: What is said, covering the time, see `speech.read_phones`.
        seconds: Length of the performance; frame n stands for time n / fps, ceil(seconds * fps) frames.
        fps: Frame rate; the same take at another rate is the same motion.
        style: A name of `styles.STYLE_NAMES`.
        seed: The take; None for the rule without variation (mouth; eyes, brows and head are then those of take 0).

    Returns:
        (N, 55) float32 in the order of `protocol.CHANNEL_NAMES`: control weights, then the neck's axis-angle, rad.

    Raises:
        OptionsError: There is no such style.
    """
    manner = style_named(style)
    times = np.arange(int(np.ceil(seconds * fps - 1e-9))) / fps
    channels = np.zeros((len(times), len(CHANNEL_NAMES)))
    if len(times):
        controls = {
            **_mouth(phones, times, manner, seed),
            **_face(phones, times, manner, _streams(seed or 0), channels),
        }
        for name, track in controls.items():
            _write(channels, name, track)
        _corners(channels, times, manner, seed)
    return channels.astype(np.float32)


def _streams(seed: int) -> list[np.random.Generator]:
    """Independent generators of one take, one a part of the performance."""
    return [np.random.default_rng([seed, part]) for part in range(5)]


def _mouth(phones: Sequence[Phone], times: Floats, style: Style, seed: int | None) -> dict[str, Floats]:
    """The mouth, with the take's variation of every segment and of the effort over time."""
    segments = split_diphthongs(phones)
    if seed is None:
        return mouth_controls(segments, times, style, Variation.none(len(segments)), np.ones(len(times)))
    generator = np.random.default_rng([seed, 10])
    variation = Variation.drawn(segments, generator)
    effort = np.exp(0.12 * drift(generator, times, 0.8, 1)[:, 0])
    return mouth_controls(segments, times, style, variation, effort)


def _face(
    phones: Sequence[Phone], times: Floats, style: Style, streams: list[np.random.Generator], channels: Floats
) -> dict[str, Floats]:
    """Head (written into `channels`), then lids, eyes and brows that go with it."""
    rotation = head_rotation(phones, times, style, streams[0])
    channels[:, _INDEX["head_rotation.x"] :] = rotation
    blink = blink_track(phones, times, style, streams[1])
    aim = gaze(phones, times, style, blink, streams[2])
    left = aim[:, 0] - _COUNTER_ROTATION * rotation[:, 1]
    up = aim[:, 1] + _COUNTER_ROTATION * (rotation[:, 0] - style.pitch)
    brows = brow_tracks(phones, times, style, streams[3])
    squint = style.squint + 0.05 * np.clip(drift(streams[4], times, 1.0, 1)[:, 0], -1.0, 2.0)
    sideways, upwards = GAZE_WEIGHT * left, GAZE_WEIGHT * up
    return {
        **brows,
        "eyeBlink": np.clip(blink + (1.0 - blink) * (style.lid + 0.25 * np.clip(-up, 0.0, 0.3)), 0.0, 1.0),
        "eyeSquint": np.clip(squint, 0.0, 1.0),
        "eyeWide": np.clip(style.wide + 0.25 * (brows["browInnerUp"] - style.brow_inner - 0.25), 0.0, 0.5)
        * (1.0 - blink),
        "cheekSquint": np.clip(0.45 * style.smile + 0.6 * style.squint * (style.smile > 0.1), 0.0, 1.0)
        * np.ones(len(times)),
        "eyeLookOutLeft": np.clip(sideways, 0.0, 1.0),
        "eyeLookInLeft": np.clip(-sideways, 0.0, 1.0),
        "eyeLookOutRight": np.clip(-sideways, 0.0, 1.0),
        "eyeLookInRight": np.clip(sideways, 0.0, 1.0),
        "eyeLookUp": np.clip(upwards, 0.0, 1.0),
        "eyeLookDown": np.clip(-upwards, 0.0, 1.0),
    }


def _corners(channels: Floats, times: Floats, style: Style, seed: int | None) -> None:
    """Mouth corners and nose: the style's posture with a slow, slightly uneven drift; corners yield to rounding."""
    wander = drift(np.random.default_rng([seed or 0, 11]), times, 0.9, 3)
    rounded = channels[:, _INDEX["mouthPucker"]] + channels[:, _INDEX["mouthFunnel"]]
    free = 1.0 - 0.7 * np.clip(rounded, 0.0, 1.0)
    for side, sign in (("Left", 1.0), ("Right", -1.0)):
        uneven = 0.6 * wander[:, 0] + sign * 0.25 * wander[:, 1]
        smile = style.smile + (0.035 + 0.12 * style.smile) * uneven
        channels[:, _INDEX[f"mouthSmile{side}"]] = np.clip(smile, 0.0, 1.0) * free
        frown = style.frown + (0.012 + 0.12 * style.frown) * (wander[:, 2] - 0.5 * uneven)
        channels[:, _INDEX[f"mouthFrown{side}"]] = np.clip(frown, 0.0, 1.0)
        jaw = channels[:, _INDEX["jawOpen"]]
        sealed = np.clip(channels[:, _INDEX["mouthClose"]] / np.maximum(jaw, 0.02), 0.0, 1.0)
        effort = (0.5 + np.clip(jaw / 0.5, 0.0, 1.0)) * (1.0 - 0.8 * sealed)  # a sneer parts the lips
        channels[:, _INDEX[f"noseSneer{side}"]] = style.sneer * effort


def _write(channels: Floats, name: str, track: Floats) -> None:
    """Write a control, or both sides of a control that has them."""
    names = [name] if name in _INDEX else [f"{name}Left", f"{name}Right"]
    for each in names:
        channels[:, _INDEX[each]] = track
