# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model's file tells of itself in its header, without PyTorch: Blender shows it before the backend runs."""

from __future__ import annotations

import json
import struct
from functools import cache
from pathlib import Path

NEUTRAL = ("neutral",)
_HEADER_LIMIT = 1 << 20


@cache
def style_names(checkpoint: Path) -> tuple[str, ...]:
    """Speaking styles of a model; "neutral" alone where its file cannot be read (the backend will say why).

    Args:
        checkpoint: A safetensors file of ours: its length of header (8 bytes), then JSON.
    """
    try:
        with checkpoint.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, _HEADER_LIMIT)))
        names = json.loads(header["__metadata__"]["retake"])["style_names"]
        return tuple(str(name) for name in names) or NEUTRAL
    except (OSError, struct.error, ValueError, KeyError, TypeError):
        return NEUTRAL
