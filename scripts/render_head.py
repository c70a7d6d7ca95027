# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders every control of the built-in head: `python scripts/render_head.py [--out docs/images]`."""

import _start

if __name__ == "__main__":
    _start.run("tools.pictures")
