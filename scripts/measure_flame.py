# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures takes on stand-in FLAME heads: `python scripts/measure_flame.py TEMPLATE FOLDER [--every N]`."""

import _start

if __name__ == "__main__":
    _start.run("tools.measure_flame")
