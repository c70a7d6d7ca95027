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
        Clay(ellipsoid((0, -3.2, 2.6), (5.75, 6.9, 5.9)), 2.2),
        Clay(ellipsoid((0, -1.0, -4.5), (6.2, 6.0, 5.2)), 2.0),
    ]


def _jaw() -> list[Clay]:
    return [
        Clay(both(chain([(1.3, -9.45, 6.7), (3.9, -8.4, 4.2), (5.15, -6.6, 1.3), (5.75, -2.0, 0.6)],
                        [1.45, 1.35, 1.3, 1.2])), 2.4),
        Clay(ellipsoid((0, -9.45, 7.0), (1.75, 1.55, 1.85)), 1.6),
        Clay(ellipsoid((0, -7.4, 5.4), (3.5, 3.0, 3.6)), 1.8),
    ]


def _cheeks() -> list[Clay]:
    return [
        Clay(both(ellipsoid((3.7, -2.7, 5.95), (2.0, 1.7, 1.75))), 1.8),
        Clay(both(capsule((4.9, -1.5, 5.2), (6.45, -0.5, 1.4), 0.85, 0.8)), 1.8),
        Clay(both(ellipsoid((3.9, -5.6, 4.2), (2.0, 2.4, 2.4))), 2.0),
    ]


def _brow() -> list[Clay]:
    return [
        Clay(both(chain([(0.7, 1.35, 7.75), (2.6, 1.85, 7.5), (4.4, 1.7, 6.3), (5.3, 0.7, 5.0)],
                        [0.75, 0.8, 0.75, 0.7])), 1.3),
        Clay(both(ellipsoid((3.2, 0.05, 9.35), (1.95, 1.25, 1.55))), 1.2, carve=True),
        Clay(both(ellipsoid(EYE_CENTER, np.full(3, EYE_RADIUS + 0.12))), 0.55),
        Clay(both(ellipsoid((3.5, 1.12, 7.1), (1.75, 0.55, 0.9))), 0.7),
    ]


def _mouth() -> list[Clay]:
    return [
        Clay(ellipsoid((0, -6.95, 6.7), (2.75, 2.35, 2.75)), 1.7),
        Clay(ellipsoid((0, -8.75, 9.9), (1.5, 0.35, 0.5)), 0.9, carve=True),
        Clay(both(ellipsoid((2.95, -6.9, 8.9), (0.3, 0.5, 0.5))), 0.9, carve=True),
    ]


def _nose() -> list[Clay]:
    return [
        Clay(ellipsoid((0, -3.1, 8.0), (1.55, 2.1, 1.35)), 1.1),
        Clay(chain([(0, 0.9, 7.85), (0, -0.6, 8.25), (0, -3.4, 9.75)], [0.6, 0.52, 0.62]), 0.9),
        Clay(ellipsoid((0, -3.82, 9.85), (0.82, 0.74, 0.82)), 0.6),
        Clay(both(ellipsoid((1.08, -4.15, 8.98), (0.66, 0.66, 0.86))), 0.45),
        Clay(capsule((0, -4.3, 10.0), (0, -4.9, 9.1), 0.36, 0.5), 0.5),
        Clay(capsule((0, -5.25, 9.9), (0, -5.9, 9.95), 0.22), 0.5, carve=True),
    ]


def _neck() -> list[Clay]:
    return [
        Clay(ellipsoid((0, -14.0, -1.7), (5.35, 13.0, 5.5), tilt=-0.12), 1.6),
        Clay(both(chain([(5.6, -3.6, -1.8), (3.6, -12.0, 1.4), (1.1, -18.6, 3.0)], [1.0, 1.1, 0.7])), 1.4),
        Clay(both(chain([(2.0, -8.0, -5.4), (4.6, -15.5, -4.9), (13.5, -20.0, -3.4)], [1.6, 2.2, 2.6])), 2.5),
        Clay(both(chain([(1.0, -19.6, 2.6), (7.0, -19.0, 1.4), (14.0, -19.0, -1.6)], [0.9, 1.0, 1.2])), 1.6),
        Clay(ellipsoid((0, -27.0, -1.8), (15.0, 8.2, 6.4)), 2.5),
        Clay(ellipsoid((0, -14.4, 3.3), (0.7, 0.9, 0.8)), 1.2),
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
