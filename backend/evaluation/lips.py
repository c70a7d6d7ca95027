# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lips must do, measured: closed on p b m, teeth on f v, open on open vowels, rounded, at rest, in time.

All on the built-in head at the model's rate. Lip gap: mean over `inner_lip_pairs` of y(upper) - y(lower) of the neutral
mesh and its weighted controls, not below 0, in mm. Segments are pooled over clips. Each measure has a floor and a
ceiling in `baselines`: no single one is enough, a mouth driven by loudness alone opens at every vowel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from ..audio.log_mel import MOTION_FPS
from ..errors import RigError
from ..models.phones import SILENCE, VOWELS
from ..protocol import CHANNEL_NAMES, CONTROL_NAMES
from ..training.articulation import BILABIAL, LABIODENTAL, is_open_vowel
from ..training.speech import Phone
from ..training.teacher import perform

Floats = NDArray[np.float64]

HEAD_FILE = Path(__file__).parent.parent / "assets" / "head.npz"
_CLOSED_SHARE, _CLOSED_MM = 0.12, 1.5  # of the track's 95th percentile, and absolute
_REST_SHARE = 0.18
_SPREAD = frozenset(["iy", "ey", "ih", "eh", "ae", "s", "z"])
_ROUND = frozenset(["uw", "ow", "w", "ao", "oy", "uh"])
_LAG_FRAMES = 10
_AROUND = 0.1  # s
_ROUNDING = 1e-9  # s: a phone from 1.24 to 1.29 s lasts 50 ms
_LIP_CONTROLS: dict[str, tuple[str, ...]] = {
    "jawOpen": ("jawOpen",),
    "mouthClose": ("mouthClose",),
    "mouthPucker": ("mouthPucker",),
    "mouthFunnel": ("mouthFunnel",),
    "mouthRollLower": ("mouthRollLower",),
    "mouthPress": ("mouthPressLeft", "mouthPressRight"),
}


@dataclass(frozen=True)
class MeasuredHead:
    """Arrays of a head that measures need."""

    vertices: Floats  # (V, 3) mm, neutral
    controls: Floats  # (52, V, 3) mm a weight of 1, in the order of `CONTROL_NAMES`
    inner_lip_pairs: NDArray[np.int64]  # (P, 2) vertices, upper and lower
    landmarks68: NDArray[np.int64]  # (68,) vertices


def read_head(path: Path = HEAD_FILE) -> MeasuredHead:
    """Read the built-in head, or another of the same layout.

    Raises:
        RigError: The file is missing or lacks an array.
    """
    try:
        with np.load(path, allow_pickle=False) as head:
            names = [str(name) for name in head["control_names"]]
            order = [names.index(name) for name in CONTROL_NAMES]
            return MeasuredHead(
                1000.0 * head["v_template"].astype(np.float64),
                1000.0 * head["controls"].astype(np.float64)[order],
                head["inner_lip_pairs"].astype(np.int64).reshape(-1, 2),
                head["landmarks68"].astype(np.int64).reshape(68),
            )
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise RigError(f"The head {path} cannot be measured ({error}).", "Make it anew.") from error


@dataclass(frozen=True)
class LipRig:
    """The part of a head that the measures need: inner lip pairs and mouth corners, linear in the 52 controls."""

    gap_neutral: float  # mm
    gap_slope: Floats  # (52,) mm a weight of 1
    corners_neutral: Floats  # (3,) mm, left corner minus right
    corners_slope: Floats  # (52, 3) mm a weight of 1

    @staticmethod
    def of_head(path: Path = HEAD_FILE) -> LipRig:
        """Read the built-in head, or another of the same layout.

        Raises:
            RigError: The file is missing or lacks an array.
        """
        head = read_head(path)
        vertices, controls = head.vertices, head.controls
        upper, lower = head.inner_lip_pairs.T
        left, right = head.landmarks68[54], head.landmarks68[48]
        return LipRig(
            float((vertices[upper, 1] - vertices[lower, 1]).mean()),
            (controls[:, upper, 1] - controls[:, lower, 1]).mean(axis=1),
            vertices[left] - vertices[right],
            controls[:, left] - controls[:, right],
        )

    def gap(self, channels: NDArray[np.floating]) -> Floats:
        """Lip gap (..., N), mm, of channels (..., N, 52 or more)."""
        gap: Floats = np.maximum(0.0, self.gap_neutral + channels[..., : len(CONTROL_NAMES)] @ self.gap_slope)
        return gap

    def width(self, channels: NDArray[np.floating]) -> Floats:
        """Distance of the mouth corners (..., N), mm, of channels (..., N, 52 or more)."""
        apart = self.corners_neutral + channels[..., : len(CONTROL_NAMES)] @ self.corners_slope
        width: Floats = np.linalg.norm(apart, axis=-1)
        return width


@dataclass(frozen=True)
class SpokenClip:
    """A performance of a recording, beside what is said in it and how the teacher's rule performs it."""

    phones: Sequence[Phone]
    channels: NDArray[np.float32]  # (N, 52 or more)
    reference: NDArray[np.float32]  # (N, 52 or more), the teacher without variation
    doubtful: Sequence[Phone] = ()  # silences that are not to be trusted: neither rest nor correlations count there

    def counted(self) -> NDArray[np.bool_]:
        """Frames (N,) outside the doubtful silences and the time around them in which the lips come and go."""
        times = np.arange(len(self.channels)) / MOTION_FPS
        counted = np.ones(len(times), np.bool_)
        for phone in self.doubtful:
            counted &= (times < phone.start - _AROUND) | (times > phone.end + _AROUND)
        return counted


@dataclass(frozen=True)
class Tracks:
    """A clip with its tracks in mm, at any frame rate."""

    phones: Sequence[Phone]
    gap: Floats
    width: Floats
    loud: float  # 95th percentile of the gap
    neutral: float
    doubtful: Sequence[Phone] = ()
    fps: float = MOTION_FPS
    first: float = 0.0  # time of frame 0, s

    def at(self, time: float) -> int:
        """Frame nearest to a time."""
        return min(len(self.gap) - 1, max(0, round((time - self.first) * self.fps)))

    def closed(self) -> NDArray[np.bool_]:
        """Frames at which the lips are closed."""
        above = self.gap - self.neutral
        closed: NDArray[np.bool_] = (above < _CLOSED_SHARE * self.loud) & (above < _CLOSED_MM)
        return closed


def measure_lips(clips: Sequence[SpokenClip], rig: LipRig) -> dict[str, float]:
    """All lip measures, pooled over clips.

    Args:
        clips: Performances at 30 fps.
        rig: The head they are measured on.

    Returns:
        `closed_pbm`, `closed_vowels`, `closure` (their difference), `opening_mm`, `fv_auc`, `rounding_auc`, `rest`,
        `lag_ms`, `gap_correlation`, `control_correlation`; NaN where the clips hold nothing to measure it on.
    """
    tracks = [_tracks(clip, rig) for clip in clips]
    on_pbm, on_vowels = closed_shares(tracks)
    reference = [rig.gap(clip.reference) for clip in clips]
    counted = np.concatenate([clip.counted() for clip in clips])
    made, wanted = np.concatenate([track.gap for track in tracks]), np.concatenate(reference)
    return {
        "closed_pbm": on_pbm,
        "closed_vowels": on_vowels,
        "closure": on_pbm - on_vowels,
        "opening_mm": opening(tracks),
        "fv_auc": labiodental_auc(tracks),
        "rounding_auc": rounding_auc(tracks),
        "rest": rest_share(tracks),
        "lag_ms": lag_ms([track.gap for track in tracks], reference),
        "gap_correlation": correlation(made[counted], wanted[counted]),
        "control_correlation": control_correlation(clips),
    }


def _tracks(clip: SpokenClip, rig: LipRig) -> Tracks:
    gap = rig.gap(clip.channels)
    loud, neutral = float(np.percentile(gap, 95)), max(0.0, rig.gap_neutral)
    return Tracks(clip.phones, gap, rig.width(clip.channels), loud, neutral, clip.doubtful)


def closed_shares(tracks: Sequence[Tracks]) -> tuple[float, float]:
    """Share of p b m with a closed frame within one frame of their centre, and of open vowels closed at theirs."""
    on_pbm, on_vowels = [], []
    for track in tracks:
        closed = track.closed()
        for phone in track.phones:
            frame = track.at(phone.centre)
            if phone.name in BILABIAL:
                on_pbm.append(closed[max(0, frame - 1) : frame + 2].any())
            elif is_open_vowel(phone):
                on_vowels.append(closed[frame])
    return _mean(on_pbm), _mean(on_vowels)


def opening(tracks: Sequence[Tracks]) -> float:
    """Mean gap at the centres of open vowels, mm."""
    return _mean(
        [track.gap[track.at(phone.centre)] for track in tracks for phone in track.phones if is_open_vowel(phone)]
    )


def labiodental_auc(tracks: Sequence[Tracks]) -> float:
    """How surely the gap tells vowels of 50 ms or more from f v: probability that the vowel's is larger."""
    vowels, others = [], []
    for track in tracks:
        for phone in track.phones:
            if phone.name in VOWELS and phone.seconds >= 0.05 - _ROUNDING:
                vowels.append(track.gap[track.at(phone.centre)])
            elif phone.name in LABIODENTAL:
                others.append(track.gap[track.at(phone.centre)])
    return auc(vowels, others)


def rounding_auc(tracks: Sequence[Tracks]) -> float:
    """How surely the mouth's width tells spread from rounded phones of 40 ms or more."""
    spread, rounded = [], []
    for track in tracks:
        for phone in track.phones:
            if phone.seconds < 0.04 - _ROUNDING:
                continue
            if phone.name in _SPREAD:
                spread.append(track.width[track.at(phone.centre)])
            elif phone.name in _ROUND:
                rounded.append(track.width[track.at(phone.centre)])
    return auc(spread, rounded)


def rest_share(tracks: Sequence[Tracks]) -> float:
    """Share of frames inside silences over 120 ms, 60 ms off their ends, whose gap is under 18% of the loud gap."""
    resting: list[bool] = []
    for track in tracks:
        times = track.first + np.arange(len(track.gap)) / track.fps
        for phone in track.phones:
            if phone.name == SILENCE and phone.seconds > 0.12 and phone not in track.doubtful:
                inside = (times >= phone.start + 0.06) & (times <= phone.end - 0.06)
                resting += list(track.gap[inside] < _REST_SHARE * track.loud)
    return _mean(resting)


def lag_ms(gaps: Sequence[Floats], references: Sequence[Floats]) -> float:
    """Delay behind the reference: peak of the summed cross-correlations of gaps, parabola-refined, ms."""
    lags = np.arange(-_LAG_FRAMES, _LAG_FRAMES + 1)
    total = np.zeros(len(lags))
    for gap, reference in zip(gaps, references, strict=True):
        made, wanted = gap - gap.mean(), reference - reference.mean()
        total += [overlap(made, wanted, int(lag)) for lag in lags]
    peak = int(np.clip(total.argmax(), 1, len(lags) - 2))
    before, at, after = total[peak - 1 : peak + 2]
    bend = before - 2 * at + after
    offset = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float((lags[peak] + offset) * 1000.0 / MOTION_FPS)


def overlap(made: Floats, wanted: Floats, lag: int) -> float:
    """Inner product of two tracks (N,), the first moved back by `lag` frames."""
    N = len(made)
    return float(made[max(0, lag) : N + min(0, lag)] @ wanted[max(0, -lag) : N - max(0, lag)])


def control_correlation(clips: Sequence[SpokenClip]) -> float:
    """Mean over the six lip controls of the correlation with the teacher, both sides averaged."""
    made = np.concatenate([clip.channels[clip.counted()] for clip in clips])
    wanted = np.concatenate([clip.reference[clip.counted()] for clip in clips])
    values = []
    for sides in _LIP_CONTROLS.values():
        columns = [CHANNEL_NAMES.index(side) for side in sides]
        values.append(correlation(made[:, columns].mean(axis=1), wanted[:, columns].mean(axis=1)))
    return float(np.mean(values))


def auc(larger: Sequence[float], smaller: Sequence[float]) -> float:
    """Area under the receiver operating characteristic: probability that one of `larger` exceeds one of `smaller`."""
    if not len(larger) or not len(smaller):
        return float("nan")
    ranks = rankdata([*larger, *smaller])[: len(larger)]
    return float((ranks.sum() - len(larger) * (len(larger) + 1) / 2) / (len(larger) * len(smaller)))


def baselines(
    clips: Sequence[tuple[Sequence[Phone], Floats]], rig: LipRig, seed: int = 0
) -> dict[str, dict[str, float]]:
    """What the measures say of performances that need no model.

    Args:
        clips: Phones and loudness (N,) (any monotone measure of level) of each recording.
        rig: The head.
        seed: Of the teacher's take and of the jitter.

    Returns:
        Measures by name: `teacher` (the rule on the true phones), `teacher_take` (with its natural variation) and
        `jittered` (on phone times off by the aligner's error): ceilings; `other_clip` (NaN where there is none) and
        `loudness`: floors.
    """
    generator = np.random.default_rng(seed)
    spoken = [perform(phones, len(loud) / MOTION_FPS) for phones, loud in clips]
    makers: dict[str, Callable[[int], NDArray[np.float32]]] = {
        "teacher": lambda i: spoken[i],
        "teacher_take": lambda i: perform(clips[i][0], len(clips[i][1]) / MOTION_FPS, seed=seed + i),
        "jittered": lambda i: perform(jittered(clips[i][0], generator), len(clips[i][1]) / MOTION_FPS),
        "other_clip": lambda i: np.resize(spoken[(i + 1) % len(clips)], spoken[i].shape),
        "loudness": lambda i: loudness_mouth(clips[i][1], rig, rig.gap(spoken[i])),
    }
    found = {
        name: measure_lips([SpokenClip(clip[0], make(i), spoken[i]) for i, clip in enumerate(clips)], rig)
        for name, make in makers.items()
    }
    if len(clips) == 1:
        found["other_clip"] = dict.fromkeys(found["other_clip"], float("nan"))
    return found


def loudness_mouth(loudness: Floats, rig: LipRig, reference_gap: Floats) -> NDArray[np.float32]:
    """A jaw that follows the level alone, (N, 55), as wide in its 95th percentile as the reference."""
    level = np.clip(loudness - np.percentile(loudness, 10), 0.0, None)
    level = level / (np.percentile(level, 95) + 1e-9)
    jaw = CONTROL_NAMES.index("jawOpen")
    channels = np.zeros((len(loudness), len(CHANNEL_NAMES)), np.float32)
    channels[:, jaw] = level * np.percentile(reference_gap, 95) / rig.gap_slope[jaw]
    return channels


def jittered(phones: Sequence[Phone], generator: np.random.Generator, sd: float = 0.018) -> list[Phone]:
    """Phones whose boundaries err as a forced aligner's: normal with 12.5 ms median error, 95% within about 36 ms."""
    ends = np.array([phone.end for phone in phones])
    moved = ends + generator.normal(0.0, sd, len(ends))
    moved[-1:] = ends[-1:]
    moved = np.maximum.accumulate(moved)
    starts = [phones[0].start, *moved[:-1]] if len(phones) else []
    return [
        Phone(float(start), float(max(start, end)), phone.name)
        for phone, start, end in zip(phones, starts, moved, strict=True)
    ]


def correlation(made: NDArray[np.floating], wanted: NDArray[np.floating]) -> float:
    """Pearson's correlation of two tracks (N,); 0 where one does not vary."""
    if made.std() < 1e-6 or wanted.std() < 1e-6:
        return 0.0
    return float(np.corrcoef(made, wanted)[0, 1])


def _mean(values: Sequence[float] | Sequence[bool] | Sequence[np.bool_]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
