# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of driven and constrained properties at other frames, without moving the scene.

A throw-away scene with the head in it is stepped through the frames: its dependency graph is not the active one, so
nothing flows back into the animator's data, and the current frame stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import bpy
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Probe = Callable[[bpy.types.Depsgraph], Sequence[float]]
"""Reads some values off an evaluated scene."""


class FrameSampler:
    """Values of a probe at scene frames, each frame evaluated once."""

    def __init__(self, scene: bpy.types.Scene, objects: Iterable[bpy.types.Object], probe: Probe) -> None:
        """Prepare; nothing is evaluated yet.

        Args:
            scene: Scene whose frame rate counts.
            objects: What has to be evaluated.
            probe: Reads the values.
        """
        self._scene, self._objects, self._probe = scene, tuple(objects), probe
        self._known: dict[float, Sequence[float]] = {}

    def __call__(self, frames: FloatArray) -> FloatArray:
        """Values (F, n) at scene frames (F,)."""
        missing = [frame for frame in frames.tolist() if frame not in self._known]
        if missing:
            self._sample(missing)
        return np.array([self._known[frame] for frame in frames.tolist()], np.float64)

    def _sample(self, frames: Sequence[float]) -> None:
        """Step a temporary scene through the frames."""
        scratch = bpy.data.scenes.new("Retake scratch")
        try:
            scratch.render.fps, scratch.render.fps_base = self._scene.render.fps, self._scene.render.fps_base
            for obj in self._objects:
                scratch.collection.objects.link(obj)
            for frame in frames:
                whole = int(np.floor(frame))
                scratch.frame_set(whole, subframe=frame - whole)
                self._known[frame] = list(self._probe(scratch.view_layers[0].depsgraph))
        finally:
            bpy.data.scenes.remove(scratch)
