# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures takes as Blender shows them: `python scripts/measure_scene.py FOLDER [--json FILE] [--every N]`."""

import _start

if __name__ == "__main__":
    _start.run("tools.measure_scene")
