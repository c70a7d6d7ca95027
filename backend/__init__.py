# SPDX-License-Identifier: GPL-3.0-or-later
"""The process beside Blender: audio in, motion out.

Inside Blender only `protocol` and `errors` of this package are imported; everything else runs in a process of its
own (`python -m backend serve`), with torch and without bpy.
"""

from __future__ import annotations
