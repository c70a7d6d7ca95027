# SPDX-License-Identifier: GPL-3.0-or-later
"""Smooth displacement of the skin from a few handles.

A displacement minimises the biharmonic energy d' L M^-1 L d (L cotangent stiffness, M lumped area) while handles keep
their targets and anchors stay. The mouth is a slit in the mesh, so upper and lower lip move apart by themselves, and
no fold or ring appears where a mask would end. (Botsch and Kobbelt, "An intuitive framework for real-time freeform
modeling", 2004.)
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from .mesh import Mask, Mesh, cotangent_laplacian
from .sdf import Array


class Warp:
    """Biharmonic solver on one skin; factorizations are kept by name of the set of handles."""

    def __init__(self, mesh: Mesh, stretch: float = 0.02) -> None:
        """Prepare the energy; `stretch` adds a little membrane stiffness so that bumps do not overshoot."""
        stiffness, area = cotangent_laplacian(mesh.vertices, mesh.faces)
        self.count = len(mesh.vertices)
        self.energy = (stiffness @ sp.diags(1.0 / area) @ stiffness + stretch * stiffness).tocsc()
        self._solvers: dict[str, tuple[Mask, object, sp.csc_matrix]] = {}

    def solve(self, key: str, held: Mask, targets: Array) -> Array:
        """Extend values from held vertices to all.

        Args:
            key: Name of this set of held vertices (its factorization is kept under it).
            held: (V,) True where the value is given.
            targets: (V, D) values, read where held.

        Returns:
            (V, D) smooth values equal to `targets` where held.
        """
        if key not in self._solvers:
            free = ~held
            inner = self.energy[free][:, free].tocsc()
            self._solvers[key] = (held, splu(inner), self.energy[free][:, held].tocsc())
        kept, solver, coupling = self._solvers[key]
        if not np.array_equal(kept, held):
            raise ValueError(f"the held vertices of '{key}' differ from those it was factorized for")
        result = np.array(targets, float)
        result[~held] = solver.solve(-(coupling @ targets[held]))  # type: ignore[attr-defined]
        return result
