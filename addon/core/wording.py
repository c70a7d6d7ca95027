# SPDX-License-Identifier: GPL-3.0-or-later
"""How lists stand in sentences."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = 6  # names in a sentence


def shortened(names: Sequence[str], most: int = NAMED) -> str:
    """Some names with commas between them, the first few in full, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
