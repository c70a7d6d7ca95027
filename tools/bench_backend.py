# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's part without Blender: the clips, and the backend's own speed on one core."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import numpy as np
import soundfile
import torch

from ..backend.pipelines.given import GivenValues
from ..backend.pipelines.performance import PerformanceOptions
from ..backend.session import Session
from .demo import SAMPLE

CLIPS = {"five": 5.0, "eight": 8.0, "thirty": 30.0, "minutes": 300.0}
"""Name -> seconds of speech: the sample, repeated and cut."""


def main(part: str, folder: Path, runs: int) -> int:
    """Write the clips, or measure the speed.

    Args:
        part: "clips" or "backend".
        folder: Where clips lie and results go.
        runs: Samples to take.

    Returns:
        Exit code.
    """
    if part == "clips":
        write_clips(folder)
    else:
        samples = {"seconds_per_second_one_take": measure_one_take(folder / "thirty.wav", runs)}
        (folder / "backend.json").write_text(json.dumps(samples), encoding="utf-8")
    return 0


def write_clips(folder: Path) -> None:
    """Write a clip of each length."""
    audio, rate = soundfile.read(SAMPLE, dtype="float32")
    for name, seconds in CLIPS.items():
        soundfile.write(folder / f"{name}.wav", np.resize(audio, round(seconds * rate)), rate)


def measure_one_take(clip: Path, runs: int) -> list[float]:
    """Seconds that a second of audio takes, features included, on one core; the first, cold run is left out."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    session = Session()
    samples = []
    for run in range(runs + 1):
        session.features = type(session.features)(session.models.encoder)  # forget the recording's features
        started = time.perf_counter()
        session.generate(clip, GivenValues.none(), PerformanceOptions(seeds=(run,)))
        samples.append((time.perf_counter() - started) / CLIPS[clip.stem])
    return samples[1:]
