# SPDX-License-Identifier: GPL-3.0-or-later
"""The pointer as a counter, while something is done that the window has to wait for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import bpy


@contextmanager
def counting(total: int) -> Iterator[Callable[[int], None]]:
    """What takes how much of a total is done; the pointer shows it until the block ends."""
    manager = bpy.context.window_manager
    manager.progress_begin(0, total)
    try:
        yield manager.progress_update
    finally:
        manager.progress_end()
