# SPDX-License-Identifier: GPL-3.0-or-later
"""Smooth a displacement field just where it would turn faces inside out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from . import mouth
from .face import Face
from .mesh import Ints, face_normals, uniform_laplacian
from .sdf import Array

LEAST_COSINE = 0.12  # of the turn a face may make from neutral
PASSES = 160


def untangle(face: Face, field: Array, over: Sequence[Array]) -> Array:
    """Average displacements with their neighbours' around faces that turn too far.

    Args:
        face: The neutral skin.
        field: (V, 3) displacement at weight 1.
        over: Other fields (V, 3); the result is good alone and added to each of them.

    Returns:
        The field, changed only around offending faces. Lips that moved as one still do.
    """
    faces = face.mesh.faces
    before = face_normals(face.v, faces)
    laplacian = uniform_laplacian(faces, len(face.v))
    bases = [np.zeros_like(field), *over]
    sealed = [(base, _sealed_pairs(face, field + base)) for base in bases]
    result = field.copy()
    for _ in range(PASSES):
        bad = np.zeros(len(faces), bool)
        for base in bases:
            after = face_normals(face.v + base + result, faces)
            bad |= np.sum(before * after, axis=1) < LEAST_COSINE
        if not bad.any():
            break
        result += 0.5 * _near(faces, bad, laplacian)[:, None] * (laplacian @ result)
        for base, pairs in sealed:
            _seal(result, base, pairs)
    return result


def _near(faces: Ints, bad: Array, laplacian: sp.csr_matrix) -> Array:
    """1 on vertices of bad faces, less on their neighbours, (V,)."""
    weight = np.zeros(laplacian.shape[0])
    ids = faces[bad]
    weight[ids[ids >= 0]] = 1.0
    around = laplacian @ weight + weight
    return np.asarray(np.maximum(weight, np.minimum(around, 0.5)))


def _sealed_pairs(face: Face, field: Array) -> tuple[Ints, Ints]:
    """Facing contact vertices that move as one; at the very corners smoothness comes first."""
    upper, lower = mouth.contact_pairs(face)
    same = (np.abs(field[upper] - field[lower]).max(axis=1) < 1e-6) & (np.abs(face.u[upper]) < 0.93)
    return upper[same], lower[same]


def _seal(field: Array, base: Array, pairs: tuple[Ints, Ints]) -> None:
    upper, lower = pairs
    middle = 0.5 * (field[upper] + base[upper] + field[lower] + base[lower])
    field[upper], field[lower] = middle - base[upper], middle - base[lower]
