# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of `measure_scene` in the backend's environment: which shots to make, and what they show."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend.audio.features import count_frames
from ..backend.errors import RetakeError
from ..backend.evaluation.editing import GRID, MOVED, TEACHER_SEED, Edit, given_frames, spline_through
from ..backend.evaluation.keys import LEAST_SD, key_error_max, raw_sd, seam_norms, second_difference_norm
from ..backend.evaluation.lips import LipRig, Tracks, closed_shares, labiodental_auc
from ..backend.models.checkpoint import load_checkpoint
from ..backend.protocol import CHANNEL_NAMES, CONTROL_NAMES
from ..backend.training.speech_folder import Clip, read_speech_folder
from ..backend.training.teacher import perform
from .measure_scene import FIRST_FRAME

LIP_RATES = (24, 25)
EDIT_RATE = 24
PHASES = (0.0, 0.25, 0.5, 0.75)  # of a frame, one after the other
_EDITS = tuple(e for e in GRID if e.name in ("1 a second, moved", "3 a second, moved", "20% kept"))
_FINE = 240  # frames a second of the performances that are read between frames
_PARTS = {
    "all": slice(0, len(CHANNEL_NAMES)),
    "face": slice(0, len(CONTROL_NAMES)),
    "head": slice(len(CONTROL_NAMES), len(CHANNEL_NAMES)),
}

Floats = NDArray[np.float64]
Arrays = Mapping[str, NDArray[Any]]
Shot = tuple[Clip, Mapping[str, Any], Arrays]  # the recording, its line of plan.json, what Blender showed


def plan(options: argparse.Namespace) -> int:
    """Leave plan.json, the shots to make, and the values that their keys have."""
    try:
        clips = read_speech_folder(options.folder)[:: options.every]
        sd = load_checkpoint().channel_sd
    except RetakeError as error:
        print(error, file=sys.stderr)
        return 1
    shots: list[dict[str, Any]] = []
    values: dict[str, NDArray[Any]] = {}
    for number, clip in enumerate(clips):
        phase = PHASES[number % len(PHASES)]
        shot: dict[str, Any] = {"clip": number, "path": str(clip.path.resolve()), "phase": phase}
        shots += [{**shot, "fps": fps, "edit": None} for fps in LIP_RATES]
        for edit in _EDITS:
            mask, rows = given_values(edit, clip, number, phase, sd)
            values |= {f"mask_{len(shots)}": mask, f"values_{len(shots)}": rows}
            shots.append({**shot, "fps": EDIT_RATE, "edit": edit.name})
    (options.work / "plan.json").write_text(json.dumps(shots), encoding="utf-8")
    np.savez(options.work / "values.npz", allow_pickle=False, **values)
    return 0


def given_values(
    edit: Edit, clip: Clip, number: int, phase: float, sd: Floats
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Which channels (N, C) are given at the scene's frames 1 to N, and their values (N, C), weight or rad.

    Args:
        edit: What is given.
        clip: The recording, which begins `phase` of a frame after the frame 1.
        number: Of the recording, for the choice of frames and values.
        phase: Of a frame.
        sd: (C,) standard deviation of each channel on the teacher's tracks.
    """
    frames = int(clip.seconds * EDIT_RATE)
    generator = np.random.default_rng([number, 1])
    mask = given_frames(edit, frames, np.flatnonzero(sd >= LEAST_SD), generator, EDIT_RATE)
    teacher = perform(clip.phones, clip.seconds, _FINE, seed=TEACHER_SEED + number)
    times = (np.arange(frames) - phase) / EDIT_RATE
    rows = teacher[np.clip(np.round(times * _FINE).astype(int), 0, len(teacher) - 1)]
    if edit.moved:
        rows = rows + (MOVED * sd * generator.choice([-1.0, 1.0], rows.shape)).astype(np.float32)
    return mask, rows.astype(np.float32)


def report(options: argparse.Namespace) -> int:
    """Print and store the figures of the shots."""
    clips = read_speech_folder(options.folder)[:: options.every]
    shots = json.loads((options.work / "plan.json").read_text(encoding="utf-8"))
    shown = [
        (clips[shot["clip"]], shot, dict(np.load(options.work / f"shot_{number}.npz")))
        for number, shot in enumerate(shots)
    ]
    figures: dict[str, dict[str, float]] = {}
    for fps in LIP_RATES:
        own = [one for one in shown if one[1]["fps"] == fps and not one[1]["edit"]]
        figures[f"{fps} fps"] = lips(own)
        for phase in PHASES if len(own) > len(PHASES) else ():
            figures[f"{fps} fps, {phase:g} frame beside"] = lips([one for one in own if one[1]["phase"] == phase])
    sd = load_checkpoint().channel_sd
    for edit in _EDITS:
        own = [one for one in shown if one[1]["edit"] == edit.name]
        figures |= {f"{part}: {edit.name}": edited(own, columns, sd) for part, columns in _PARTS.items()}
    for name, row in figures.items():
        print(f"{name:28}" + "  ".join(f"{measure} {value:.3g}" for measure, value in row.items()))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


def lips(shots: Sequence[Shot]) -> dict[str, float]:
    """Closure score and f/v AUC on the evaluated mesh, and of the same takes at the model's rate, over recordings."""
    rig = LipRig.of_head()
    neutral = max(0.0, rig.gap_neutral)
    mesh, model = [], []
    for clip, shot, arrays in shots:
        times = (arrays["frames"] - FIRST_FRAME - shot["phase"]) / shot["fps"]
        inside = (times >= 0.0) & (times < clip.seconds)
        gap = 1000.0 * arrays["gap"][inside]
        first = float(times[inside][0])
        mesh.append(Tracks(clip.phones, gap, gap, _loud(gap), neutral, fps=shot["fps"], first=first))
        start = -int(arrays["model_start"])
        own = rig.gap(arrays["model"][start : start + count_frames(clip.seconds)])
        model.append(Tracks(clip.phones, own, own, _loud(own), neutral))
    figures: dict[str, float] = {}
    for name, tracks in (("mesh", mesh), ("model", model)):
        on_pbm, on_vowels = closed_shares(tracks)
        figures |= {f"{name}_closure": on_pbm - on_vowels, f"{name}_fv_auc": labiodental_auc(tracks)}
    return figures


def _loud(gap: Floats) -> float:
    return float(np.percentile(gap, 95))


def edited(shots: Sequence[Shot], columns: slice, sd: Floats) -> dict[str, float]:
    """What became of an edit on some channels, pooled over recordings, on the curves as written.

    Returns:
        `key_error_max`; `raw_sd`; `seam_ratio` at the given values and the range's edges; `spline_seam_ratio`, of a
        cubic spline through the same values, which has no edges.
    """
    errors, misses, counts = [], [], []
    seams, drawn, usual = [], [], []
    for clip, shot, arrays in shots:
        given = np.flatnonzero(arrays["mask"][:, columns].any(axis=1))
        rows = FIRST_FRAME + given - int(arrays["frames"][0])
        edges = arrays["edges"] - float(arrays["frames"][0])
        tracks, scale = arrays["tracks"][:, columns], sd[columns]
        seams.append(seam_norms(tracks, [*rows, *edges], scale))
        teacher = perform(clip.phones, clip.seconds, shot["fps"], seed=TEACHER_SEED + shot["clip"])
        usual.append(second_difference_norm(teacher[:, columns], scale))
        keyed = arrays["keyed"].astype(np.float32)
        spline = spline_through(arrays["mask"], keyed, keyed)
        drawn.append(seam_norms(spline[:, columns], given, scale))
        errors.append(_key_error(arrays, columns, rows, given))
        own = (arrays["given_channels"] >= columns.start) & (arrays["given_channels"] < columns.stop)
        misses.append(
            raw_sd(arrays["given_raw"][:, own], arrays["given_values"][own], arrays["given_channels"][own], sd)
        )
        counts.append(own.sum())
    reference = np.percentile(np.concatenate(usual), 95)
    return {
        "key_error_max": max(errors),
        "raw_sd": float(np.sqrt(np.average(np.square(misses), weights=counts))),
        "seam_ratio": float(np.percentile(np.concatenate(seams), 95) / reference),
        "spline_seam_ratio": float(np.percentile(np.concatenate(drawn), 95) / reference),
    }


def _key_error(arrays: Arrays, columns: slice, rows: NDArray[np.int64], given: NDArray[np.int64]) -> float:
    """Largest error at given values, which the scene's sliders have limited."""
    written, wanted = arrays["tracks"][rows], arrays["keyed"][given]
    face = slice(columns.start, min(columns.stop, len(CONTROL_NAMES)))
    flags = arrays["mask"][given][:, face]
    neck = slice(len(CONTROL_NAMES), max(columns.stop, len(CONTROL_NAMES)))
    turned, meant = (each[:, neck] if neck.stop > neck.start else np.zeros((0, 3)) for each in (written, wanted))
    return key_error_max(written[:, face][flags], wanted[:, face][flags], turned, meant)
