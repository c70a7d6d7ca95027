# SPDX-License-Identifier: GPL-3.0-or-later
"""The tools the head is modelled with: fields, subdivision, smooth displacement, untangling."""

from __future__ import annotations

import numpy as np
import pytest

from retake.tools.head_model import mesh as meshes
from retake.tools.head_model import sdf
from retake.tools.head_model.controls import rotation_y
from retake.tools.head_model.inner import arch_points, eyeball, loft
from retake.tools.head_model.mesh import Mesh
from retake.tools.head_model.mouth import path, rotation_x
from retake.tools.head_model.sculpt import EYE_CENTER, EYE_RADIUS
from retake.tools.head_model.warp import Warp


def half_sheet(columns: int = 4, rows: int = 4) -> Mesh:
    """A flat sheet mirrored across x = 0, with its column as an attribute."""
    points = np.array([[i, j, 0.0] for j in range(rows + 1) for i in range(columns + 1)], float)
    n = columns + 1
    faces = np.array(
        [[j * n + i, j * n + i + 1, (j + 1) * n + i + 1, (j + 1) * n + i] for j in range(rows) for i in range(columns)]
    )
    return meshes.mirror_half(points, faces, {"column": points[:, 0].copy()})


class TestFields:
    def test_sphere_distance(self) -> None:
        ball = sdf.ellipsoid((0, 0, 0), (2, 2, 2))
        np.testing.assert_allclose(ball(np.array([[0, 0, 3.0], [0, 1, 0]])), [1, -1], atol=1e-9)

    def test_capsule_radius_runs_along_it(self) -> None:
        limb = sdf.capsule((0, 0, 0), (0, 4, 0), 1.0, 2.0)
        np.testing.assert_allclose(limb(np.array([[3.0, 0, 0], [3.0, 4, 0], [3.0, 2, 0]])), [2, 1, 1.5])

    @pytest.mark.parametrize("k", [0.2, 1.0])
    def test_smooth_min_is_below_both_and_exact_far_away(self, k: float) -> None:
        a, b = np.array([0.0, 0.0, 5.0]), np.array([0.0, 5.0, 0.0])
        blended = sdf.smooth_min(a, b, k)
        assert (blended <= np.minimum(a, b)).all()
        np.testing.assert_allclose(blended[1:], 0)

    def test_projection_reaches_the_surface(self) -> None:
        blob = sdf.ellipsoid((0, 0, 0), (3, 2, 1))
        points = sdf.project(blob, np.array([[2.9, 0.4, 0.3], [0.1, 2.5, 0.2]]), 8)
        np.testing.assert_allclose(blob(points), 0, atol=1e-4)

    def test_cast_stops_at_the_first_hit(self) -> None:
        ball = sdf.ellipsoid((0, 0, 0), (2, 2, 2))
        np.testing.assert_allclose(sdf.cast(ball, [(0.0, 0.0, 9.0)], (0, 0, -1))[0], [0, 0, 2], atol=1e-3)


class TestSubdivision:
    def test_counts_and_mirror(self) -> None:
        sheet = half_sheet()
        fine = meshes.catmull_clark(sheet)
        assert len(fine.faces) == 4 * len(sheet.faces)
        assert len(fine.vertices) == 17 * 9
        np.testing.assert_allclose(fine.vertices[fine.mirror] * [-1, 1, 1], fine.vertices, atol=1e-12)

    def test_flat_stays_flat_and_faces_forward(self) -> None:
        fine = meshes.catmull_clark(half_sheet())
        np.testing.assert_allclose(fine.vertices[:, 2], 0)
        np.testing.assert_allclose(meshes.face_normals(fine.vertices, fine.faces), [[0, 0, 1]] * len(fine.faces))

    def test_attributes_are_carried(self) -> None:
        fine = meshes.catmull_clark(half_sheet())
        inner = np.abs(fine.vertices[:, 0]) < 3
        np.testing.assert_allclose(fine.attributes["column"][inner], np.abs(fine.vertices[inner, 0]), atol=0.5)
        assert set(np.unique(fine.attributes["column"])) == set(np.arange(0, 4.5, 0.5))

    def test_laplacian_of_a_plane_is_zero_inside(self) -> None:
        sheet = half_sheet()
        pull = meshes.uniform_laplacian(sheet.faces, len(sheet.vertices)) @ sheet.vertices
        inside = (np.abs(sheet.vertices[:, 0]) < 4) & (sheet.vertices[:, 1] % 4 > 0)
        np.testing.assert_allclose(pull[inside], 0, atol=1e-12)


class TestWarp:
    def test_keeps_handles_and_blends_between(self) -> None:
        sheet = meshes.catmull_clark(half_sheet())
        warp, y = Warp(sheet), sheet.vertices[:, 1]
        held = (y < 0.6) | (y > 3.4)
        targets = np.where(y > 2, 1.0, 0.0)[:, None]
        solved = warp.solve("ends", held, targets)
        np.testing.assert_array_equal(solved[held], targets[held])
        middle = solved[np.abs(y - 2) < 0.1, 0]
        assert ((middle > 0.3) & (middle < 0.7)).all()

    def test_another_set_of_handles_under_one_name_is_an_error(self) -> None:
        sheet = half_sheet()
        warp, held = Warp(sheet), sheet.vertices[:, 1] < 1.5
        warp.solve("some", held, np.zeros((len(held), 1)))
        with pytest.raises(ValueError, match="'some'"):
            warp.solve("some", ~held, np.zeros((len(held), 1)))


class TestParts:
    def test_loft_closes_its_ends(self) -> None:
        turn = 2 * np.pi * np.arange(8) / 8
        rings = [np.stack([np.cos(turn), np.sin(turn), np.full(8, z)], axis=1) for z in (0.0, 1.0, 2.0)]
        vertices, faces = loft(rings, True, True)
        _, uses, _, _ = meshes.unique_edges(faces)
        assert len(vertices) == 24
        assert (uses == 2).all()

    def test_eyeball_is_a_sphere_that_faces_outward(self) -> None:
        eye = eyeball()
        np.testing.assert_allclose(np.linalg.norm(eye.vertices - EYE_CENTER, axis=1), EYE_RADIUS, atol=1e-9)
        middle = eye.vertices[eye.faces[:, 0]] - EYE_CENTER
        assert (np.sum(meshes.face_normals(eye.vertices, eye.faces) * middle, axis=1) > 0).all()

    def test_dental_arch_runs_backward_with_normals_outward(self) -> None:
        points, normals = arch_points(np.linspace(0, 4, 9), 0.2)
        assert (np.diff(points[:, 1]) < 0).all()
        assert (normals[1:, 0] > 0).all()
        np.testing.assert_allclose(normals[0], [0, 1], atol=0.05)


def test_rotations_are_about_their_axes() -> None:
    front = np.array([[0.0, 0.0, 1.0]])
    np.testing.assert_allclose(rotation_x(front, np.zeros(3), np.pi / 2), [[0, -1, -1]], atol=1e-12)
    np.testing.assert_allclose(rotation_y(front, np.zeros(3), np.pi / 2), [[1, 0, -1]], atol=1e-12)


def test_path_mirrors_over_the_midline() -> None:
    move = path((0, 0, 0.2, 0.1), (1, 0.5, 0.0, -0.1))
    left, right = move(np.array([0.7])), move(np.array([-0.7]))
    np.testing.assert_allclose(right, left * [[-1, 1, 1]])
