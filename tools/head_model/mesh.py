# SPDX-License-Identifier: GPL-3.0-or-later
"""Quad meshes that remember where they came from: mirroring, Catmull-Clark, Laplacians.

Each vertex carries named float attributes (ring indices and positions along rings). Subdivision averages them for the
new vertices and leaves those of old vertices alone, so that a displacement field can address a lip by its ring.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from .sdf import Array

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass
class Mesh:
    """Vertices (V, 3) cm, faces (F, 4) with -1 last for a triangle, attributes (V,), mirror image ids (V,)."""

    vertices: Array
    faces: Ints
    attributes: dict[str, Array]
    mirror: Ints


def mirror_half(vertices: Array, faces: Ints, attributes: dict[str, Array]) -> Mesh:
    """Complete a half mesh (x >= 0) by its mirror image; vertices with x = 0 are shared."""
    count = len(vertices)
    middle = np.abs(vertices[:, 0]) < 1e-9
    image = np.arange(count)
    image[~middle] = count + np.arange(np.count_nonzero(~middle))
    mirrored = np.where(faces >= 0, image[faces], -1)
    flipped = np.where((faces[:, 3] < 0)[:, None], mirrored[:, [0, 2, 1, 3]], mirrored[:, [0, 3, 2, 1]])
    other = vertices[~middle] * [-1.0, 1.0, 1.0]
    back = np.concatenate([image, np.flatnonzero(~middle)])
    return Mesh(
        np.vstack([vertices, other]),
        np.vstack([faces, flipped]),
        {name: np.concatenate([values, values[~middle]]) for name, values in attributes.items()},
        back,
    )


def symmetrize(vertices: Array, mirror: Ints) -> Array:
    """Average positions or displacements (V, 3) with their mirror image."""
    return 0.5 * (vertices + vertices[mirror] * [-1.0, 1.0, 1.0])


def corner_pairs(faces: Ints) -> tuple[Ints, Ints, Ints]:
    """Directed edges of all faces: (from, to, face), each (E,)."""
    starts, ends, owners = [], [], []
    sizes = np.where(faces[:, 3] < 0, 3, 4)
    for k in range(4):
        used = np.flatnonzero(sizes > k)
        starts.append(faces[used, k])
        ends.append(faces[used, (k + 1) % sizes[used]])
        owners.append(used)
    return np.concatenate(starts), np.concatenate(ends), np.concatenate(owners)


def unique_edges(faces: Ints) -> tuple[Ints, Ints, Ints, Ints]:
    """Undirected edges (E, 2), how many faces use each (E,), and for each directed edge its edge and face."""
    a, b, owner = corner_pairs(faces)
    pairs = np.stack([np.minimum(a, b), np.maximum(a, b)], axis=1)
    edges, which, uses = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    return edges, uses, which.reshape(-1), owner


def catmull_clark(mesh: Mesh) -> Mesh:
    """One Catmull-Clark step; open borders follow the cubic B-spline rule and hold their corners loosely."""
    v, f = mesh.vertices, mesh.faces
    edges, uses, which, owner = unique_edges(f)
    sizes = np.where(f[:, 3] < 0, 3, 4)
    face_points = _face_average(v, f, sizes)
    edge_points = _edge_points(v, edges, uses, face_points, which, owner)
    old_points = _vertex_points(v, edges, uses, face_points, f, sizes)
    attributes = {
        name: np.concatenate([values, values[edges].mean(axis=1), _face_average(values[:, None], f, sizes)[:, 0]])
        for name, values in mesh.attributes.items()
    }
    faces = _split_faces(f, sizes, which, len(v), len(edges))
    mirror = _subdivided_mirror(mesh, edges, f)
    return Mesh(np.vstack([old_points, edge_points, face_points]), faces, attributes, mirror)


def _face_average(values: Array, faces: Ints, sizes: Ints) -> Array:
    gathered = np.where((faces >= 0)[..., None], values[faces], 0.0)
    return np.asarray(gathered.sum(axis=1) / sizes[:, None])


def _edge_points(v: Array, edges: Ints, uses: Ints, face_points: Array, which: Ints, owner: Ints) -> Array:
    middle = v[edges].mean(axis=1)
    around = np.zeros_like(middle)
    np.add.at(around, which, face_points[owner])
    inner = uses == 2
    middle[inner] = 0.5 * middle[inner] + 0.25 * around[inner]
    return np.asarray(middle)


def _vertex_points(v: Array, edges: Ints, uses: Ints, face_points: Array, f: Ints, sizes: Ints) -> Array:
    count = len(v)
    valence, midpoints = np.zeros(count), np.zeros((count, 3))
    np.add.at(valence, edges.ravel(), 1.0)
    np.add.at(midpoints, edges.ravel(), np.repeat(v[edges].mean(axis=1), 2, axis=0))
    corner, fan = np.zeros(count), np.zeros((count, 3))
    for k in range(4):
        used = sizes > k
        np.add.at(corner, f[used, k], 1.0)
        np.add.at(fan, f[used, k], face_points[used])
    n = np.maximum(valence, 1.0)[:, None]
    points = (fan / np.maximum(corner, 1.0)[:, None] + 2.0 * midpoints / n + (n - 3.0) * v) / n
    rim = edges[uses == 1]
    on_rim = np.zeros(count, bool)
    on_rim[rim.ravel()] = True
    rim_sum = np.zeros((count, 3))
    np.add.at(rim_sum, rim.ravel(), np.repeat(v[rim].mean(axis=1), 2, axis=0))
    points[on_rim] = 0.25 * rim_sum[on_rim] + 0.5 * v[on_rim]
    return points


def _split_faces(f: Ints, sizes: Ints, which: Ints, count: int, edge_count: int) -> Ints:
    edge_of = np.full(f.shape, -1)
    start = 0
    for k in range(4):
        used = np.flatnonzero(sizes > k)
        edge_of[used, k] = which[start : start + len(used)]
        start += len(used)
    parts = []
    for k in range(4):
        used = np.flatnonzero(sizes > k)
        before = edge_of[used, (k - 1) % sizes[used]]
        parts.append(
            np.stack([f[used, k], count + edge_of[used, k], count + edge_count + used, count + before], axis=1)
        )
    return np.vstack(parts)


def _subdivided_mirror(mesh: Mesh, edges: Ints, f: Ints) -> Ints:
    count, m = len(mesh.vertices), mesh.mirror
    edge_ids = {(int(a), int(b)): k for k, (a, b) in enumerate(edges)}
    image_edges = [edge_ids[tuple(sorted((int(m[a]), int(m[b]))))] for a, b in edges]  # type: ignore[index]
    face_ids = {tuple(sorted(int(i) for i in row)): k for k, row in enumerate(f)}
    image_faces = [face_ids[tuple(sorted(int(m[i]) if i >= 0 else -1 for i in row))] for row in f]
    return np.concatenate([m, count + np.asarray(image_edges), count + len(edges) + np.asarray(image_faces)])


def uniform_laplacian(faces: Ints, count: int) -> sp.csr_matrix:
    """Row-stochastic neighbour average minus identity, (V, V); rim vertices look along the rim only."""
    edges, uses, _, _ = unique_edges(faces)
    rim = np.zeros(count, bool)
    rim[edges[uses == 1].ravel()] = True
    keep = (uses == 1) | ~(rim[edges[:, 0]] | rim[edges[:, 1]])
    half = ~keep
    one, two = edges[keep], edges[half]
    inner_first = np.where(rim[two[:, 0]][:, None], two[:, ::-1], two)
    inner_first = inner_first[~rim[inner_first[:, 0]]]
    rows = np.concatenate([one[:, 0], one[:, 1], inner_first[:, 0]])
    cols = np.concatenate([one[:, 1], one[:, 0], inner_first[:, 1]])
    graph = sp.csr_matrix((np.ones(len(rows)), (rows, cols)), shape=(count, count))
    degree = np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1.0)
    return sp.diags(1.0 / degree) @ graph - sp.identity(count, format="csr")


def triangles(faces: Ints) -> Ints:
    """Both triangles of each quad and the single one of each triangle, (T, 3)."""
    quads = faces[:, 3] >= 0
    return np.vstack([faces[:, :3], faces[quads][:, [0, 2, 3]]])


def cotangent_laplacian(vertices: Array, faces: Ints) -> tuple[sp.csr_matrix, Array]:
    """Stiffness (V, V), positive semi-definite, with weights kept positive, and lumped areas (V,) in cm2."""
    tri = triangles(faces)
    count = len(vertices)
    rows, cols, values = [], [], []
    area = np.zeros(count)
    for k in range(3):
        i, j, o = tri[:, k], tri[:, (k + 1) % 3], tri[:, (k + 2) % 3]
        a, b = vertices[i] - vertices[o], vertices[j] - vertices[o]
        twice = np.maximum(np.linalg.norm(np.cross(a, b), axis=1), 1e-4)
        weight = np.clip(0.5 * np.sum(a * b, axis=1) / twice, 0.02, 5.0)
        rows += [i, j]
        cols += [j, i]
        values += [weight, weight]
        np.add.at(area, o, twice / 6.0)
    graph = sp.csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(cols))), shape=(count, count))
    return sp.diags(np.asarray(graph.sum(axis=1)).ravel()) - graph, np.maximum(area, 1e-4)


def face_normals(vertices: Array, faces: Ints) -> Array:
    """Unit normals (F, 3); a quad's is the cross product of its diagonals."""
    quad = faces[:, 3] >= 0
    last = np.where(quad, faces[:, 3], faces[:, 0])
    p0, p1, p2 = (vertices[faces[:, k]] for k in range(3))
    normal = np.where(quad[:, None], np.cross(p2 - p0, vertices[last] - p1), np.cross(p1 - p0, p2 - p0))
    return np.asarray(normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12))


def vertex_normals(vertices: Array, faces: Ints) -> Array:
    """Unit normals (V, 3): averages of the faces around."""
    normals = face_normals(vertices, faces)
    total = np.zeros_like(vertices)
    for k in range(4):
        used = faces[:, k] >= 0
        np.add.at(total, faces[used, k], normals[used])
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12))
