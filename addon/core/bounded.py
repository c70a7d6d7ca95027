# SPDX-License-Identifier: GPL-3.0-or-later
"""Least squares within limits, many small systems at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

_EXCHANGES, _ROUNDS = 10, 40


def solve_within(hessian: FloatArray, gradient: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Minimise x H x / 2 - g x with low <= x <= high, many at once.

    Block principal pivoting (Portugal, Judice and Vicente 1994) first: all unknowns that leave their limits are set to
    them, all that press inwards are let go, until none does either. It may go in circles where H is nearly singular;
    what is not solved after `_EXCHANGES` rounds goes the slower, sure way of `_descend`.

    Args:
        hessian: (N, P, P), positive definite; (1, P, P) where it is the same for all.
        gradient: (N, P).
        low: (N, P), not above 0.
        high: (N, P), not below 0.

    Returns:
        (N, P).
    """
    sides = np.where(low >= 0.0, -1, np.where(high <= 0.0, 1, 0)).astype(np.int8)  # where the last step ended
    plain, inverse = _solved(hessian, gradient, (sides != 0).any(axis=1), low, high)
    todo = np.flatnonzero((sides != 0).any(axis=1) | (plain < low).any(axis=1) | (plain > high).any(axis=1))
    found = plain.copy()
    for _ in range(_EXCHANGES):
        if not len(todo):
            break
        at, bottom, top = sides[todo], low[todo], high[todo]
        solved, presses = _pinned(inverse, todo, plain[todo], at != 0, np.where(at == -1, bottom, top))
        below, above = (at == 0) & (solved < bottom), (at == 0) & (solved > top)
        inwards = ((at == -1) & (presses > 0.0)) | ((at == 1) & (presses < 0.0))
        found[todo] = solved
        sides[todo] = np.where(below, -1, np.where(above, 1, np.where(inwards, 0, at)))
        todo = todo[(below | above | inwards).any(axis=1)]
    else:
        hessian = np.broadcast_to(hessian, inverse.shape)
        found[todo] = _descend(hessian[todo], inverse[todo], gradient[todo], low[todo], high[todo])
    return np.clip(found, low, high)


def _solved(
    hessian: FloatArray, gradient: FloatArray, limited: BoolArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The solution without limits (N, P), and the inverses (N, P, P) of those `limited` or beyond them; others garbage.

    An inverse costs three times a solution, and gives it.
    """
    count, size = gradient.shape
    if len(hessian) == 1:
        same = np.asarray(np.linalg.inv(hessian), np.float64)
        return gradient @ same[0], np.broadcast_to(same, (count, size, size))
    plain, inverse = np.empty_like(gradient), np.empty_like(hessian)
    inverse[limited] = np.linalg.inv(hessian[limited])
    plain[limited] = _times(inverse[limited], gradient[limited])
    plain[~limited] = np.linalg.solve(hessian[~limited], gradient[~limited][..., None])[..., 0]
    beyond = ~limited & ((plain < low) | (plain > high)).any(axis=1)
    inverse[beyond] = np.linalg.inv(hessian[beyond])
    return plain, inverse


def _descend(
    hessian: FloatArray, inverse: FloatArray, gradient: FloatArray, low: FloatArray, high: FloatArray
) -> FloatArray:
    """`solve_within` by a primal active set from 0: no round makes anything worse, so the best after `_ROUNDS` counts.

    A round goes to the limits where the cut step gains, else as far as the first limit; what met a limit stays there
    until the rest is solved, then what presses inwards most is let go.
    """
    found, fixed = np.zeros_like(gradient), low >= high
    choice, todo = ~fixed, np.arange(len(gradient))
    for _ in range(_ROUNDS):
        H, x, bottom, top, stays = hessian[todo], found[todo], low[todo], high[todo], fixed[todo]
        presses = gradient[todo] - _times(H, x)
        step, _ = _pinned(inverse, todo, _times(inverse[todo], presses), stays, np.zeros_like(x))
        with np.errstate(divide="ignore", invalid="ignore"):
            room = np.where(step < 0.0, (bottom - x) / step, np.where(step > 0.0, (top - x) / step, np.inf))
        least = room.min(axis=1)
        cut, short = np.clip(x + step, bottom, top) - x, np.minimum(least, 1.0)[:, None] * step
        gains = [((presses - 0.5 * _times(H, way)) * way).sum(axis=1) for way in (cut, short)]
        is_cut = (gains[0] > gains[1]) & (least < 1.0)
        way = np.where(is_cut[:, None], cut, short)
        presses -= _times(H, way)
        met = np.where(is_cut[:, None], room < 1.0, room <= np.minimum(least, 1.0 - 1e-12)[:, None])
        found[todo] = np.where(met, np.where(step < 0.0, bottom, top), x + way)  # on the limit to the last bit
        inwards = np.where(found[todo] <= bottom, presses, np.where(found[todo] >= top, -presses, 0.0))
        inwards = np.where(stays & choice[todo] & (least >= 1.0)[:, None], inwards, 0.0)  # presses of the others are 0
        freed = (inwards > 1e-9 * np.abs(gradient[todo]).max(axis=1, keepdims=True)) & (
            inwards == inwards.max(axis=1, keepdims=True)
        )
        fixed[todo] = (stays | met) & ~freed
        todo = todo[(least < 1.0) | freed.any(axis=1)]
        if not len(todo):
            break
    return found


def _times(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    """Matrices (N, P, P) times vectors (N, P)."""
    found: FloatArray = (matrices @ vectors[..., None])[..., 0]
    return found


def _pinned(
    inverse: FloatArray, which: IntArray, plain: FloatArray, fixed: BoolArray, values: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The least squares with some unknowns pinned, by the inverse without pins: only the pins make a system.

    Args:
        inverse: (all, P, P) of the Hessians.
        which: (N,) those that are meant.
        plain: (N, P) solution without pins.
        fixed: (N, P) which are pinned.
        values: (N, P) where to; read for those that are.

    Returns:
        The solution (N, P), and by how much each pin holds its unknown back, as a gradient: above 0 it would grow.
    """
    counts = fixed.sum(axis=1)
    most = int(counts.max(initial=0))
    presses = np.zeros_like(plain)
    if not most:
        return plain, presses
    places = np.argsort(~fixed, axis=1, kind="stable")[:, :most]
    real = np.arange(most) < counts[:, None]
    rows = inverse[which[:, None], places]
    system = np.take_along_axis(rows, places[:, None, :], axis=2) * (real[:, :, None] & real[:, None, :])
    system[:, range(most), range(most)] += ~real
    missing = np.take_along_axis(values - plain, places, axis=1) * real
    push = np.linalg.solve(system, missing[..., None])[..., 0]
    np.put_along_axis(presses, places, -push, axis=1)
    solved = plain + (push[:, None] @ rows)[:, 0]
    return np.where(fixed, values, solved), presses
