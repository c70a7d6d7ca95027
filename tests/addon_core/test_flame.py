# SPDX-License-Identifier: GPL-3.0-or-later
"""FLAME: the model against an independent one, its files as people have them, and files that mean harm."""

from __future__ import annotations

import contextlib
import io
import math
import os
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retake.addon.core.array_pickle import load_array_pickle
from retake.addon.core.flame import FlameModel
from retake.addon.core.flame_file import flame_of, read_flame
from retake.backend.errors import RigError, ShapeError
from retake.tests.flame_files import as_python_2, needs_template, sparse, standin

pytestmark = needs_template


@pytest.fixture(scope="module")
def arrays() -> dict[str, Any]:
    return dict(standin().arrays)


@pytest.fixture(scope="module")
def model(arrays: dict[str, Any]) -> FlameModel:
    return flame_of(arrays, "stand-in")


def by_the_paper(model: FlameModel, beta: Any, psi: Any, theta: Any, some: list[int]) -> list[list[float]]:
    """Li et al. 2017, Sec. 3, number by number: some vertices of T(beta, theta, psi)."""
    V = len(model.v_template)
    shaped = [[float(model.v_template[v, k]) for k in range(3)] for v in range(V)]
    for v in range(V):
        for k in range(3):
            for s, value in enumerate(beta):
                shaped[v][k] += float(model.identity[v, k, s]) * value
    joints = [
        [sum(float(model.joint_regressor[j, v]) * shaped[v][k] for v in range(V)) for k in range(3)] for j in range(5)
    ]
    turns = [turn_by(*theta[j]) for j in range(5)]
    chains: list[list[list[float]]] = []
    for j in range(5):
        parent = int(model.parents[j])
        origin = joints[j] if parent < 0 else [joints[j][k] - joints[parent][k] for k in range(3)]
        local = [[*turns[j][r], origin[r]] for r in range(3)] + [[0.0, 0.0, 0.0, 1.0]]
        chains.append(local if parent < 0 else product(chains[parent], local))
    found = []
    for v in some:
        point = list(shaped[v])
        for k in range(3):
            for e, value in enumerate(psi):
                point[k] += float(model.expression[v, k, e]) * value
            place = 0
            for j in range(1, 5):
                for r in range(3):
                    for c in range(3):
                        point[k] += float(model.pose[v, k, place]) * (turns[j][r][c] - (1.0 if r == c else 0.0))
                        place += 1
        moved = [0.0, 0.0, 0.0]
        for j in range(5):
            away = [point[k] - joints[j][k] for k in range(3)]
            for r in range(3):
                moved[r] += float(model.weights[v, j]) * (
                    sum(chains[j][r][c] * away[c] for c in range(3)) + chains[j][r][3]
                )
        found.append(moved)
    return found


def turn_by(x: float, y: float, z: float) -> list[list[float]]:
    """A rotation by an axis and an angle, through the quaternion."""
    angle = math.sqrt(x * x + y * y + z * z)
    s = math.sin(angle / 2.0) / angle if angle else 0.5
    w, x, y, z = math.cos(angle / 2.0), s * x, s * y, s * z
    return [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]


def product(a: list[list[float]], b: list[list[float]]) -> list[list[float]]:
    return [[sum(a[r][k] * b[k][c] for k in range(4)) for c in range(4)] for r in range(4)]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_model_is_the_papers(model: FlameModel, seed: int) -> None:
    rng = np.random.default_rng(seed)
    beta, psi, theta = rng.normal(0, 1, 3), rng.normal(0, 1, 4), rng.normal(0, 0.5, (5, 3))
    some = rng.choice(len(model.v_template), 40, replace=False).tolist()
    found = model.vertices(beta, psi, theta)
    assert found.shape == (5023, 3)
    assert np.abs(found[some] - by_the_paper(model, beta, psi, theta, some)).max() < 1e-9


def test_rest_is_the_template(model: FlameModel) -> None:
    assert np.abs(model.vertices() - model.v_template).max() < 1e-12
    assert model.joints().shape == (5, 3)


def test_too_many_coefficients_are_refused(model: FlameModel) -> None:
    with pytest.raises(ShapeError, match="101 expression coefficients"):
        model.vertices(expression=np.zeros(101))
    with pytest.raises(ShapeError, match=r"\(4, 3\)"):
        model.vertices(rotations=np.zeros((4, 3)))


def same(one: FlameModel, other: FlameModel, tolerance: float = 0.0) -> None:
    for name in ("v_template", "faces", "identity", "expression", "pose", "joint_regressor", "weights", "parents"):
        assert np.abs(getattr(one, name) - getattr(other, name)).max(initial=0) <= tolerance, name


@pytest.mark.parametrize("kind", ["python 2", "numpy 2", "numpy 5", "npz", "npz, compressed", "smplx"])
def test_files_as_people_have_them(arrays: dict[str, Any], model: FlameModel, tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("model.npz" if "npz" in kind else "model.pkl")
    if kind == "python 2":
        path.write_bytes(as_python_2(arrays))
    elif "npz" in kind:
        (np.savez_compressed if "compressed" in kind else np.savez)(path, **arrays, bs_style=np.array("lbs"))
    elif kind == "smplx":
        flat = {**arrays, "posedirs": arrays["posedirs"].reshape(-1, 36).T}
        path.write_bytes(pickle.dumps(flat, protocol=4))
    else:
        whole = {
            **arrays,
            "J_regressor": sparse(arrays["J_regressor"]),
            "shapedirs": np.asfortranarray(arrays["shapedirs"]),
        }
        path.write_bytes(pickle.dumps(whole, protocol=int(kind[-1])))
    same(read_flame(path), model)


def test_fewer_components(arrays: dict[str, Any], tmp_path: Path) -> None:
    short = {**arrays, "shapedirs": np.ascontiguousarray(arrays["shapedirs"][:, :, :150])}
    path = tmp_path / "short.npz"
    np.savez(path, **short)
    assert (read_flame(path).identity.shape[2], read_flame(path).expression.shape[2]) == (100, 50)
    assert read_flame(path, identity_count=120).expression.shape[2] == 30
    with pytest.raises(RigError, match="151 of identity are too many"):
        read_flame(path, identity_count=151)


def broken(arrays: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**arrays, **changes}.items() if value is not None}


def test_what_is_no_flame_head_is_refused_in_a_sentence(arrays: dict[str, Any]) -> None:
    cases = [
        (broken(arrays, weights=None), "lacks the array 'weights'"),
        (broken(arrays, v_template=arrays["v_template"][:100]), "100 vertices and 9976 faces; FLAME's head has 5023"),
        (broken(arrays, weights=arrays["weights"][:, :4]), r"'weights' in 'a' has the shape \(5023, 4\)"),
        (broken(arrays, shapedirs=arrays["shapedirs"][:, :2]), "'shapedirs' in 'a' has the shape"),
        (broken(arrays, posedirs=np.full((5023, 3, 36), np.nan)), "'posedirs' in 'a' holds values that are not finite"),
        (broken(arrays, f=arrays["f"] + 1), "names vertex 5023"),
        (broken(arrays, v_template="text"), "'v_template' in 'a' is no array of numbers"),
        (broken(arrays, kintree_table=np.array([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]])), "do not hang together"),
    ]
    for changed, sentence in cases:
        with pytest.raises(RigError, match=sentence):
            flame_of(changed, "a")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RigError, match=r"'none\.pkl' cannot be read"):
        read_flame(tmp_path / "none.pkl")


class Evil:
    """Pickles as a call of its choice."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> Any:
        return self.call[0], self.call[1:]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ((os.system, "true"), "system"),
        ((eval, "1"), "eval"),
        ((np.load, "x.npy"), "load"),
        ((np.fromfile, "x"), "fromfile"),
        ((getattr, "a", "upper"), "getattr"),
        ((bytearray, 1 << 40), "bytearray"),
        ((np.zeros, 1 << 40), "zeros"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_every_other_name_is_refused_by_name(call: Any, name: str, protocol: int) -> None:
    data = pickle.dumps({"v_template": Evil(*call)}, protocol=protocol)
    with pytest.raises(RigError, match=rf"\.{name}', which is no array"):
        load_array_pickle(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x02}q\x00.",  # an empty dictionary: fine to read, no head
        b"\x80\x02Nr\xff\xff\xff\x7f.",  # memo 2147483647
        b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"x.",  # a bytearray of a terabyte
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"x.",  # bytes
        b"\x80\x02P1\n.",
        b"\x80\x02\x82\x01.",  # an extension
        b"(ios\nsystem\n.",
        b"]" + b"2" * 100 + b".",
        b"\x80\x02]q\x00" + b"h\x00a" * 10 + b".",
        b"(" * 200_000,
        pickle.dumps([1, 2, 3]),
        b"\x80\x02cnumpy\nndarray\n)R.",
        b"\x80\x02}X\x01\x00\x00\x00xcnumpy.core.multiarray\n_reconstruct\n(NNNtRs.",
        b"\x80\x02}X\x01\x00\x00\x00xcnumpy\ndtype\nX\x02\x00\x00\x00O8\x85Rs.",
    ],
)
def test_hostile_pickles_say_one_sentence(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hostile.pkl"
    path.write_bytes(data)
    with pytest.raises(RigError) as caught:
        read_flame(path)
    assert str(caught.value).endswith(".")


def test_arrays_far_larger_than_the_file_are_refused() -> None:
    shared = bytes(1 << 16)
    many = pickle.dumps([SameBytes(shared) for _ in range(100)], protocol=2)
    assert len(many) < 2 * len(shared) + 20_000
    with pytest.raises(RigError, match="far larger than itself"):
        load_array_pickle(many)
    sparse_of_nothing = as_matrix(shape=(1 << 20, 1 << 20))
    with pytest.raises(RigError, match="far larger than itself"):
        load_array_pickle(sparse_of_nothing)


class SameBytes:
    """Pickles as an array of bytes that others have too."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def __reduce__(self) -> Any:
        reconstruct = np.zeros(0).__reduce__()[0]
        return reconstruct, (np.ndarray, (0,), b"b"), (1, (len(self.raw),), np.dtype("u1"), False, self.raw)


def as_matrix(shape: tuple[int, int]) -> bytes:
    """A pickled sparse matrix of zeros of some shape."""
    matrix = sparse(np.zeros((2, 2)))
    matrix.indptr = np.zeros(shape[1] + 1, np.int32)[:3]
    matrix._shape = shape
    return pickle.dumps({"J_regressor": matrix}, protocol=2)


def test_an_npz_of_objects_or_of_a_giant_is_refused(arrays: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "objects.npz"
    np.savez(path, **{**arrays, "J_regressor": np.array([{}], dtype=object)}, allow_pickle=True)
    with pytest.raises(RigError, match=r"'J_regressor' in 'objects\.npz' is no array of numbers"):
        read_flame(path)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (5023, 3, 10**9)})
    giant = tmp_path / "giant.npz"
    with zipfile.ZipFile(giant, "w") as archive:
        archive.writestr("v_template.npy", header.getvalue())
    with pytest.raises(RigError, match="far larger than a head's"):
        read_flame(giant)


@pytest.fixture(scope="module")
def small() -> bytes:
    """A pickle with everything that real ones have, little of each."""
    few = {"v_template": np.arange(6.0), "shapedirs": np.ones((2, 3)), "posedirs": np.ones(2), "weights": np.eye(2)}
    return as_python_2({**few, "f": np.arange(3), "kintree_table": np.zeros((2, 2)), "J_regressor": np.eye(3)})


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), junk=st.binary(min_size=0, max_size=6), cut=st.integers(0, 4))
def test_damaged_pickles_are_read_or_refused(small: bytes, place: float, junk: bytes, cut: int) -> None:
    at = int(place * len(small))
    damaged = small[:at] + junk + small[at + cut :]
    with contextlib.suppress(RigError):
        load_array_pickle(damaged)


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(RigError):
        load_array_pickle(data)
