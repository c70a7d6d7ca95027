# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rest of the face and the head do while speaking: blinks, gaze, brows, mouth corners, nods and drift.

None of it follows from the phones; it is drawn at random around what speech makes likely: accents, pauses and
phrase starts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from .articulation import smooth_step
from .speech import Phone, accents, pauses, phrase_starts
from .styles import Style

Floats = NDArray[np.float64]

_BLINK_DOWN, _BLINK_HOLD, _BLINK_UP = 0.075, 0.03, 0.16  # s
GAZE_WEIGHT = 1.9  # eyeLook weight a radian: 1 is about 30 degrees
_DART = 0.045  # s, a saccade


def drift(generator: np.random.Generator, times: Floats, period: float, count: int) -> Floats:
    """Smooth random tracks (N, count) of about unit variance that wander from one knot to the next."""
    first, last = float(times[0]) - 2 * period, float(times[-1]) + 3 * period
    knots = np.arange(first, last, period)
    values = generator.normal(0.0, 1.0, (len(knots), count))
    track: Floats = CubicSpline(knots + generator.uniform(0.0, period), values)(times)
    return track


def bump(times: Floats, centre: float, rise: float, fall: float) -> Floats:
    """Smooth hump (N,) of height 1 at `centre`, 0 from `rise` before it and `fall` after it."""
    before = smooth_step(1.0 - (centre - times) / rise)
    after = smooth_step(1.0 - (times - centre) / fall)
    height: Floats = np.minimum(before, after)
    return height


def blink_track(phones: Sequence[Phone], times: Floats, style: Style, generator: np.random.Generator) -> Floats:
    """Closing of the lids, (N,) 0 to 1: at a refractory random rate, likelier at pauses and accents."""
    track = np.zeros(len(times))
    for moment in blink_times(phones, float(times[0]), float(times[-1]), style, generator):
        depth = generator.uniform(0.93, 1.0)
        down = smooth_step((times - moment) / _BLINK_DOWN)
        up = smooth_step((times - moment - _BLINK_DOWN - _BLINK_HOLD) / (_BLINK_UP * generator.uniform(0.8, 1.3)))
        track = np.maximum(track, depth * (down - up))
    return track


def blink_times(
    phones: Sequence[Phone], start: float, end: float, style: Style, generator: np.random.Generator
) -> list[float]:
    """Draw the moments of blinks: an inhomogeneous Poisson process with 0.5 s of rest after each."""
    likely = [pause.start + 0.1 for pause in pauses(phones)] + [accent.time for accent in accents(phones)]
    step = 1.0 / 30.0
    base = style.blink_rate / 60.0
    found: list[float] = []
    for moment in np.arange(start - 1.0, end + step, step):
        near = any(abs(moment - time) < 0.12 for time in likely)
        rate = base * (2.4 if near else 0.85)
        if generator.uniform() < rate * step and (not found or moment - found[-1] > 0.5):
            found.append(float(moment) + generator.uniform(0.0, step))
    return found


def gaze(phones: Sequence[Phone], times: Floats, style: Style, blink: Floats, generator: np.random.Generator) -> Floats:
    """Direction of the eyes relative to the listener, (N, 2) rad: to the character's left, and up.

    The eyes hold between darts; darts come with phrase starts, with blinks, and now and then.
    """
    starts = phrase_starts(phones)
    blinking = [float(times[i]) for i in np.flatnonzero((blink[1:] > 0.5) & (blink[:-1] <= 0.5))]
    moments, moment = [], float(times[0]) - 1.0
    while moment < times[-1]:
        moment += 0.35 + generator.exponential(1.3)
        moments.append(moment)
    chosen = [time for time in [*starts, *blinking] if generator.uniform() < 0.6]
    track = np.zeros((len(times), 2))
    aim = np.zeros(2)
    for moment in sorted([*moments, *chosen]):
        away = generator.uniform() < 0.4
        next_aim = generator.normal(0.0, [0.16, 0.08] if away else [0.035, 0.02])
        track += (next_aim - aim) * smooth_step((times - moment) / _DART)[:, None]
        aim = next_aim
    track[:, 1] -= 0.35 * style.gaze_down
    return track


def head_rotation(phones: Sequence[Phone], times: Floats, style: Style, generator: np.random.Generator) -> Floats:
    """Rotation of the neck, (N, 3) axis-angle rad in model axes (x: bowing is positive; y: to the left; z: tilt).

    Drift with its own pace an axis, nods and small turns at accents, a new posture at each phrase, stillness between.
    """
    size = style.head
    track: Floats = drift(generator, times, 1.1, 3) * np.array([0.020, 0.026, 0.017]) * size
    for start in [float(times[0]) - 1.0, *phrase_starts(phones)]:
        posture = generator.normal(0.0, [0.018, 0.030, 0.018]) * size
        held = smooth_step((times - start + 0.25) / 0.5) - smooth_step((times - start - 1.6) / 1.2)
        track += posture * held[:, None]
    track[:, 0] += style.pitch
    for accent in accents(phones):
        track += _nod(times, accent.time, accent.strength, size, generator)
    return track


def _nod(times: Floats, moment: float, strength: float, size: float, generator: np.random.Generator) -> Floats:
    """A beat of the head at an accent: down and back, now and then upwards, with a little turn."""
    sign = -0.6 if generator.uniform() < 0.2 else 1.0
    height = size * (0.35 + 0.65 * strength) * generator.gamma(4.0, 0.25)
    shape = bump(times, moment + generator.normal(0.03, 0.03), 0.22, 0.36)
    turn = generator.normal(0.0, [0.006, 0.016, 0.014])
    beat: Floats = shape[:, None] * height * (np.array([0.052 * sign, 0.0, 0.0]) + turn)
    return beat


def brow_tracks(
    phones: Sequence[Phone], times: Floats, style: Style, generator: np.random.Generator
) -> dict[str, Floats]:
    """Brow controls, (N,) each: raised at accents and phrase starts, with a slow drift and the style's posture."""
    wander = drift(generator, times, 0.9, 3)
    raised = np.zeros(len(times))
    for accent in accents(phones):
        if generator.uniform() < 0.75:
            height = style.brow * (0.15 + 0.40 * accent.strength) * generator.gamma(3.0, 0.33)
            raised += height * bump(times, accent.time + generator.normal(-0.02, 0.04), 0.20, 0.42)
    for start in phrase_starts(phones):
        raised += style.brow * generator.gamma(2.0, 0.07) * bump(times, start + 0.1, 0.3, 0.7)
    inner = np.clip(raised + 0.05 * style.brow * wander[:, 0] + 0.04 + style.brow_raise + style.brow_inner, 0.0, 1.0)
    outer = np.clip(0.8 * raised + 0.04 * style.brow * wander[:, 1] + 0.03 + style.brow_raise, 0.0, 1.0)
    down = np.clip(0.06 * style.brow * wander[:, 2] - 0.5 * raised + style.brow_down, 0.0, 1.0)
    return {"browInnerUp": inner, "browOuterUp": outer, "browDown": down}
