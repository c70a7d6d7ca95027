# SPDX-License-Identifier: GPL-3.0-or-later
"""The built-in head keeps what animation relies on: layout, symmetry, lips and lids that close, no inverted face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from retake.backend.protocol import CONTROL_NAMES
from retake.tools.head_model.build import build_head
from retake.tools.head_model.mesh import face_normals, vertex_normals

HEAD = Path(__file__).resolve().parents[2] / "backend" / "assets" / "head.npz"
MM = 1e-3
Array = NDArray[Any]
Arrays = dict[str, Array]
LIP_CONTROLS = [n for n in CONTROL_NAMES if n.startswith("mouth")]


@pytest.fixture(scope="module")
def head() -> Arrays:
    with np.load(HEAD, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


@pytest.fixture(scope="module")
def control(head: Arrays) -> Arrays:
    return {str(name): field for name, field in zip(head["control_names"], head["controls"], strict=True)}


def posed(head: Arrays, control: Arrays, **weights: float) -> Array:
    moved = head["v_template"].astype(np.float64)
    for name, weight in weights.items():
        keys = [name] if name in control else [f"{name}Left", f"{name}Right"]
        for key in keys:
            moved = moved + weight * control[key]
    return moved


def lip_gap(head: Arrays, vertices: Array) -> Array:
    upper, lower = head["inner_lip_pairs"].T
    return np.asarray(vertices[upper, 1] - vertices[lower, 1])


def part(head: Arrays, *names: str) -> Array:
    """Vertex ids of faces with one of the materials."""
    wanted = [k for k, n in enumerate(head["material_names"]) if n in names]
    ids = np.unique(head["f"][np.isin(head["material_index"], wanted)])
    return ids[ids >= 0]


class TestLayout:
    def test_arrays(self, head: Arrays) -> None:
        count = len(head["v_template"])
        faces = len(head["f"])
        assert 4000 <= count <= 12000
        shapes = {
            "v_template": (count, 3), "f": (faces, 4), "J_regressor": (5, count), "weights": (count, 5),
            "kintree_table": (2, 5), "posedirs": (count, 3, 36), "control_names": (52,), "controls": (52, count, 3),
            "shapedirs": (count, 3, 10), "landmarks68": (68,), "material_index": (faces,), "colors": (count, 3),
        }  # fmt: skip
        assert {name: head[name].shape for name in shapes} == shapes
        assert all(np.isfinite(a).all() for a in head.values() if a.dtype.kind == "f")

    def test_names_are_the_contract(self, head: Arrays) -> None:
        assert tuple(head["control_names"]) == tuple(CONTROL_NAMES)

    def test_size(self) -> None:
        assert HEAD.stat().st_size <= 7_000_000

    def test_faces_are_quads_in_range(self, head: Arrays) -> None:
        f = head["f"]
        assert f[:, :3].min() >= 0
        assert f.max() == len(head["v_template"]) - 1
        assert np.mean(f[:, 3] < 0) < 0.02

    def test_every_edge_joins_at_most_two_faces_that_agree(self, head: Arrays) -> None:
        directed = set()
        for face in head["f"]:
            ids = [int(i) for i in face if i >= 0]
            assert len(set(ids)) == len(ids)
            for a, b in zip(ids, ids[1:] + ids[:1], strict=True):
                assert (a, b) not in directed
                directed.add((a, b))

    def test_metres_and_axes(self, head: Arrays) -> None:
        v = head["v_template"]
        face = v[head["landmarks68"]]
        assert 0.20 < v[:, 1].max() - face[8, 1] < 0.25
        assert face[30, 2] > face[27, 2] > v[:, 2].mean()
        assert face[54, 0] > 0 > face[48, 0]
        assert face[45, 0] > face[42, 0] > 0 > face[39, 0] > face[36, 0]

    def test_skeleton(self, head: Arrays) -> None:
        assert head["kintree_table"].tolist() == [[-1, 0, 1, 1, 1], [0, 1, 2, 3, 4]]
        np.testing.assert_allclose(head["weights"].sum(axis=1), 1, atol=2e-5)
        assert head["weights"].min() >= 0
        np.testing.assert_allclose(head["J_regressor"].sum(axis=1), 1, atol=1e-5)
        joints = head["J_regressor"] @ head["v_template"]
        np.testing.assert_allclose(joints[:3, 0], 0, atol=1e-5)
        assert joints[0, 1] < joints[1, 1] < joints[2, 1] < joints[3, 1]
        np.testing.assert_allclose(joints[3], joints[4] * [-1, 1, 1], atol=1e-5)

    def test_eye_joints_are_the_centres_of_the_eyeballs(self, head: Arrays) -> None:
        joints = head["J_regressor"] @ head["v_template"]
        ids = part(head, "sclera", "iris", "pupil")
        for side, joint in ((1, joints[3]), (-1, joints[4])):
            ball = head["v_template"][ids[head["v_template"][ids, 0] * side > 0]]
            radii = np.linalg.norm(ball - joint, axis=1)
            assert np.ptp(radii) < 0.1 * MM

    def test_lip_pairs_lie_in_the_middle_third(self, head: Arrays) -> None:
        pairs, v = head["inner_lip_pairs"], head["v_template"]
        half_width = v[head["landmarks68"][54], 0]
        assert 3 <= len(pairs) <= 7
        assert np.abs(v[pairs, 0]).max() <= half_width / 3 + 1e-6


class TestSymmetry:
    def test_left_and_right_mirror(self, head: Arrays, control: Arrays) -> None:
        flip = np.array([-1.0, 1.0, 1.0])
        distance, image = cKDTree(head["v_template"]).query(head["v_template"] * flip)
        assert distance.max() < 1e-5
        for name, field in control.items():
            other = name.replace("Left", "#").replace("Right", "Left").replace("#", "Right")
            np.testing.assert_allclose(field[image] * flip, control[other], atol=1e-5, err_msg=name)


class TestMouth:
    def test_neutral_lips_touch(self, head: Arrays) -> None:
        assert np.abs(lip_gap(head, head["v_template"])).max() < 0.3 * MM

    def test_neutral_corners_do_not_droop(self, head: Arrays) -> None:
        v, marks = head["v_template"], head["landmarks68"]
        assert v[marks[54], 1] > v[marks[62], 1]

    def test_jaw_opens(self, head: Arrays, control: Arrays) -> None:
        assert 22 * MM <= lip_gap(head, posed(head, control, jawOpen=1)).mean() <= 40 * MM

    @pytest.mark.parametrize("weight", np.linspace(0, 1, 11))
    def test_jaw_open_and_mouth_close_seal(self, head: Arrays, control: Arrays, weight: float) -> None:
        gap = lip_gap(head, posed(head, control, jawOpen=weight, mouthClose=weight))
        assert np.abs(gap).max() <= 0.5 * MM

    @pytest.mark.parametrize(("name", "share"), [("mouthPucker", 0.20), ("mouthFunnel", 0.08)])
    def test_rounding_narrows(self, head: Arrays, control: Arrays, name: str, share: float) -> None:
        marks = head["landmarks68"][[48, 54]]

        def width(v: Array) -> float:
            return float(np.linalg.norm(v[marks[0]] - v[marks[1]]))

        assert width(posed(head, control, **{name: 1})) <= (1 - share) * width(head["v_template"])

    @pytest.mark.parametrize(
        "name", ["mouthSmile", "mouthPucker", "mouthPress", "mouthFrown", "cheekPuff", "jawForward"]
    )
    def test_closed_shapes_stay_closed(self, head: Arrays, control: Arrays, name: str) -> None:
        assert np.abs(lip_gap(head, posed(head, control, **{name: 1}))).max() < 0.5 * MM

    def test_teeth_and_tongue_stay_behind_closed_lips(self, head: Arrays) -> None:
        v = head["v_template"]
        upper, lower = lip_wall(head)
        inside = v[part(head, "teeth", "gums", "tongue")]
        for wall in (upper, lower):
            near = cKDTree(wall[:, :2])
            distance, index = near.query(inside[:, :2])
            close = distance < 3 * MM
            assert close.any()
            assert (inside[close, 2] < wall[index[close], 2]).all()

    @pytest.mark.parametrize("name", LIP_CONTROLS)
    def test_teeth_stay_inside_the_skin_with_the_jaw_open(self, head: Arrays, control: Arrays, name: str) -> None:
        """No vertex of teeth or gums lies outside the nearest skin around the mouth."""
        v = posed(head, control, jawOpen=1, **{name: 1})
        skin = head["f"][head["material_index"] == list(head["material_names"]).index("skin")]
        normals = vertex_normals(v, skin)
        rest = head["v_template"]
        around = part(head, "skin")
        around = around[(rest[around, 2] > 0.03) & (rest[around, 1] < -0.03) & (rest[around, 1] > -0.12)]
        inside = part(head, "teeth", "gums")
        distance, index = cKDTree(v[around]).query(v[inside])
        height = np.sum((v[inside] - v[around][index]) * normals[around][index], axis=1)
        assert height[distance < 10 * MM].max() <= 0

    @pytest.mark.parametrize("side", ["Left", "Right"])
    def test_smile_lifts_its_own_corner(self, head: Arrays, control: Arrays, side: str) -> None:
        corner, other = (54, 48) if side == "Left" else (48, 54)
        field = control[f"mouthSmile{side}"][head["landmarks68"]]
        assert field[corner, 1] > 7 * MM
        assert abs(field[corner, 0]) > 7 * MM
        assert np.abs(field[other]).max() < 0.5 * MM


def lip_wall(head: Arrays) -> tuple[Array, Array]:
    """Outer surface of the upper and lower lip: the frontmost lip and skin vertices around the mouth."""
    v = head["v_template"]
    ids = part(head, "lips")
    line = v[head["inner_lip_pairs"]].mean(axis=(0, 1))
    front = ids[v[ids, 2] > line[2] - 9 * MM]
    return v[front[v[front, 1] >= line[1]]], v[front[v[front, 1] < line[1]]]


class TestEyes:
    @pytest.mark.parametrize(("upper", "lower"), [(37, 41), (38, 40), (43, 47), (44, 46)])
    def test_blink_closes(self, head: Arrays, control: Arrays, upper: int, lower: int) -> None:
        v = posed(head, control, eyeBlink=1)
        marks = head["landmarks68"]
        assert np.linalg.norm(v[marks[upper]] - v[marks[lower]]) < 0.3 * MM

    def test_neutral_lids_cover_the_top_of_the_iris(self, head: Arrays) -> None:
        v, marks = head["v_template"], head["landmarks68"]
        top = v[part(head, "iris", "iris_rim"), 1].max()
        assert v[marks[[43, 44]], 1].max() < top

    @pytest.mark.parametrize("weight", [0.0, 0.25, 0.5, 0.75, 1.0])
    def test_eyeball_stays_inside_the_lids(self, head: Arrays, control: Arrays, weight: float) -> None:
        """No point of the lids' skin, faces sampled finely, lies inside the eyeball."""
        v = posed(head, control, eyeBlink=weight)
        joints = head["J_regressor"] @ head["v_template"]
        radius = np.linalg.norm(head["v_template"][part(head, "pupil")[0]] - joints[3])
        skin = head["f"][np.isin(head["material_index"], [list(head["material_names"]).index("skin")])]
        for joint in joints[3:]:
            near = skin[np.linalg.norm(v[skin[:, 0]] - joint, axis=1) < 22 * MM]
            points = sampled(v, near)
            front = points[points[:, 2] > joint[2]]
            assert np.linalg.norm(front - joint, axis=1).min() > radius


def sampled(v: Array, faces: Array) -> Array:
    """Points on quads on a 5 x 5 bilinear grid."""
    a, b, c, d = (v[faces[:, k]] for k in range(4))
    points = []
    for s in np.linspace(0, 1, 5):
        for t in np.linspace(0, 1, 5):
            points.append((1 - s) * ((1 - t) * a + t * b) + s * ((1 - t) * d + t * c))
    return np.concatenate(points)


class TestSurface:
    def turned(self, head: Arrays, vertices: Array) -> NDArray[np.int64]:
        """Faces whose normal turned by more than a right angle."""
        before = face_normals(head["v_template"].astype(np.float64), head["f"])
        after = face_normals(vertices, head["f"])
        return np.flatnonzero(np.sum(before * after, axis=1) <= 0)

    @pytest.mark.parametrize("name", CONTROL_NAMES)
    def test_no_face_inverts(self, head: Arrays, control: Arrays, name: str) -> None:
        assert len(self.turned(head, posed(head, control, **{name: 1}))) == 0

    @pytest.mark.parametrize("name", LIP_CONTROLS)
    def test_no_face_inverts_with_the_jaw_open(self, head: Arrays, control: Arrays, name: str) -> None:
        assert len(self.turned(head, posed(head, control, jawOpen=1, **{name: 1}))) == 0

    def test_no_degenerate_face(self, head: Arrays) -> None:
        v, f = head["v_template"].astype(np.float64), head["f"]
        a, b, c = (v[f[:, k]] for k in range(3))
        assert np.linalg.norm(np.cross(b - a, c - a), axis=1).min() > 1e-10


def test_build_is_deterministic_and_is_what_ships(head: Arrays) -> None:
    built = build_head()
    assert set(built) == set(head)
    for name, values in built.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(values, head[name], atol=2e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(values, head[name], err_msg=name)
