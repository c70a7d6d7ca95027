# SPDX-License-Identifier: GPL-3.0-or-later
"""FLAME performances in the layouts that trackers write, told from each other by the names of their arrays.

| layout | names | what is particular |
| --- | --- | --- |
| Retake, `smplx` | expression, jaw_pose, global_orient, ..., betas, transl | see `flame_sequence` |
| VHAP (`flame_param.npz`, `tracked_flame_params_*.npz`) | expr, rotation, neck_pose, jaw_pose, eyes_pose (left, right), shape, translation | one person's shape; offsets of vertices are left out |
| DECA, DiffPoseTalk | exp, pose (the head's turn, then the jaw's), shape a frame | DECA has cam and tex beside; its camera is left out |
| EMOCA | expcode, posecode, shapecode; or exp.npy, pose.npy, shape.npy | as DECA |
| SMIRK | expression_params, pose_params, jaw_params, shape_params | lids of its own are left out |
| MICA's tracker (`.frame`) | flame.exp, flame.jaw, flame.eyes, flame.shape in six numbers a turn, camera.R | the camera turns, not the head: its turn is undone |

The arrays are those of the projects' code in November 2026 (ShenhanQian/VHAP, DiffPoseTalk/DiffPoseTalk,
yfeng95/DECA, radekd91/emoca, georgeretsi/smirk, Zielon/metrical-tracker). A shape that is told a frame is averaged. A
folder of one file a frame is one performance, in the order of the numbers in the files' names.
"""  # noqa: E501  (the table)

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import InputError
from ...backend.protocol import JOINT_NAMES
from .array_file import read_arrays
from .flame import rotation_matrices
from .flame_sequence import POSES, FlameSequence
from .rotations import of_matrices, of_six
from .wording import shortened

FloatArray = NDArray[np.float64]

_LARGEST = 1e6  # coefficient, rad or m
MOST_FRAMES = 200_000
MOST_FILES = 50_000
SUFFIXES = (".npz", ".npy", ".pkl", ".frame")
_KNOWN = "Retake and smplx, VHAP, DECA, EMOCA, SMIRK, MICA's tracker, DiffPoseTalk"
_REMEDY = f"Known are the files of {_KNOWN}."
_ROOT, _NECK, _JAW, _LEFT_EYE, _RIGHT_EYE = JOINT_NAMES
_NAMED = 8  # names in a sentence
_CAMERA = np.diag([-1.0, 1.0, -1.0])
"""From PyTorch3D's camera, which looks along +Z with X to the left, to model axes of a head that looks into it."""


@dataclass(frozen=True)
class Layout:
    """How a tracker names things.

    Attributes:
        name: The tracker.
        expression: The array that tells the expression.
        needed: Arrays that have to be there as well.
        shape: The array that tells identity.
        used: All other arrays that are read.
        poses: Turns of the joints, out of the arrays (by name, (N, .) each).
    """

    name: str
    expression: str
    needed: tuple[str, ...]
    shape: str
    used: tuple[str, ...]
    poses: Callable[[Mapping[str, FloatArray]], dict[str, FloatArray]]


def _named(names: Mapping[str, str]) -> Callable[[Mapping[str, FloatArray]], dict[str, FloatArray]]:
    """Turns that are axis-angle arrays of their own: name -> joint."""
    return lambda arrays: {joint: arrays[name] for name, joint in names.items() if name in arrays}


def _vhap(arrays: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Both eyes are one array, the left one first."""
    poses = _named({"rotation": _ROOT, "neck_pose": _NECK, "jaw_pose": _JAW})(arrays)
    if "eyes_pose" in arrays:
        poses |= {_LEFT_EYE: arrays["eyes_pose"][:, :3], _RIGHT_EYE: arrays["eyes_pose"][:, 3:]}
    return poses


def _deca(name: str) -> Callable[[Mapping[str, FloatArray]], dict[str, FloatArray]]:
    """The head's turn and the jaw's in one array of that name."""
    return lambda arrays: {_ROOT: arrays[name][:, :3], _JAW: arrays[name][:, 3:]}


def _mica(arrays: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Six numbers a turn; the camera's rotation R takes the head's rows into its view."""
    poses = {_JAW: of_six(arrays["flame.jaw"])}
    if "flame.eyes" in arrays:
        eyes = arrays["flame.eyes"]
        poses |= {_LEFT_EYE: of_six(eyes[:, :6]), _RIGHT_EYE: of_six(eyes[:, 6:])}
    if "flame.neck" in arrays:
        poses[_NECK] = of_six(arrays["flame.neck"])
    if "camera.R" in arrays:
        camera = arrays["camera.R"]
        turned = rotation_matrices(of_six(camera)) if camera.shape[1] == 6 else camera.reshape(-1, 3, 3)
        poses[_ROOT] = of_matrices(_CAMERA @ np.swapaxes(turned, -1, -2))
    return poses


LAYOUTS = (
    Layout("Retake", "expression", ("jaw_pose", "global_orient"), "betas", ("transl", *POSES), _named(POSES)),
    Layout("VHAP", "expr", ("jaw_pose",), "shape", ("rotation", "neck_pose", "eyes_pose", "translation"), _vhap),
    Layout("DECA", "exp", ("pose", "cam"), "shape", (), _deca("pose")),
    Layout("DiffPoseTalk", "exp", ("pose",), "shape", (), _deca("pose")),
    Layout("EMOCA", "expcode", ("posecode",), "shapecode", (), _deca("posecode")),
    Layout(
        "SMIRK",
        "expression_params",
        ("jaw_params",),
        "shape_params",
        ("pose_params",),
        _named({"pose_params": _ROOT, "jaw_params": _JAW}),
    ),
    Layout(
        "MICA's tracker", "flame.exp", ("flame.jaw",), "flame.shape", ("flame.eyes", "flame.neck", "camera.R"), _mica
    ),
)

_WIDTHS = {
    **dict.fromkeys((*POSES, "transl", "translation", "rotation", "pose_params", "jaw_params"), (3,)),
    **dict.fromkeys(("pose", "posecode", "eyes_pose", "flame.jaw", "flame.neck"), (6,)),
    "flame.eyes": (12,),
    "camera.R": (6, 9),
}
"""Name -> how many numbers a frame it may have."""

_WANTED = frozenset(
    {"fps", "model", *(n for each in LAYOUTS for n in (each.expression, each.shape, *each.needed, *each.used))}
)


def read_performance(path: Path) -> tuple[FlameSequence, str]:
    """Read a performance of a FLAME head.

    Args:
        path: A file, or a folder with a file or a folder a frame.

    Returns:
        The performance, and the name of the layout.

    Raises:
        InputError: It is missing or damaged, or the layout is none of those known; the sentence tells what was found.
    """
    if path.is_dir():
        arrays, names = _read_folder(path)
    else:
        arrays, names = read_arrays(path, _WANTED)
    layout = next((each for each in LAYOUTS if {each.expression, *each.needed} <= set(arrays)), None)
    if layout is None:
        raise InputError(f"'{path.name}' holds {_listed(names, arrays)}: no FLAME parameters that are known.", _REMEDY)
    return _sequence(layout, arrays, names, path.name), layout.name


def _listed(names: Sequence[str], arrays: Mapping[str, Any]) -> str:
    """What a file was found to hold."""
    if tuple(names) == ("",):
        return f"one array of shape {getattr(arrays.get(''), 'shape', '')}".rstrip()
    return shortened([str(name)[:30] for name in names], _NAMED) or "nothing"


def _sequence(layout: Layout, arrays: Mapping[str, Any], names: Sequence[str], name: str) -> FlameSequence:
    """The performance of a file's arrays."""
    used = (layout.expression, *layout.needed, *layout.used)
    tables = {part: _table(arrays[part], part, name) for part in used if part in arrays}
    frames = max(len(table) for table in tables.values())
    for part, table in tables.items():
        if len(table) not in (1, frames):
            raise InputError(f"'{part}' in '{name}' has {len(table)} frames where others have {frames}.", _REMEDY)
        tables[part] = np.broadcast_to(table, (frames, table.shape[1]))
    place = next((part for part in ("transl", "translation") if part in tables), "")
    told = layout.shape in arrays and np.size(arrays[layout.shape]) > 0
    shape = _table(arrays[layout.shape], layout.shape, name) if told else np.zeros((1, 0))
    passed = {layout.shape, "fps", "model", *used}
    return FlameSequence(
        tables[layout.expression],
        layout.poses(tables),
        shape.mean(axis=0),
        tables.get(place),
        _rate(arrays.get("fps")),
        str(arrays["model"])[:60] if isinstance(arrays.get("model"), np.ndarray) else "",
        tuple(part for part in names if part not in passed),
    )


def _table(array: Any, part: str, name: str) -> FloatArray:
    """An array as (N, .) finite numbers; a lone frame may lack its axis, and axes of length 1 may be too many."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf" or not array.ndim or not array.size:
        raise InputError(f"'{part}' in '{name}' is no array of numbers.", _REMEDY)
    width = 9 if part == "camera.R" and array.shape[-2:] == (3, 3) else array.shape[-1]
    frames = array.size // width
    apart = [length for length in array.shape[: -2 if width != array.shape[-1] else -1] if length != 1]
    if len(apart) > 1 or width not in _WIDTHS.get(part, (width,)):
        raise InputError(f"'{part}' in '{name}' has the shape {array.shape}, which no tracker writes.", _REMEDY)
    if frames > MOST_FRAMES:
        raise InputError(f"'{name}' has {frames} frames, more than a performance has.", _REMEDY)
    table = array.reshape(frames, width).astype(np.float64)
    sound = (np.abs(table) < _LARGEST).all(axis=1)
    if not sound.all():
        row = int(np.argmin(sound))
        what = "not finite" if not np.isfinite(table[row]).all() else f"as large as {np.abs(table[row]).max():.3g}"
        raise InputError(f"'{part}' in '{name}' is {what} in its frame {row + 1}.", "Track the shot again.")
    return table


def _rate(value: Any) -> float | None:
    """A frame rate; None where it is no sensible one."""
    if not isinstance(value, np.ndarray) or value.size != 1 or value.dtype.kind not in "iuf":
        return None
    rate = float(value.reshape(-1)[0])
    return rate if 1.0 <= rate <= 1000.0 else None


def _read_folder(folder: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The arrays of a folder with a file, or a folder of .npy files, a frame, one after another."""
    try:
        entries = sorted(folder.iterdir(), key=_by_numbers)
    except OSError as error:
        raise InputError(f"'{folder.name}' cannot be read ({error.strerror or error}).", "Check the path.") from error
    if len(entries) > MOST_FILES:
        raise InputError(f"'{folder.name}' holds {len(entries)} files, more than a performance has.", _REMEDY)
    parts = [entry for entry in entries if entry.suffix.lower() == ".npy" and f"{entry.stem}code" in _WANTED]
    if parts:
        return _read_parts(parts)
    frames = [found for entry in entries if (found := _read_frame(entry)) is not None]
    if not frames:
        raise InputError(f"'{folder.name}' holds no file of FLAME parameters.", _REMEDY)
    names = frames[0][1]
    shared = [name for name in frames[0][0] if all(name in arrays for arrays, _ in frames)]
    return {name: _joined([arrays[name] for arrays, _ in frames], name) for name in shared}, names


def _read_frame(entry: Path) -> tuple[dict[str, Any], tuple[str, ...]] | None:
    """The arrays of one frame; None for what is none."""
    if entry.is_dir():
        parts = [path for path in sorted(entry.iterdir()) if f"{path.stem}code" in _WANTED and path.suffix == ".npy"]
        return _read_parts(parts) if parts else None
    return read_arrays(entry, _WANTED) if entry.suffix.lower() in SUFFIXES else None


def _read_parts(paths: Sequence[Path]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Arrays that are files of their own: exp.npy is expcode, as EMOCA calls it."""
    arrays = {f"{path.stem}code": read_arrays(path, ("",))[0][""] for path in paths}
    return arrays, tuple(arrays)


def _joined(arrays: Sequence[Any], name: str) -> Any:
    """One array of the same of several frames."""
    if name in ("fps", "model"):
        return arrays[0]
    rows = [_table(array, name, "a frame") for array in arrays]
    if len({row.shape[1] for row in rows}) > 1:
        raise InputError(f"'{name}' is not equally long in all frames.", _REMEDY)
    return np.concatenate(rows)


def _by_numbers(path: Path) -> tuple[tuple[int, ...], str]:
    """Order of files by the numbers in their names."""
    return tuple(int(digits) for digits in re.findall(r"\d{1,18}", path.stem)), path.name
