# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that models the built-in head. Standard library only until it runs in the backend's environment."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from .environments import BACKEND, ROOT, rerun, runs_in

HEAD_FILE = ROOT / "backend" / "assets" / "head.npz"


def main(arguments: Sequence[str]) -> int:
    """Write the head's file.

    Args:
        arguments: Those of the command line: the file, by default the one that ships.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(prog="make_head.py", description="Models the built-in head and writes its file.")
    parser.add_argument("out", nargs="?", type=Path, default=HEAD_FILE, help="default: backend/assets/head.npz")
    options = parser.parse_args(arguments)
    if not runs_in(BACKEND):
        return rerun(BACKEND, ROOT / "scripts" / "make_head.py", arguments)
    from .head_model.build import write_head

    write_head(options.out)
    return 0
