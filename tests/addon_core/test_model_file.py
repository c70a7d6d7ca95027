# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender reads of a model's file by itself."""

from __future__ import annotations

from pathlib import Path

from retake.addon.core.model_file import style_names
from retake.backend.models import DEFAULT_CHECKPOINT, load_checkpoint


def test_the_styles_of_the_default_model_are_those_the_backend_knows() -> None:
    assert style_names(DEFAULT_CHECKPOINT) == load_checkpoint(DEFAULT_CHECKPOINT).style_names


def test_a_file_that_is_no_model_has_the_neutral_style(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    assert style_names(path) == ("neutral",)
    path.write_bytes(b"\x05\0\0\0\0\0\0\0hello")
    style_names.cache_clear()
    assert style_names(path) == ("neutral",)
