# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes what the extension installs, with hashes, from tools/requirements/backend.txt: `python scripts/lock.py`."""

import _start

if __name__ == "__main__":
    _start.run("tools.lock")
