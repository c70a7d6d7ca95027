# SPDX-License-Identifier: GPL-3.0-or-later
"""Vertex sequences as models of speech animation publish them, and the neutral faces that go with them.

FaceFormer, CodeTalker, SelfTalk, FaceDiffuser and the like save one float array of (N, 3 V) or (1, N, 3 V) as `.npy`,
frames first, x y z of each vertex in turn; VOCASET itself and others (N, V, 3); some put it into an `.npz`. Neutral
faces come as `.ply` or `.obj`, as arrays, or as VOCASET's `templates.pkl` with one array a subject.

Nothing of a file is run. What a file will take is read off its headers first and is never more than a multiple of it.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import InputError
from .array_file import bytes_of, read_header
from .array_pickle import load_array_pickle

Points = NDArray[np.float32]
Reader = Callable[[bytes, str, int], Points]

MOST_BYTES = 1 << 32  # of a sequence; an hour of FLAME vertices at 30 fps has 6 GB, ten minutes 1 GB
_MOST_UNPACKED = 200  # times the packed size; a sequence that stands still packs so well
_SLACK_BYTES = 1 << 20
_REMEDY = "Choose a file of vertices, frames first: (N, 3 V) or (N, V, 3), as .npy or .npz."
_PLY_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_PLY_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


def read_sequence(path: Path, count: int) -> Points:
    """Read a sequence of vertices.

    Args:
        path: A .npy or .npz file; of several arrays the one with the most frames of this many vertices counts.
        count: Vertices V of the head.

    Returns:
        (N, V, 3), in the file's unit and axes, N >= 1.

    Raises:
        InputError: It is missing, too large, damaged, holds no numbers, not this many vertices or values that are not
            finite; the sentence says which.
    """
    return _read(path, count, "sequence", {".npz": _from_npz, "": _from_npy})


def read_neutral(path: Path, count: int, subject: str = "") -> Points:
    """Read a neutral face.

    Args:
        path: A .ply, .obj, .npy, .npz or .pkl file.
        count: Vertices V of the head.
        subject: Text with the subject's name in it, e.g. the name of the sequence's file: a .pkl may hold several.

    Returns:
        (V, 3), in the file's unit and axes.

    Raises:
        InputError: As `read_sequence`; or the file holds several faces and none is the subject's.
    """

    def from_pickle(data: bytes, name: str, wanted: int) -> Points:
        return _as_points(_of_subject(load_array_pickle(data), name, subject), name, wanted)

    readers = {".npz": _from_npz, ".ply": _from_ply, ".obj": _from_obj, ".pkl": from_pickle, "": _from_npy}
    found = _read(path, count, "neutral face", readers)
    if len(found) != 1:
        raise InputError(f"'{path.name}' has {len(found)} frames where one neutral face is needed.", "Choose another.")
    face: Points = found[0]
    return face


def _read(path: Path, count: int, what: str, readers: Mapping[str, Reader]) -> Points:
    """Points (N, V, 3) of a file by the reader for its ending; "" is every other's."""
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(f"'{path.name}' has {size / 1e9:.1f} GB, too much for one {what}.", "Cut it into parts.")
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"'{path.name}' cannot be read ({error.strerror or error}).", "Check the path.") from error
    ending = ".npz" if data[:2] == b"PK" else path.suffix.lower()
    try:
        points = readers.get(ending, readers[""])(data, path.name, count)
    except InputError:
        raise
    except Exception as error:  # a damaged file fails in every way there is
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"'{path.name}' is damaged, or no {what} ({reason}).", _REMEDY) from error
    finite = np.isfinite(points).all(axis=(1, 2))
    if not finite.all():
        first = int(np.argmin(finite))
        raise InputError(f"'{path.name}' holds values that are not finite, first in frame {first}.", "Export it again.")
    return points


def _from_npy(data: bytes, name: str, count: int) -> Points:
    """Of a .npy file."""
    stream = io.BytesIO(data)
    shape, _, dtype = read_header(stream)
    _check_numbers(dtype, name)
    if bytes_of(shape, dtype) > len(data):
        raise InputError(f"'{name}' is cut off: its header tells of {bytes_of(shape, dtype)} bytes.", "Copy it again.")
    _check_shape(shape, name, count)
    stream.seek(0)
    return _as_points(np.lib.format.read_array(stream, allow_pickle=False), name, count)


def _from_npz(data: bytes, name: str, count: int) -> Points:
    """Of the array of an .npz that has the most frames of this many vertices."""
    most = min(MOST_BYTES, _MOST_UNPACKED * len(data) + _SLACK_BYTES)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        frames: dict[str, int] = {}
        shapes: dict[str, tuple[int, ...]] = {}
        for member in archive.infolist():
            with archive.open(member) as stream:
                shape, _, dtype = read_header(stream)
            if dtype.kind not in "fiu":
                continue
            shapes[member.filename] = shape
            if _frames_in(shape, count):
                frames[member.filename] = _frames_in(shape, count)
            if max(bytes_of(shape, dtype), member.file_size) > most:
                raise InputError(f"'{member.filename}' in '{name}' is far larger than the file.", "Choose another.")
        if not frames:
            told = ", ".join(f"{member.removesuffix('.npy')} {shape}" for member, shape in list(shapes.items())[:4])
            raise InputError(
                f"'{name}' holds no frames of {count} vertices ({told or 'no array of numbers'}).", _REMEDY
            )
        chosen = [member for member, found in frames.items() if found == max(frames.values())]
        if len(chosen) > 1:
            raise InputError(
                f"'{name}' holds several sequences ({', '.join(member.removesuffix('.npy') for member in chosen)}).",
                "Save the one that is meant on its own.",
            )
        with archive.open(chosen[0]) as stream:
            return _as_points(np.lib.format.read_array(stream, allow_pickle=False), name, count)


def _frames_in(shape: tuple[int, ...], count: int) -> int:
    """Frames N of this many vertices that an array of a shape holds; 0 where it holds none."""
    while len(shape) > 1 and shape[0] == 1:
        shape = shape[1:]
    per_frame = ((3 * count,), (count, 3))
    return next((n for frame in per_frame for n, rest in _split(shape, len(frame)) if rest == frame), 0)


def _split(shape: tuple[int, ...], depth: int) -> list[tuple[int, tuple[int, ...]]]:
    """A shape as frames and the shape of one, where it has so many axes."""
    if len(shape) == depth:
        return [(1, shape)]
    return [(shape[0], shape[1:])] if len(shape) == depth + 1 else []


def _check_numbers(dtype: np.dtype[Any], name: str) -> None:
    """Raise InputError unless an array holds numbers."""
    if dtype.kind not in "fiu":
        raise InputError(f"'{name}' is no array of numbers.", _REMEDY)


def _check_shape(shape: tuple[int, ...], name: str, count: int) -> None:
    """Raise InputError unless an array of a shape holds frames of this many vertices."""
    if _frames_in(shape, count):
        return
    if 0 in shape:
        raise InputError(f"'{name}' is empty: its shape is {shape}.", _REMEDY)
    if len(shape) >= 2 and shape[-1] == 3 and shape[-2] != 3 * count:
        raise InputError(f"'{name}' has {shape[-2]} vertices a frame, but the head has {count}.", "Choose its head.")
    if len(shape) in (2, 3) and shape[-1] % 3 == 0 and shape[-1] > 3:
        raise InputError(
            f"'{name}' has {shape[-1] // 3} vertices a frame, but the head has {count}.", "Choose its head."
        )
    raise InputError(f"'{name}' has the shape {shape} where (N, {3 * count}) or (N, {count}, 3) is needed.", _REMEDY)


def _as_points(array: NDArray[Any], name: str, count: int) -> Points:
    """An array as (N, V, 3) of float32."""
    _check_numbers(array.dtype, name)
    _check_shape(array.shape, name, count)
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, which is said
        return np.ascontiguousarray(array.reshape(-1, count, 3), np.float32)


def _of_subject(arrays: Mapping[str, Any], name: str, subject: str) -> NDArray[Any]:
    """The array of a .pkl that is a subject's, or its only one."""
    found = {str(key): value for key, value in arrays.items() if isinstance(value, np.ndarray)}
    meant = [key for key in found if key and key in subject]
    if len(found) != 1 and len(meant) != 1:
        listed = ", ".join(list(found)[:4]) or "no face at all"
        raise InputError(
            f"'{name}' holds {listed}{', ...' if len(found) > 4 else ''}, and which is meant cannot be told.",
            "Name the sequence's file after its subject, or choose a file with one face.",
        )
    return found[meant[0]] if len(meant) == 1 else next(iter(found.values()))


def _from_obj(data: bytes, name: str, count: int) -> Points:
    """Of the vertices of a Wavefront file."""
    rows = [line.split()[1:4] for line in data.splitlines() if line.startswith(b"v ")]
    return _as_points(np.array(rows, np.float64).reshape(1, -1, 3), name, count)


def _from_ply(data: bytes, name: str, count: int) -> Points:
    """Of the vertices of a Stanford file, whose first element they have to be."""
    header, mark, body = data.partition(b"end_header")
    lines = [line.split() for line in header.decode("ascii").splitlines()]
    form = next((words[1] for words in lines if words[:1] == ["format"]), "")
    elements = [place for place, words in enumerate(lines) if words[:1] == ["element"]]
    if not mark or form not in _PLY_ORDERS or not elements or lines[elements[0]][1] != "vertex":
        raise InputError(f"'{name}' is no .ply file whose first element is the vertices.", "Export it again.")
    number = int(lines[elements[0]][2])
    _check_shape((1, number, 3), name, count)
    end = elements[1] if len(elements) > 1 else len(lines)
    properties = [words for words in lines[elements[0] + 1 : end] if words[:1] == ["property"]]
    row = np.dtype([(words[-1], _PLY_ORDERS[form] + _PLY_TYPES[words[1]]) for words in properties])
    body = body.partition(b"\n")[2]
    if form == "ascii":
        columns = [row.names.index(axis) for axis in "xyz"] if row.names else []
        rows = [line.split() for line in body.splitlines()[:number]]
        points = np.array([[float(words[column]) for column in columns] for words in rows])
    else:
        table = np.frombuffer(body, row, number)
        points = np.stack([table[axis] for axis in "xyz"], axis=-1)
    return _as_points(points.reshape(1, -1, 3), name, count)
