# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures how sequences of vertices are fitted: `python scripts/measure_vertices.py TEMPLATE [--json FILE]`."""

import _start

if __name__ == "__main__":
    _start.run("tools.measure_vertices")
