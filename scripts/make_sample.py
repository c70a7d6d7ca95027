# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthesizes the sample recording that ships: `python scripts/make_sample.py` (needs flite)."""

import _start

if __name__ == "__main__":
    _start.run("tools.sample")
