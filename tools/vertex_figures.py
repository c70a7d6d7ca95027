# SPDX-License-Identifier: GPL-3.0-or-later
"""What fitting sequences of vertices takes and leaves, on stand-in FLAME heads of the real topology.

Three motions of 300 frames, each on a head with the 52 controls, 50 expression keys and the jaw's bone:

* within: weights and turns of the jaw that the head has;
* beside: smooth fields of up to about 1 mm on top, which it has not;
* noisy: the first with white noise of 0.05 mm on every coordinate.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..addon.core.correctives import fit_with_correctives, no_correctives
from ..addon.core.flame import FlameModel
from ..addon.core.vertex_file import Points
from ..addon.core.vertex_fit import FitRig, Jaw, fit_vertices, show
from .flame_figures import SEEDS, make_model, map_head

FloatArray = NDArray[np.float64]

FRAMES, EXPRESSIONS, FIELDS = 300, 50, 12
_CONTROL, _COEFFICIENT = (-0.25, 1.5), (-5.0, 5.0)
_USED = 0.3  # share of the keys that a motion uses
_FIELD_MM, _NOISE_MM = 1.0, 0.05
_TURN = (0.15, 0.04, 0.02)  # rad
_SMOOTH = 15  # frames
_TOLERANCE_MM = 0.1
_ROUNDS = 5


def figures(options: argparse.Namespace) -> int:
    """Measure and print.

    Args:
        options: Those of the command line.

    Returns:
        Exit code.
    """
    rows: dict[str, dict[str, float]] = {}
    for seed in SEEDS:
        rig = flame_rig(make_model(options.template, seed), EXPRESSIONS)
        for name, displacements in motions(rig, np.random.default_rng(seed)).items():
            row = rows[f"seed {seed}, {name}"] = measure(rig, displacements)
            print(
                f"seed {seed}, {name}:", "  ".join(f"{label} {value:.3g}" for label, value in row.items()), flush=True
            )
    if options.json:
        Path(options.json).write_text(json.dumps(rows), encoding="utf-8")
    return 0


def measure(rig: FitRig, displacements: Points) -> dict[str, float]:
    """Seconds of the fit (medians of five, by the clock and of the processor) and with correctives; residuals in mm."""
    seconds, busy = [], []
    for _ in range(_ROUNDS):
        started, worked = time.perf_counter(), time.process_time()
        fit = fit_vertices(rig, displacements)
        seconds.append(time.perf_counter() - started)
        busy.append(time.process_time() - worked)
    alone = no_correctives(displacements, fit)
    started = time.perf_counter()
    _, added = fit_with_correctives(rig, displacements, None, _TOLERANCE_MM)
    return {
        "fit_seconds": float(np.median(seconds)),
        "fit_cpu_seconds": float(np.median(busy)),
        "mean_mm": float(alone.mean_mm.mean()),
        "worst_mm": float(alone.worst_mm.max()),
        "whole_seconds": time.perf_counter() - started,
        "correctives": float(len(added.fields)),
        "mean_mm_with": float(added.mean_mm.mean()),
        "worst_mm_with": float(added.worst_mm.max()),
    }


def flame_rig(model: FlameModel, expressions: int) -> FitRig:
    """A FLAME head as Retake adds it: the controls, some expression keys, the jaw, which the controls turn too."""
    mapping = map_head(model)
    basis = np.moveaxis(model.expression[:, :, :expressions], 2, 0)
    fields = np.concatenate((mapping.displacements(model), basis)).astype(np.float32)
    counts = (len(mapping.names), len(basis))
    low, high = (np.repeat([_CONTROL[side], _COEFFICIENT[side]], counts) for side in (0, 1))
    turns = np.concatenate((mapping.turns, np.zeros((len(basis), 3))))
    pose = np.moveaxis(model.pose[:, :, 9:18], 2, 0)
    jaw = Jaw(model.joints()[2], model.weights[:, 2], pose, turns)
    return FitRig(model.v_template, fields, low, high, np.repeat([1.0, 4.0], counts), jaw)


def motions(rig: FitRig, rng: np.random.Generator) -> dict[str, Points]:
    """The three motions, (N, V, 3) m."""
    weights, turn = within(rig, rng, FRAMES)
    shown = show(rig, weights, turn)
    fields = smooth_fields(rig.template, FIELDS, rng)
    beside = FitRig(rig.template, np.concatenate((rig.fields, fields)), rig.lower, rig.upper, rig.costs, rig.jaw)
    amounts = 2.0 * curves(rng, FRAMES, FIELDS) - 1.0
    noise = 1e-3 * _NOISE_MM * rng.standard_normal(shown.shape).astype(np.float32)
    return {
        "within": shown,
        "beside": show(beside, np.concatenate((weights, amounts), axis=1), turn),
        "noisy": shown + noise,
    }


def within(rig: FitRig, rng: np.random.Generator, count: int) -> tuple[FloatArray, FloatArray]:
    """Weights (N, K) and turns of the jaw (N, 3) that a head has."""
    K = len(rig.fields)
    reach = np.where(rig.upper > 2.0, 1.0, 0.8)
    used = rng.random(K) < _USED
    weights = curves(rng, count, K) * reach * used
    signed = (rig.lower < -1.0) & used
    weights[:, signed] = 2.0 * weights[:, signed] - 1.0
    turn = (2.0 * curves(rng, count, 3) - 1.0) * np.array(_TURN)
    return weights, turn if rig.jaw is None else turn + weights @ rig.jaw.turns


def curves(rng: np.random.Generator, frames: int, count: int) -> FloatArray:
    """(frames, count) smooth random curves that span 0 to 1."""
    window = np.hanning(_SMOOTH)
    noise = rng.standard_normal((frames + _SMOOTH, count))
    smooth = np.stack([np.convolve(column, window, "same")[:frames] for column in noise.T], axis=1)
    found: FloatArray = (smooth - smooth.min(axis=0)) / np.ptp(smooth, axis=0)
    return found


def smooth_fields(template: FloatArray, count: int, rng: np.random.Generator, largest_mm: float = _FIELD_MM) -> Points:
    """(count, V, 3) m, fields 2 cm wide about random places, their largest displacement being given."""
    centres = template[rng.choice(len(template), (count, 6))]
    near = np.exp(-0.5 * (np.linalg.norm(template[None, None] - centres[:, :, None], axis=3) / 0.02) ** 2)
    fields = np.einsum("fcv,fca->fva", near, rng.standard_normal((count, 6, 3)))
    largest = np.linalg.norm(fields, axis=2).max(axis=1)
    found: Points = (1e-3 * largest_mm * fields / largest[:, None, None]).astype(np.float32)
    return found
