# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint, format and type checks: `python scripts/check.py [--fix]`."""

import _start

if __name__ == "__main__":
    _start.run("tools.checks")
