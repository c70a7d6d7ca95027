# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of arrays as trackers leave them: .npz, .npy, numpy's pickles, and what torch.save makes of such a pickle.

Only arrays of numbers and short texts are read, only those that are asked for, and what they will take is known from
their headers before it is taken: neither code nor a bomb in a file comes to anything.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import InputError, RetakeError
from .array_pickle import ArrayLike, load_array_pickle

MOST_BYTES = 1 << 30  # of a file
MOST_PICKLED = 1 << 28  # of a pickle
MOST_MEMBERS = 10_000
_SLACK = 1 << 24  # bytes that any array may take
_DENSEST = 100  # bytes of an array a byte of a file, beyond that
_DEEPEST = 3
_KINDS = "biufU"
_REMEDY = "Choose the file that the tracker wrote."

Arrays = dict[str, Any]
"""Names -> arrays; those of dictionaries within are "outer.inner"."""


def read_arrays(path: Path, wanted: Collection[str]) -> tuple[Arrays, tuple[str, ...]]:
    """Read a file of arrays.

    Args:
        path: A .npz, .npy, .pkl or .frame file.
        wanted: Names of the arrays that are read, dictionaries within ("outer.inner") included.

    Returns:
        What was found of them, and the names of all that the file holds.

    Raises:
        InputError: It is missing, too large, damaged, or wants to run something; the sentence says which.
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(f"'{path.name}' has {size / 1e9:.1f} GB, more than a performance has.", _REMEDY)
        with path.open("rb") as stream:
            return _read(stream, path.name, size, wanted)
    except OSError as error:
        raise InputError(f"'{path.name}' cannot be read ({error.strerror or error}).", "Check the path.") from error
    except InputError:
        raise
    except Exception as error:  # a damaged file fails in every way there is
        reason = str(error)[:100] or type(error).__name__
        raise InputError(f"'{path.name}' is damaged ({reason}).", _REMEDY) from error


def _read(stream: BinaryIO, name: str, size: int, wanted: Collection[str]) -> tuple[Arrays, tuple[str, ...]]:
    """The arrays of an open file, by what it begins with."""
    start = stream.read(6)
    stream.seek(0)
    if start.startswith(b"PK"):
        with zipfile.ZipFile(stream) as archive:
            return _of_archive(archive, name, wanted)
    if start == np.lib.format.MAGIC_PREFIX:
        if read_header(stream)[2].kind == "O":  # a dictionary, as numpy.save pickles it
            return _of_pickle(stream.read(min(size, MOST_PICKLED) + 1), name, wanted)
        stream.seek(0)
        return {"": _array(stream, name, name, size)}, ("",)
    if not start.startswith((b"\x80", b"(", b"c", b"}")):
        raise InputError(f"'{name}' is no file of arrays.", _REMEDY)
    return _of_pickle(stream.read(min(size, MOST_PICKLED) + 1), name, wanted)


def _of_archive(archive: zipfile.ZipFile, name: str, wanted: Collection[str]) -> tuple[Arrays, tuple[str, ...]]:
    """The arrays of a .npz, or of the pickle that torch.save put into an archive."""
    members = archive.infolist()
    if len(members) > MOST_MEMBERS:
        raise InputError(f"'{name}' has {len(members)} parts, more than a performance has.", _REMEDY)
    pickles = [member for member in members if member.filename.endswith("/data.pkl")]
    if pickles:
        _check_size(pickles[0].file_size, pickles[0].compress_size, "data.pkl", name)
        with archive.open(pickles[0]) as stream:
            return _of_pickle(stream.read(MOST_PICKLED + 1), name, wanted)
    found: Arrays = {}
    names = {member.filename.removesuffix(".npy"): member for member in members}
    for part in wanted:
        if part in names:
            with archive.open(names[part]) as stream:
                found[part] = _array(stream, part, name, names[part].compress_size)
    return found, tuple(names)


def _array(stream: Any, part: str, name: str, packed: int) -> NDArray[Any]:
    """One array of numpy's own format; its header is looked at before anything is taken."""
    shape, is_fortran, dtype = read_header(stream)
    what = f"'{part}' in '{name}'" if part != name else f"'{name}'"
    if dtype.kind not in _KINDS:
        raise InputError(f"{what} is no array of numbers.", "Store its arrays as they are, not as Python's objects.")
    taken = bytes_of(shape, dtype)
    _check_size(taken, packed, part, name)
    data = stream.read(taken)
    if len(data) != taken:
        raise InputError(f"'{name}' ends too early.", "Copy it again.")
    array = np.frombuffer(data, dtype) if taken else np.zeros(0, dtype)
    return array.reshape(shape, order="F" if is_fortran else "C")


def read_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether its order is Fortran's, and kind of an array in numpy's own format.

    Raises:
        ValueError: It is none, or its header is damaged.
    """
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"numpy's format {version[0]}, which holds no plain numbers")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(stream)
    return tuple(int(length) for length in shape), is_fortran, dtype


def bytes_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Bytes that an array takes; Python's integers do not overflow."""
    return math.prod(shape) * dtype.itemsize


def _check_size(taken: int, packed: int, part: str, name: str) -> None:
    """Refuse what would take far more memory than the file has bytes."""
    if not 0 <= taken <= min(MOST_BYTES, _SLACK + _DENSEST * packed):
        raise InputError(f"'{part}' in '{name}' claims {taken / 1e9:.1f} GB, far more than the file has.", _REMEDY)


def _of_pickle(data: bytes, name: str, wanted: Collection[str]) -> tuple[Arrays, tuple[str, ...]]:
    """The arrays of a pickle, which is not run."""
    if len(data) > MOST_PICKLED:
        raise InputError(f"'{name}' holds a pickle of more than {MOST_PICKLED >> 20} MB.", _REMEDY)
    try:
        content = load_array_pickle(data)
    except RetakeError as error:
        raise InputError(f"'{name}': {error.message}", error.remedy) from error
    flat = _flattened(content, name)
    return {part: value for part, value in flat.items() if part in wanted}, tuple(flat)


def _flattened(content: Mapping[Any, Any], name: str) -> Arrays:
    """Items of nested dictionaries under dotted names; what else is nested stays as it is."""
    flat: Arrays = {}
    waiting = [("", content, 0)]
    while waiting:
        prefix, mapping, depth = waiting.pop(0)
        for key, value in mapping.items():
            part = f"{prefix}{key}"
            if isinstance(value, dict) and depth < _DEEPEST:
                waiting.append((f"{part}.", value, depth + 1))
            else:
                flat[part] = getattr(value, "value", None) if isinstance(value, ArrayLike) else value
        if len(flat) + len(waiting) > MOST_MEMBERS:
            raise InputError(f"'{name}' has more than {MOST_MEMBERS} parts, more than a performance has.", _REMEDY)
    return flat
