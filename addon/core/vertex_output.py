# SPDX-License-Identifier: GPL-3.0-or-later
"""Vertices frame by frame as one .npy, written without being held.

float32, m, model axes: (N, V, 3), or VOCASET's (N, 3 * V) for heads of FLAME's topology.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import InputError
from ...backend.protocol import FLAME_VERTICES
from .whole_file import writing


@contextmanager
def writing_vertices(path: Path, frames: int, count: int) -> Iterator[Callable[[NDArray[np.floating[Any]]], None]]:
    """What takes one frame's vertices (V, 3), m, after another; the file is there once the block ends well.

    Args:
        path: The .npy.
        frames: N, how many frames will come.
        count: V.

    Raises:
        OutputError: The file cannot be written.
        InputError: A frame has another number of vertices.
    """
    shape = (frames, 3 * count) if count == FLAME_VERTICES else (frames, count, 3)
    with writing(path) as part, part.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)

        def take(points: NDArray[np.floating[Any]]) -> None:
            if points.shape != (count, 3):
                raise InputError(
                    f"The head is drawn with {len(points)} vertices, but its mesh has {count}.",
                    "Turn off modifiers that add or remove vertices, e.g. Subdivision, in the viewport.",
                )
            file.write(np.ascontiguousarray(points, "<f4").tobytes())

        yield take
