# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that measures how sequences of vertices are fitted. Standard library only."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .environments import BACKEND
from .parts import run_part, run_parts

_PARTS = {"figures": "vertex_figures"}


def main(arguments: Sequence[str]) -> int:
    """Measure.

    Args:
        arguments: Those of the command line.

    Returns:
        Exit code.
    """
    options = _parser().parse_args(arguments)
    if options.part:
        return run_part(_PARTS[options.part], options)
    if not options.template.exists():
        print(f"{options.template} does not exist.", file=sys.stderr)
        return 2
    if options.json and not options.json.resolve().parent.is_dir():
        print("The folder of --json has to exist.", file=sys.stderr)
        return 2
    return run_parts("measure_vertices.py", arguments, {"figures": BACKEND})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="measure_vertices.py", description="Measures fits of vertex sequences.")
    parser.add_argument("template", type=Path, help=".npz of FLAME's mesh and landmarks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--part", choices=tuple(_PARTS), help=argparse.SUPPRESS)  # how it re-runs itself
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    return parser
