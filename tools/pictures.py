# SPDX-License-Identifier: GPL-3.0-or-later
"""The command that renders the head's pictures, re-run in Blender. Standard library only until then."""

from __future__ import annotations

from collections.abc import Sequence

from .environments import ROOT, demo_blender, rerun, runs_in


def main(arguments: Sequence[str]) -> int:
    """Draw the sheets of `render_head`.

    Args:
        arguments: Those of the command line, see `render_head.main`.

    Returns:
        Exit code.
    """
    blender = demo_blender()
    if not runs_in(blender):
        return rerun(blender, ROOT / "scripts" / "render_head.py", arguments)
    from .render_head import main as draw

    return draw(arguments)
