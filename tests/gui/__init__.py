# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of the real window: a Blender that is driven by clicks and keys alone, see `scripts/test.py --gui`."""
