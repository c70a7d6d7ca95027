# SPDX-License-Identifier: GPL-3.0-or-later
"""How well a model speaks real recordings: the lip measures beside their baselines, overall and by speaker."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray
from tqdm import tqdm

from ..audio.features import count_frames, extract_features
from ..audio.log_mel import FRAMES_PER_MOTION_FRAME, SAMPLE_RATE, log_mel
from ..errors import InputError
from ..models import Models
from ..models.phones import SILENCE
from ..monitor import Monitor
from ..pipelines.given import GivenValues
from ..pipelines.performance import PerformanceOptions, PerformancePipeline
from ..protocol import CONTROL_NAMES, MODEL_FPS
from ..training.articulation import BILABIAL
from ..training.speech import Phone
from ..training.speech_folder import Clip, read_audio, read_speech_folder
from ..training.teacher import perform
from .lips import LipRig, SpokenClip, baselines, measure_lips
from .published import LipVertices, beat_align, diversity, lip_sync
from .takes import neck_difference_degrees, take_difference_mean

_AS_LOUD = 6.0  # dB under the speech: silence is softer
_SHUT = 0.5  # weight of eyeBlinkLeft that makes a blink
_OTHER_SEED = 9000
_SMALLEST_GROUP = 25  # p b m that a speaker needs to be measured alone


@dataclass(frozen=True)
class Spoken:
    """A recording, its takes by the model (K, N, 55) and by the teacher, the teacher's rule (N, 55), its level (N,)."""

    clip: Clip
    takes: NDArray[np.float32]
    teacher_takes: NDArray[np.float32]
    rule: NDArray[np.float32]
    loudness: NDArray[np.float64]

    def take(self, number: int) -> SpokenClip:
        """One take, to be measured."""
        return SpokenClip(self.clip.phones, self.takes[number], self.rule)


def evaluate_speech(
    folder: Path, models: Models, options: PerformanceOptions, snr_db: float | None = None
) -> dict[str, Any]:
    """Let a model perform the recordings of a folder and measure it.

    Args:
        folder: Recordings with phone times, see `speech_folder`.
        models: The model.
        options: Takes, guidance, steps, style; the range is each recording's own.
        snr_db: Level of the speech above white noise that is added; None adds none.

    Returns:
        `model` (the measures, the mean over takes), `share` (the same over the teacher's), `worst_take` of closure,
        `spread` between takes beside the teacher's, `baselines`, `speakers` (those, and the sets of recordings, with at
        least 25 p b m: `clips`, `model`, `share`, `baselines`), `clips`; `doubtful_silences`, see
        `spoken_silences`, by recording, and `model_without_doubtful`, the measures with neither rest nor correlations
        in them.

    Raises:
        InputError: The folder cannot be read.
    """
    rig = LipRig.of_head()
    pipeline = PerformancePipeline(models)
    clips = tqdm(read_speech_folder(folder), disable=None)
    spoken = [speak(clip, models, pipeline, options, snr_db) for clip in clips]
    by_take = measured_takes(spoken, rig)
    found = beside_baselines(spoken, rig)
    doubtful = [spoken_silences(one.clip) for one in spoken]
    trusting = [
        measure_lips([replace(one.take(k), doubtful=left) for one, left in zip(spoken, doubtful, strict=True)], rig)
        for k in range(len(options.seeds))
    ]
    return {
        **found,
        "doubtful_silences": {
            one.clip.path.name: [[phone.start, phone.end] for phone in left]
            for one, left in zip(spoken, doubtful, strict=True)
            if left
        },
        "model_without_doubtful": means(trusting),
        "worst_take": {"closure": min(take["closure"] for take in by_take)},
        "spread": spread(spoken, rig),
        "speakers": by_speaker(spoken, rig),
    }


def measured_takes(spoken: Sequence[Spoken], rig: LipRig) -> list[dict[str, float]]:
    """The lip measures of each take over several recordings."""
    return [measure_lips([one.take(k) for one in spoken], rig) for k in range(len(spoken[0].takes))]


def beside_baselines(spoken: Sequence[Spoken], rig: LipRig) -> dict[str, Any]:
    """Number of recordings, `model` (the mean over takes), `baselines`, and `share` of the teacher's measures."""
    model = means(measured_takes(spoken, rig))
    floors = baselines([(one.clip.phones, one.loudness) for one in spoken], rig)
    share = {name: model[name] / value if value else float("nan") for name, value in floors["teacher"].items()}
    return {"clips": len(spoken), "model": model, "baselines": floors, "share": share}


def means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each measure over rows of the same measures; rows without a value (NaN) are left out."""
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return {
        name: float(np.nanmean(column)) if np.isfinite(column).any() else float("nan")
        for name, column in columns.items()
    }


def speak(
    clip: Clip, models: Models, pipeline: PerformancePipeline, options: PerformanceOptions, snr_db: float | None = None
) -> Spoken:
    """Let a model and the teacher perform a recording, with white noise if a level is given."""
    with tempfile.TemporaryDirectory() as folder:
        path = clip.path if snr_db is None else noisy(clip, snr_db, Path(folder))
        features = extract_features(path, models.encoder, Monitor())
    N = count_frames(features.seconds)
    takes = pipeline(features, GivenValues.none(), options, Monitor()).channels
    first = round(-(options.range_seconds or (-1.0, 0.0))[0] * MODEL_FPS)
    seconds = N / MODEL_FPS
    own = np.stack([perform(clip.phones, seconds, style=options.style, seed=seed) for seed in options.seeds])
    rule = perform(clip.phones, seconds, style=options.style)
    return Spoken(clip, takes[:, first : first + N], own, rule, _loudness(clip, N))


def spoken_silences(clip: Clip) -> list[Phone]:
    """Silences of the labels that are as loud as the speech: words that an aligner did not know.

    In every other measure they count as they are labelled.
    """
    audio = read_audio(clip.path).astype(np.float64)

    def power(phones: Sequence[Phone], margin: float = 0.0) -> float:
        spans = [
            audio[int((phone.start + margin) * SAMPLE_RATE) : int((phone.end - margin) * SAMPLE_RATE)]
            for phone in phones
        ]
        return float((np.concatenate(spans) ** 2).mean())

    spoken = [phone for phone in clip.phones if phone.name != SILENCE]
    if not spoken:
        return []
    speech = power(spoken)
    long = [phone for phone in clip.phones if phone.name == SILENCE and phone.seconds > 0.15]
    return [phone for phone in long if power([phone], 0.06) > speech * 10.0 ** (-_AS_LOUD / 10.0)]


def noisy(clip: Clip, snr_db: float, folder: Path) -> Path:
    """A copy of a recording with white Gaussian noise, seed 0, against the RMS of what is spoken in it.

    Raises:
        InputError: Nothing is spoken in it.
    """
    audio = read_audio(clip.path)
    speaking = np.zeros(len(audio), bool)
    for phone in clip.phones:
        if phone.name != SILENCE:
            speaking[int(phone.start * SAMPLE_RATE) : int(phone.end * SAMPLE_RATE)] = True
    if not speaking.any():
        raise InputError(f"Nothing is spoken in {clip.path}, so that no noise can be as loud.", "Leave it out.")
    level = np.sqrt((audio[speaking].astype(np.float64) ** 2).mean()) * 10.0 ** (-snr_db / 20.0)
    noise = np.random.default_rng(0).normal(0.0, level, len(audio))
    path = folder / "noisy.wav"
    soundfile.write(path, audio + noise, SAMPLE_RATE, subtype="FLOAT")
    return path


def _loudness(clip: Clip, frames: int) -> NDArray[np.float64]:
    level = log_mel(read_audio(clip.path)).mean(axis=1).reshape(-1, FRAMES_PER_MOTION_FRAME).mean(axis=1)
    return np.resize(level.astype(np.float64), frames)


def spread(spoken: Sequence[Spoken], rig: LipRig) -> dict[str, float]:
    """Standard deviation between takes, averaged over the frames of all recordings, by `evaluation.takes`.

    Returns:
        `lip_gap_mm`, `brow`, `blink`, `neck_deg`, the same of the teacher as `teacher_...`, and of the recording whose
        takes differ least as `least_...`; empty for a single take.
    """
    if len(spoken[0].takes) < 2:
        return {}
    model = [_differences(one.takes, rig) for one in spoken]
    teacher = [_differences(one.teacher_takes, rig) for one in spoken]
    frames = [one.takes.shape[1] for one in spoken]
    figures = {name: float(np.average([each[name] for each in model], weights=frames)) for name in model[0]}
    for name in model[0]:
        figures[f"teacher_{name}"] = float(np.average([each[name] for each in teacher], weights=frames))
        figures[f"least_{name}"] = min(each[name] for each in model)
    return figures


def _differences(takes: NDArray[np.float32], rig: LipRig) -> dict[str, float]:
    """How much takes (K, N, 55) of one recording differ."""
    brow, lid, neck = CONTROL_NAMES.index("browInnerUp"), CONTROL_NAMES.index("eyeBlinkLeft"), len(CONTROL_NAMES)
    return {
        "lip_gap_mm": take_difference_mean(rig.gap(takes)),
        "brow": take_difference_mean(takes[:, :, brow]),
        "blink": take_difference_mean(takes[:, :, lid]),
        "neck_deg": neck_difference_degrees(takes[:, :, neck:]),
    }


def evaluate_takes(folder: Path, models: Models, options: PerformanceOptions) -> dict[str, dict[str, float]]:
    """Tell how takes differ and how lively each is, beside the teacher's own takes.

    Args:
        folder: Recordings with phone times.
        models: The model.
        options: Two takes at least, guidance, steps, style.

    Returns:
        `model`, `teacher` and `share` (the model's over the teacher's) of: the spreads of `spread`; `blinks`, a
        minute; `neck_sd_deg`, how far a take's neck turns from its own mean, RMS; and `as_published`.

    Raises:
        InputError: The folder cannot be read.
    """
    rig, pipeline = LipRig.of_head(), PerformancePipeline(models)
    spoken = [speak(clip, models, pipeline, options) for clip in tqdm(read_speech_folder(folder), disable=None)]
    found = spread(spoken, rig)
    names = [name for name in found if not name.startswith(("teacher_", "least_"))]
    lips = LipVertices.of_head()
    model = {name: found[name] for name in names} | liveliness([one.takes for one in spoken])
    model |= means([as_published(one.takes, one, lips, options.style) for one in spoken])
    teacher = {name: found[f"teacher_{name}"] for name in names} | liveliness([one.teacher_takes for one in spoken])
    teacher |= means([as_published(one.teacher_takes, one, lips, options.style) for one in spoken])
    return {"model": model, "teacher": teacher, "share": {name: model[name] / teacher[name] for name in model}}


def as_published(takes: NDArray[np.float32], spoken: Spoken, lips: LipVertices, style: str) -> dict[str, float]:
    """The measures of `evaluation.published` of takes (K, N, 55) of one recording, means over takes.

    Args:
        takes: (K, N, 55) of the model or the teacher.
        spoken: The recording.
        lips: The head's lips.
        style: Of the teacher's performance that the head is compared with.

    Returns:
        `lip_sync_mm` to the teacher's rule; `div_lips_mm`, `div_head_rad` between takes; `beat_align` of the head with
        a performance of the teacher that is none of the takes.
    """
    neck, reference = len(CONTROL_NAMES), lips(spoken.rule)
    head = perform(spoken.clip.phones, spoken.clip.seconds, style=style, seed=_OTHER_SEED)[:, neck:]
    return {
        "lip_sync_mm": float(np.mean([lip_sync(lips(take), reference) for take in takes])),
        "div_lips_mm": diversity(lips(takes)),
        "div_head_rad": diversity(takes[:, :, neck:]),
        "beat_align": float(np.mean([beat_align(take[:, neck:], head) for take in takes])),
    }


def liveliness(performances: Sequence[NDArray[np.float32]]) -> dict[str, float]:
    """Blinks a minute and the neck's deviation from its mean in degrees, of takes (K, N, 55) of several recordings."""
    lid, neck = CONTROL_NAMES.index("eyeBlinkLeft"), len(CONTROL_NAMES)
    blinks = sum(int(((t[:, 1:, lid] > _SHUT) & (t[:, :-1, lid] <= _SHUT)).sum()) for t in performances)
    minutes = sum(t.shape[0] * t.shape[1] for t in performances) / MODEL_FPS / 60.0
    turns = [t[:, :, neck:] - t[:, :, neck:].mean(axis=1, keepdims=True) for t in performances]
    squares = np.concatenate([(turn.astype(np.float64) ** 2).sum(axis=-1).ravel() for turn in turns])
    return {"blinks": blinks / minutes, "neck_sd_deg": float(np.degrees(np.sqrt(squares.mean())))}


def by_speaker(spoken: Sequence[Spoken], rig: LipRig) -> dict[str, dict[str, Any]]:
    """`beside_baselines` of each speaker, and each set of recordings, with enough p b m."""
    groups: dict[str, list[Spoken]] = {}
    for one in spoken:
        for name in {one.clip.speaker, one.clip.set}:
            groups.setdefault(name, []).append(one)
    counts: Mapping[str, int] = {
        name: sum(phone.name in BILABIAL for one in own for phone in one.clip.phones) for name, own in groups.items()
    }
    return {name: beside_baselines(own, rig) for name, own in groups.items() if counts[name] >= _SMALLEST_GROUP}
