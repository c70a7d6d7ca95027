# SPDX-License-Identifier: GPL-3.0-or-later
"""The cage: a half grid around the head with holes for eye, mouth, nostril and ear, each filled by concentric rings.

Columns run from the front midline (0) past the ear to the back midline, rows from the bust's edge up to the crown,
which a small grid closes. Attributes written: for each feature `<name>_ring` (0 on the hole's border, growing inward,
-1 elsewhere) and its place along the ring (`mouth_s` 0 top to 14 bottom; the closed rings as cosine and sine).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from .sdf import Array, Field, project

COLUMNS = 18
CAP_FRONT = 4
Cell = tuple[int, int]

# Each row: front (y, z), side (x, y, z), back (y, z), in cm; guesses that are projected onto the sculpt.
ROWS = np.array([
    [-22.0, 4.6, 10.6, -17.6, -3.2, -20.0, -8.6],
    [-20.0, 4.0, 8.2, -16.4, -3.0, -17.4, -8.0],
    [-18.0, 3.4, 6.3, -14.8, -2.6, -14.9, -7.5],
    [-15.6, 3.5, 5.4, -12.9, -2.0, -12.7, -7.2],
    [-13.3, 4.0, 5.2, -11.0, -1.5, -10.8, -7.1],
    [-12.0, 4.8, 5.3, -9.5, -0.9, -9.1, -7.4],
    [-11.5, 6.3, 5.5, -8.2, -0.1, -7.7, -7.8],
    [-11.0, 7.8, 5.9, -7.0, 0.8, -6.4, -8.4],
    [-10.1, 8.75, 6.2, -5.8, 1.2, -5.1, -8.9],
    [-9.1, 8.8, 6.4, -4.6, 1.1, -3.8, -9.4],
    [-8.2, 9.0, 6.5, -3.75, 1.0, -3.0, -9.6],
    [-7.2, 9.4, 6.6, -2.9, 0.9, -2.2, -9.8],
    [-6.2, 9.4, 6.7, -2.1, 0.8, -1.5, -9.9],
    [-5.2, 9.3, 6.8, -1.3, 0.7, -0.8, -10.0],
    [-4.85, 9.8, 6.9, -0.5, 0.6, -0.1, -10.0],
    [-4.45, 10.3, 6.9, 0.35, 0.5, 0.6, -10.1],
    [-3.6, 10.4, 7.0, 1.2, 0.4, 1.3, -10.2],
    [-2.2, 9.4, 7.1, 1.9, 0.2, 2.0, -10.2],
    [-1.1, 8.8, 7.2, 2.6, 0.0, 2.7, -10.2],
    [-0.1, 8.4, 7.2, 3.3, -0.1, 3.4, -10.2],
    [0.9, 8.4, 7.2, 4.0, -0.3, 4.1, -10.1],
    [2.0, 8.6, 7.2, 4.7, -0.4, 4.9, -10.0],
    [3.4, 8.8, 7.1, 5.4, -0.5, 5.7, -9.8],
    [4.9, 8.7, 6.9, 6.1, -0.6, 6.5, -9.4],
    [6.4, 8.3, 6.6, 6.9, -0.7, 7.3, -8.9],
    [7.9, 7.4, 6.1, 7.8, -0.8, 8.2, -8.0],
])  # fmt: skip
_FRONT_SINES = (0.0, 0.115, 0.215, 0.335, 0.46, 0.59, 0.71, 0.82, 0.92, 1.0)
_BACK_DEGREES = (90.0, 101.0, 111.0, 121.0, 131.0, 141.0, 151.0, 160.5, 170.0, 180.0)

MOUTH_BORDER: list[Cell] = [
    *((i, 13) for i in range(6)), (5, 12), (5, 11), (5, 10), *((i, 9) for i in range(5, -1, -1)),
]  # fmt: skip
EYE_BORDER: list[Cell] = [
    (2, 19), (2, 20), (2, 21), (3, 21), (4, 21), (5, 21), (6, 21), (6, 20),
    (6, 19), (6, 18), (6, 17), (5, 17), (4, 17), (3, 17), (2, 17), (2, 18),
]  # fmt: skip
NOSTRIL_BORDER: list[Cell] = [(1, 14), (1, 15), (2, 15), (3, 15), (3, 14), (3, 13), (2, 13), (1, 13)]
EAR_BORDER: list[Cell] = [*((9, j) for j in range(9, 17)), (10, 16), *((11, j) for j in range(16, 8, -1)), (10, 9)]
_HOLES = ((0, 5, 9, 13), (2, 6, 17, 21), (1, 3, 13, 15), (9, 11, 9, 16))


@dataclass
class Cage:
    """A half cage under construction: positions, faces, pinned flags, ring attributes."""

    positions: list[Array] = field(default_factory=list)
    faces: list[tuple[int, int, int, int]] = field(default_factory=list)
    pinned: list[bool] = field(default_factory=list)
    rings: list[tuple[str, int, int, int]] = field(default_factory=list)
    grid: dict[Cell, int] = field(default_factory=dict)

    def add(self, position: Array, pinned: bool = False) -> int:
        """Add a vertex; return its id."""
        self.positions.append(np.asarray(position, float))
        self.pinned.append(pinned)
        return len(self.positions) - 1

    def pin(self, cell: Cell, position: Array) -> None:
        """Fix a grid vertex at a position."""
        vertex = self.grid[cell]
        self.positions[vertex] = np.asarray(position, float)
        self.pinned[vertex] = True

    def at(self, cells: Sequence[Cell]) -> Array:
        """Positions (n, 3) of grid cells."""
        return np.array([self.positions[self.grid[cell]] for cell in cells])


def _column_points(row: Array) -> Array:
    """Guess of one row: half an ellipse through its front, side and back point, (COLUMNS + 1, 3)."""
    front, side, back = np.array([0, row[0], row[1]]), row[2:5], np.array([0, row[5], row[6]])
    points = []
    for sine in _FRONT_SINES:
        points.append(side + (front - side) * np.sqrt(1 - sine**2))
        points[-1][0] = side[0] * sine
    for degrees in _BACK_DEGREES[1:]:
        angle = np.radians(degrees)
        points.append(side + (back - side) * -np.cos(angle))
        points[-1][0] = side[0] * np.sin(angle)
    points[-1][0] = 0.0
    return np.array(points)


def _inside_hole(i: int, j: int) -> bool:
    for left, right, bottom, top in _HOLES:
        beyond_left = i > left or left == 0
        if beyond_left and i < right and bottom < j < top:
            return True
    return False


def _face_removed(i: int, j: int) -> bool:
    return any(left <= i < right and bottom <= j < top for left, right, bottom, top in _HOLES)


def grid_cage(sculpt: Field) -> Cage:
    """The grid with its holes and the closed crown, on the sculpt, nothing pinned but the bust's edge."""
    cage = Cage()
    for j, row in enumerate(ROWS):
        points = project(sculpt, _column_points(row), 6)
        points[[0, -1], 0] = 0.0
        for i in range(COLUMNS + 1):
            if not _inside_hole(i, j):
                cage.grid[i, j] = cage.add(points[i], pinned=j == 0)
    for j in range(len(ROWS) - 1):
        for i in range(COLUMNS):
            if not _face_removed(i, j):
                corners = ((i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1))
                cage.faces.append(tuple(cage.grid[c] for c in corners))  # type: ignore[arg-type]
    _close_crown(cage, sculpt)
    return cage


def _close_crown(cage: Cage, sculpt: Field) -> None:
    """Fill the topmost row with a half disc of quads."""
    top, depth = len(ROWS) - 1, COLUMNS - 2 * CAP_FRONT
    ids: dict[Cell, int] = {}
    for p in range(CAP_FRONT + 1):
        ids[p, 0] = cage.grid[p, top]
        ids[p, depth] = cage.grid[COLUMNS - p, top]
    for q in range(depth + 1):
        ids[CAP_FRONT, q] = cage.grid[CAP_FRONT + q, top]
    for q in range(1, depth):
        front, back = cage.positions[ids[0, 0]], cage.positions[ids[0, depth]]
        outer = cage.positions[ids[CAP_FRONT, q]]
        for p in range(CAP_FRONT):
            t = p / CAP_FRONT
            guess = (1 - t) * (front + (back - front) * q / depth) + t * outer
            guess[1] += 2.8 * (1 - t * t)
            point = project(sculpt, guess[None], 6)[0]
            point[0] = point[0] if p else 0.0
            ids[p, q] = cage.add(point)
    for q in range(depth):
        for p in range(CAP_FRONT):
            cage.faces.append((ids[p, q], ids[p + 1, q], ids[p + 1, q + 1], ids[p, q + 1]))


def add_rings(
    cage: Cage, name: str, border: Sequence[Cell], rings: Sequence[Array], free: Sequence[int], closed: bool = True
) -> list[list[int]]:
    """Fill a hole with rings of quads.

    Args:
        cage: The cage, changed in place.
        name: The feature, for the attributes.
        border: Grid cells of the hole, clockwise seen from outside.
        rings: Positions (n, 3) of ring 1, 2, ... inward.
        free: Ring numbers that relaxation may move.
        closed: False for the half mouth, whose rings begin and end on the midline.

    Returns:
        Vertex ids of every ring, ring 0 first.
    """
    count = len(border)
    ids = [[cage.grid[cell] for cell in border]]
    ids += [[cage.add(p, pinned=k not in free) for p in ring] for k, ring in enumerate(rings, start=1)]
    for outer, inner in pairwise(ids):
        for s in range(count if closed else count - 1):
            n = (s + 1) % count
            cage.faces.append((outer[s], inner[s], inner[n], outer[n]))
    for k, ring in enumerate(ids):
        cage.rings += [(name, vertex, k, s) for s, vertex in enumerate(ring)]
    return ids


def zip_ring(cage: Cage, ring: Sequence[int]) -> None:
    """Close a ring by quads between its vertices s and n - 1 - s (a triangle at the end where n is odd)."""
    n = len(ring)
    for s in range(n // 2 - 1):
        cage.faces.append((ring[n - 1 - s], ring[n - 2 - s], ring[s + 1], ring[s]))
    if n % 2:
        m = n // 2
        cage.faces.append((ring[m + 1], ring[m], ring[m - 1], -1))


def ring_attributes(cage: Cage, counts: dict[str, int]) -> dict[str, Array]:
    """Attributes (V,) of all features; `counts` maps a feature to the vertices of its closed ring, 0 for the mouth."""
    total = len(cage.positions)
    attributes: dict[str, Array] = {"row": np.full(total, float(len(ROWS)))}
    for (_, j), vertex in cage.grid.items():
        attributes["row"][vertex] = j
    for name, count in counts.items():
        suffixes = ("ring", "cos", "sin") if count else ("ring", "s")
        for suffix in suffixes:
            attributes[f"{name}_{suffix}"] = np.full(total, -1.0 if suffix == "ring" else 0.0)
    for name, vertex, ring, s in cage.rings:
        attributes[f"{name}_ring"][vertex] = ring
        if counts[name]:
            angle = 2 * np.pi * s / counts[name]
            attributes[f"{name}_cos"][vertex] = np.cos(angle)
            attributes[f"{name}_sin"][vertex] = np.sin(angle)
        else:
            attributes[f"{name}_s"][vertex] = s
    return attributes


def blend_rings(outer: Array, inner: Array, count: int) -> list[Array]:
    """`count` rings evenly between two rings of equal length."""
    shares = np.linspace(0, 1, count + 2)[1:-1]
    return [(1 - t) * outer + t * inner for t in shares]
