# SPDX-License-Identifier: GPL-3.0-or-later
"""Vertices as one file: the shapes that others read, and nothing where a frame does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from retake.addon.core.vertex_output import writing_vertices
from retake.backend.errors import InputError


@pytest.mark.parametrize(("count", "shape"), [(8, (4, 8, 3)), (5023, (4, 15069))])
def test_the_shape_is_vocasets_for_flame_and_plain_for_others(
    tmp_path: Path, count: int, shape: tuple[int, ...]
) -> None:
    frames = np.random.default_rng(0).normal(size=(4, count, 3))
    with writing_vertices(tmp_path / "x.npy", 4, count) as take:
        for points in frames:
            take(points)
    found = np.load(tmp_path / "x.npy", allow_pickle=False)
    assert found.shape == shape
    assert found.dtype == np.float32
    assert np.abs(found.reshape(frames.shape) - frames).max() < 1e-6


def test_a_frame_of_other_vertices_leaves_no_file(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="32 vertices, but its mesh has 8"),
        writing_vertices(tmp_path / "x.npy", 2, 8) as take,
    ):
        take(np.zeros((32, 3)))
    assert not list(tmp_path.iterdir())
