# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of `measure_scene` in the backend's environment: which shots to make, and what they show."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend.errors import RetakeError
from ..backend.evaluation.editing import GRID, Edit, given_frames
from ..backend.evaluation.keys import LEAST_SD, key_error_max, raw_sd, seam_ratio, seam_reference
from ..backend.evaluation.lips import LipRig, Tracks, closed_shares, labiodental_auc
from ..backend.models.checkpoint import load_checkpoint
from ..backend.protocol import CHANNEL_NAMES, CONTROL_NAMES, MODEL_FPS
from ..backend.training.speech_folder import Clip, read_speech_folder
from ..backend.training.teacher import perform
from .measure_scene import FIRST_FRAME

LIP_RATES = (24, 25)
EDIT_RATE = 24
PHASES = (0.0, 0.25, 0.5, 0.75)  # of a frame, one after the other
_EDITS = tuple(e for e in GRID if e.name in ("1 a second, moved", "3 a second, moved", "20% kept"))
_MOVED = 2.0  # standard deviations
_SEED = 7000  # of the performances that values are taken from
_FINE = 240  # frames a second of the performances that are read between frames
_PARTS = {
    "all": slice(0, len(CHANNEL_NAMES)),
    "face": slice(0, len(CONTROL_NAMES)),
    "head": slice(len(CONTROL_NAMES), len(CHANNEL_NAMES)),
}

Floats = NDArray[np.float64]


def plan(options: argparse.Namespace) -> int:
    """Leave plan.json, the shots to make, and the values that their keys have."""
    try:
        clips = read_speech_folder(options.folder)[:: options.every]
        sd = load_checkpoint().channel_sd
    except RetakeError as error:
        print(error)
        return 1
    shots: list[dict[str, Any]] = []
    values: dict[str, NDArray[Any]] = {}
    for number, clip in enumerate(clips):
        phase = PHASES[number % len(PHASES)]
        for fps in LIP_RATES:
            shots.append({"clip": number, "path": str(clip.path.resolve()), "fps": fps, "phase": phase, "edit": None})
        for edit in _EDITS:
            mask, rows = _given(edit, clip, number, phase, sd)
            values |= {f"mask_{len(shots)}": mask, f"values_{len(shots)}": rows}
            shots.append({**shots[-1], "fps": EDIT_RATE, "edit": edit.name})
    (options.work / "plan.json").write_text(json.dumps(shots), encoding="utf-8")
    np.savez(options.work / "values.npz", **values)
    return 0


def _given(
    edit: Edit, clip: Clip, number: int, phase: float, sd: Floats
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Which channels (N, C) are given at the scene's frames 1 to N, and their values (N, C)."""
    frames = int(clip.seconds * EDIT_RATE)
    generator = np.random.default_rng([number, 1])
    mask = given_frames(edit, frames, np.flatnonzero(sd >= LEAST_SD), generator, EDIT_RATE)
    mask[0] = False  # of the frame before the sound, where there is a phase
    teacher = perform(clip.phones, clip.seconds, _FINE, seed=_SEED + number)
    times = (np.arange(frames) - phase) / EDIT_RATE
    rows = teacher[np.clip(np.round(times * _FINE).astype(int), 0, len(teacher) - 1)]
    if edit.moved:
        rows = rows + (_MOVED * sd * generator.choice([-1.0, 1.0], rows.shape)).astype(np.float32)
    return mask, rows.astype(np.float32)


def report(options: argparse.Namespace) -> int:
    """Print and store the figures of the shots."""
    clips = read_speech_folder(options.folder)[:: options.every]
    shots = json.loads((options.work / "plan.json").read_text(encoding="utf-8"))
    shown = [dict(np.load(options.work / f"shot_{number}.npz")) for number in range(len(shots))]
    pairs = list(zip(shots, shown, strict=True))
    figures: dict[str, dict[str, float]] = {
        f"{fps} fps": _lips([(clips[s["clip"]], s, a) for s, a in pairs if s["fps"] == fps and not s["edit"]])
        for fps in LIP_RATES
    }
    sd = load_checkpoint().channel_sd
    for edit in _EDITS:
        own = [(clips[s["clip"]], s, a) for s, a in pairs if s["edit"] == edit.name]
        for part, columns in _PARTS.items():
            figures[f"{part}: {edit.name}"] = _edited(own, columns, sd)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    for name, row in figures.items():
        print(f"{name:28}" + "  ".join(f"{measure} {value:.3g}" for measure, value in row.items()))
    return 0


Shots = Sequence[tuple[Clip, Mapping[str, Any], Mapping[str, NDArray[Any]]]]


def _lips(shots: Shots) -> dict[str, float]:
    """Closure score and f/v AUC on the evaluated mesh, and of the same takes at the model's rate."""
    rig = LipRig.of_head()
    mesh, model = [], []
    for clip, shot, arrays in shots:
        first = (arrays["frames"][0] - FIRST_FRAME - shot["phase"]) / shot["fps"]
        neutral = max(0.0, rig.gap_neutral)
        gap = 1000.0 * arrays["gap"]
        mesh.append(Tracks(clip.phones, gap, gap, _loud(gap), neutral, fps=shot["fps"], first=first))
        own = rig.gap(arrays["model"])
        began = float(arrays["model_start"]) / MODEL_FPS
        model.append(Tracks(clip.phones, own, own, _loud(own), neutral, first=began))
    figures = {}
    for name, tracks in (("mesh", mesh), ("model", model)):
        on_pbm, on_vowels = closed_shares(tracks)
        figures |= {f"{name}_closure": on_pbm - on_vowels, f"{name}_fv_auc": labiodental_auc(tracks)}
    return figures


def _loud(gap: Floats) -> float:
    return float(np.percentile(gap, 95))


def _edited(shots: Shots, columns: slice, sd: Floats) -> dict[str, float]:
    """`key_error_max`, `raw_sd` and `seam_ratio` of edits, the seams pooled over recordings as the mean of theirs."""
    errors, misses, seams = [], [], []
    for clip, shot, arrays in shots:
        given = arrays["mask"][:, columns].any(axis=1)
        rows = FIRST_FRAME + np.flatnonzero(given) - int(arrays["frames"][0])
        teacher = perform(clip.phones, clip.seconds, shot["fps"], seed=_SEED + shot["clip"])
        reference = seam_reference([teacher[:, columns]], sd[columns])
        tracks = arrays["tracks"][None, :, columns]
        edges = [float(edge) - float(arrays["frames"][0]) for edge in arrays["edges"]]
        seams.append(seam_ratio(tracks, [*rows, *edges], sd[columns], reference))
        errors.append(_key_error(arrays, columns, rows, np.flatnonzero(given)))
        own = (arrays["given_channels"] >= columns.start) & (arrays["given_channels"] < columns.stop)
        raw, values = arrays["given_raw"][:, own], arrays["given_values"][own]
        misses.append(raw_sd(raw, values, arrays["given_channels"][own], sd))
    return {
        "key_error_max": max(errors),
        "raw_sd": float(np.sqrt(np.nanmean(np.square(misses)))),
        "seam_ratio": float(np.nanmean(seams)),
    }


def _key_error(
    arrays: Mapping[str, NDArray[Any]], columns: slice, rows: NDArray[np.int64], given: NDArray[np.int64]
) -> float:
    """Largest error at given values that the scene's sliders can hold."""
    face = range(columns.start, min(columns.stop, len(CONTROL_NAMES)))
    mask = arrays["mask"][given][:, face]
    written, wanted = arrays["tracks"][rows][:, face][mask], arrays["keyed"][given][:, face][mask]
    neck = np.zeros((0, 3))
    turned, meant = (neck, neck)
    if columns.stop == len(CHANNEL_NAMES):
        turned = arrays["tracks"][rows][:, len(CONTROL_NAMES) :]
        meant = arrays["keyed"][given][:, len(CONTROL_NAMES) :]
    return key_error_max(written, wanted, turned, meant)
