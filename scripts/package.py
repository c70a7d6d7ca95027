# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the extension's zip and a repository to install it from: `python scripts/package.py [--out DIR]`."""

import _start

if __name__ == "__main__":
    _start.run("tools.package")
