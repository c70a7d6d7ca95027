# SPDX-License-Identifier: GPL-3.0-or-later
"""Retake: speech animation between an animator's keys, in takes.

What Blender calls. bpy is imported only when the extension is registered, so that the package can be imported, read
and tested without Blender.
"""

from __future__ import annotations


def register() -> None:
    """Register every class and property of the extension."""
    from .addon import registration

    registration.register()


def unregister() -> None:
    """Undo `register`; ends the backend process and leaves no timer."""
    from .addon import registration

    registration.unregister()
