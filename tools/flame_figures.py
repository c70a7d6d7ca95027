# SPDX-License-Identifier: GPL-3.0-or-later
"""Lips of takes on FLAME heads beside the built-in head: correlation of the gap, closures that stay closed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..addon.core.flame import FlameModel
from ..addon.core.flame_file import flame_of
from ..addon.core.flame_mapping import LANDMARKS, LIP_PAIRS, FlameMapping, solve_mapping
from ..addon.core.track import runs
from ..backend.evaluation.lips import LipRig
from ..backend.pipelines.given import GivenValues
from ..backend.pipelines.performance import PerformanceOptions
from ..backend.session import Session
from .environments import ROOT
from .flame_standin import make_standin

FloatArray = NDArray[np.float64]

HEAD = ROOT / "backend" / "assets" / "head.npz"
SEEDS = (0, 1, 2)
_CLOSED_SHARE, _CLOSED_MM = 0.12, 1.5  # as measures.md closes lips: of the 95th percentile of the gap, and at most


def figures(options: argparse.Namespace) -> int:
    """Measure and print.

    Args:
        options: Those of the command line.

    Returns:
        Exit code.
    """
    recordings = sorted(options.folder.glob("*.flac")) + sorted(options.folder.glob("*.wav"))
    tracks = perform(recordings[:: options.every])
    rows = {f"stand-in {seed}": measure(make_model(options.template, seed), tracks) for seed in SEEDS}
    for name, row in rows.items():
        print(name, "  ".join(f"{label} {value:.3g}" for label, value in row.items()), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows), encoding="utf-8")
    return 0


def perform(recordings: Sequence[Path]) -> list[FloatArray]:
    """One take's controls (N, 52) of each recording, by the default model."""
    session = Session()
    options = PerformanceOptions(seeds=(0,))
    return [
        np.asarray(session.generate(path, GivenValues.none(), options).channels[0, :, :52], np.float64)
        for path in recordings
    ]


def make_model(template: Path, seed: int) -> FlameModel:
    """A stand-in FLAME head, as a file of it would be read."""
    return flame_of(make_standin(template, HEAD, seed).arrays, f"stand-in {seed}")


def map_head(model: FlameModel) -> FlameMapping:
    """The controls on it, as an import solves them."""
    with np.load(HEAD) as file:
        names = tuple(str(name) for name in file["control_names"])
        some = file["landmarks68"]
        return solve_mapping(model, names, file["controls"][:, some], file["v_template"][some])


def measure(model: FlameModel, tracks: Sequence[FloatArray]) -> dict[str, float]:
    """How the lips of one head follow those of the built-in head.

    Returns:
        gap_correlation: Mean over the tracks of the correlation of the two lip gaps.
        closures_kept: Share of the built-in head's closures in which the other head's lips close too.
        gap_share: Mean gap of the other head over the built-in head's.
        jaw_degrees: Turn of the jaw at jawOpen 1.
        largest_sd: Largest coefficient of expression that a control has, in standard deviations.
    """
    mapping, lips = map_head(model), LipRig.of_head()
    correlations, shares, kept, count = [], [], 0, 0
    for track in tracks:
        own = lips.gap(track)
        other = gap_over_rest(model, mapping, track)
        correlations.append(float(np.corrcoef(own, other)[0, 1]))
        shares.append(float(other.mean() / own.mean()))
        is_closed = other < threshold(other)
        for first, end in runs(own < threshold(own)):
            count += 1
            kept += bool(is_closed[first:end].any())
    return {
        "gap_correlation": float(np.mean(correlations)),
        "closures_kept": kept / max(count, 1),
        "closures": float(count),
        "gap_share": float(np.mean(shares)),
        "jaw_degrees": float(np.degrees(np.linalg.norm(mapping.turns, axis=1).max())),
        "largest_sd": float(np.abs(mapping.expression).max()),
    }


def gap_over_rest(model: FlameModel, mapping: FlameMapping, track: FloatArray) -> FloatArray:
    """Lip gap (N,) over that at rest, mm, not below 0, of a FLAME head under controls (N, 52)."""
    some = np.array([LANDMARKS[place] for pair in LIP_PAIRS for place in pair])
    few = FlameModel(
        model.v_template[some],
        model.faces[:0],
        model.identity[some],
        model.expression[some],
        model.pose[some],
        np.zeros((5, len(some))),
        model.weights[some],
        model.parents,
    )
    joints = model.joints()
    gaps = []
    for row in track:
        turns = np.zeros((5, 3))
        turns[2] = row @ mapping.turns
        points = few.vertices((), row @ mapping.expression, turns, joints).reshape(-1, 2, 3)
        gaps.append((points[:, 0, 1] - points[:, 1, 1]).mean())
    rest = few.v_template.reshape(-1, 2, 3)
    opening = 1000.0 * (np.array(gaps) - (rest[:, 0, 1] - rest[:, 1, 1]).mean())
    over: FloatArray = np.maximum(opening, 0.0)
    return over


def threshold(gap: FloatArray) -> float:
    """Gap below which a frame of a track is closed, mm."""
    return float(min(_CLOSED_SHARE * np.percentile(gap, 95), _CLOSED_MM))
