# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures how fast and how large Retake is on this computer: `python scripts/bench.py [--json]`."""

import _start

if __name__ == "__main__":
    _start.run("tools.bench")
