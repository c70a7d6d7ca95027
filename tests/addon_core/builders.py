# SPDX-License-Identifier: GPL-3.0-or-later
"""Curves, heads and takes for the tests of the core, built as the scene layer and the backend would."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from retake.addon.core import keys
from retake.addon.core import render as rendering
from retake.addon.core.channels import CHANNEL_INDEX, LipModel
from retake.addon.core.curves import CurveKeys, Interpolation, KeyType
from retake.addon.core.given import Given, collect
from retake.addon.core.ledger import Ledger
from retake.addon.core.library import Library
from retake.addon.core.remembered import PlanMemory
from retake.addon.core.render import ChannelPlan
from retake.addon.core.takes import GivenSet, Settings, Take
from retake.addon.core.timing import Span
from retake.backend.protocol import CHANNEL_NAMES, HEAD_ROTATION, MODEL_FPS, PARTS

FPS = (23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 60.0)
WIDE = Span(-1e5, 1e5)
SIX_SECONDS = Span(0.0, 6.0)
LINEAR = int(Interpolation.LINEAR)
CONSTANT = int(Interpolation.CONSTANT)
BEZIER = int(Interpolation.BEZIER)
KEY, JITTER, HOLD, OURS = (int(t) for t in (KeyType.KEYFRAME, KeyType.JITTER, KeyType.MOVING_HOLD, KeyType.GENERATED))


def curve(
    channel: str,
    frames: ArrayLike = (),
    values: ArrayLike = (),
    types: ArrayLike = KEY,
    interpolations: ArrayLike = BEZIER,
    **flags: Any,
) -> CurveKeys:
    """A shape key's curve that evaluates linearly between its keys (constant where they say so), 0 without keys."""
    times, found = np.array(frames, np.float64), np.array(values, np.float64)
    kinds = np.broadcast_to(np.array(types, np.int64), times.shape)
    shapes = np.broadcast_to(np.array(interpolations, np.int64), times.shape)

    def evaluate(at: np.ndarray) -> np.ndarray:
        if not len(times):
            return np.zeros((len(at), 1))
        result = np.interp(at, times, found)
        before = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 1)
        steps = (shapes[before] == CONSTANT) & (at >= times[0])
        return np.where(steps, found[before], result)[:, None]

    return CurveKeys(channel, (channel,), times, found, kinds, shapes, evaluate, **flags)


def neck(component: int, frames: Sequence[float], rotations: np.ndarray, **flags: Any) -> CurveKeys:
    """One component's curve of a neck whose rotation goes linearly through (K, 3) axis-angle values."""
    times = np.array(frames, np.float64)

    def evaluate(at: np.ndarray) -> np.ndarray:
        if not len(times):
            return np.zeros((len(at), 3))
        return np.stack([np.interp(at, times, rotations[:, axis]) for axis in range(3)], axis=1)

    count = len(times)
    return CurveKeys(
        f"neck.{component}",
        HEAD_ROTATION,
        times,
        rotations[:, component] if count else np.zeros(0),
        np.full(count, KEY),
        np.full(count, BEZIER),
        evaluate,
        **flags,
    )


def given_of(curves: Sequence[CurveKeys], ledger: Ledger | None = None, frames: Span = WIDE) -> Given:
    """What is given on some curves."""
    return collect(keys.classify(curves, ledger or Ledger(), frames))


def whole_head(**keyed: CurveKeys) -> list[CurveKeys]:
    """A curve for every control, those named replaced, and the neck's three without keys."""
    faces = [keyed.get(name) or curve(name) for name in CHANNEL_NAMES if name not in HEAD_ROTATION]
    return faces + [neck(axis, [], np.zeros((0, 3))) for axis in range(3)]


def make_lips() -> LipModel:
    """Lips that the jaw opens by 30 mm, and that close over an open jaw."""
    slopes = np.zeros(len(CHANNEL_NAMES))
    for name, slope in {"jawOpen": 30.0, "mouthClose": -30.0, "mouthPucker": -1.0, "mouthLowerDownLeft": 3.0}.items():
        slopes[CHANNEL_INDEX[name]] = slope
    return LipModel(0.1, slopes)


def make_take(
    number: int,
    motion: Callable[[np.ndarray, int], np.ndarray] | np.ndarray,
    span: Span = SIX_SECONDS,
    parts: tuple[str, ...] = tuple(PARTS),
) -> Take:
    """A take of a motion: (N, 55) values, or a function of seconds (N,) and channel index."""
    names = tuple(name for name in CHANNEL_NAMES if any(name in PARTS[part] for part in parts))
    start = int(np.floor(span.start * MODEL_FPS))
    times = np.arange(start, int(np.ceil(span.end * MODEL_FPS)) + 1) / MODEL_FPS
    if callable(motion):
        values = np.stack([motion(times, CHANNEL_INDEX[name]) for name in names], axis=1)
    else:
        values = motion[:, [CHANNEL_INDEX[name] for name in names]]
    none = GivenSet(np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.float32))
    return Take(
        number, f"Take {number}", number, parts, span, start, names, values.astype(np.float32), Settings(), none
    )


def library_of(*takes: Take) -> Library:
    """A library in which the takes play in order, the last on top."""
    library = Library({take.id: take for take in takes}, next_id=len(takes) + 1)
    for take in takes:
        library.show(take.id)
    return library


def waves(seed: int = 0, size: float = 0.2) -> Callable[[np.ndarray, int], np.ndarray]:
    """Smooth motion of every channel, below 4 Hz, a little different for each seed."""

    def motion(times: np.ndarray, channel: int) -> np.ndarray:
        rng = np.random.default_rng([seed, channel])
        phases, rates = rng.uniform(0, 2 * np.pi, 4), rng.uniform(0.3, 4.0, 4)
        return np.asarray(size * np.sin(2 * np.pi * rates * times[:, None] + phases).mean(axis=1) + size)

    return motion


def fresh(*arguments: object) -> dict[str, ChannelPlan]:
    """Rendered with nothing remembered."""
    kept, rendering._MEMORY = rendering._MEMORY, PlanMemory()
    try:
        return rendering.render(*arguments)  # type: ignore[arg-type]
    finally:
        rendering._MEMORY = kept
