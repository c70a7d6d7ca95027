# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operators share: errors become reports, `poll` says why something cannot be done now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bpy

from ...backend.errors import RetakeError
from .. import compat
from ..core.installer import InstallState
from ..core.library import Library
from ..scene import state
from ..scene.shot import Shot, find_head, open_shot
from .session import backend_python, session

Context = bpy.types.Context
Outcome = set[str]


def reporting(operator: bpy.types.Operator, work: Callable[[], Any]) -> Outcome:
    """Do some work; an error of ours becomes one sentence.

    Args:
        operator: Reports it.
        work: What to do; sentences that it returns are reported as information.

    Returns:
        {"FINISHED"} or {"CANCELLED"}.
    """
    before = session.sentence
    try:
        sentences = work()
    except RetakeError as error:
        return report_failure(operator, error)
    finally:
        compat.redraw()
    if session.sentence == before:  # what was said of something earlier
        session.sentence = ""
    session.sentence = " ".join(sentences or ()) or session.sentence
    for sentence in sentences or ():
        operator.report({"INFO"}, sentence)
    return {"FINISHED"}


def report_failure(operator: bpy.types.Operator, error: RetakeError) -> Outcome:
    """Say what went wrong, in Blender's report and in the panel."""
    session.sentence = str(error)
    operator.report({"ERROR"}, str(error))
    return {"CANCELLED"}


def current_shot(context: Context) -> Shot:
    """The shot of the head that is meant.

    Raises:
        RetakeError: There is none that can be directed.
    """
    return open_shot(context.scene, find_head(context))


def record_in(context: Context) -> state.RETAKE_PG_head | None:
    """What is stored for the head that is meant, None where there is nothing."""
    head = find_head(context)
    return None if head is None else state.record_of(context.scene, head)


def library_in(context: Context) -> Library | None:
    """Takes of the head that is meant, None where it has none or they cannot be read."""
    record = record_in(context)
    try:
        return None if record is None else state.load_library(record)
    except RetakeError:
        return None


def why_no_head(context: Context) -> str:
    """Why there is no head to work on; empty where there is one."""
    return "" if find_head(context) is not None else "Select a head, or add the built-in one"


def why_no_shape_keys(context: Context) -> str:
    """Why the head that is meant cannot be directed; empty where it can, or where there is none."""
    head = find_head(context)
    if head is None or head.data.shape_keys is not None:
        return ""
    return f"'{head.name}' has no shape keys: select a head, or add the built-in one"


def why_no_generation(context: Context) -> str:
    """Why nothing can be generated now; empty where it can."""
    if why_no_head(context):
        return why_no_head(context)
    record = record_in(context)
    if record is None or not record.audio_path:
        return "Import a recording first"
    return why_no_backend()


def why_no_backend() -> str:
    """Why the backend cannot be started; empty where it can."""
    if session.installer is not None and session.installer.state is InstallState.RUNNING:
        return "The backend is being installed: wait a minute"
    try:
        backend_python()
    except RetakeError as error:
        return str(error)
    return ""


def why_no_takes(context: Context) -> str:
    """Why there is no take to work on; empty where there is one."""
    if why_no_head(context):
        return why_no_head(context)
    library = library_in(context)
    return "" if library is not None and library.takes else "There are no takes yet: press New Takes"


def refuse(cls: type[bpy.types.Operator], reason: str) -> bool:
    """Answer of a `poll`: whether there is no reason against it; the reason is shown on the disabled control."""
    if reason:
        cls.poll_message_set(reason)
    return not reason
