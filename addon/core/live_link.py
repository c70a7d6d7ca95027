# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of Epic's app Live Link Face: its CSV read and written.

The layout, as recordings that the app made show it (e.g. in the repository alexdjulin/LiveLinkFace-CSV-Retarget-
For-Motionbuilder): `Timecode,BlendShapeCount,EyeBlinkLeft,...,TongueOut,HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,...`,
i.e. ARKit's 52 blend shapes with a capital and nine angles, 61 in all. Columns are found by name, in any order and
either case, as older versions of the app and other trackers write them.

* A timecode is HH:MM:SS:FF.fff. What frames count to is told by the step over a whole second, which is as long as
  those within; it is 60 where none is passed. Frames that the phone dropped are missing rows.
* Angles are in rad. Signs and unit are read off the recordings: an eye that looks down by EyeLookDown .28 has a pitch
  of +.17, one that looks to the character's right by .056 a yaw of -.031. So yaw is about model Y, pitch about X and
  roll about Z, all right-handed; the rotation is Ry(yaw) Rx(pitch) Rz(roll), Unreal's rotator in these axes, which
  the roll of the eyes in the recordings confirms. The head's angles are 0 throughout where its tracking was off. Held
  in landscape, the phone is said to invert yaw and pitch (README of nmfisher/blender_livelinkface); no column tells.
* The eyes' angles say again what the EyeLook shapes say, so they are not read.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import InputError
from ...backend.protocol import CONTROL_NAMES
from .resample import interpolating
from .rotations import of_angles, resampled, to_angles
from .spelling import plain
from .steps import finish
from .whole_file import writing

FloatArray = NDArray[np.float64]

TIMECODE_FPS = 60
MOST_BYTES = 1 << 28  # of a file; an hour at 60 fps has 170 MB
MOST_COLUMNS = 500
HEAD_ANGLES = ("HeadYaw", "HeadPitch", "HeadRoll")
EYE_ANGLES = ("LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll")
_LARGEST = 1e4  # weight or angle, in whatever unit
_LONGEST_LINE = 1 << 16  # characters
_RATES = (24, 25, 30, TIMECODE_FPS, 2 * TIMECODE_FPS)  # what a timecode may count to
_SNAP = 1.5e-3  # rows; a time this near to a row is that row's, as timecodes have three decimals
_TIMECODE = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})[:;](\d{1,3}(?:\.\d*)?)")
_REMEDY = "Choose a CSV that Live Link Face recorded."
_DAY = 86400.0  # s
_LONGEST = 2 * 3600.0  # s

# fmt: off
_APP_ORDER = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft",
    "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight", "jawForward", "jawRight", "jawLeft", "jawOpen", "mouthClose", "mouthFunnel",
    "mouthPucker", "mouthRight", "mouthLeft", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft",
    "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft",
    "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)
# fmt: on
"""The controls in the order in which the app writes them."""


@dataclass(frozen=True)
class LiveLinkTake:
    """A recording.

    Attributes:
        seconds: (N,) time of each row from the first, ascending.
        controls: Control -> (N,) weights.
        head: (N, 3) rotation of the head, axis-angle in rad, model axes; None where it was not tracked.
        unknown: Columns that are none of the app's.
        timecode: Timecode of the first row.
    """

    seconds: FloatArray
    controls: Mapping[str, FloatArray]
    head: FloatArray | None
    unknown: tuple[str, ...] = ()
    timecode: str = ""

    def frame_count(self, fps: float) -> int:
        """How many frames of some rate the recording spans, the first and the last one counted."""
        return math.floor(float(self.seconds[-1]) * fps + _SNAP) + 1

    def at(self, fps: float) -> tuple[dict[str, FloatArray], FloatArray | None]:
        """Weights (F,) and the head's rotation (F, 3) at frames of a rate; rows on a frame come out exactly."""
        times = np.arange(self.frame_count(fps)) / fps
        places = np.interp(times, self.seconds, np.arange(len(self.seconds), dtype=np.float64))
        whole = np.round(places)
        places = np.where(np.abs(places - whole) < _SNAP, whole, places)
        names = list(self.controls)
        weights = finish(interpolating(np.stack([self.controls[name] for name in names], axis=-1), places))
        head = None if self.head is None else resampled(self.head, places)
        return {name: weights[:, column] for column, name in enumerate(names)}, head


def read_live_link(path: Path) -> LiveLinkTake:
    """Read a recording.

    Args:
        path: The CSV.

    Raises:
        InputError: It is missing, too large, no such CSV, or a row is damaged; the sentence names the row.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"'{path.name}' has more than {MOST_BYTES >> 20} MB.", "Cut the recording.")
        with path.open(encoding="utf-8-sig", newline="") as file:
            return _parse(_lines(file, path.name), path.name)
    except OSError as error:
        raise InputError(f"'{path.name}' cannot be read ({error.strerror or error}).", "Check the path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"'{path.name}' is no text of comma-separated values.", _REMEDY) from error


def _lines(file: Iterable[str], name: str) -> Iterable[str]:
    """Lines of a file, none of them longer than any recording's."""
    for number, line in enumerate(file, start=1):
        if len(line) > _LONGEST_LINE:
            raise InputError(f"Line {number} of '{name}' has {len(line)} characters.", _REMEDY)
        yield line


def _parse(lines: Iterable[str], name: str) -> LiveLinkTake:
    """The recording of a file's lines."""
    rows = csv.reader(lines)
    header = [title.strip() for title in next(rows, [])]
    if not header or header[0].lower() != "timecode":
        first = header[0][:40] if header else ""
        raise InputError(f"'{name}' is no recording of Live Link Face: it begins with '{first}'.", _REMEDY)
    if len(header) > MOST_COLUMNS:
        raise InputError(f"'{name}' has {len(header)} columns, more than a recording has.", _REMEDY)
    columns, unknown = _columns(header, name)
    timecodes, values = [], []
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        if len(row) != len(header):
            raise InputError(f"Row {number} of '{name}' has {len(row)} values where {len(header)} belong.", _REMEDY)
        timecodes.append((number, row[0].strip()))
        values.append(_numbers([row[place] for place in columns.values()], list(columns), number, name))
    if not values:
        raise InputError(f"'{name}' holds no frame.", _REMEDY)
    seconds = _seconds(timecodes, name)
    kept = np.concatenate(([True], np.diff(seconds) > 0.0))
    table = dict(zip(columns, np.stack(values)[kept].T, strict=True))
    controls = {control: table[control] for control in CONTROL_NAMES if control in table}
    angles = [table[angle] for angle in HEAD_ANGLES if angle in table]
    tracked = len(angles) == len(HEAD_ANGLES) and any(angle.any() for angle in angles)
    head = of_angles(*angles) if tracked else None
    return LiveLinkTake(seconds[kept], controls, head, unknown, timecodes[0][1])


def _columns(header: Sequence[str], name: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """Control or angle of the head -> its column; and the titles that are none of the app's."""
    known = {plain(title): title for title in (*CONTROL_NAMES, *HEAD_ANGLES)}
    passed = {plain(title) for title in EYE_ANGLES} | {"blendshapecount", "timecode"}
    columns: dict[str, int] = {}
    unknown = []
    for place, title in enumerate(header[1:], start=1):
        spelled = plain(title)
        if spelled in known:
            if known[spelled] in columns:
                raise InputError(f"'{name}' has the column '{title[:40]}' twice.", _REMEDY)
            columns[known[spelled]] = place
        elif spelled not in passed and title:
            unknown.append(title[:40])
    if not set(columns) & set(CONTROL_NAMES):
        raise InputError(f"'{name}' has none of ARKit's blend shapes among its columns.", _REMEDY)
    return columns, tuple(unknown)


def _numbers(cells: Sequence[str], titles: Sequence[str], row: int, name: str) -> FloatArray:
    """Values of a row; an empty cell is 0.

    Raises:
        InputError: One is no number, or far too large.
    """
    values = np.empty(len(cells))
    for place, cell in enumerate(cells):
        try:
            values[place] = float(cell) if cell.strip() else 0.0
        except ValueError:
            values[place] = np.nan
        if not abs(values[place]) < _LARGEST:
            text = cell.strip()[:40]
            raise InputError(
                f"Row {row} of '{name}' has '{text}' for {titles[place]}, which is no weight or angle.", _REMEDY
            )
    return values


def _seconds(timecodes: Sequence[tuple[int, str]], name: str) -> FloatArray:
    """Time of each row from the first, (N,) s; midnight may pass.

    Raises:
        InputError: One is no timecode, or lies before the one above it.
    """
    whole, frames = np.empty(len(timecodes)), np.empty(len(timecodes))
    for place, (row, text) in enumerate(timecodes):
        found = _TIMECODE.fullmatch(text)
        if found is None:
            raise InputError(f"Row {row} of '{name}' has the timecode '{text[:40]}', not HH:MM:SS:FF.", _REMEDY)
        hours, minutes, seconds = (int(part) for part in found.groups()[:3])
        whole[place], frames[place] = 3600 * hours + 60 * minutes + seconds, float(found.group(4))
    whole += _DAY * np.concatenate(([0], np.cumsum(np.diff(whole) < -_DAY / 2)))
    times = whole + frames / _timecode_rate(whole, frames)
    back = np.flatnonzero(np.diff(times) < 0.0)
    if len(back):
        row, text = timecodes[int(back[0]) + 1]
        raise InputError(f"Row {row} of '{name}' ({text[:40]}) lies before the row above it.", "Sort the rows by time.")
    if len(times) > 1 and times[-1] == times[0]:
        raise InputError(f"All {len(times)} rows of '{name}' have one timecode ({timecodes[0][1][:40]}).", _REMEDY)
    if times[-1] - times[0] > _LONGEST:
        raise InputError(f"The timecodes of '{name}' span {(times[-1] - times[0]) / 3600.0:.1f} hours.", _REMEDY)
    return np.asarray(times - times[0], np.float64)


def _timecode_rate(whole: FloatArray, frames: FloatArray) -> int:
    """Frames that a second of the timecodes has."""
    possible = [rate for rate in _RATES if frames.max() < rate] or [_RATES[-1]]
    passed, steps = np.diff(whole), np.diff(frames)
    within, over = steps[(passed == 0.0) & (steps > 0.0)], steps[passed == 1.0]
    if not len(within) or not len(over):
        return max(possible[0], TIMECODE_FPS)
    usual = np.median(within)
    return min(possible, key=lambda rate: float(np.abs(np.median(over) + rate - usual)))


def write_live_link(
    path: Path,
    seconds: FloatArray,
    controls: Mapping[str, FloatArray],
    head: FloatArray,
    eyes: tuple[FloatArray, FloatArray],
) -> None:
    """Write a recording as the app does, 61 values a row.

    Args:
        path: The CSV.
        seconds: (N,) time of each row.
        controls: Control -> (N,) weights; 0 for those that are missing.
        head: (N, 3) rotation of the head, axis-angle in rad, model axes.
        eyes: The same of the left and of the right eyeball.

    Raises:
        OutputError: The file cannot be written.
    """
    count = len(seconds)
    columns = {control: controls.get(control, np.zeros(count)) for control in _APP_ORDER}
    angles = [angle for rotations in (head, *eyes) for angle in to_angles(rotations)]
    columns |= dict(zip((*HEAD_ANGLES, *EYE_ANGLES), angles, strict=True))
    table = np.stack(list(columns.values()), axis=-1)
    header = ["Timecode", "BlendShapeCount", *(title[0].upper() + title[1:] for title in columns)]
    with writing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(header)
        for second, values in zip(seconds.tolist(), table, strict=True):
            rows.writerow([timecode(second), str(len(columns)), *(f"{value:.10f}" for value in values.tolist())])


def timecode(second: float) -> str:
    """A time as HH:MM:SS:FF.fff, frames counting to 60."""
    thousandths = round(second * TIMECODE_FPS * 1000.0)
    whole, rest = divmod(thousandths, TIMECODE_FPS * 1000)
    return f"{whole // 3600 % 24:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}:{rest / 1000.0:06.3f}"
