# SPDX-License-Identifier: GPL-3.0-or-later
"""Preferences of the extension: which Python runs the backend."""

from __future__ import annotations

import bpy

from ...backend.errors import RetakeError
from ..core.client import find_python
from ..operators.session import ROOT


class RETAKE_AP_preferences(bpy.types.AddonPreferences):
    """What is asked once."""

    bl_idname = __package__.rpartition(".addon")[0]

    python: bpy.props.StringProperty(
        name="Backend Python",
        subtype="FILE_PATH",
        description="Python 3.11 or 3.13 with the backend's packages; empty to look for one",
    )

    def draw(self, context: bpy.types.Context) -> None:
        """Show the interpreter that would be used, or why none is found."""
        self.layout.prop(self, "python")
        try:
            self.layout.label(text=f"Uses {find_python(self.python, ROOT)}", icon="CHECKMARK")
        except RetakeError as error:
            self.layout.label(text=str(error), icon="ERROR")


CLASSES = (RETAKE_AP_preferences,)
