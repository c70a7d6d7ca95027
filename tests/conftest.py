# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets tests import the tree under the name it has inside Blender's extensions: `retake`.

The repository's root is the package itself (it holds Blender's `__init__.py`), whatever the folder is called.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

import _start

_start.register_package()
