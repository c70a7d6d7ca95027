# SPDX-License-Identifier: GPL-3.0-or-later
"""Each style speaks the way its name says, and the slider's ends differ: in the scene, with real speech."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import bpy
import numpy as np
import pytest

from retake.addon.scene import state
from retake.addon.ui.panel import DIVERSE
from retake.tests.blender.helpers import Stage

SAMPLE = Path(__file__).resolve().parents[2] / "backend" / "assets" / "sample.flac"
FRAMES = np.arange(1, 130)


@pytest.fixture
def speaking(make_stage: Callable[..., Stage]) -> Stage:
    """A head that speaks the sample."""
    return make_stage(audio=SAMPLE)


def mean_of(stage: Stage, *channels: str) -> float:
    return float(np.mean([stage.at(channel, FRAMES) for channel in channels]))


def spoken(stage: Stage, style: str) -> dict[str, float]:
    """What two takes of a style do on the whole."""
    bpy.ops.retake.new_takes(count=2, seed=3, style=style)
    found: dict[str, list[float]] = {}
    for take in sorted(state.load_library(stage.record).takes)[-2:]:
        bpy.ops.retake.show_take(take=take)
        jaw = stage.at("jawOpen", FRAMES)
        for name, value in {
            "jaw": float(jaw.mean()),
            "speed": float(np.abs(np.diff(jaw)).mean()),
            "smile": mean_of(stage, "mouthSmileLeft", "mouthSmileRight"),
            "frown": mean_of(stage, "mouthFrownLeft", "mouthFrownRight"),
            "grief": mean_of(stage, "browInnerUp"),
            "anger": mean_of(stage, "browDownLeft", "browDownRight"),
            "wide": mean_of(stage, "mouthStretchLeft", "mouthStretchRight"),
        }.items():
            found.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in found.items()}


def test_each_style_does_what_its_name_says(speaking: Stage) -> None:
    names = ("neutral", "crisp", "mumbling", "broad", "smiling", "sad", "shouting", "whispering")
    styles = {name: spoken(speaking, name) for name in names}
    neutral = styles["neutral"]
    assert styles["crisp"]["speed"] > 1.05 * neutral["speed"]
    assert styles["mumbling"]["jaw"] < 0.8 * neutral["jaw"]
    assert styles["broad"]["wide"] > 1.2 * neutral["wide"]
    assert styles["smiling"]["smile"] > neutral["smile"] + 0.2
    assert styles["sad"]["frown"] > neutral["frown"] + 0.2
    assert styles["sad"]["grief"] > neutral["grief"] + 0.1
    assert styles["shouting"]["jaw"] > 1.3 * neutral["jaw"]
    assert styles["shouting"]["anger"] > neutral["anger"] + 0.2
    assert styles["whispering"]["jaw"] < 0.9 * neutral["jaw"]


def test_the_sliders_ends_differ_in_how_much_takes_differ(speaking: Stage) -> None:
    spreads = []
    for guidance in (1.0 / DIVERSE, DIVERSE):
        bpy.ops.retake.new_takes(count=3, seed=3, guidance=guidance)
        gaps = []
        for take in sorted(state.load_library(speaking.record).takes)[-3:]:
            bpy.ops.retake.show_take(take=take)
            gaps.append(speaking.at("jawOpen", FRAMES) - speaking.at("mouthClose", FRAMES))
        spreads.append(float(np.std(gaps, axis=0).mean()))
    assert spreads[1] > 2.0 * spreads[0]
