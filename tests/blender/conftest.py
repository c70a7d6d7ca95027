# SPDX-License-Identifier: GPL-3.0-or-later
"""A registered Retake in an empty scene; a head with a recording; the same with takes."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

if importlib.util.find_spec("bpy") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    import bpy

    import retake
    from retake.tests.flame_files import standin

from .helpers import Stage, write_speech


@pytest.fixture(scope="session")
def registered() -> Iterator[None]:
    """Retake, registered once; its backend ends with the tests."""
    retake.register()
    yield
    retake.unregister()


@pytest.fixture(scope="session")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds that sound like syllables."""
    path = tmp_path_factory.mktemp("audio") / "speech.wav"
    write_speech(path, seconds=2.0)
    return path


@pytest.fixture
def empty_scene(registered: None) -> bpy.types.Scene:
    """An empty file at 24 fps."""
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    scene = bpy.context.scene
    scene.render.fps, scene.render.fps_base = 24, 1.0
    return scene


@pytest.fixture
def make_stage(empty_scene: bpy.types.Scene, speech: Path) -> Callable[..., Stage]:
    """Makes a head with a recording: `make_stage(frame=1, fps=24, fps_base=1.0, audio=None)`."""

    def make(frame: int = 1, fps: int = 24, fps_base: float = 1.0, audio: Path | None = None) -> Stage:
        render = bpy.context.scene.render
        render.fps, render.fps_base = fps, fps_base
        bpy.ops.retake.add_head()
        bpy.ops.retake.import_audio(filepath=str(audio or speech), frame=frame)
        return Stage(bpy.context.object)

    return make


@pytest.fixture
def stage(make_stage: Callable[..., Stage]) -> Stage:
    """A head with the recording at frame 1, 24 fps, no takes."""
    return make_stage()


@pytest.fixture(scope="session")
def flame_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in FLAME model file; for tests that need the real topology."""
    path = tmp_path_factory.mktemp("flame") / "somebody.npz"
    np.savez(path, **standin().arrays)
    return path
