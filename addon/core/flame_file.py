# SPDX-License-Identifier: GPL-3.0-or-later
"""FLAME's model files as people have them: 2019, 2020, 2023 and "2023 Open", as .pkl or .npz.

The pickles of 2019 and 2020 are Python 2's and hold chumpy's objects and scipy's sparse matrices, later ones numpy's;
`array_pickle` reads them all without running them. Files with fewer components are read too.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import RigError
from ...backend.protocol import FLAME_FACES, FLAME_VERTICES, JOINT_NAMES
from .array_file import bytes_of, read_header
from .array_pickle import load_array_pickle
from .flame import FlameModel, FloatArray

MOST_BYTES = 1 << 30  # of a model file; the largest that is published has 0.1 GB
MOST_COMPONENTS = 2000
_IDENTITY = 300  # components of identity in the published files, before those of expression
_NAMES = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")
_EXPRESSION = ("expressiondirs", "exprdirs", "expr_dirs")  # where a tool stored expression apart
_POSE = 9 * (len(JOINT_NAMES) - 1)
_REMEDY = "Choose a FLAME model file, e.g. generic_model.pkl or flame2023.pkl."


def read_flame(path: Path, identity_count: int | None = None) -> FlameModel:
    """Read a FLAME model file.

    Args:
        path: A .pkl or .npz file.
        identity_count: How many of `shapedirs` are identity, the rest being expression; by default 300, or two thirds
            where a file has fewer than 300.

    Raises:
        RigError: It is missing, too large, damaged, names something that is not an array, or is no FLAME head; the
            sentence says which.
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise RigError(f"'{path.name}' has {size / 1e9:.1f} GB, more than a head model has.", _REMEDY)
        data = path.read_bytes()
    except OSError as error:
        raise RigError(f"'{path.name}' cannot be read ({error.strerror or error}).", "Check the path.") from error
    arrays = _read_npz(path) if data[:2] == b"PK" else load_array_pickle(data)
    return flame_of(arrays, path.name, identity_count)


def flame_of(arrays: Mapping[str, Any], name: str, identity_count: int | None = None) -> FlameModel:
    """The model of a file's arrays, checked.

    Raises:
        RigError: An array is missing, has another shape or is not finite, or it is another body than FLAME's head.
    """
    missing = [wanted for wanted in _NAMES if wanted not in arrays]
    if missing:
        raise RigError(f"'{name}' lacks the array '{missing[0]}'.", _REMEDY)
    template, faces = _floats(arrays, "v_template", name), _integers(arrays, "f", name)
    if template.shape != (FLAME_VERTICES, 3) or faces.shape != (FLAME_FACES, 3):
        raise RigError(
            f"'{name}' has {len(template)} vertices and {len(faces)} faces; FLAME's head has {FLAME_VERTICES} and "
            f"{FLAME_FACES}.",
            _REMEDY,
        )
    identity, expression = _bases(arrays, name, identity_count)
    pose = _floats(arrays, "posedirs", name)
    if pose.shape == (_POSE, 3 * FLAME_VERTICES):  # as `smplx` keeps it
        pose = pose.T.reshape(FLAME_VERTICES, 3, _POSE)
    regressor, weights = _floats(arrays, "J_regressor", name), _floats(arrays, "weights", name)
    J = len(JOINT_NAMES)
    shapes = {"posedirs": (pose, (FLAME_VERTICES, 3, _POSE)), "weights": (weights, (FLAME_VERTICES, J))}
    shapes["J_regressor"] = (regressor, (J, FLAME_VERTICES))
    for part, (array, wanted) in shapes.items():
        if array.shape != wanted:
            raise RigError(f"'{part}' in '{name}' has the shape {array.shape} where {wanted} is needed.", _REMEDY)
    if faces.min() < 0 or faces.max() >= FLAME_VERTICES:
        raise RigError(f"A face in '{name}' names vertex {faces.max()}, which does not exist.", _REMEDY)
    parents = _parents(_integers(arrays, "kintree_table", name), name)
    return FlameModel(template, faces.astype(np.int32), identity, expression, pose, regressor, weights, parents)


def _bases(arrays: Mapping[str, Any], name: str, identity_count: int | None) -> tuple[FloatArray, FloatArray]:
    """Identity and expression (V, 3, S) and (V, 3, E)."""
    shapes = _basis(arrays, "shapedirs", name)
    apart = next((other for other in _EXPRESSION if other in arrays), None)
    if apart is not None:
        return shapes, _basis(arrays, apart, name)
    count = shapes.shape[2]
    split = identity_count if identity_count is not None else (_IDENTITY if count > _IDENTITY else 2 * count // 3)
    if not 0 <= split <= count:
        raise RigError(f"'{name}' has {count} components, so {split} of identity are too many.", "Choose fewer.")
    return shapes[:, :, :split], shapes[:, :, split:]


def _basis(arrays: Mapping[str, Any], part: str, name: str) -> FloatArray:
    """Blend shapes (V, 3, B)."""
    basis = _floats(arrays, part, name)
    if basis.ndim != 3 or basis.shape[:2] != (FLAME_VERTICES, 3) or basis.shape[2] > MOST_COMPONENTS:
        raise RigError(
            f"'{part}' in '{name}' has the shape {basis.shape} where ({FLAME_VERTICES}, 3, components) is needed.",
            _REMEDY,
        )
    return basis


def _parents(table: NDArray[np.int64], name: str) -> NDArray[np.int64]:
    """Parents of the joints from FLAME's table, whose root names 4294967295 or -1."""
    J = len(JOINT_NAMES)
    if table.shape != (2, J):
        raise RigError(f"'kintree_table' in '{name}' has the shape {table.shape} where (2, {J}) is needed.", _REMEDY)
    parents = np.where((table[0] < 0) | (table[0] >= J), -1, table[0])
    if parents[0] != -1 or (parents[1:] < 0).any() or (parents[1:] >= np.arange(1, J)).any():
        raise RigError(f"The joints in '{name}' do not hang together: their parents are {parents.tolist()}.", _REMEDY)
    return parents


def _floats(arrays: Mapping[str, Any], part: str, name: str) -> FloatArray:
    """An array of finite numbers."""
    array = _numbers(arrays, part, name).astype(np.float64)
    if not np.isfinite(array).all():
        raise RigError(f"'{part}' in '{name}' holds values that are not finite.", "Download the file again.")
    return array


def _integers(arrays: Mapping[str, Any], part: str, name: str) -> NDArray[np.int64]:
    array = _numbers(arrays, part, name)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise RigError(f"'{part}' in '{name}' holds values that are not finite.", "Download the file again.")
    return array.astype(np.int64)


def _numbers(arrays: Mapping[str, Any], part: str, name: str) -> NDArray[Any]:
    array = arrays[part]
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise RigError(f"'{part}' in '{name}' is no array of numbers.", _REMEDY)
    return array


def _read_npz(path: Path) -> dict[str, Any]:
    """The arrays of an .npz that a head needs; what they will take is read off their headers first.

    Raises:
        RigError: It is damaged, an array holds objects, or one is far larger than a head's.
    """
    found: dict[str, Any] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for wanted in (*_NAMES, *_EXPRESSION):
                if f"{wanted}.npy" in archive.namelist():
                    found[wanted] = _read_member(archive, wanted, path.name)
    except RigError:
        raise
    except Exception as error:  # a damaged archive fails in every way there is
        raise RigError(
            f"'{path.name}' is damaged ({str(error) or type(error).__name__}).", "Download it again."
        ) from error
    return found


def _read_member(archive: zipfile.ZipFile, wanted: str, name: str) -> NDArray[Any]:
    """One array."""
    member = f"{wanted}.npy"
    with archive.open(member) as stream:
        shape, _, dtype = read_header(stream)
    if dtype.kind not in "biuf":
        raise RigError(
            f"'{wanted}' in '{name}' is no array of numbers (it may be a sparse matrix).", "Use the .pkl file."
        )
    if bytes_of(shape, dtype) > 3 * FLAME_VERTICES * MOST_COMPONENTS * 8:
        raise RigError(f"'{wanted}' in '{name}' has the shape {shape}, far larger than a head's.", _REMEDY)
    with archive.open(member) as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array
