# SPDX-License-Identifier: GPL-3.0-or-later
"""What noise does to the lips, and what guidance trades: the measures of `evaluation.speech` at several settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..models import Models
from ..pipelines.performance import PerformanceOptions
from .speech import evaluate_speech

NOISE_DB = (36.0, 24.0, 12.0)
_IN_NOISE = {
    "closure": "closure score",
    "fv_auc": "f/v AUC",
    "rounding_auc": "rounding AUC",
    "gap_correlation": "lip-gap correlation with the teacher",
    "rest": "rest in silence",
}
SCALES = (0.0, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)


def evaluate_noise(folder: Path, models: Models, options: PerformanceOptions) -> dict[str, Any]:
    """The measures of clean speech and of speech in white noise at `NOISE_DB`.

    Args:
        folder: Recordings with phone times.
        models: The model.
        options: Takes, guidance, steps, style.

    Returns:
        By level, "clean" or in dB: the mean measures of the takes, and `closure_loss`, the share of the clean closure
        score that is lost.

    Raises:
        InputError: The folder cannot be read.
    """
    levels: dict[str, float | None] = {"clean": None, **{f"{level:g} dB": level for level in NOISE_DB}}
    found = {name: evaluate_speech(folder, models, options, level)["model"] for name, level in levels.items()}
    clean = found["clean"]["closure"]
    return {name: {**row, "closure_loss": 1.0 - row["closure"] / clean} for name, row in found.items()}


def evaluate_guidance(
    folder: Path, models: Models, options: PerformanceOptions, scales: Sequence[float] = SCALES
) -> dict[str, dict[str, float]]:
    """How closely the lips follow and how much takes differ, over the guidance scale.

    Args:
        folder: Recordings with phone times.
        models: The model.
        options: Takes, two at least, steps, style.
        scales: Guidance scales.

    Returns:
        By scale: the mean measures of the takes, and the spread between them with a `spread_` before its name.

    Raises:
        InputError: The folder cannot be read.
    """
    rows = {}
    for scale in scales:
        found = evaluate_speech(folder, models, replace(options, guidance_scale=scale))
        spread = {f"spread_{name}": value for name, value in found["spread"].items()}
        rows[f"{scale:g}"] = {**found["model"], **spread}
    return rows


def plot_noise(rows: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Draw the lips in noise: closure score, f/v and rounding AUC, lip-gap correlation and rest by level.

    Args:
        rows: From `evaluate_noise`.
        path: PNG or SVG to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot(xlabel="white noise, dB under the speech", ylabel="measure")
    for name, label in _IN_NOISE.items():
        axes.plot(list(rows), [row[name] for row in rows.values()], marker="o", label=label)
    axes.set_ylim(0.0, 1.0)
    axes.legend(loc="lower left")
    figure.savefig(path, dpi=144)


def plot_guidance(rows: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Draw sync against spread, a point a scale: closure score and lip-gap correlation over the spread of the lips.

    Args:
        rows: From `evaluate_guidance`.
        path: PNG or SVG to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.add_subplot(xscale="log", xlabel="spread of the lip gap between takes, mm", ylabel="sync")
    spread = [row["spread_lip_gap_mm"] for row in rows.values()]
    for name, label in (("closure", "closure score"), ("gap_correlation", "lip-gap correlation with the teacher")):
        axes.plot(spread, [row[name] for row in rows.values()], marker="o", label=label)
    for number, (scale, row) in enumerate(rows.items()):
        above = 7 if number % 2 else 19  # neighbours in two rows, so that close ones can be read
        at = (row["spread_lip_gap_mm"], row["closure"])
        axes.annotate(scale, at, textcoords="offset points", xytext=(0, above), ha="center")
    teacher = next(iter(rows.values()))["spread_teacher_lip_gap_mm"]
    axes.axvline(teacher, linestyle=":", color="grey", label="spread of the teacher's takes")
    axes.set_xticks(spread, [f"{value:.2g}" for value in spread], minor=False)
    axes.minorticks_off()
    axes.set_ylim(-0.05, 1.1)
    axes.legend(loc="lower left")
    figure.savefig(path, dpi=144)
