# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the built-in head's controls into docs/images. Run it with a Python that has bpy, such as .venv/bpy-4.5's."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools.render_head import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
