# SPDX-License-Identifier: GPL-3.0-or-later
"""The named controls on a FLAME head: which expression, and which turn of the jaw, each of them is.

FLAME's components have no names. For each control the built-in head shows where 68 landmarks go; the expression that
takes FLAME's landmarks there is found by regularised least squares (a unit of each coefficient is one standard
deviation of FLAME's training data, so the prior is a plain ridge). The jaw turns and does not stretch: its turn is
found first and what is left is expression; `mouthClose` is solved with the jaw open, so that the lips meet there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import RigError
from .flame import FlameModel, FloatArray, rotation_matrices

# fmt: off
LANDMARKS = (
    892, 1937, 3183, 3424, 3423, 3421, 3419, 3393, 3414, 3595, 3643, 3646, 3650, 3652, 2175, 562, 199, 3763, 2566, 335,
    3154, 3712, 3868, 2135, 16, 17, 3892, 3560, 3561, 3508, 3564, 2748, 2792, 3556, 1675, 1612, 2437, 2383, 2494, 3632,
    2293, 2296, 3833, 1343, 1034, 1175, 884, 881, 2715, 2813, 2774, 3543, 1657, 1696, 1579, 1795, 1865, 3503, 2948,
    2898, 2845, 2785, 3533, 1668, 1730, 1848, 3509, 2937,
)
# fmt: on
"""Vertices of FLAME's mesh nearest to its 68 static landmarks (iBUG's order), by the landmark embedding of FLAME 2023
Open (CC BY 4.0)."""

LIP_PAIRS = ((62, 66), (61, 67), (63, 65))
"""Inner lips, upper then lower, as places in the 68 landmarks."""

TURNS: Mapping[str, tuple[float, float, float]] = {"jawOpen": (1.0, 0.0, 0.0), "jawLeft": (0.0, 1.0, 0.0)}
"""Control -> axis about which it turns the jaw, model axes; `jawRight` is the other way."""

_JAW, _EYE_CORNERS = 2, (36, 45)
_EYES, _LIPS = slice(36, 48), slice(48, 68)
_EYE_WEIGHT, _LIP_WEIGHT, _PAIR_WEIGHT = 2.0, 3.0, 10.0
_PRIOR_MM, _PRIOR_BESIDE_A_TURN = 1.0, 3.0  # what a standard deviation of expression has to gain, mm
_STEPS = 6


@dataclass(frozen=True)
class FlameMapping:
    """What each control is.

    Attributes:
        names: Controls, K of them.
        expression: (K, E) coefficients at weight 1.
        turns: (K, 3) axis-angle of the jaw at weight 1, rad, model axes.
        left_mm: (K,) root of the mean square of what the landmarks miss, mm.
    """

    names: tuple[str, ...]
    expression: FloatArray
    turns: FloatArray
    left_mm: FloatArray

    def displacements(self, model: FlameModel) -> FloatArray:
        """(K, V, 3) m, what the expression of each control does; the jaw's turn is a bone's."""
        fields: FloatArray = np.einsum("vce,ke->kvc", model.expression, self.expression)
        return fields


def solve_mapping(
    model: FlameModel,
    names: tuple[str, ...],
    controls: NDArray[np.floating],
    landmarks: NDArray[np.floating],
) -> FlameMapping:
    """Find each control on a FLAME head.

    Args:
        model: The head.
        names: Names of the controls, K.
        controls: (K, 68, 3) m, where another head's landmarks go at weight 1, from rest.
        landmarks: (68, 3) m, that head's landmarks at rest.

    Raises:
        RigError: The model has no expression, so nothing can be mapped.
    """
    if not model.expression.shape[2]:
        raise RigError("The FLAME file has no expression components.", "Choose a file that has them.")
    solver = _Solver(model, landmarks)
    goals = {name: solver.scale * np.asarray(field, np.float64) for name, field in zip(names, controls, strict=True)}
    turns = {name: solver.turn(goals[name], np.array(axis)) for name, axis in TURNS.items() if name in goals}
    if "jawRight" in goals:
        turns["jawRight"] = solver.turn(goals["jawRight"], np.array([0.0, -1.0, 0.0]))
    expression: dict[str, FloatArray] = {}
    left: dict[str, float] = {}
    for name in sorted(names, key=lambda name: name == "mouthClose"):
        rest, turn = np.zeros(model.expression.shape[2]), turns.get(name, np.zeros(3))
        goal = goals[name]
        if name == "mouthClose" and "jawOpen" in goals:
            goal, rest, turn = goal + goals["jawOpen"], expression["jawOpen"], turns["jawOpen"]
        prior = _PRIOR_BESIDE_A_TURN if name in turns else _PRIOR_MM
        expression[name], left[name] = solver.expression(goal, turn, rest, prior)
    return FlameMapping(
        names,
        np.stack([expression[name] for name in names]),
        np.stack([turns.get(name, np.zeros(3)) for name in names]),
        np.array([left[name] for name in names]),
    )


class _Solver:
    """Least squares on the landmarks of one head."""

    def __init__(self, model: FlameModel, landmarks: NDArray[np.floating]) -> None:
        some = np.array(LANDMARKS)
        self.rest = model.v_template[some]
        self.basis = model.expression[some]
        self.weights = model.weights[some, _JAW]
        self.joint = model.joints()[_JAW]
        apart = [np.linalg.norm(points[_EYE_CORNERS[0]] - points[_EYE_CORNERS[1]]) for points in (self.rest, landmarks)]
        self.scale = float(apart[0] / apart[1])
        self._importance = np.ones(len(some))
        self._importance[_EYES], self._importance[_LIPS] = _EYE_WEIGHT, _LIP_WEIGHT

    def turned(self, points: FloatArray, turn: FloatArray) -> FloatArray:
        """Landmarks (68, 3) after the jaw has turned, m."""
        around = points - self.joint
        found: FloatArray = points + self.weights[:, None] * (around @ rotation_matrices(turn).T - around)
        return found

    def turn(self, goal: FloatArray, axis: FloatArray) -> FloatArray:
        """The turn of the jaw about an axis that brings the landmarks nearest to a goal, axis-angle in rad."""
        angle, step = 0.0, 1e-4
        weights = self._importance[:, None]
        for _ in range(_STEPS):
            here = self.turned(self.rest, angle * axis)
            slope = weights * (self.turned(self.rest, (angle + step) * axis) - here) / step
            missing = weights * (self.rest + goal - here)
            angle += float((slope * missing).sum() / max((slope**2).sum(), 1e-12))
        found: FloatArray = angle * axis
        return found

    def expression(
        self, goal: FloatArray, turn: FloatArray, before: FloatArray, prior: float
    ) -> tuple[FloatArray, float]:
        """The expression that adds to another one what a goal still lacks after the jaw's turn; what is left, mm."""
        matrix = rotation_matrices(turn) - np.eye(3)
        turning = np.eye(3) + self.weights[:, None, None] * matrix  # linear: a displacement turns with its vertex
        columns = 1000.0 * np.einsum("lab,lbe->lae", turning, self.basis)
        here = self.turned(self.rest + self.basis @ before, turn)
        missing = 1000.0 * (self.rest + goal - here)
        rows, wanted = [self._importance[:, None, None] * columns], [self._importance[:, None] * missing]
        for upper, lower in LIP_PAIRS:
            rows.append(_PAIR_WEIGHT * (columns[upper] - columns[lower])[None])
            wanted.append(_PAIR_WEIGHT * (missing[upper] - missing[lower])[None])
        E = columns.shape[2]
        system, target = np.concatenate(rows).reshape(-1, E), np.concatenate(wanted).reshape(-1)
        found: FloatArray = np.linalg.solve(system.T @ system + prior**2 * np.eye(E), system.T @ target)
        left = missing - columns @ found
        return found, float(np.sqrt((left**2).sum(axis=1).mean()))
