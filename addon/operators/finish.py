# SPDX-License-Identifier: GPL-3.0-or-later
"""Finishing, live: a slider is moved, and what plays is written anew within the same undo step."""

from __future__ import annotations

from typing import Any

import bpy

from ...backend.errors import RetakeError
from ...backend.protocol import PARTS
from ..core.steps import finish
from ..scene import state
from ..scene.shot import open_shot
from . import direct
from .common import Context, Outcome, record_in, refuse, why_no_takes
from .session import session

_is_resetting: list[bool] = []


def refinish(record: Any) -> None:
    """Write a record's takes anew; what cannot be written is said in the panel."""
    if _is_resetting or record.head is None or not record.library:
        return
    try:
        finish(direct.refinish(open_shot(record.id_data, record.head)))
    except RetakeError as error:
        session.sentence = str(error)


class RETAKE_OT_reset_finishing(bpy.types.Operator):
    """Play the takes as they were generated: strength 1, no smoothing, no lead"""

    bl_idname = "retake.reset_finishing"
    bl_label = "Reset Finishing"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a take."""
        return refuse(cls, why_no_takes(context))

    def execute(self, context: Context) -> Outcome:
        """Reset all of it, and write once."""
        record = record_in(context)
        if record is None:
            return {"CANCELLED"}
        _is_resetting.append(True)
        try:
            for part in PARTS:
                setattr(record, f"strength_{part}", 1.0)
                setattr(record, f"smoothing_{part}", 0.0)
            record.lead = 0.0
        finally:
            _is_resetting.clear()
        refinish(record)
        return {"FINISHED"}


def listen() -> None:
    """Let changed sliders write."""
    state.refinishers[:] = [refinish]


def stop_listening() -> None:
    """Undo `listen`."""
    state.refinishers.clear()


CLASSES = (RETAKE_OT_reset_finishing,)
