# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the built-in head: python scripts/make_head.py [OUT], by default backend/assets/head.npz."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tools.head_model.build import write_head  # noqa: E402

if __name__ == "__main__":
    write_head(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "backend" / "assets" / "head.npz")
