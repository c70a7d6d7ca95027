# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators for the backend itself: install, repair, remove, test, restart, show its log."""

from __future__ import annotations

from pathlib import Path

import bpy

from ...backend.errors import InputError
from .. import compat
from ..core.installer import Installer, InstallPlan, InstallState, remove_environment
from ..core.trial import Trial
from .common import Context, Outcome, refuse, reporting, why_no_backend
from .session import ROOT, backend_python, chosen_device, close, ensure_client, home, preferences, session

_WATCH_SECONDS = 0.2  # between two looks at an installation
_LOG_LINES = 24  # that the log's window shows


def is_installing() -> bool:
    """Whether an installation is under way."""
    return session.installer is not None and session.installer.state is InstallState.RUNNING


def why_offline() -> str:
    """Why nothing may be downloaded; empty where it may, or where wheels are at hand."""
    chosen = preferences()
    if bpy.app.online_access or (chosen is not None and chosen.wheels):
        return ""
    remedy = "allow it in Preferences > System > Network, or choose a folder of downloaded packages under More"
    return f"Blender's online access is off: {remedy}"


class RETAKE_OT_install_backend(bpy.types.Operator):
    """Download what takes are made with, exact versions, checked, into the folder shown; Blender goes on meanwhile"""

    bl_idname = "retake.install_backend"
    bl_label = "Install"

    wait: bpy.props.BoolProperty(name="Wait", default=True, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: Context) -> bool:
        """One installation at a time, not while takes are made, and only where downloads are allowed."""
        busy = "The backend works: wait for it, or cancel it" if session.running else ""
        return refuse(cls, ("An installation is under way" if is_installing() else "") or busy or why_offline())

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """In a window: on a thread, watched by a timer."""
        self.wait = False
        return self.execute(context)

    def execute(self, context: Context) -> Outcome:
        """Begin, and wait unless a window is there to be kept alive."""
        return reporting(self, self._begin)

    def _begin(self) -> list[str]:
        chosen = preferences()
        wheels = str(chosen.wheels).strip() if chosen is not None else ""
        plan = InstallPlan(
            root=ROOT,
            folder=home(),
            device=chosen_device(),
            python=bpy.path.abspath(str(chosen.base_python)) if chosen is not None and chosen.base_python else "",
            wheels=Path(bpy.path.abspath(wheels)) if wheels else None,
        )
        close()  # it may run in the environment that is replaced
        session.installer, session.trial = Installer(plan), None
        session.installer.start()
        if not self.wait:
            start_watching()
            return []
        session.installer.wait()
        if session.installer.state is not InstallState.DONE:
            raise InputError(session.installer.sentence)
        return [session.installer.sentence]


def watch() -> float | None:
    """Timer while something goes on beside Blender: draws it, and ends by itself."""
    client = session.client
    if client is not None and not session.running:  # else its own timer takes what comes
        client.poll()
    compat.redraw()
    is_testing = session.trial is not None and session.trial.is_running
    is_preparing = client is not None and client.is_preparing
    return _WATCH_SECONDS if is_installing() or is_testing or is_preparing else None


def start_watching() -> None:
    """Have the timer run."""
    if not bpy.app.timers.is_registered(watch):
        bpy.app.timers.register(watch)


def stop_watching() -> None:
    """End the timer and the installation: Blender hangs at exit with a timer that is left."""
    if session.installer is not None and is_installing():
        session.installer.cancel()
        session.installer.wait(5.0)
    if bpy.app.timers.is_registered(watch):
        bpy.app.timers.unregister(watch)


class RETAKE_OT_cancel_install(bpy.types.Operator):
    """Stop the installation; the environment that was there before stays"""

    bl_idname = "retake.cancel_install"
    bl_label = "Cancel"

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Only while one is under way."""
        return refuse(cls, "" if is_installing() else "Nothing is being installed")

    def execute(self, context: Context) -> Outcome:
        """Stop it."""
        if session.installer is not None:
            session.installer.cancel()
        return {"FINISHED"}


class RETAKE_OT_remove_backend(bpy.types.Operator):
    """Delete the environment that was installed; takes and scenes stay"""

    bl_idname = "retake.remove_backend"
    bl_label = "Remove"

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Not while it is needed."""
        reason = "An installation is under way" if is_installing() else ""
        if session.running:
            reason = "The backend works: wait for it, or cancel it"
        return refuse(cls, reason)

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """Ask first."""
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: Context) -> Outcome:
        """Remove it."""

        def work() -> list[str]:
            close()
            session.installer, session.trial = None, None
            return [remove_environment(home())]

        return reporting(self, work)


class RETAKE_OT_test_backend(bpy.types.Operator):
    """Let the backend perform ten seconds on the chosen device, and say how fast it is"""

    bl_idname = "retake.test_backend"
    bl_label = "Test"

    wait: bpy.props.BoolProperty(name="Wait", default=True, options={"HIDDEN", "SKIP_SAVE"})

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is something to test."""
        is_testing = session.trial is not None and session.trial.is_running
        return refuse(cls, "A test is under way" if is_testing else why_no_backend())

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """In a window: on a thread, watched by a timer."""
        self.wait = False
        return self.execute(context)

    def execute(self, context: Context) -> Outcome:
        """Test it."""

        def work() -> list[str]:
            session.trial = Trial(backend_python(), ROOT, chosen_device())
            if not self.wait:
                start_watching()
                return []
            session.trial.wait()
            if session.trial.has_failed:
                raise InputError(session.trial.sentence)
            return [session.trial.sentence]

        return reporting(self, work)


class RETAKE_OT_start_backend(bpy.types.Operator):
    """Start the backend process now, or again after it was lost"""

    bl_idname = "retake.start_backend"
    bl_label = "Start Backend"

    restart: bpy.props.BoolProperty(name="Restart", options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is one."""
        return refuse(cls, why_no_backend())

    def execute(self, context: Context) -> Outcome:
        """Start it."""

        def work() -> None:
            if self.restart:
                close()
            ensure_client()
            if not bpy.app.background:
                start_watching()

        return reporting(self, work)


class RETAKE_OT_open_preferences(bpy.types.Operator):
    """Open Retake's preferences, where the backend is installed"""

    bl_idname = "retake.open_preferences"
    bl_label = "Install Backend..."

    def execute(self, context: Context) -> Outcome:
        """Open them."""
        return bpy.ops.preferences.addon_show(module=__package__.rpartition(".addon")[0])


def log_lines() -> list[str]:
    """What the installation or the running backend said."""
    if session.installer is not None and (is_installing() or session.client is None):
        return list(session.installer.log)
    return session.client.log_tail(200).splitlines() if session.client is not None else []


class RETAKE_OT_show_log(bpy.types.Operator):
    """Show what the installation or the backend said last, and copy all of it"""

    bl_idname = "retake.show_log"
    bl_label = "Show Log"

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """Copy it and show its end."""
        context.window_manager.clipboard = "\n".join(log_lines())
        return context.window_manager.invoke_props_dialog(self, width=800)

    def execute(self, context: Context) -> Outcome:
        """Without a window: print it."""
        print("\n".join(log_lines()))
        return {"FINISHED"}

    def draw(self, context: Context) -> None:
        """The last lines."""
        column = self.layout.column(align=True)
        column.label(text="The log, copied to the clipboard:", icon="COPYDOWN")
        column.scale_y = 0.7
        for line in log_lines()[-_LOG_LINES:] or ["Nothing was said."]:
            column.label(text=line[:160])


CLASSES = (
    RETAKE_OT_install_backend,
    RETAKE_OT_cancel_install,
    RETAKE_OT_remove_backend,
    RETAKE_OT_test_backend,
    RETAKE_OT_start_backend,
    RETAKE_OT_open_preferences,
    RETAKE_OT_show_log,
)
