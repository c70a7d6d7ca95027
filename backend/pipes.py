# SPDX-License-Identifier: GPL-3.0-or-later
"""Claiming stdin and stdout for the protocol. Standard library only: this runs before any other import."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO


def claim_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take the process's pipes for the protocol: from here on prints go to stderr, and nobody else reads stdin.

    Holds for prints of native libraries and of child processes as well, since the descriptors themselves move.

    Returns:
        The streams to read messages from and to write them to.
    """
    stdin, stdout = os.dup(0), os.dup(1)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(stdin, os.O_BINARY)
        msvcrt.setmode(stdout, os.O_BINARY)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return os.fdopen(stdin, "rb"), os.fdopen(stdout, "wb")
