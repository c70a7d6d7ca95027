# SPDX-License-Identifier: GPL-3.0-or-later
"""Does Retake's main job in real Blender: `python scripts/demo.py [AUDIO] [--out out/demo]`."""

import _start

if __name__ == "__main__":
    _start.run("tools.demo")
