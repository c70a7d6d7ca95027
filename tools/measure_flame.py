# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that measures how the default model speaks on FLAME heads. Standard library only.

Recordings are performed once; every take then moves the built-in head and, through the mapping that an import solves,
three stand-in FLAME heads whose components are not the controls (`flame_standin`). `flame_figures` measures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .environments import BACKEND
from .parts import run_part, run_parts

_PARTS = {"figures": "flame_figures"}


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
    for path in (options.template, options.folder):
        if not path.exists():
            print(f"{path} does not exist.", file=sys.stderr)
            return 2
    if options.every < 1 or (options.json and not options.json.resolve().parent.is_dir()):
        print("--every is 1 or more, and the folder of --json has to exist.", file=sys.stderr)
        return 2
    return run_parts("measure_flame.py", arguments, {"figures": BACKEND})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="measure_flame.py", description="Measures takes on stand-in FLAME heads.")
    parser.add_argument("template", type=Path, help=".npz of FLAME's mesh and landmarks")
    parser.add_argument("folder", type=Path, help="recordings")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth recording")
    parser.add_argument("--part", choices=tuple(_PARTS), help=argparse.SUPPRESS)  # how it re-runs itself
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    return parser
