# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests in Blender share: a stage with a head, reading curves as an animator sees them."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from retake.addon import compat
from retake.addon.operators.common import current_shot
from retake.addon.operators.session import session
from retake.addon.scene.key_table import Table, read_table
from retake.addon.scene.shot import Recording, Shot, recording_of
from retake.addon.scene.targets import Target
from retake.backend.protocol import HEAD_ROTATION

GENERATED = 5
RATE = 16000


def write_speech(path: Path, seconds: float) -> None:
    """A WAV file of tones that come and go like syllables."""
    time = np.arange(round(seconds * RATE)) / RATE
    tone = np.sin(2 * np.pi * 140 * time) + 0.6 * np.sin(2 * np.pi * 700 * time) + 0.3 * np.sin(2 * np.pi * 2100 * time)
    samples = 0.25 * tone * np.sin(2 * np.pi * 1.6 * time) ** 2
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((samples * 32767).astype("<i2").tobytes())


class Stage:
    """A head in the scene; everything is looked up anew, as undo makes references stale."""

    def __init__(self, head: bpy.types.Object) -> None:
        self.name = head.name

    @property
    def scene(self) -> bpy.types.Scene:
        return bpy.context.scene

    @property
    def head(self) -> bpy.types.Object:
        return bpy.data.objects[self.name]

    @property
    def rig(self) -> bpy.types.Object:
        return self.head.parent

    @property
    def neck(self) -> bpy.types.PoseBone:
        return self.rig.pose.bones["neck"]

    @property
    def key(self) -> bpy.types.Key:
        return self.head.data.shape_keys

    @property
    def shot(self) -> Shot:
        return current_shot(bpy.context)

    @property
    def recording(self) -> Recording:
        return recording_of(self.shot)

    @property
    def record(self) -> Any:
        return self.shot.record

    def target(self, curve_id: str) -> Target:
        return next(target for target in self.shot.targets if target.curve_id == curve_id)

    def curve(self, curve_id: str) -> Any:
        return self.target(curve_id).fcurve

    def table(self, curve_id: str) -> Table:
        curve = self.curve(curve_id)
        return read_table(curve)

    def key_value(self, channel: str, frame: float, value: float, **attributes: Any) -> Any:
        """Key a shape key as an animator does, then set attributes of the new key (type, interpolation, ...)."""
        block = self.key.key_blocks[channel]
        block.value = value
        block.keyframe_insert("value", frame=frame)
        point = self.point(channel, frame)
        point.type = "KEYFRAME"
        for name, wanted in attributes.items():
            setattr(point, name, wanted)
        return point

    def point(self, curve_id: str, frame: float) -> Any:
        """The key nearest to a frame."""
        return min(self.curve(curve_id).keyframe_points, key=lambda point: abs(point.co[0] - frame))

    def at(self, curve_id: str, frames: Any) -> np.ndarray:
        """Values of a curve at frames; the property's value where there is no curve."""
        curve = self.curve(curve_id)
        if curve is None or not len(curve.keyframe_points):
            return np.full(len(frames), self.target(curve_id).static)
        return np.array([curve.evaluate(float(frame)) for frame in frames])

    def tracks(self, frames: Any) -> dict[str, np.ndarray]:
        """Every target's values at frames."""
        return {target.curve_id: self.at(target.curve_id, frames) for target in self.shot.targets}

    def generated(self, curve_id: str) -> np.ndarray:
        """Frames of the generated keys of a curve."""
        if self.curve(curve_id) is None:
            return np.zeros(0)
        table = self.table(curve_id)
        return table["co"][table["type"] == GENERATED, 0]

    def generate(self, count: int = 2, seed: int = 0, **options: Any) -> None:
        bpy.ops.retake.new_takes(count=count, seed=seed, **options)

    @staticmethod
    def all_keys_of(owner: bpy.types.ID) -> dict[tuple[str, int], list[tuple[float, float]]]:
        """Every key of a datablock's action: data path and index -> frames and values."""
        curves = compat.fcurves_of(owner) or ()
        return {(c.data_path, c.array_index): [tuple(p.co) for p in c.keyframe_points] for c in curves}

    def curve_ids(self) -> list[str]:
        return [target.curve_id for target in self.shot.targets]

    def neck_ids(self) -> list[str]:
        return [target.curve_id for target in self.shot.targets if target.channels == HEAD_ROTATION]

    def weights(self, frame: float) -> dict[str, float]:
        """Shape-key values of the evaluated scene at a frame."""
        self.scene.frame_set(int(frame), subframe=frame - int(frame))
        evaluated = self.key.evaluated_get(bpy.context.evaluated_depsgraph_get())
        return {block.name: block.value for block in evaluated.key_blocks}


def error_of(operation: Any, **options: Any) -> str:
    """The sentence of an operator that refuses."""
    try:
        operation(**options)
    except RuntimeError as error:
        return str(error).removeprefix("Error: ").strip()
    raise AssertionError("The operator did not refuse.")


def backend_pid() -> int:
    """Process id of the backend that runs."""
    assert session.client is not None
    assert session.client.pid is not None
    return session.client.pid


def evaluated_points(stage: Stage) -> np.ndarray:
    """Vertices (V, 3) of a head as it is drawn, m, in its own space."""
    bpy.context.view_layer.update()
    evaluated = stage.head.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = np.empty(3 * len(evaluated.data.vertices), np.float32)
    evaluated.data.vertices.foreach_get("co", points)
    return points.reshape(-1, 3)
