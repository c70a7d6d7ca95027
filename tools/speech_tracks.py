# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of `speech_pictures` in the backend's environment: performing, and joining pictures and sound."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from PIL import Image

from ..backend.audio.features import extract_features
from ..backend.errors import InputError, RetakeError
from ..backend.models import load_checkpoint
from ..backend.monitor import Monitor
from ..backend.pipelines.given import GivenValues
from ..backend.pipelines.performance import PerformanceOptions, PerformancePipeline
from ..backend.protocol import MODEL_FPS
from ..backend.training.speech import Phone, read_phones
from ..backend.training.speech_folder import Clip, read_speech_folder
from ..backend.training.styles import STYLE_NAMES
from ..backend.training.teacher import perform as perform_rule
from .demo_sheet import Row, draw_sheet

FPS = 25  # of the clips
SAMPLE = Path(__file__).parents[1] / "backend" / "assets" / "sample.flac"
_SHOWN = (
    *(("m", "b", "p"), ("f", "v"), ("aa", "ae", "ao", "ay", "aw"), ("uw", "w", "ow"), ("iy", "ey", "ih")),
    *(("th", "dh"), ("s", "z"), ("sh", "ch", "jh", "r"), ("l", "n", "t", "d"), ("sil",)),
)
_COUNT = 8
_STILLS = ("aa", "f", "m", "uw")  # of the sample, shown of every style


def perform(options: argparse.Namespace) -> int:
    """Leave tracks (N, 55) and what to render of them in the work folder."""
    try:
        tracks, rendered = _of_styles() if options.kind == "styles" else _of_phones(options)
    except RetakeError as error:
        print(error, file=sys.stderr)
        return 1
    np.savez(options.work / "tracks.npz", allow_pickle=False, **tracks)
    (options.work / "rendered.json").write_text(json.dumps(rendered), encoding="utf-8")
    return 0


def _of_phones(options: argparse.Namespace) -> tuple[dict[str, np.ndarray], list[dict[str, object]]]:
    """One take of the default model on a recording; pictures of the face at eight of its phones."""
    clips = {clip.path.name: clip for clip in read_speech_folder(options.folder)}
    if options.file not in clips:
        raise InputError(f"{options.folder} lists no recording '{options.file}'.", f"Name one of {', '.join(clips)}.")
    clip, models = clips[options.file], load_checkpoint()
    features = extract_features(clip.path, models.encoder, Monitor())
    made = PerformancePipeline(models)(features, GivenValues.none(), PerformanceOptions(seeds=(0,)), Monitor())
    take = made.channels[0, -made.start_frame :]
    shown = telling_phones(clip)
    frames = [min(len(take) - 1, round(phone.centre * MODEL_FPS)) for phone in shown]
    labels = [f"{phone.name}  {phone.centre:.2f} s" for phone in shown]
    return {"take": take}, [{"track": "take", "frames": frames, "labels": labels}]


def telling_phones(clip: Clip) -> list[Phone]:
    """Eight phones of a recording that a mouth must tell apart, in their order: of each kind the longest."""
    found = []
    for kind in _SHOWN:
        own = [phone for phone in clip.phones if phone.name in kind and phone.seconds > 0.03]
        if own:
            found.append(max(own, key=lambda phone: min(phone.seconds, 0.2)))
    return sorted(found[:_COUNT], key=lambda phone: phone.start)


def _of_styles() -> tuple[dict[str, np.ndarray], list[dict[str, object]]]:
    """The sample in every style: all frames, for a clip."""
    told = json.loads(SAMPLE.with_suffix(".json").read_text(encoding="utf-8"))
    phones = read_phones(told["phones"], told["seconds"])
    tracks = {name: perform_rule(phones, told["seconds"], FPS, style=name, seed=1) for name in STYLE_NAMES}
    return tracks, [{"track": name, "frames": list(range(len(track)))} for name, track in tracks.items()]


def join(options: argparse.Namespace) -> int:
    """Make the sheet, or the clips and their sheet, of the rendered pictures."""
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rendered = json.loads((options.work / "rendered.json").read_text(encoding="utf-8"))
    if options.kind != "styles":
        (shown,) = rendered
        names = ["front", "turned"] if options.kind == "phones" else [str(n) for n in range(len(options.heads) + 1)]
        pictures = [[_picture(path) for path in _pictures(options.work, "take", name)] for name in names]
        draw_sheet([Row("", row) for row in pictures], shown["labels"], (), options.out, title=0)
        print(f"Drew {options.out}.")
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    told = json.loads(SAMPLE.with_suffix(".json").read_text(encoding="utf-8"))
    phones = read_phones(told["phones"], told["seconds"])
    stills = [next(phone for phone in phones if phone.name == name) for name in _STILLS]
    rows = []
    for shown in rendered:
        name = str(shown["track"])
        _encode(options.work, name, options.out / f"{name}.mp4")
        at = [round(phone.centre * FPS) for phone in stills]
        both = [_pictures(options.work, name, view) for view in ("front", "turned")]
        rows.append(Row(name, [_picture(paths[frame]) for frame in at for paths in both]))
    captions = [caption for phone in stills for caption in (f"{phone.name}  {phone.centre:.2f} s", "")]
    draw_sheet(rows, captions, (), options.out / "styles.png", title=96)
    print(f"Made {len(rows)} clips and styles.png in {options.out}.")
    return 0


def _pictures(work: Path, track: str, view: str) -> list[Path]:
    return sorted((work / track / view).glob("*.png"))


def _picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _encode(work: Path, track: str, path: Path) -> None:
    """Both views side by side, with the sample's sound."""
    inputs: list[str] = []
    for view in ("front", "turned"):
        inputs += ["-framerate", str(FPS), "-i", str(work / track / view / "%04d.png")]
    sides = ["-filter_complex", "[0][1]hstack,format=yuv420p[v]", "-map", "[v]", "-map", "2:a"]
    _run_ffmpeg([*inputs, "-i", str(SAMPLE), *sides, "-c:v", "libx264", "-crf", "18", "-c:a", "aac", "-y", str(path)])


def _run_ffmpeg(arguments: Sequence[str]) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *arguments]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
