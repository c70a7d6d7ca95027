# SPDX-License-Identifier: GPL-3.0-or-later
"""A head in FLAME's layout to test with where FLAME's own bases cannot be had: plausible, and nobody's.

The topology is FLAME's, of a template file. The expression basis holds the principal components of the built-in
head's controls, carried over to it, and smooth noise (a fifth of its variance), all rotated at random, so that no
component is a control. Identity and pose blend shapes are smooth noise; weights and joints are carried over. The
geometry is told by the controls' names only in `controls`, which no model file has.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

COMPONENTS = 100  # of expression
_IDENTITIES = 300
_OUTSIDE = 0.2  # share of the expression's variance that no control spans
_LIP_PAIRS = ((3533, 3509), (1668, 1848), (2785, 2937))  # upper, lower, of FLAME's mesh
_EYEBALLS = (slice(3931, 4477), slice(4477, 5023))  # left, right
_NEIGHBOURS = 4
_OF_THE_HEAD = ("v_template", "f", "controls", "weights", "landmarks68", "inner_lip_pairs")
Numbers = NDArray[Any]


@dataclass(frozen=True)
class StandIn:
    """The stand-in.

    Attributes:
        arrays: What a FLAME model file holds, by FLAME's names.
        controls: (52, V, 3) m, the built-in head's controls as carried over; the jaw's own turn is taken out.
    """

    arrays: dict[str, Numbers]
    controls: FloatArray


def make_standin(template_file: Path, head_file: Path, seed: int = 0) -> StandIn:
    """Make one.

    Args:
        template_file: .npz with `v_template` (V, 3) m, `f`, `landmark68_face` and `landmark68_bary` of FLAME's mesh.
        head_file: The built-in head.
        seed: Of the noise and the rotation.
    """
    rng = np.random.default_rng(seed)
    with np.load(template_file) as file:
        template, faces = file["v_template"].astype(np.float64), file["f"]
        corners = template[faces[file["landmark68_face"]]]
        landmarks = np.einsum("lc,lcx->lx", file["landmark68_bary"].astype(np.float64), corners)
    with np.load(head_file) as file:
        head = {name: file[name] for name in _OF_THE_HEAD}
        names = [str(name) for name in file["control_names"]]
    carried = _Carrier(template, faces, landmarks, head)
    controls = np.stack([carried.field(control) for control in head["controls"].astype(np.float64)])
    weights = carried.field(head["weights"].astype(np.float64))
    weights = _eyes_alone(weights / weights.sum(axis=1, keepdims=True))
    regressor = _regressor(template, landmarks)
    jaw = (regressor @ template)[2]
    controls[names.index("jawOpen")] = _without_turn(controls[names.index("jawOpen")], template, weights[:, 2], jaw)
    shapes = _smooth_noise(template, _IDENTITIES, rng, 0.03) * np.geomspace(2.5e-3, 2e-4, _IDENTITIES)
    pose = _smooth_noise(template, 36, rng, 0.03) * 1.5e-3 * (1.0 - weights[:, :1, None])
    expression = _expression_basis(controls, template, rng)
    arrays = {
        "v_template": template,
        "f": faces.astype(np.uint32),
        "shapedirs": np.concatenate((shapes, expression), axis=2),
        "posedirs": pose,
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.array([[4294967295, 0, 1, 1, 1], [0, 1, 2, 3, 4]], np.int64),
    }
    return StandIn(arrays, controls)


class _Carrier:
    """Carries fields over the built-in head's surface to FLAME's mesh."""

    def __init__(
        self,
        template: FloatArray,
        faces: Numbers,
        landmarks: FloatArray,
        head: dict[str, Numbers],
    ) -> None:
        points = head["v_template"].astype(np.float64)
        source = np.concatenate((points[head["landmarks68"]], points[head["inner_lip_pairs"][[2, 1, 3]].ravel()]))
        target = np.concatenate((landmarks, template[np.array(_LIP_PAIRS).ravel()]))
        source, places = np.unique(source, axis=0, return_index=True)
        warped = _warp(points, source, target[places])
        self.scale = float(np.ptp(target, axis=0)[0] / np.ptp(source, axis=0)[0])
        normals = _normals(template, faces)
        own = _normals(warped, _triangles(head["f"]))
        self.places, self.shares = _nearest(template, normals, warped, own)

    def field(self, field: FloatArray) -> FloatArray:
        """A field (V', K) of the built-in head on FLAME's mesh, (V, K); displacements are scaled with the head."""
        scale = self.scale if field.shape[1] == 3 else 1.0
        found: FloatArray = scale * np.einsum("vn,vnk->vk", self.shares, field[self.places])
        return found


def _warp(points: FloatArray, source: FloatArray, target: FloatArray) -> FloatArray:
    """Points moved as a smooth warp (biharmonic splines, r^3 is replaced by r in space) takes source to target."""
    count = len(source)

    def kernel(where: FloatArray) -> FloatArray:
        found: FloatArray = np.linalg.norm(where[:, None] - source[None], axis=2)
        return found

    affine = np.concatenate((np.ones((count, 1)), source), axis=1)
    system = np.zeros((count + 4, count + 4))
    system[:count, :count] = kernel(source) + 1e-5 * np.eye(count)
    system[:count, count:], system[count:, :count] = affine, affine.T
    solved = np.linalg.solve(system, np.concatenate((target, np.zeros((4, 3)))))
    ones = np.concatenate((np.ones((len(points), 1)), points), axis=1)
    warped: FloatArray = kernel(points) @ solved[:count] + ones @ solved[count:]
    return warped


def _triangles(faces: Numbers) -> NDArray[np.int64]:
    """Triangles of quads (F, 4), the last column -1 for a triangle."""
    quads = faces.astype(np.int64)
    second = quads[quads[:, 3] >= 0][:, [0, 2, 3]]
    return np.concatenate((quads[:, :3], second))


def _normals(points: FloatArray, faces: Numbers) -> FloatArray:
    """Unit normals at the vertices."""
    a, b, c = (points[faces[:, corner].astype(np.int64)] for corner in range(3))
    across = np.cross(b - a, c - a)
    found = np.zeros_like(points)
    for corner in range(3):
        np.add.at(found, faces[:, corner].astype(np.int64), across)
    length = np.linalg.norm(found, axis=1, keepdims=True)
    normals: FloatArray = found / np.maximum(length, 1e-12)
    return normals


def _nearest(
    points: FloatArray, normals: FloatArray, others: FloatArray, their_normals: FloatArray
) -> tuple[NDArray[np.int64], FloatArray]:
    """The nearest others (V, N) that look the same way, and their shares."""
    places = np.empty((len(points), _NEIGHBOURS), np.int64)
    shares = np.empty((len(points), _NEIGHBOURS))
    for block in np.array_split(np.arange(len(points)), 40):
        away = np.linalg.norm(points[block, None] - others[None], axis=2)
        away += 0.02 * (1.0 - normals[block] @ their_normals.T)
        nearest = np.argpartition(away, _NEIGHBOURS, axis=1)[:, :_NEIGHBOURS]
        closeness = 1.0 / (np.take_along_axis(away, nearest, axis=1) + 1e-4)
        places[block], shares[block] = nearest, closeness / closeness.sum(axis=1, keepdims=True)
    return places, shares


def _eyes_alone(weights: FloatArray) -> FloatArray:
    """Eyeballs turn with their own joints."""
    weights = weights.copy()
    for joint, ball in zip((3, 4), _EYEBALLS, strict=True):
        weights[ball] = 0.0
        weights[ball, joint] = 1.0
    skin = slice(0, _EYEBALLS[0].start)
    weights[skin, 1] += weights[skin, 3] + weights[skin, 4]
    weights[skin, 3:] = 0.0
    return weights


def _regressor(template: FloatArray, landmarks: FloatArray) -> FloatArray:
    """(5, V) joints from nearby vertices: below the neck, the neck, the jaw's hinge, the eyeballs' middles."""
    ears = 0.5 * (landmarks[0] + landmarks[16])
    height = template[:, 1].min()
    places = [np.array([0.0, height + 0.01, ears[2] - 0.03]), np.array([0.0, ears[1] - 0.06, ears[2] - 0.02]), ears]
    rows = []
    for place in places:
        ring = np.argsort(np.linalg.norm(template - place, axis=1))[:200]
        system = np.concatenate((template[ring], np.ones((len(ring), 1))), axis=1)
        row = np.zeros(len(template))
        row[ring] = np.array([*place, 1.0]) @ np.linalg.pinv(system)
        rows.append(row)
    for ball in _EYEBALLS:
        row = np.zeros(len(template))
        row[ball] = 1.0 / (ball.stop - ball.start)
        rows.append(row)
    return np.stack(rows)


def _without_turn(field: FloatArray, template: FloatArray, weights: FloatArray, joint: FloatArray) -> FloatArray:
    """A field without what turning the jaw about x (to first order) does of it."""
    turn = weights[:, None] * np.cross(np.array([1.0, 0.0, 0.0]), template - joint)
    rest: FloatArray = field - turn * float((turn * field).sum() / (turn * turn).sum())
    return rest


def _smooth_noise(template: FloatArray, count: int, rng: np.random.Generator, width: float) -> FloatArray:
    """(V, 3, count) smooth random fields of about unit size, `width` m wide."""
    centres = template[rng.choice(len(template), 60, replace=False)]
    near = np.exp(-0.5 * (np.linalg.norm(template[:, None] - centres[None], axis=2) / width) ** 2)
    fields: FloatArray = np.einsum("vc,ckn->vkn", near, rng.standard_normal((60, 3, count)))
    fields /= np.sqrt((fields**2).mean(axis=(0, 1)))
    return fields


def _expression_basis(controls: FloatArray, template: FloatArray, rng: np.random.Generator) -> FloatArray:
    """(V, 3, 100): components of the controls and smooth noise, each coefficient of unit variance, turned at random."""
    flat = controls.reshape(len(controls), -1)
    _, sizes, rows = np.linalg.svd(flat, full_matrices=False)
    inside = (sizes / np.sqrt(len(controls)))[:, None] * rows
    noise = _smooth_noise(template, COMPONENTS - len(inside), rng, 0.02).reshape(flat.shape[1], -1).T
    noise *= np.sqrt(_OUTSIDE / (1.0 - _OUTSIDE) * (inside**2).sum() / (noise**2).sum())
    turn, _ = np.linalg.qr(rng.standard_normal((COMPONENTS, COMPONENTS)))
    basis: FloatArray = (turn @ np.concatenate((inside, noise))).T.reshape(-1, 3, COMPONENTS)
    return basis
