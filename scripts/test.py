# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the environments and runs the whole test suite: `python scripts/test.py [--fast] [pytest arguments]`."""

import _start

if __name__ == "__main__":
    _start.run("tools.suite")
