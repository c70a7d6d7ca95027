# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that measures takes in Blender, its parts each in its own environment. Standard library only.

Recordings with phone times are performed by the extension's own operators, in scenes of 24 and 25 fps whose frames
fall between the model's: the lips are measured on the evaluated mesh, and edits on the curves as written.
`measure_plan` says what to do and measures, `measure_shots` does it in Blender.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .environments import BACKEND, demo_blender
from .parts import run_part, run_parts

FIRST_FRAME = 1  # of every shot
_PARTS = {"plan": "measure_plan", "shots": "measure_shots", "report": "measure_plan"}


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
    if options.every < 1 or (options.json and not options.json.resolve().parent.is_dir()):
        print("--every is 1 or more, and the folder of --json has to exist.", file=sys.stderr)
        return 2
    return run_parts("measure_scene.py", arguments, {"plan": BACKEND, "shots": demo_blender(), "report": BACKEND})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="measure_scene.py", description="Measures lips on Blender's evaluated mesh and edits on its curves."
    )
    parser.add_argument("folder", type=Path, help="recordings with phone times")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth recording")
    parser.add_argument("--part", choices=tuple(_PARTS), help=argparse.SUPPRESS)  # how it re-runs itself
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    return parser
