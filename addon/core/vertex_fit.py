# SPDX-License-Identifier: GPL-3.0-or-later
"""A motion of vertices as weights of shape keys and turns of the jaw: regularised least squares, all frames at once.

A head with fields F (K keys), a jaw of rotation R about the joint j, skinning weights s and pose correctives P, weighed
by A = R - I, shows

    v(w, R) = j + E c + s A E c,   E = [F, P, template - j],   c = [w, vec(A), 1].

Everything that Gauss-Newton needs of v in the posed head are inner products of E with itself and with the motion,
weighed by 1, s and s^2. They are taken once; after that a step costs nothing that grows with the vertices. Each frame
has its own small system (K + 3 unknowns), solved within the keys' sliders (`bounded`).

Priors, in mm^2 a vertex: a weight is small, keys the animator edits (the named controls) costing least; the jaw's own
turn, beside what the controls turn it, is small; weights and turn follow the mean of their neighbours in time, so that
what the vertices do not tell does not jitter. They are far below what a visible motion gains.

Model axes, metres, rad, axis-angle.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .bounded import solve_within
from .flame import rotation_matrices
from .rotations import of_matrices
from .vertex_file import Points
from .vertex_motion import AT_A_TIME, IntArray

FloatArray = NDArray[np.float64]

_RIDGE = 3e-6  # mm^2 a vertex, of a weight of 1
_FOLLOW = 2e-5  # mm^2 a vertex, of a weight that is 1 from the mean of its neighbours
_TURN_RIDGE = _RIDGE / 0.05**2  # a rad of the jaw beside the controls costs as much as weights of 20
_TURN_FOLLOW = _FOLLOW / 0.3**2
_STEPS = 6
_SETTLED_MM = 3e-3  # a step that moves a frame's vertices by less, root of the mean square, is its last
_MM2 = 1e-6  # m^2
_ELEMENTS = 9  # of R - I


@dataclass(frozen=True)
class Jaw:
    """A bone that opens the mouth.

    Attributes:
        joint: (3,) m.
        weights: (V,) how much of its turn each vertex follows.
        pose: (9, V, 3) m a unit of each element of R - I, row by row: FLAME's pose correctives.
        turns: (K, 3) rad, by how much each key turns it at weight 1.
        is_free: Whether it may turn beside what the keys turn it.
    """

    joint: FloatArray
    weights: FloatArray
    pose: FloatArray
    turns: FloatArray
    is_free: bool = True


@dataclass(frozen=True)
class FitRig:
    """A head as the fit sees it.

    Attributes:
        template: (V, 3) m.
        fields: (K, V, 3) m at weight 1.
        lower: (K,) limits of the weights.
        upper: (K,)
        costs: (K,) how many times the ridge a weight costs; 1 for keys that are to be used first.
        jaw: The jaw's bone, None where there is none.
    """

    template: FloatArray
    fields: Points
    lower: FloatArray
    upper: FloatArray
    costs: FloatArray
    jaw: Jaw | None = None


@dataclass(frozen=True)
class Fit:
    """What was found.

    Attributes:
        weights: (N, K) within the limits.
        jaw_pose: (N, 3) whole turn of the jaw, what the keys turn it included.
        mean_mm: (N,) mean over the vertices of what is left.
        worst_mm: (N,) largest over the vertices.
    """

    weights: FloatArray
    jaw_pose: FloatArray
    mean_mm: FloatArray = field(repr=False)
    worst_mm: FloatArray = field(repr=False)


def fit_vertices(rig: FitRig, displacements: Points, held: FloatArray | None = None) -> Fit:
    """Find weights and turns that show a motion.

    Args:
        rig: The head.
        displacements: (N, V, 3) m from its template, the head standing.
        held: (N, K) weights that cannot be chosen, NaN where they can.

    Returns:
        The fit; frames are independent but for the priors.
    """
    solver = _Solver(rig, displacements, held)
    for _ in range(_STEPS):
        solver.step()
    weights, jaw_pose = solver.weights, of_matrices(solver.matrices)
    mean, worst = residual_mm(rig, displacements, weights, jaw_pose)
    return Fit(weights, jaw_pose, mean, worst)


def show(rig: FitRig, weights: FloatArray, jaw_pose: FloatArray) -> Points:
    """Displacements (N, V, 3) m from the template of weights (N, K) and turns of the jaw (N, 3)."""
    K, V, _ = rig.fields.shape
    found = (weights.astype(np.float32) @ rig.fields.reshape(K, 3 * V)).reshape(-1, V, 3)
    if rig.jaw is None:
        return found
    change = rotation_matrices(jaw_pose) - np.eye(3)
    if rig.jaw.pose.any():
        pose = rig.jaw.pose.reshape(_ELEMENTS, 3 * V).astype(np.float32)
        found += (change.reshape(-1, _ELEMENTS).astype(np.float32) @ pose).reshape(-1, V, 3)
    some = np.flatnonzero(rig.jaw.weights)
    around = found[:, some] + (rig.template[some] - rig.jaw.joint).astype(np.float32)
    turned = around @ change.transpose(0, 2, 1).astype(np.float32)
    found[:, some] += rig.jaw.weights[some, None].astype(np.float32) * turned
    return found


def residual_mm(
    rig: FitRig, displacements: Points, weights: FloatArray, jaw_pose: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean and largest distance (N,) of the vertices from a motion, mm."""
    N = len(displacements)
    mean, worst = np.zeros(N), np.zeros(N)
    for part in blocks(N):
        left = displacements[part] - show(rig, weights[part], jaw_pose[part])
        away = 1000.0 * np.sqrt(np.einsum("nva,nva->nv", left, left))
        mean[part], worst[part] = away.mean(axis=1, dtype=np.float64), away.max(axis=1)
    return mean, worst


def blocks(count: int) -> list[slice]:
    """Frames, some at a time."""
    return [slice(first, min(first + AT_A_TIME, count)) for first in range(0, count, AT_A_TIME)]


class _Solver:
    """Gauss-Newton on inner products."""

    def __init__(self, rig: FitRig, displacements: Points, held: FloatArray | None) -> None:
        N, K = len(displacements), len(rig.fields)
        self.rig, self.K = rig, K
        self.moving: IntArray = np.arange(N)
        self.has_jaw = rig.jaw is not None
        self.held = np.zeros((N, K), bool) if held is None else ~np.isnan(held)
        self.weights = np.clip(np.zeros((N, K)), rig.lower, rig.upper)
        if held is not None:
            self.weights[self.held] = held[self.held]
        self._are_alike = held is None  # as long as all frames are where they start, their Hessians are one
        self.matrices = np.tile(np.eye(3), (N, 1, 1))
        self.turns = np.zeros((K, 3)) if rig.jaw is None else rig.jaw.turns
        self._is_led = rig.jaw is not None and not rig.jaw.is_free  # the jaw goes where the keys turn it
        if self._is_led:
            self.matrices = rotation_matrices(self.weights @ self.turns)
        self._unit = len(rig.template) * _MM2
        self._take_products(rig, displacements)

    def _take_products(self, rig: FitRig, displacements: Points) -> None:
        """Inner products of the fields with each other and with the motion."""
        V = len(rig.template)
        jaw = rig.jaw
        joint = np.zeros(3) if jaw is None else jaw.joint
        pose = np.zeros((0, V, 3)) if jaw is None else jaw.pose
        base = (rig.template - joint)[None]
        E = np.concatenate((rig.fields, pose, base)).astype(np.float64)
        M = self.M = len(E)
        flat = E.reshape(M, -1)
        plain = flat @ flat.T
        self._plain_data = np.empty((len(displacements), M))
        some = np.flatnonzero(jaw.weights) if jaw is not None else np.zeros(0, np.int64)
        share = jaw.weights[some] if jaw is not None else np.zeros(0)
        rows = E[:, some].transpose(2, 0, 1).reshape(3 * M, -1)  # (3 M, V'), by axis
        once, twice = ((rows * share**power) @ rows.T for power in (1, 2))
        self._once, self._twice = (found.reshape(3, M, 3, M) for found in (once, twice))
        mixed = self._once.transpose(0, 2, 1, 3)
        gram = np.stack((plain, *(mixed + mixed.transpose(0, 1, 3, 2)).reshape(-1, M, M)))
        squares = self._twice.transpose(0, 2, 1, 3).reshape(-1, M, M)
        self._gram = np.concatenate((gram, squares)).reshape(1 + 2 * _ELEMENTS, M * M)
        self._turned_data = np.empty((len(displacements), 3, 3, M))
        of_base = flat @ base.ravel()
        for part in blocks(len(displacements)):
            moved = displacements[part].astype(np.float64)
            self._plain_data[part] = moved.reshape(len(moved), -1) @ flat.T + of_base
            places = (moved[:, some] + base[0, some]).transpose(0, 2, 1)  # (N, 3, V')
            turned = (places * share).reshape(3 * len(moved), len(some)) @ rows.T
            self._turned_data[part] = turned.reshape(len(moved), 3, 3, M)

    def step(self) -> None:
        """One step of the frames that still move."""
        middle = _mean_of_neighbours(self.weights)
        turn = of_matrices(self.matrices)
        middle_turn = _mean_of_neighbours(turn)
        moving = self.moving
        for block in blocks(len(moving)):
            some = moving[block]
            hessian, gradient = self._system(some)
            self._add_priors(hessian, gradient, some, turn[some], middle[some], middle_turn[some])
            if self._is_led:
                self._lead(hessian, gradient)
            self._move(some, hessian[:1] if self._are_alike else hessian, gradient)
        self._are_alike = False

    def _lead(self, hessian: FloatArray, gradient: FloatArray) -> None:
        """Let a change of the weights be one of the jaw's turn too, which is no unknown of its own any more."""
        K, turns = self.K, self.turns
        across = hessian[:, :K, K:] @ turns.T
        hessian[:, :K, :K] += across + across.transpose(0, 2, 1) + turns @ hessian[:, K:, K:] @ turns.T
        gradient[:, :K] += gradient[:, K:] @ turns.T
        hessian[:, K:] = hessian[:, :, K:] = gradient[:, K:] = 0.0
        hessian[:, range(K, K + 3), range(K, K + 3)] = 1.0

    def _move(self, part: IntArray, hessian: FloatArray, gradient: FloatArray) -> None:
        """Take the step that a system asks for, within the limits; frames that hardly move are left from then on."""
        K, weights = self.K, self.weights[part]
        low, high = np.full(gradient.shape, -np.inf), np.full(gradient.shape, np.inf)
        low[:, :K], high[:, :K] = self.rig.lower - weights, self.rig.upper - weights
        low[:, :K][self.held[part]] = high[:, :K][self.held[part]] = 0.0
        if self._is_led:
            low[:, K:] = high[:, K:] = 0.0
        change = solve_within(hessian, gradient, low, high)
        self.weights[part] = weights + change[:, :K]
        self.matrices[part] = self.matrices[part] @ rotation_matrices(change[:, K:])
        if self._is_led:
            self.matrices[part] = rotation_matrices(self.weights[part] @ self.turns)
        moved = np.einsum("np,np->n", change, (hessian @ change[..., None])[..., 0]) / self._unit
        settled = part[np.sqrt(moved) < _SETTLED_MM]
        self.moving = np.setdiff1d(self.moving, settled, assume_unique=True)

    def _system(self, part: IntArray) -> tuple[FloatArray, FloatArray]:
        """Hessian (N, K + 3, K + 3) and gradient (N, K + 3) of half the squares, in m^2; without a jaw a unit there."""
        K, M = self.K, self.M
        R = self.matrices[part]
        N = len(R)
        A = R - np.eye(3)
        c = np.concatenate((self.weights[part], *([A.reshape(N, -1)] if self.has_jaw else []), np.ones((N, 1))), axis=1)
        factors = np.concatenate((np.ones((N, 1)), A.reshape(N, -1), (A.transpose(0, 2, 1) @ A).reshape(N, -1)), axis=1)
        gram = (factors @ self._gram).reshape(N, M, M)
        fits = self._plain_data[part] + np.einsum("nab,nabm->nm", A, self._turned_data[part])
        left = fits - np.einsum("nml,nl->nm", gram, c)
        hessian, gradient = np.zeros((N, K + 3, K + 3)), np.zeros((N, K + 3))
        hessian[:, :K, :K], gradient[:, :K] = gram[:, :K, :K], left[:, :K]
        if not self.has_jaw:
            hessian[:, range(K, K + 3), range(K, K + 3)] = 1.0
            return hessian, gradient
        slope = R[:, None] @ _GENERATORS  # (N, 3, 3, 3): of R along each right turn
        along = slope.reshape(N, 3, _ELEMENTS)
        once, twice = ((c @ found.reshape(-1, M).T).reshape(N, 3, M, 3) for found in (self._once, self._twice))
        inner = A.transpose(0, 2, 1)[:, None] @ slope
        by_field = np.einsum("niab,namb->nim", slope, once) + np.einsum("niab,namb->nim", inner, twice)
        squares = np.einsum("namb,nm->nab", twice, c)
        pose = slice(K, K + _ELEMENTS)
        hessian[:, :K, K:] = gram[:, :K, pose] @ along.transpose(0, 2, 1) + by_field[:, :, :K].transpose(0, 2, 1)
        hessian[:, K:, :K] = hessian[:, :K, K:].transpose(0, 2, 1)
        mixed = along @ by_field[:, :, pose].transpose(0, 2, 1)
        both = np.einsum("nica,njcb,nab->nij", slope, slope, squares)
        hessian[:, K:, K:] = along @ gram[:, pose, pose] @ along.transpose(0, 2, 1)
        hessian[:, K:, K:] += mixed + mixed.transpose(0, 2, 1) + both
        of_data = np.einsum("niab,nabm,nm->ni", slope, self._turned_data[part], c, optimize=True)
        gradient[:, K:] = np.einsum("nie,ne->ni", along, left[:, pose]) + of_data
        gradient[:, K:] -= np.einsum("nim,nm->ni", by_field, c)
        return hessian, gradient

    def _add_priors(
        self,
        hessian: FloatArray,
        gradient: FloatArray,
        part: IntArray,
        turn: FloatArray,
        middle: FloatArray,
        middle_turn: FloatArray,
    ) -> None:
        """Add what is believed before the vertices are seen; a change of the turn is taken for one of its vector."""
        K, weights = self.K, self.weights[part]
        ridge = self._unit * _RIDGE * self.rig.costs
        diagonal = np.arange(K)
        hessian[:, diagonal, diagonal] += ridge + self._unit * _FOLLOW
        gradient[:, :K] -= ridge * weights + self._unit * _FOLLOW * (weights - middle)
        if not self.has_jaw:
            return
        own, follow = self._unit * _TURN_RIDGE, self._unit * _TURN_FOLLOW
        beside = turn - weights @ self.turns
        hessian[:, :K, :K] += own * self.turns @ self.turns.T
        hessian[:, :K, K:] -= own * self.turns
        hessian[:, K:, :K] -= own * self.turns.T
        hessian[:, K:, K:] += (own + follow) * np.eye(3)
        gradient[:, :K] += own * beside @ self.turns.T
        gradient[:, K:] -= own * beside + follow * (turn - middle_turn)


_GENERATORS = np.array(
    [
        [[0.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]],
        [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 0.0]],
        [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    ]
)
"""(3, 3, 3): the matrix of the cross product with each axis."""


def _mean_of_neighbours(values: FloatArray) -> FloatArray:
    """(N, C) mean of the frame before and the one after; at the ends of the frame and its one neighbour."""
    padded = np.concatenate((values[:1], values, values[-1:]))
    return 0.5 * (padded[:-2] + padded[2:])
