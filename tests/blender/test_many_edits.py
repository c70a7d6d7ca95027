# SPDX-License-Identifier: GPL-3.0-or-later
"""An animator at work: many edits in random order between switches, and what must hold after each."""

from __future__ import annotations

import bpy
import numpy as np
import pytest

from .helpers import Stage

CHANNELS = ("jawOpen", "mouthSmileLeft", "browInnerUp", "eyeBlinkLeft")
HANDLES = ("AUTO", "AUTO_CLAMPED", "VECTOR", "ALIGNED", "FREE")
FIRST, LAST = -23, 73
BESIDE = np.concatenate((np.arange(-80, FIRST + 0.1, 0.25), np.arange(LAST, 150, 0.25)))


class Animator:
    """Edits keys at random and remembers what is given."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self.stage, self.dice = stage, np.random.default_rng(seed)
        self.given: dict[tuple[str, float], float] = {}

    def key_inside(self) -> None:
        """Key a free place, with handles of any kind, on or between frames."""
        channel = str(self.dice.choice(CHANNELS))
        frame = float(np.round(self.dice.uniform(FIRST + 3, LAST - 3) * 4) / 4)
        if any(name == channel and abs(at - frame) < 2.0 for name, at in self.given):
            return
        value = float(np.float32(self.dice.uniform(0, 1)))
        point = self.stage.key_value(channel, frame, value)
        point.handle_left_type = point.handle_right_type = str(self.dice.choice(HANDLES))
        self.given[channel, float(point.co[0])] = value

    def correct(self) -> None:
        """Drag a generated key up or down."""
        channel = str(self.dice.choice(CHANNELS))
        ours = [frame for frame in self.stage.generated(channel) if FIRST + 2 < frame < LAST - 2]
        far = [frame for frame in ours if all(abs(frame - at) > 2 for name, at in self.given if name == channel)]
        if not far:
            return
        frame = float(self.dice.choice(far))
        point = self.stage.point(channel, frame)
        point.co[1] += 0.2
        self.given[channel, frame] = float(point.co[1])

    def remove(self) -> None:
        """Delete a given key."""
        if not self.given:
            return
        channel, frame = list(self.given)[int(self.dice.integers(len(self.given)))]
        curve = self.stage.curve(channel)
        curve.keyframe_points.remove(self.stage.point(channel, frame))
        del self.given[channel, frame]

    def edit(self) -> None:
        """One of these."""
        (self.key_inside, self.key_inside, self.correct, self.remove)[int(self.dice.integers(4))]()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_after_every_edit_all_promises_hold(stage: Stage, seed: int) -> None:
    dice = np.random.default_rng(100 + seed)
    for channel in CHANNELS[:3]:
        for frame in (-60, -40.5, 90, 120):
            point = stage.key_value(channel, frame, float(dice.uniform(0, 1)))
            point.handle_left_type = point.handle_right_type = str(dice.choice(HANDLES))
        stage.curve(channel).update()
    stage.generate(count=2)
    beside = {channel: stage.at(channel, BESIDE) for channel in CHANNELS}
    animator = Animator(stage, seed)
    for step in range(14):
        animator.edit()
        bpy.ops.retake.show_take(take=1 + step % 2)
        for (channel, frame), value in animator.given.items():
            assert abs(stage.at(channel, [frame])[0] - value) <= 1e-5, (step, channel, frame)
            assert np.abs(stage.generated(channel) - frame).min() > 0.499
        for channel, values in beside.items():
            worst = float(np.abs(stage.at(channel, BESIDE) - values).max())
            assert worst <= 1e-6, (step, channel)
    shown = {channel: stage.table(channel).tobytes() for channel in CHANNELS}
    bpy.ops.retake.show_take(take=1)
    bpy.ops.retake.show_take(take=2)
    assert {channel: stage.table(channel).tobytes() for channel in CHANNELS} == shown
    bpy.ops.retake.show_original()
    for channel in CHANNELS[:3]:
        frames = set(stage.table(channel)["co"][:, 0].round(3).tolist())
        mine = {round(frame, 3) for name, frame in animator.given if name == channel}
        assert frames == {-60.0, -40.5, 90.0, 120.0} | mine
