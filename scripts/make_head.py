# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the built-in head: `python scripts/make_head.py [OUT]`."""

import _start

if __name__ == "__main__":
    _start.run("tools.make_head")
