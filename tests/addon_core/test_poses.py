# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of controls, linked sides, mouth shapes."""

from __future__ import annotations

import numpy as np
import pytest

from retake.addon.core.poses import GROUPS, LINKED, MOUTH_SHAPES, controls_of, label_of, shape_values
from retake.backend.protocol import CHANNEL_NAMES, CONTROL_NAMES
from retake.backend.training.articulation import Variation, mouth_controls
from retake.backend.training.speech import Phone
from retake.backend.training.styles import STYLES

PHONES = {"M B P": "m", "F V": "f", "Th L": "th", "S": "s", "Ee": "iy", "Ah": "aa", "Oh": "ao", "Rest": "sil"}
NEUTRAL = next(style for style in STYLES if style.name == "neutral")


def test_every_channel_is_in_one_group() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(CHANNEL_NAMES)


def test_linked_sliders_cover_every_control_once() -> None:
    assert sorted(name for control in LINKED for name in control.channels) == sorted(CONTROL_NAMES)
    assert {"mouthSmile", "eyeBlink", "browDown"} <= {control.name for control in LINKED}
    assert ("mouthLeft",) in {control.channels for control in LINKED}  # to the left, not the left one of two
    assert len(controls_of(CONTROL_NAMES, linked=False)) == len(CONTROL_NAMES)


def test_labels_are_words() -> None:
    assert label_of("mouthSmileLeft") == "Mouth Smile Left"


@pytest.mark.parametrize("shape", PHONES)
def test_a_mouth_shape_is_that_of_the_teacher(shape: str) -> None:
    segments = [Phone(0.0, 0.4, "sil"), Phone(0.4, 1.0, PHONES[shape]), Phone(1.0, 1.4, "sil")]
    spoken = mouth_controls(segments, np.array([0.7]), NEUTRAL, Variation.none(3), np.ones(1))
    values = shape_values(shape, 1.0)
    for name, weight in spoken.items():
        for side in ("", "Left", "Right"):
            if name + side in values:
                assert values[name + side] == pytest.approx(float(weight[0]), abs=0.055)


@pytest.mark.parametrize("shape", MOUTH_SHAPES)
@pytest.mark.parametrize("strength", [0.0, 0.5, 2.0])
def test_values_stay_on_the_sliders_and_closed_lips_closed(shape: str, strength: float) -> None:
    values = shape_values(shape, strength)
    assert all(0.0 <= value <= 1.0 for value in values.values())
    if shape == "M B P":
        assert values["jawOpen"] == values["mouthClose"] > 0.0
