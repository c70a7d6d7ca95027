# SPDX-License-Identifier: GPL-3.0-or-later
"""FLAME performances in every tracker's layout, and what hostile files come to."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retake.addon.core.flame import rotation_matrices
from retake.addon.core.flame_layouts import read_performance
from retake.addon.core.flame_sequence import FlameSequence, write_sequence
from retake.addon.core.rotations import angles_between
from retake.backend.errors import InputError, OutputError, RetakeError, ShapeError
from retake.backend.protocol import JOINT_NAMES

N = 7
ROOT, NECK, JAW, LEFT, RIGHT = JOINT_NAMES
Write = Callable[[Path], Path]


def numbers(*shape: int, seed: int = 0, scale: float = 0.4) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, scale, shape).astype(np.float32)


EXPRESSION, SHAPE, POSE = numbers(N, 50, scale=1.0), numbers(100, seed=1, scale=1.0), numbers(N, 6, seed=2)
TURNS = {joint: numbers(N, 3, seed=3 + place) for place, joint in enumerate(JOINT_NAMES)}


def six(turns: np.ndarray) -> np.ndarray:
    """The first two rows of the matrices, (N, 6)."""
    return rotation_matrices(turns.astype(np.float64))[:, :2].reshape(-1, 6).astype(np.float32)


def own(folder: Path) -> Path:
    path = folder / "own.npz"
    write_sequence(path, FlameSequence(EXPRESSION, TURNS, SHAPE, numbers(N, 3), 30.0, "somebody"))
    return path


VHAP: dict[str, Any] = {
    "translation": numbers(N, 3),
    "rotation": TURNS[ROOT],
    "neck_pose": TURNS[NECK],
    "jaw_pose": TURNS[JAW],
    "eyes_pose": np.concatenate((TURNS[LEFT], TURNS[RIGHT]), axis=1),
    "shape": SHAPE,
    "expr": EXPRESSION,
    "static_offset": np.zeros((1, 5143, 3), np.float32),
}
DECA: dict[str, Any] = {
    "exp": EXPRESSION,
    "pose": POSE,
    "shape": np.tile(SHAPE, (N, 1)),
    "cam": numbers(N, 3),
    "tex": numbers(N, 50),
}
SMIRK: dict[str, Any] = {
    "pose_params": POSE[:, :3],
    "jaw_params": POSE[:, 3:],
    "expression_params": EXPRESSION,
    "shape_params": np.tile(SHAPE, (N, 1)),
    "eyelid_params": numbers(N, 2),
    "cam": numbers(N, 3),
}


def vhap(folder: Path) -> Path:
    np.savez(folder / "flame_param.npz", **VHAP)
    return folder / "flame_param.npz"


def vhap_frames(folder: Path) -> Path:
    for frame in range(N):
        per_frame: dict[str, Any] = {name: array[[frame]] if len(array) == N else array for name, array in VHAP.items()}
        np.savez(folder / f"{frame:05d}.npz", **per_frame)
    (folder / "notes.txt").write_text("no frame")
    return folder


def deca(folder: Path) -> Path:
    (folder / "deca.pkl").write_bytes(pickle.dumps(DECA, protocol=4))
    return folder / "deca.pkl"


def deca_npy(folder: Path) -> Path:
    np.save(folder / "deca.npy", DECA, allow_pickle=True)  # type: ignore[arg-type]
    return folder / "deca.npy"


def deca_frames(folder: Path) -> Path:
    for frame in (*range(2, N), 0, 1):  # in the order of their numbers, 10 after 9
        codes = {name: array[frame : frame + 1] for name, array in DECA.items()}
        (folder / f"frame_{frame + 5}.pkl").write_bytes(pickle.dumps(codes, protocol=2))
    return folder


def diffposetalk(folder: Path) -> Path:
    np.savez_compressed(folder / "talk.npz", exp=EXPRESSION, pose=POSE, shape=np.tile(SHAPE, (N, 1)))
    return folder / "talk.npz"


def emoca(folder: Path) -> Path:
    np.savez(folder / "codes.npz", expcode=EXPRESSION, posecode=POSE, shapecode=np.tile(SHAPE, (N, 1)))
    return folder / "codes.npz"


def emoca_folders(folder: Path) -> Path:
    for frame in range(N):
        place = folder / f"{frame:06d}_000"
        place.mkdir()
        for name, array in (("exp", EXPRESSION), ("pose", POSE), ("tex", EXPRESSION)):
            np.save(place / f"{name}.npy", array[frame])
        np.save(place / "shape.npy", SHAPE)
    return folder


def smirk(folder: Path) -> Path:
    arrays = {name: array[:, None] for name, array in SMIRK.items()}
    (folder / "smirk.pkl").write_bytes(pickle.dumps(arrays, protocol=5))
    return folder / "smirk.pkl"


def mica_frame(frame: int) -> dict[str, Any]:
    """What the tracker saves of a frame: the camera turns the other way than the head."""
    flip = np.diag([-1.0, 1.0, -1.0])
    camera = (rotation_matrices(TURNS[ROOT].astype(np.float64))[frame].T @ flip)[None]
    eyes = np.concatenate((six(TURNS[LEFT]), six(TURNS[RIGHT])), axis=1)[[frame]]
    flame = {"exp": EXPRESSION[[frame]], "shape": SHAPE[None], "eyes": eyes, "jaw": six(TURNS[JAW])[[frame]]}
    flame |= {"eyelids": numbers(1, 2), "tex": numbers(1, 50), "sh": numbers(1, 9, 3)}
    place = {"R": camera[:, :2].reshape(1, 6).astype(np.float32), "t": numbers(1, 3), "fl": numbers(1, 1)}
    return {"flame": flame, "camera": place, "img_size": np.array([512, 512]), "frame_id": f"{frame:05d}"}


def mica(folder: Path) -> Path:
    for frame in range(N):
        with zipfile.ZipFile(folder / f"{frame:05d}.frame", "w") as archive:  # as torch.save does it
            archive.writestr("archive/data.pkl", pickle.dumps(mica_frame(frame), protocol=2))
            archive.writestr("archive/version", "3\n")
    return folder


HALVES = {ROOT: POSE[:, :3], JAW: POSE[:, 3:]}
LAYOUTS: dict[str, tuple[Write, str, dict[str, np.ndarray]]] = {
    "own": (own, "Retake", TURNS),
    "vhap": (vhap, "VHAP", TURNS),
    "vhap a frame": (vhap_frames, "VHAP", TURNS),
    "deca": (deca, "DECA", HALVES),
    "deca npy": (deca_npy, "DECA", HALVES),
    "deca a frame": (deca_frames, "DECA", HALVES),
    "diffposetalk": (diffposetalk, "DiffPoseTalk", HALVES),
    "emoca": (emoca, "EMOCA", HALVES),
    "emoca a frame": (emoca_folders, "EMOCA", HALVES),
    "smirk": (smirk, "SMIRK", HALVES),
    "mica": (mica, "MICA's tracker", {name: TURNS[name] for name in (ROOT, JAW, LEFT, RIGHT)}),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_recognised_and_read(tmp_path: Path, layout: str) -> None:
    write, name, turns = LAYOUTS[layout]
    sequence, recognised = read_performance(write(tmp_path))
    assert recognised == name
    assert np.abs(sequence.expression - EXPRESSION).max() < 1e-6
    assert np.abs(sequence.identity - SHAPE).max() < 1e-6
    assert set(sequence.poses) == set(turns)
    for joint, wanted in turns.items():
        assert angles_between(sequence.poses[joint], wanted.astype(np.float64)).max() < 1e-5


def test_our_own_file_keeps_everything(tmp_path: Path) -> None:
    sequence, _ = read_performance(own(tmp_path))
    assert (sequence.fps, sequence.model, sequence.left_out) == (30.0, "somebody", ())
    assert sequence.translation is not None
    assert np.array_equal(sequence.translation, numbers(N, 3))
    with np.load(tmp_path / "own.npz", allow_pickle=False) as file:
        assert {"betas", "expression", "jaw_pose", "transl"} < set(file.files)


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    assert read_performance(deca(tmp_path))[0].left_out == ("tex",)
    assert read_performance(vhap(tmp_path))[0].left_out == ("static_offset",)
    assert read_performance(vhap(tmp_path))[0].translation is not None


def test_equal_rates_are_exact_and_others_keep_the_time() -> None:
    sequence = FlameSequence(EXPRESSION.astype(np.float64), {JAW: TURNS[JAW].astype(np.float64)}, translation=None)
    same = sequence.at(24.0, 24.0)
    assert np.abs(same.expression - EXPRESSION).max() < 1e-12
    assert angles_between(same.poses[JAW], sequence.poses[JAW]).max() < 1e-9
    double = sequence.at(50.0, 25.0)
    assert len(double.expression) == 2 * N - 1
    assert np.abs(double.expression[::2] - EXPRESSION).max() < 1e-12
    assert len(sequence.at(24.0, 30.0).expression) == 5
    with pytest.raises(InputError, match=r"lasts 2\.8 hours at 1 frames a second"):
        FlameSequence(np.zeros((10_000, 1))).at(24.0, 1.0)
    with pytest.raises(ShapeError, match="jaw"):
        FlameSequence(EXPRESSION, {JAW: TURNS[JAW][:3]})


def saved(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "x.npz", **arrays)
    return folder / "x.npz"


def alone(folder: Path, array: np.ndarray) -> Path:
    np.save(folder / "x.npy", array)
    return folder / "x.npy"


def pickled(folder: Path, content: Any) -> Path:
    (folder / "x.pkl").write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
    return folder / "x.pkl"


class Runs:
    """Something that would run a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("echo run",)


def bomb(folder: Path, shape: tuple[int, ...]) -> Path:
    """An .npz whose array claims a shape and holds zeros without end."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(folder / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("exp.npy", header.getvalue() + bytes(1 << 24))
        archive.writestr("pose.npy", header.getvalue() + bytes(1 << 24))
    return folder / "x.npz"


def deep(folder: Path) -> Path:
    inner: dict[str, Any] = {str(n): 0 for n in range(300)}
    for _ in range(4):
        inner = {str(n): inner for n in range(300)}
    return pickled(folder, inner)


def nested(before: bytes, after: bytes = b"") -> bytes:
    """A pickle with the number 1 under a key whose hash would take more of the stack than there is."""
    return b"\x80\x04}" + before + b")" + b"\x85" * 400_000 + after + b"K\x01s."


def cut(folder: Path) -> Path:
    path = deca(folder)
    path.write_bytes(path.read_bytes()[:-400])
    return path


def with_value(value: float) -> dict[str, Any]:
    spoiled = EXPRESSION.copy()
    spoiled[4, 3] = value
    return {**DECA, "exp": spoiled}


HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda folder: folder / "gone.npz", "'gone.npz' cannot be read"),
    "empty": (lambda folder: pickled(folder, b""), "no file of arrays"),
    "text": (lambda folder: pickled(folder, b"hello"), "no file of arrays"),
    "empty folder": (lambda folder: folder, "no file of FLAME parameters"),
    "unknown": (lambda folder: saved(folder, a=EXPRESSION, b=POSE), "holds a, b: no FLAME parameters"),
    "a head": (lambda folder: saved(folder, v_template=numbers(5023, 3)), "holds v_template: no FLAME"),
    "vertices": (lambda folder: alone(folder, numbers(3, 15069)), r"\(3, 15069\)"),
    "cut": (cut, "damaged"),
    "not finite": (lambda folder: pickled(folder, with_value(np.nan)), "'exp'.*not finite in its frame 5"),
    "infinite": (lambda folder: saved(folder, **with_value(-np.inf)), "'exp'.*not finite in its frame 5"),
    "far too large": (lambda folder: saved(folder, **with_value(1e30)), "'exp'.*as large as 1e.30 in its frame 5"),
    "counts": (lambda folder: saved(folder, **DECA | {"pose": POSE[:5]}), "'pose'.*5 frames where others have 7"),
    "widths": (lambda folder: saved(folder, **DECA | {"pose": POSE[:, :4]}), r"'pose'.*shape \(7, 4\)"),
    "axes": (lambda folder: saved(folder, **DECA | {"exp": numbers(7, 7, 5)}), r"'exp'.*shape \(7, 7, 5\)"),
    "words": (lambda folder: saved(folder, **DECA | {"exp": np.array(["a"])}), "'exp'.*no array of numbers"),
    "scalar": (lambda folder: saved(folder, **DECA | {"exp": np.float32(1)}), "'exp'.*no array of numbers"),
    "objects": (lambda folder: saved(folder, exp=np.array([{}, {}]), pose=POSE), "'exp'.*no array of numbers"),
    "a list": (lambda folder: pickled(folder, [EXPRESSION]), "holds a list"),
    "code": (lambda folder: pickled(folder, {"exp": Runs()}), "'x.pkl'.*system"),
    "code in an npy": (lambda folder: alone(folder, np.array({"a": Runs()})), "system"),
    "huge claim": (lambda folder: bomb(folder, (1 << 40, 50)), "claims .* GB"),
    "bomb": (lambda folder: bomb(folder, (1 << 24, 50)), "claims 3.4 GB"),
    "short": (lambda folder: bomb(folder, (1 << 22, 1)), "frames, more than a performance has"),
    "deep": (deep, "more than 10000 parts"),
    "tuples in tuples": (lambda folder: pickled(folder, nested(b"")), "nests more than 100 parts"),
    "tuples in a set": (lambda folder: pickled(folder, nested(b"(", b"\x91")), "nests more than 100 parts"),
    "tuples told again": (lambda folder: pickled(folder, nested(b"", b"\x940h\x00")), "nests more than 100 parts"),
    "torch": (lambda folder: pickled(folder, b"PK\x03\x04 no archive"), "damaged"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_are_refused_in_a_sentence(tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]) -> None:
    make, words = HOSTILE[case]
    path = make(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=words) as caught:
            read_performance(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 400
    assert "run\n" not in capfd.readouterr().out
    assert peak < 120 << 20


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), layout=st.sampled_from([own, vhap, deca, deca_npy, smirk]))
def test_no_damage_crashes_the_readers(tmp_path: Path, data: st.DataObject, layout: Write) -> None:
    path = layout(tmp_path)
    whole = path.read_bytes()
    start = data.draw(st.integers(0, min(len(whole), 2000)) | st.integers(max(0, len(whole) - 2000), len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 60)))
    path.write_bytes(whole[:start] + data.draw(st.binary(max_size=16)) + whole[end:])
    try:
        sequence, _ = read_performance(path)
    except RetakeError:
        return
    assert np.isfinite(sequence.expression).all()


@pytest.mark.parametrize("version", [b"\x01\x00", b"\x02\x00", b"\x09\x00"])
def test_long_headers_are_not_taken(tmp_path: Path, version: bytes) -> None:
    header = b"{" + b" " * 60_000 + b"}\n"
    length = struct.pack("<H" if version == b"\x01\x00" else "<I", len(header))
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY" + version + length + header)
    with pytest.raises(InputError, match="damaged"):
        read_performance(tmp_path / "x.npy")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_sequence(tmp_path / "missing" / "x.npz", FlameSequence(EXPRESSION))
