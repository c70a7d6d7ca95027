# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of vertices and of neutral faces: the layouts that are published, and what is wrong, damaged or hostile."""

from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retake.addon.core.vertex_file import read_neutral, read_sequence
from retake.backend.errors import InputError

V, N = 7, 4
POINTS = np.random.default_rng(0).normal(0.0, 0.1, (N, V, 3)).astype(np.float32)


def saved(path: Path, array: Any) -> Path:
    np.save(path, array)
    return path


@pytest.mark.parametrize(
    "shape", [(N, 3 * V), (N, V, 3), (1, N, 3 * V), (1, N, V, 3)], ids=["flat", "triples", "batch", "batched triples"]
)
@pytest.mark.parametrize("kind", ["<f4", ">f8", "<f2"])
def test_published_layouts_are_read(tmp_path: Path, shape: tuple[int, ...], kind: str) -> None:
    found = read_sequence(saved(tmp_path / "a.npy", POINTS.reshape(shape).astype(kind)), V)
    assert found.shape == (N, V, 3)
    assert found.dtype == np.float32
    assert np.abs(found - POINTS).max() < (1e-3 if kind == "<f2" else 1e-7)


def test_columns_first_arrays_are_read_in_their_order(tmp_path: Path) -> None:
    found = read_sequence(saved(tmp_path / "a.npy", np.asfortranarray(POINTS.reshape(N, -1))), V)
    assert np.array_equal(found, POINTS)


def test_one_frame_is_a_sequence(tmp_path: Path) -> None:
    assert read_sequence(saved(tmp_path / "a.npy", POINTS[0].ravel()), V).shape == (1, V, 3)
    assert read_sequence(saved(tmp_path / "b.npy", POINTS[0]), V).shape == (1, V, 3)


def test_of_an_npz_the_longest_sequence_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, verts=POINTS, template=POINTS[0], fps=np.array(30), name=np.array("somebody"), exp=np.zeros((N, 50)))
    assert np.array_equal(read_sequence(path, V), POINTS)
    np.savez(path, one=POINTS, other=POINTS)
    with pytest.raises(InputError, match=r"several sequences \(one, other\)"):
        read_sequence(path, V)
    np.savez_compressed(path, exp=np.zeros((N, 50)))
    with pytest.raises(InputError, match=r"holds no frames of 7 vertices \(exp \(4, 50\)\)"):
        read_sequence(path, V)


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((N, 9, 3)), "has 9 vertices a frame, but the head has 7"),
        (np.zeros((N, 27)), "has 9 vertices a frame, but the head has 7"),
        (np.zeros((N, 10)), r"has the shape \(4, 10\) where \(N, 21\) or \(N, 7, 3\) is needed"),
        (np.zeros((0, 3 * V)), "is empty"),
        (np.array([{}, 1], dtype=object), "no array of numbers"),
        (np.zeros((N, 3 * V), np.complex64), "no array of numbers"),
        (np.where(np.arange(N)[:, None] == 2, np.nan, np.zeros((N, 3 * V))), "not finite, first in frame 2"),
        (np.full((N, 3 * V), 1e300), "not finite, first in frame 0"),
    ],
)
def test_what_does_not_fit_is_said(tmp_path: Path, array: Any, told: str) -> None:
    path = tmp_path / "wrong.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(InputError, match=told) as caught:
        read_sequence(path, V)
    assert caught.value.remedy.endswith(".")


def header(shape: tuple[int, ...], kind: str = "<f4") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": kind, "fortran_order": False, "shape": shape})
    return stream.getvalue()


class Evil:
    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit",)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK",
        b"\x93NUMPY",
        b"\x93NUMPY\x07\x00" + b"x" * 40,
        header((1 << 40, 3 * V)),
        header((1 << 62, 1 << 62, 3 * V)),
        header((-1, 3 * V)),
        header((N, 3 * V))[:-9],
        header((N, 3 * V)) + b"short",
        header((N, 3 * V), "|O") + pickle.dumps(Evil()),
        b"\x93NUMPY\x01\x00\xf6\x7f" + b"(" * 0x7FF6,
        pickle.dumps(Evil()),
        b"numbers, please",
    ],
)
def test_hostile_files_say_one_sentence(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "hostile.npy"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_sequence(path, V)
    assert str(caught.value).endswith(".")


def test_an_archive_that_unpacks_to_far_more_than_itself_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, verts=np.zeros((200_000, V, 3), np.float32))
    assert path.stat().st_size * 200 < 200_000 * V * 12 - (1 << 20)
    with pytest.raises(InputError, match="far larger than the file"):
        read_sequence(path, V)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("verts.npy", header((1 << 50, V, 3)))
    with pytest.raises(InputError, match="far larger than the file"):
        read_sequence(path, V)


def test_a_large_archive_unpacks_to_no_more_than_a_sequence_may_have(tmp_path: Path) -> None:
    path = tmp_path / "large.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("verts.npy", header((60_000_000, V, 3)) + bytes(25 << 20))
    with pytest.raises(InputError, match="far larger than the file"):
        read_sequence(path, V)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_sequence(tmp_path / "none.npy", V)


def npz_bytes() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, verts=POINTS)
    return stream.getvalue()


def npy_bytes() -> bytes:
    stream = io.BytesIO()
    np.save(stream, POINTS)
    return stream.getvalue()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    make=st.sampled_from([npy_bytes, npz_bytes]),
    place=st.floats(0, 1),
    junk=st.binary(max_size=6),
    cut=st.integers(0, 4),
)
def test_damaged_files_are_read_or_refused(
    tmp_path: Path, make: Callable[[], bytes], place: float, junk: bytes, cut: int
) -> None:
    data = make()
    at = int(place * len(data))
    path = tmp_path / "damaged.npy"
    path.write_bytes(data[:at] + junk + data[at + cut :])
    with contextlib.suppress(InputError):
        found = read_sequence(path, V)
        assert found.shape[1:] == (V, 3)
        assert np.isfinite(found).all()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200), ending=st.sampled_from([".npy", ".npz", ".ply", ".obj", ".pkl"]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, data: bytes, ending: str) -> None:
    path = tmp_path / f"any{ending}"
    path.write_bytes(data)
    with pytest.raises(InputError):
        read_neutral(path, V)


def as_ply(form: str) -> bytes:
    head = (
        f"ply\nformat {form} 1.0\ncomment made for a test\nelement vertex {V}\nproperty uchar quality\n"
        "property float x\nproperty float y\nproperty double z\nelement face 1\n"
        "property list uchar int vertex_indices\nend_header\n"
    ).encode()
    if form == "ascii":
        return head + "".join(f"9 {x!s} {y!s} {z!s}\n" for x, y, z in POINTS[0]).encode() + b"3 0 1 2\n"
    order = "<" if "little" in form else ">"
    row = np.dtype([("quality", "u1"), ("x", order + "f4"), ("y", order + "f4"), ("z", order + "f8")])
    table = np.zeros(V, row)
    table["x"], table["y"], table["z"] = POINTS[0].T
    return head + table.tobytes() + b"\x03" + np.arange(3, dtype=order + "i4").tobytes()


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_a_ply_is_a_neutral_face(tmp_path: Path, form: str) -> None:
    path = tmp_path / "neutral.ply"
    path.write_bytes(as_ply(form))
    assert np.abs(read_neutral(path, V) - POINTS[0]).max() < 1e-6
    with pytest.raises(InputError, match="has 7 vertices a frame, but the head has 8"):
        read_neutral(path, 8)


def test_an_obj_is_a_neutral_face(tmp_path: Path) -> None:
    path = tmp_path / "neutral.obj"
    lines = [f"v {x} {y} {z} 1 1 1" for x, y, z in POINTS[0]]
    path.write_text("# Somebody\n" + "\n".join(lines) + "\nvn 0 0 1\nvt 0 0\nf 1 2 3\n", encoding="ascii")
    assert np.abs(read_neutral(path, V) - POINTS[0]).max() < 1e-6


def test_templates_of_several_subjects_are_told_apart_by_the_sequences_name(tmp_path: Path) -> None:
    path = tmp_path / "templates.pkl"
    subjects = {"FaceTalk_170809_00138_TA": POINTS[0], "FaceTalk_170731_00024_TA": POINTS[1]}
    path.write_bytes(pickle.dumps(subjects, protocol=2))
    found = read_neutral(path, V, "FaceTalk_170731_00024_TA_sentence01_condition_M3")
    assert np.array_equal(found, POINTS[1])
    with pytest.raises(InputError, match="which is meant cannot be told"):
        read_neutral(path, V, "prediction")
    path.write_bytes(pickle.dumps({"anybody": POINTS[2].astype(np.float64)}, protocol=2))
    assert np.array_equal(read_neutral(path, V, "prediction"), POINTS[2])
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InputError, match="no array"):
        read_neutral(path, V)


def test_a_sequence_is_no_neutral_face(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has 4 frames where one neutral face is needed"):
        read_neutral(saved(tmp_path / "a.npy", POINTS), V)
