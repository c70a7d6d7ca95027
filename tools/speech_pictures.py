# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that renders speech into pictures and clips, its parts each in its own environment.

`phones`: one take of the default model on a recording whose phones are known, frames at eight phones, the phone under
each. `styles`: the articulation teacher in each of its styles, a clip with sound, from the front and from three
quarters, and a sheet of stills. `heads`: the same frames of one take on the built-in head and on others. Standard
library only: the parts are `speech_tracks` and `speech_render`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from .environments import BACKEND, ROOT, demo_blender
from .parts import run_part, run_parts

_PARTS = {"perform": "speech_tracks", "render": "speech_render", "join": "speech_tracks"}


def main(arguments: Sequence[str]) -> int:
    """Render.

    Args:
        arguments: Those of the command line.

    Returns:
        Exit code: 0 when every file was made.
    """
    options = _parser().parse_args(arguments)
    if options.part:
        return run_part(_PARTS[options.part], options)
    return run_parts("render_speech.py", arguments, {"perform": BACKEND, "render": demo_blender(), "join": BACKEND})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="render_speech.py", description="Renders speech on the built-in head.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    phones = kinds.add_parser("phones", help="frames of a take at eight phones, the phone under each")
    phones.add_argument("folder", type=Path, help="recordings with phone times")
    phones.add_argument("file", help="name of one of them")
    phones.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "speech_sheet.png", metavar="PNG")
    heads = kinds.add_parser("heads", help="the same frames of a take on several heads, the built-in one first")
    heads.add_argument("folder", type=Path, help="recordings with phone times")
    heads.add_argument("file", help="name of one of them")
    heads.add_argument("heads", nargs="+", type=Path, help="FLAME model files, or heads as tools/arrays_head.py has")
    heads.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "heads.png", metavar="PNG")
    styles = kinds.add_parser("styles", help="the teacher in each style: clips with sound, and a sheet")
    styles.add_argument("--out", type=Path, default=Path("out/styles"), metavar="FOLDER")
    for each in (phones, heads, styles):
        each.add_argument("--part", choices=tuple(_PARTS), help=argparse.SUPPRESS)  # how it re-runs itself
        each.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    return parser
