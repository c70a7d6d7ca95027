# SPDX-License-Identifier: GPL-3.0-or-later
"""Renews the tables of docs/model-card.md: `python scripts/model_card.py FIGURES`."""

import _start

if __name__ == "__main__":
    _start.run("tools.model_card")
