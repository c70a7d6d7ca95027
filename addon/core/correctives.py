# SPDX-License-Identifier: GPL-3.0-or-later
"""Shape keys for what a head's own keys cannot show: the principal components of what a fit left over.

What is left is brought back to the unposed head first, since a shape key acts before the jaw turns. There are as few
components as bring every vertex within a tolerance, and none that cannot be told from noise (Gavish and Donoho 2014,
"The optimal hard threshold for singular values is 4/sqrt(3)": the threshold for unknown noise).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .turns import unposed
from .vertex_file import Points
from .vertex_fit import Fit, FitRig, blocks, fit_vertices, residual_mm, show

FloatArray = NDArray[np.float64]

MOST = 24
"""How many corrective keys there are at most."""

_FRAMES = 400  # that the components are found on; all are fitted
_ROUNDS = 3
_PEAK = 1.0  # largest weight of a component


@dataclass(frozen=True)
class Correctives:
    """Keys to add, C of them.

    Attributes:
        fields: (C, V, 3) m at weight 1.
        weights: (N, C) within -1 and 1, the largest of each being 1 or -1.
        mean_mm: (N,) mean over the vertices of what is left with them.
        worst_mm: (N,) largest over the vertices.
    """

    fields: Points
    weights: FloatArray
    mean_mm: FloatArray = field(repr=False)
    worst_mm: FloatArray = field(repr=False)


def no_correctives(displacements: Points, fit: Fit) -> Correctives:
    """None at all."""
    N, V, _ = displacements.shape
    return Correctives(np.zeros((0, V, 3), np.float32), np.zeros((N, 0)), fit.mean_mm, fit.worst_mm)


def find_correctives(
    rig: FitRig, displacements: Points, fit: Fit, tolerance_mm: float, most: int = MOST
) -> Correctives:
    """Find the keys that are worth adding.

    Args:
        rig: The head that was fitted.
        displacements: (N, V, 3) m, the motion.
        fit: What its own keys do.
        tolerance_mm: Largest distance of a vertex that may be left.
        most: How many keys at most.
    """
    N, V, _ = displacements.shape
    own_mean, own_worst = residual_mm(rig, displacements, fit.weights, fit.jaw_pose)
    if most < 1 or own_worst.max() <= tolerance_mm:
        return no_correctives(displacements, fit)
    left = _left_unposed(rig, displacements, fit)
    components = _components(left[:: -(-N // _FRAMES)].reshape(-1, 3 * V), most)
    flat = left.reshape(N, 3 * V)
    weights = (flat @ components.T).astype(np.float64)
    count, mean, worst = 0, own_mean, own_worst
    while count < len(components) and worst.max() > tolerance_mm:
        flat -= weights[:, count : count + 1].astype(np.float32) * components[count]
        count += 1
        mean, worst = _distances_mm(left)  # the jaw turns what is left, and lengthens nothing
    peaks = np.maximum(np.abs(weights[:, :count]).max(axis=0, initial=0.0), 1e-12) / _PEAK
    fields = (peaks[:, None] * components[:count]).astype(np.float32).reshape(-1, V, 3)
    return Correctives(fields, weights[:, :count] / peaks, mean, worst)


def fit_with_correctives(
    rig: FitRig, displacements: Points, held: FloatArray | None, tolerance_mm: float, most: int = MOST
) -> tuple[Fit, Correctives]:
    """Fit a motion, then add the keys that are worth adding.

    Keys of the head that meet their limits leave something over that needs more components than the motion has. So
    while the tolerance is not met, head and components are fitted together and the components found anew on what the
    head alone leaves then: each of the two steps lessens what is left.

    Args:
        rig: The head.
        displacements: (N, V, 3) m, the motion.
        held: (N, K) weights that cannot be chosen, NaN where they can; None where all can.
        tolerance_mm: Largest distance of a vertex that may be left.
        most: How many keys may be added at most.

    Returns:
        What the head's own keys do, its residual being theirs alone, and the keys to add.
    """
    first = fit = fit_vertices(rig, displacements, held)
    found = find_correctives(rig, displacements, fit, tolerance_mm, most)
    best = (fit, found)
    K = len(rig.fields)
    for _ in range(_ROUNDS):
        if found.worst_mm.max() <= tolerance_mm or len(found.fields) < most:
            break
        kept = None if held is None else np.pad(held, ((0, 0), (0, most)), constant_values=np.nan)
        both = fit_vertices(posed_with(rig, found), displacements, kept)
        fit = Fit(both.weights[:, :K], both.jaw_pose, first.mean_mm, first.worst_mm)
        found = find_correctives(rig, displacements, fit, tolerance_mm, most)
        if found.worst_mm.max() < best[1].worst_mm.max():
            best = (fit, found)
    return best


def _left_unposed(rig: FitRig, displacements: Points, fit: Fit) -> Points:
    """What the fit leaves (N, V, 3), m, as it lies before the jaw turns."""
    left = np.empty_like(displacements)
    for part in blocks(len(displacements)):
        left[part] = displacements[part] - show(rig, fit.weights[part], fit.jaw_pose[part])
    if rig.jaw is None:
        return left
    some = np.flatnonzero(rig.jaw.weights)
    for part in blocks(len(displacements)):
        left[part, some] = unposed(left[part][:, some], rig.jaw.weights[some], fit.jaw_pose[part])
    return left


def _components(rows: Points, most: int) -> Points:
    """Unit components (C, D) of rows (n, D), the strongest first, as many as stand out of noise."""
    gram = (rows @ rows.T).astype(np.float64)
    squares, sides = np.linalg.eigh(gram)
    sizes = np.sqrt(np.maximum(squares[::-1], 0.0))
    kept = (sizes > _noise_threshold(sizes, rows.shape)) & (sizes > 1e-6 * sizes[0])
    count = min(most, int(kept.sum()))
    sides = sides[:, ::-1][:, :count]
    found: Points = ((sides / sizes[:count]).T.astype(np.float32)) @ rows
    return found


def _noise_threshold(sizes: FloatArray, shape: tuple[int, ...]) -> float:
    """The singular value below which a component is noise, by the median of all; 0 for fewer than ten rows."""
    if shape[0] < 10:
        return 0.0
    beta = shape[0] / shape[1]
    return float((0.56 * beta**3 - 0.95 * beta**2 + 1.82 * beta + 1.43) * np.median(sizes))


def _distances_mm(vectors: Points) -> tuple[FloatArray, FloatArray]:
    """Mean and largest length (N,) of vectors (N, V, 3), mm."""
    squares = np.einsum("nva,nva->nv", vectors, vectors)
    lengths = 1000.0 * np.sqrt(squares)
    return lengths.mean(axis=1, dtype=np.float64), lengths.max(axis=1).astype(np.float64)


def posed_with(rig: FitRig, correctives: Correctives) -> FitRig:
    """The head with the corrective keys added, as it can be shown; they turn nothing."""
    count = len(correctives.fields)
    jaw = rig.jaw
    if jaw is not None:
        turns = np.concatenate((jaw.turns, np.zeros((count, 3))))
        jaw = type(jaw)(jaw.joint, jaw.weights, jaw.pose, turns, jaw.is_free)
    return FitRig(
        rig.template,
        np.concatenate((rig.fields, correctives.fields)),
        np.concatenate((rig.lower, np.full(count, -_PEAK))),
        np.concatenate((rig.upper, np.full(count, _PEAK))),
        np.concatenate((rig.costs, np.ones(count))),
        jaw,
    )
