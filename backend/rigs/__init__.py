# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads: what their channels do, and the cache of those registered with this process."""

from __future__ import annotations

from .named_controls import NamedControlsRig, RigCache

__all__ = ["NamedControlsRig", "RigCache"]
