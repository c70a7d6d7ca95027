# SPDX-License-Identifier: GPL-3.0-or-later
"""What the mouth does: phones with times to lip, jaw and tongue controls.

Coarticulation is dominance-based (Cohen and Massaro 1993): every phone has a target and a dominance for each
articulator, which falls off in time around the phone, and the articulator follows the dominance-weighted mean of the
targets. Closures of p b m and the lower lip on the teeth of f v are not left to that mean: they are gates that
always reach their end, because a lip that almost closes reads as wrong. Jaw and lip activation per style follow
JALI (Edwards et al. 2016).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..models.phones import SILENCE, VOWELS
from .speech import Phone
from .styles import Style

Floats = NDArray[np.float64]

JAW_MM = 24.7  # lip gap that jawOpen 1 makes on the built-in head
FULL_JAW = 0.95  # jawOpen never passes this
ARTICULATORS = ("open", "pucker", "funnel", "spread", "lower_down", "upper_up", "tongue", "jaw_forward")


@dataclass(frozen=True)
class Target:
    """Where a phone wants the articulators, and how much it insists."""

    open: float = 3.0  # lip gap, mm
    insist: float = 1.0  # dominance of the opening
    pucker: float = 0.0
    funnel: float = 0.0
    round_insist: float = 0.5  # dominance of pucker, funnel and spread
    spread: float = 0.0  # lip corners outwards, negative inwards
    lower_down: float = 0.0
    upper_up: float = 0.0
    tongue: float = 0.0
    jaw_forward: float = 0.0


def _rounded(open_mm: float, pucker: float, funnel: float, insist: float = 1.0) -> Target:
    return Target(open_mm, insist, pucker, funnel, round_insist=1.6, spread=-0.1)


_SPREAD_CONSONANT = Target(2.6, 1.0, spread=0.22, lower_down=0.10)
TARGETS: Mapping[str, Target] = {
    "sil": Target(0.0, 1.0, round_insist=0.8),
    "aa": Target(11.5, 1.5, lower_down=0.10, upper_up=0.05),
    "ae": Target(10.5, 1.5, spread=0.30, lower_down=0.16, upper_up=0.08, round_insist=1.0),
    "ah": Target(7.2, 1.0, lower_down=0.06),
    "ao": _rounded(9.8, 0.34, 0.42, 1.5),
    "eh": Target(8.0, 1.1, spread=0.24, lower_down=0.10, upper_up=0.05, round_insist=0.8),
    "er": Target(5.2, 1.0, pucker=0.22, funnel=0.18, round_insist=0.8),
    "ih": Target(5.6, 1.0, spread=0.22, lower_down=0.07, round_insist=0.8),
    "iy": Target(4.6, 1.0, spread=0.42, lower_down=0.10, upper_up=0.05, round_insist=1.1),
    "uh": _rounded(5.2, 0.46, 0.30),
    "uw": _rounded(3.8, 0.80, 0.28),
    "w": _rounded(2.2, 0.88, 0.20),
    "r": Target(3.6, 0.7, pucker=0.28, funnel=0.24, round_insist=0.8),
    "l": Target(5.0, 0.6, tongue=0.0, round_insist=0.3),
    "t": replace(_SPREAD_CONSONANT, open=3.0, insist=0.7, spread=0.12, round_insist=0.4),
    "d": replace(_SPREAD_CONSONANT, open=3.0, insist=0.7, spread=0.12, round_insist=0.4),
    "n": replace(_SPREAD_CONSONANT, open=3.2, insist=0.6, spread=0.10, round_insist=0.4),
    "s": replace(_SPREAD_CONSONANT, open=2.4, spread=0.34, lower_down=0.16, jaw_forward=0.10, round_insist=0.9),
    "z": replace(_SPREAD_CONSONANT, open=2.4, spread=0.32, lower_down=0.15, jaw_forward=0.10, round_insist=0.9),
    "sh": Target(3.2, 1.0, pucker=0.26, funnel=0.52, round_insist=1.3, jaw_forward=0.12),
    "th": Target(3.0, 1.0, lower_down=0.08, tongue=0.22, round_insist=0.4),
    "dh": Target(3.0, 0.9, lower_down=0.08, tongue=0.18, round_insist=0.4),
    "k": Target(4.4, 0.35, round_insist=0.25),
    "g": Target(4.4, 0.35, round_insist=0.25),
    "ng": Target(4.2, 0.35, round_insist=0.25),
    "hh": Target(5.0, 0.15, round_insist=0.1),
    "y": Target(3.6, 0.8, spread=0.30, round_insist=0.6),
    "p": Target(1.6, 0.9, round_insist=0.25),
    "b": Target(1.6, 0.9, round_insist=0.25),
    "m": Target(1.6, 0.9, round_insist=0.25),
    "f": Target(1.6, 1.2, spread=0.06, round_insist=0.5),
    "v": Target(1.6, 1.1, spread=0.06, round_insist=0.5),
}
_SAME_AS = {"zh": "sh", "ch": "sh", "jh": "sh"}
_DIPHTHONGS = {"aw": ("aa", "uh"), "ay": ("aa", "ih"), "oy": ("ao", "ih"), "ey": ("eh", "iy"), "ow": ("ao", "uw")}
_NUCLEUS_SHARE = 0.68  # of a diphthong's duration
BILABIAL = frozenset("pbm")
LABIODENTAL = frozenset("fv")

_EDGE = 0.06  # s; a phone's plateau ends this far from its edges
_OPEN_REACH = 0.052  # s; fall-off of the opening's dominance
_ROUND_REACH = 0.095  # s; rounding anticipates
_GATE_RAMP = 0.065  # s; lips close and open in this time
_REST_RAMP = 0.10  # s


@dataclass(frozen=True)
class Variation:
    """One take's natural deviation from the rule, for each of P segments."""

    gains: Floats  # (P, articulators) multiplies the targets
    shifts: Floats  # (P,) s, moves the moment of the target
    press: Floats  # (P,) multiplies the lip press

    @staticmethod
    def none(segments: int) -> Variation:
        """The rule itself."""
        return Variation(np.ones((segments, len(ARTICULATORS))), np.zeros(segments), np.ones(segments))

    @staticmethod
    def drawn(segments: Sequence[Phone], generator: np.random.Generator) -> Variation:
        """A take's variation: phones differ on their own, and the whole effort drifts over phrases."""
        count = len(segments)
        own = generator.normal(0.0, 1.0, (count, len(ARTICULATORS)))
        shared = generator.normal(0.0, 1.0, (count, 1))
        gains = np.exp(0.14 * own + 0.12 * shared)
        shifts = np.clip(generator.normal(0.0, 0.010, count), -0.02, 0.02)
        return Variation(gains, shifts, np.exp(generator.normal(0.0, 0.4, count)))


def split_diphthongs(phones: Sequence[Phone]) -> list[Phone]:
    """Replace each diphthong by its nucleus and its glide."""
    segments: list[Phone] = []
    for phone in phones:
        if phone.name not in _DIPHTHONGS:
            segments.append(phone)
            continue
        turn = phone.start + _NUCLEUS_SHARE * phone.seconds
        nucleus, glide = _DIPHTHONGS[phone.name]
        segments += [Phone(phone.start, turn, nucleus), Phone(turn, phone.end, glide)]
    return segments


def mouth_controls(
    segments: Sequence[Phone], times: Floats, style: Style, variation: Variation, effort: Floats
) -> dict[str, Floats]:
    """Perform the segments with the mouth.

    Args:
        segments: Phones that cover the times, diphthongs split.
        times: (N,) s.
        style: How it is spoken.
        variation: The take's deviation from the rule.
        effort: (N,) multiplies the opening; 1 is the rule.

    Returns:
        Named mouth controls, (N,) each, weights.
    """
    tracks = articulate(segments, times, style, variation)
    closed = gate(segments, times, BILABIAL)
    tucked = gate(segments, times, LABIODENTAL)
    pressed = gate(segments, times, BILABIAL, variation.press) * style.press
    resting = rest_gate(segments, times)
    speaking = (1.0 - resting) * (1.0 - closed)
    gap = np.clip(tracks["open"] * style.jaw * effort, 0.0, JAW_MM * FULL_JAW)
    gap = (gap * (1.0 - tucked) + np.minimum(gap, 0.7) * tucked) * (1.0 - resting)
    jaw = np.clip(gap / JAW_MM, 0.0, FULL_JAW)
    rounding = (1.0 - 0.6 * closed) * (1.0 - 0.8 * tucked) * (1.0 - resting) * style.lip
    spread = tracks["spread"] * (1.0 - resting) * (1.0 - 0.6 * closed) * style.lip
    free = speaking * (1.0 - tucked) * style.lip
    return {
        "jawOpen": jaw,
        "jawForward": tracks["jaw_forward"] * (1.0 - resting),
        "mouthClose": jaw * closed,
        "mouthPucker": np.clip(tracks["pucker"] * rounding, 0.0, 1.0),
        "mouthFunnel": np.clip(tracks["funnel"] * rounding * (1.0 - closed), 0.0, 1.0),
        "mouthStretch": np.clip(spread, 0.0, 1.0) * 0.7,
        "mouthDimple": np.clip(spread, 0.0, 1.0) * 0.3,
        "mouthLowerDown": np.clip(tracks["lower_down"] * free, 0.0, 1.0),
        "mouthUpperUp": np.clip(tracks["upper_up"] * free + 0.07 * tucked * style.lip, 0.0, 1.0),
        "mouthRollLower": np.clip(0.55 * tucked * np.sqrt(style.lip) + 0.12 * closed, 0.0, 1.0),
        "mouthRollUpper": 0.10 * closed * style.lip,
        "mouthPress": np.clip(pressed, 0.0, 1.0),
        "mouthShrugLower": 0.06 * closed + 0.05 * resting,
        "tongueOut": np.clip(tracks["tongue"] * speaking, 0.0, 1.0),
        "cheekPuff": 0.06 * pressed,
    }


def articulate(segments: Sequence[Phone], times: Floats, style: Style, variation: Variation) -> dict[str, Floats]:
    """Dominance-weighted means of the segments' targets (Cohen and Massaro 1993), (N,) an articulator."""
    targets = [TARGETS[_SAME_AS.get(segment.name, segment.name)] for segment in segments]
    values = np.array([[getattr(target, name) for name in ARTICULATORS] for target in targets]) * variation.gains
    opening = np.array([target.insist for target in targets])[:, None]
    opening = opening * dominance(segments, times, _OPEN_REACH * style.smear, variation.shifts)
    rounding = np.array([target.round_insist for target in targets])[:, None]
    rounding = rounding * dominance(segments, times, _ROUND_REACH * style.smear, variation.shifts)
    wide = {"pucker", "funnel", "spread"}
    tracks = {}
    for column, name in enumerate(ARTICULATORS):
        weight = rounding if name in wide else opening
        tracks[name] = (weight * values[:, column : column + 1]).sum(axis=0) / weight.sum(axis=0)
    return tracks


def dominance(segments: Sequence[Phone], times: Floats, reach: float, shifts: Floats) -> Floats:
    """Bell around each segment's plateau, (P, N), never quite 0."""
    centre = np.array([segment.centre for segment in segments]) + shifts
    plateau = np.array([max(0.0, 0.5 * segment.seconds - _EDGE) for segment in segments])
    width = reach + 0.25 * np.array([min(segment.seconds, 0.16) for segment in segments])
    away = np.maximum(0.0, np.abs(times[None, :] - centre[:, None]) - plateau[:, None])
    bell: Floats = np.exp(-0.5 * (away / width[:, None]) ** 2) + 1e-9
    return bell


def gate(segments: Sequence[Phone], times: Floats, names: frozenset[str], heights: Floats | None = None) -> Floats:
    """Track (N,) that surely reaches 1 (or `heights`) in every segment of these phones, 0 elsewhere."""
    track = np.zeros(len(times))
    for index, segment in enumerate(segments):
        if segment.name not in names:
            continue
        release = 0.25 if segment.name in "pb" else 0.1  # the burst belongs to the segment, the closure does not
        half = max(0.5 * segment.seconds * (1.0 - release), 0.028)
        away = np.maximum(0.0, np.abs(times - (segment.centre - 0.5 * release * segment.seconds)) - half)
        height = 1.0 if heights is None else heights[index]
        track = np.maximum(track, height * smooth_step(1.0 - away / _GATE_RAMP))
    return track


def rest_gate(segments: Sequence[Phone], times: Floats) -> Floats:
    """Track (N,) that is 1 where the mouth rests: in silences, less where they are too short to settle."""
    track = np.zeros(len(times))
    for segment in segments:
        if segment.name != SILENCE:
            continue
        depth = float(smooth_step(np.array((segment.seconds - 0.05) / 0.10)))
        inside = np.minimum(times - segment.start, segment.end - times) + 0.5 * _REST_RAMP - 0.01
        track = np.maximum(track, depth * smooth_step(inside / _REST_RAMP))
    return track


def smooth_step(position: Floats) -> Floats:
    """Rise from 0 at 0 to 1 at 1 with level ends."""
    at = np.clip(position, 0.0, 1.0)
    rise: Floats = at * at * (3.0 - 2.0 * at)
    return rise


def is_open_vowel(phone: Phone) -> bool:
    """True for aa ae ao aw ay of at least 60 ms, where the mouth must be open."""
    return phone.name in VOWELS and phone.name in {"aa", "ae", "ao", "aw", "ay"} and phone.seconds >= 0.06 - 1e-9
