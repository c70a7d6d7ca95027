# SPDX-License-Identifier: GPL-3.0-or-later
"""The sculpt: masses of skull, face, nose, neck and shoulders as one signed distance field.

Proportions (cm) follow common canons of the adult head: breadth 15, length 19.5, height 22.4 with the eyes half-way,
stomion a third of the way from nose to chin. No existing head was measured or fitted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .sdf import Array, Field, both, capsule, chain, ellipsoid, smooth_max, smooth_min

EYE_CENTER = np.array([3.15, 0.0, 6.98])
EYE_RADIUS = 1.36


@dataclass(frozen=True)
class Clay:
    """One lump: its field, the width of its blend in cm, and whether it is carved away."""

    field: Field
    blend: float
    carve: bool = False


def _skull() -> list[Clay]:
    return [
        Clay(ellipsoid((0, 3.3, -0.75), (7.45, 8.05, 9.55)), 1.0),
        Clay(ellipsoid((0, 4.0, 3.4), (5.9, 5.6, 5.75)), 2.0),
        Clay(ellipsoid((0, -3.2, 2.6), (5.55, 6.9, 5.9)), 2.2),
        Clay(ellipsoid((0, -1.0, -4.5), (6.1, 6.0, 5.0)), 2.0),
        Clay(both(ellipsoid((4.6, -1.6, 2.4), (1.85, 3.2, 2.9))), 2.0),
    ]


def _jaw() -> list[Clay]:
    return [
        Clay(
            both(
                chain(
                    [(1.2, -9.5, 6.8), (3.35, -8.55, 4.4), (4.4, -6.75, 1.4), (5.4, -2.0, 0.6)], [1.35, 1.25, 1.1, 1.15]
                )
            ),
            2.4,
        ),
        Clay(ellipsoid((0, -9.55, 7.25), (1.7, 1.5, 1.85)), 1.6),
        Clay(ellipsoid((0, -7.4, 5.4), (3.4, 3.0, 3.6)), 1.8),
        Clay(both(ellipsoid((4.6, -4.8, -0.6), (1.4, 2.8, 2.2))), 2.2),
    ]


def _cheeks() -> list[Clay]:
    return [
        Clay(both(ellipsoid((3.65, -2.75, 5.95), (2.0, 1.75, 1.75))), 1.8),
        Clay(both(capsule((4.9, -1.7, 5.0), (6.1, -0.9, 1.6), 0.8, 0.8)), 2.2),
        Clay(both(ellipsoid((3.65, -5.5, 4.3), (1.9, 2.4, 2.4))), 2.0),
    ]


def _brow() -> list[Clay]:
    return [
        Clay(
            both(
                chain([(0.7, 1.35, 7.7), (2.6, 1.85, 7.45), (4.4, 1.7, 6.3), (5.2, 0.7, 5.0)], [0.75, 0.78, 0.75, 0.7])
            ),
            1.4,
        ),
        Clay(both(ellipsoid((3.2, 0.15, 9.35), (1.95, 1.15, 1.5))), 1.25, carve=True),
        Clay(both(ellipsoid(EYE_CENTER, np.full(3, EYE_RADIUS + 0.12))), 0.55),
        Clay(both(ellipsoid((3.5, 1.12, 7.1), (1.75, 0.55, 0.9))), 0.7),
        Clay(both(ellipsoid((3.2, -1.3, 7.0), (1.7, 0.6, 0.85))), 0.8),
    ]


def _mouth() -> list[Clay]:
    return [
        Clay(ellipsoid((0, -6.95, 6.7), (2.75, 2.35, 2.75)), 1.7),
        Clay(ellipsoid((0, -8.7, 9.9), (1.5, 0.35, 0.5)), 0.9, carve=True),
        Clay(both(ellipsoid((3.0, -6.8, 8.9), (0.25, 0.4, 0.5))), 0.9, carve=True),
    ]


def _nose() -> list[Clay]:
    return [
        Clay(ellipsoid((0, -3.0, 8.0), (1.38, 2.1, 1.3)), 1.1),
        Clay(chain([(0, 0.9, 7.85), (0, -0.6, 8.2), (0, -3.25, 9.7)], [0.6, 0.5, 0.62]), 0.9),
        Clay(ellipsoid((0, -3.95, 9.88), (0.92, 0.82, 0.86)), 0.75),
        Clay(both(ellipsoid((1.16, -4.22, 9.0), (0.6, 0.6, 0.84))), 0.32),
        Clay(
            both(
                chain(
                    [(0.98, -3.55, 10.1), (1.64, -3.55, 9.25), (1.96, -4.15, 8.8), (1.88, -4.9, 8.6)],
                    [0.05, 0.08, 0.1, 0.08],
                )
            ),
            0.45,
            carve=True,
        ),
        Clay(capsule((0, -4.3, 9.95), (0, -4.85, 9.1), 0.36, 0.5), 0.5),
        Clay(capsule((0, -5.2, 9.9), (0, -5.95, 9.95), 0.22), 0.5, carve=True),
    ]


def _neck() -> list[Clay]:
    return [
        Clay(ellipsoid((0, -14.0, -1.9), (4.95, 13.0, 5.15), tilt=-0.12), 1.8),
        Clay(both(chain([(5.0, -3.6, -2.2), (3.4, -11.5, 0.8), (1.0, -18.8, 2.8)], [0.9, 1.0, 0.6])), 2.2),
        Clay(both(chain([(1.5, -8.0, -5.2), (4.6, -14.8, -4.6), (13.5, -20.0, -3.6)], [1.6, 2.0, 2.7])), 3.2),
        Clay(both(chain([(1.2, -19.6, 2.9), (6.0, -18.9, 2.0), (14.0, -18.6, -1.4)], [0.5, 0.55, 0.8])), 2.2),
        Clay(ellipsoid((0, -27.6, -2.3), (17.0, 10.4, 6.7)), 3.0),
    ]


def head_sculpt() -> Field:
    """The whole sculpt as one field; symmetric in x, zero on the skin."""
    order = [*_skull(), *_jaw(), *_cheeks(), *_neck(), *_mouth(), *_brow(), *_nose()]

    def distance(points: Array) -> Array:
        total = order[0].field(points)
        for clay in order[1:]:
            lump = clay.field(points)
            total = smooth_max(total, -lump, clay.blend) if clay.carve else smooth_min(total, lump, clay.blend)
        return total

    return distance
