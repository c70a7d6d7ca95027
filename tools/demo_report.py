# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's half without Blender: measures what the scene showed, draws the contact sheet, writes report.json."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..backend.evaluation.keys import key_error_max, raw_sd, seam_ratio, seam_reference
from ..backend.evaluation.lips import LipRig
from ..backend.evaluation.takes import neck_difference_degrees, take_difference_mean
from ..backend.models.checkpoint import load_checkpoint
from ..backend.protocol import CHANNEL_NAMES, HEAD_ROTATION
from ..backend.training.speech import read_phones
from ..backend.training.takes import SEAM_RATES
from ..backend.training.teacher import perform
from .demo_plan import SMILE, TURN, sheet_frames
from .demo_sheet import Row, draw_sheet, read_frames

Floats = NDArray[np.float64]
_HELD = [CHANNEL_NAMES.index(name) for name in SMILE]
_NECK = [CHANNEL_NAMES.index(name) for name in HEAD_ROTATION]
_TEACHER_TAKES = 8


@dataclass(frozen=True)
class Shown:
    """What the scene showed.

    Attributes:
        arrays: `frames` (N,) scene frames, `tracks` (K, N, C) channels, `given_times`, `given_channels`,
            `given_values` (G,), `given_raw` (K, G).
        facts: Everything else, see `demo_scene`.
    """

    arrays: dict[str, NDArray[Any]]
    facts: dict[str, Any]

    @property
    def fps(self) -> float:
        """Scene frames a second."""
        return float(self.facts["clock"][0])

    def row(self, frame: float) -> float:
        """Place of a scene frame in the tracks, a float."""
        return frame - float(self.arrays["frames"][0])

    def frame(self, second: float) -> float:
        """Scene frame of an audio time."""
        return float(self.facts["clock"][1]) + second * self.fps

    def second(self, frame: float) -> float:
        """Audio time of a scene frame."""
        return (frame - float(self.facts["clock"][1])) / self.fps


def main(audio: Path, out: Path, measured: Path) -> int:
    """Measure, draw, write, and say where everything lies.

    Args:
        audio: The recording.
        out: Folder with the videos; gets sheet.png and report.json.
        measured: Stem of what `demo_scene` left.

    Returns:
        Exit code.
    """
    with np.load(measured.with_suffix(".npz"), allow_pickle=False) as file:
        arrays = dict(file)
    shown = Shown(arrays, json.loads(measured.with_suffix(".json").read_text(encoding="utf-8")))
    _draw(shown, out)
    models = load_checkpoint()
    report = make_report(shown, audio, models.channel_sd, models.metadata["seam_reference"])
    text = json.dumps(report, indent=2, allow_nan=False)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    print(text)
    print(f"See {out}: demo.blend, take1.mp4, take2.mp4, take3.mp4, sheet.png, report.json.")
    return 0


def make_report(shown: Shown, audio: Path, sd: Floats, seam_table: Mapping[str, float]) -> dict[str, object]:
    """All figures, by the definitions in `backend/evaluation`.

    Args:
        shown: What the scene showed.
        audio: The recording; phone times are looked for beside it.
        sd: (C,) standard deviation of each channel on the teacher's tracks.
        seam_table: `seam_reference` of the teacher's tracks of other recordings, by frame rate.

    Returns:
        Flat and JSON-able; a measure without a value is None.
    """
    reference, source = _seam_reference(shown, audio, sd, seam_table)
    tracks, arrays = shown.arrays["tracks"], shown.arrays
    inside = _of_audio(shown)
    figures = {
        "key_error_max": _key_error(shown),
        "raw_sd": raw_sd(arrays["given_raw"], arrays["given_values"], arrays["given_channels"], sd),
        "seam_ratio": seam_ratio(tracks, _seams(shown), sd, reference),
        "take_difference_mean": take_difference_mean(inside),
        "take_difference_lip_gap_mm": take_difference_mean([LipRig.of_head().gap(track) for track in inside]),
        "take_difference_neck_degrees": neck_difference_degrees(inside[..., _NECK]),
        "backend_peak_mib": float(shown.facts["backend"]["peak_mib"]),
        **_seconds(shown),
    }
    rounded: dict[str, object] = {
        name: float(f"{value:.4g}") if math.isfinite(value) else None for name, value in figures.items()
    }
    rounded |= {"key_frames": shown.facts["key_frames"], "seam_reference": source, "takes": len(tracks)}
    return rounded | {"audio": audio.name, "fps": shown.fps, "blender": shown.facts["blender"]}


def _key_error(shown: Shown) -> float:
    """Largest error at the demo's keys and at every frame of the held pose, over all takes."""
    start, end, turn = shown.facts["key_frames"]
    tracks = shown.arrays["tracks"]
    rows = slice(round(shown.row(start)), round(shown.row(end)) + 1)
    held = tracks[:, rows][..., _HELD]
    neck = tracks[:, round(shown.row(turn))][:, _NECK]
    given = np.broadcast_to(list(SMILE.values()), held.shape)
    return key_error_max(held, given, neck, np.broadcast_to(TURN, neck.shape))


def _of_audio(shown: Shown) -> Floats:
    """Tracks at the recording's own frames, (K, N, C): no silence that is performed beside it."""
    frames = shown.arrays["frames"]
    first, last = shown.frame(0.0), shown.frame(float(shown.facts["audio_seconds"]))
    return np.asarray(shown.arrays["tracks"][:, (frames >= first) & (frames < last)], np.float64)


def _seams(shown: Shown) -> Floats:
    """Rows of the given keys and of the range's edges."""
    edges = [shown.frame(second) for second in shown.facts["span"]]
    return np.array([shown.row(frame) for frame in (*shown.facts["key_frames"], *edges)])


def _seam_reference(shown: Shown, audio: Path, sd: Floats, table: Mapping[str, float]) -> tuple[float, str]:
    """How jerky speech itself is, and where that is from.

    With phone times beside the recording (a .json of the same name with `phones`) the teacher performs this clip;
    else the model file tells what it did on the teacher's tracks of many clips.
    """
    labels = audio.with_suffix(".json")
    if labels.is_file():
        seconds = float(shown.facts["audio_seconds"])
        phones = read_phones(json.loads(labels.read_text(encoding="utf-8"))["phones"], seconds)
        tracks = [perform(phones, seconds, shown.fps, seed=seed) for seed in range(_TEACHER_TAKES)]
        return seam_reference(tracks, sd), "the teacher's takes of this recording"
    nearest = min(SEAM_RATES, key=lambda name: abs(SEAM_RATES[name] - shown.fps))
    return float(table[nearest]), "the teacher's takes of other recordings, told by the model file"


def _seconds(shown: Shown) -> dict[str, float]:
    """`seconds_STAGE` of the demo's stages and of the backend's within the last update."""
    environments = {"environments": float(os.environ.get("RETAKE_DEMO_SECONDS_ENVIRONMENTS", "nan"))}
    backend = {f"update_{stage}": value for stage, value in shown.facts["backend_seconds"].items()}
    stages = environments | shown.facts["seconds"] | backend
    return {f"seconds_{stage}": float(value) for stage, value in stages.items()}


def _draw(shown: Shown, out: Path) -> None:
    """Draw the contact sheet from the videos."""
    first, last = shown.facts["frame_start"], shown.facts["frame_end"]
    frames = sheet_frames(first, last, shown.facts["key_frames"])
    keyed = {column for column, frame in enumerate(frames) if frame in shown.facts["key_frames"]}
    indices = [frame - first for frame in frames]
    rows = [_row(out, number, indices) for number in range(1, len(shown.arrays["tracks"]) + 1)]
    draw_sheet(rows, [f"{shown.second(frame):.2f} s" for frame in frames], keyed, out / "sheet.png")


def _row(out: Path, number: int, indices: Sequence[int]) -> Row:
    pictures = read_frames(out / f"take{number}.mp4", indices)
    return Row(f"take {number}", [pictures[index] for index in indices])
