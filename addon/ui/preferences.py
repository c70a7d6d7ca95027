# SPDX-License-Identifier: GPL-3.0-or-later
"""Preferences of the extension: where the backend is, on what it computes, and how it gets there."""

from __future__ import annotations

import textwrap

import bpy

from ...backend.errors import RetakeError
from ..core.backend_home import ENVIRONMENT, data_folder, download_megabytes, find_build, read_stamp, why_unusable
from ..operators.backend import is_installing, log_lines, why_offline
from ..operators.session import ROOT, backend_python, chosen_device, home, session

_LOG_LINES = 6
_LETTER, _MARGIN = 6.8, 60.0  # pixels at a scale of 1: of a letter, and of what stands beside a line


class RETAKE_AP_preferences(bpy.types.AddonPreferences):
    """What is asked once."""

    bl_idname = __package__.rpartition(".addon")[0]

    folder: bpy.props.StringProperty(
        name="Folder",
        subtype="DIR_PATH",
        description="Where the backend is installed, for all Blender versions; empty for the usual place",
    )
    device: bpy.props.EnumProperty(
        items=(
            ("AUTO", "Auto", "CUDA where it was installed and a card is there, else the CPU"),
            ("CPU", "CPU", "Any computer; the same seed gives the same take, bit for bit"),
            ("CUDA", "CUDA", "NVIDIA cards; PyTorch's CUDA build is several times as large to download"),
            ("MPS", "MPS", "The graphics of Macs with Apple's own processors"),
        ),
        name="Device",
        description="What takes are computed on",
    )
    base_python: bpy.props.StringProperty(
        name="Python",
        subtype="FILE_PATH",
        description="Python 3.11 to 3.13 to install with; empty to look for one",
    )
    wheels: bpy.props.StringProperty(
        name="Offline Packages",
        subtype="DIR_PATH",
        description="Folder of downloaded packages (wheels) to install from, without any network; empty to download",
    )
    python: bpy.props.StringProperty(
        name="Existing Environment",
        subtype="FILE_PATH",
        description="Python of an environment that has the packages already, used instead of the installed one",
    )
    show_more: bpy.props.BoolProperty(name="More", description="Settings that are rarely needed")

    def draw(self, context: bpy.types.Context) -> None:
        """State, settings, buttons, log: top to bottom."""
        layout = self.layout
        _draw_state(layout)
        column = layout.column()
        column.enabled = not is_installing()
        column.use_property_split = True
        column.prop(self, "device")
        column.prop(self, "folder")
        if not self.folder and not (home() / ENVIRONMENT).exists():
            column.label(text=f"Installs into {data_folder()}")
        arrow = "DISCLOSURE_TRI_DOWN" if self.show_more else "DISCLOSURE_TRI_RIGHT"
        row = column.row()
        row.use_property_split = False
        row.alignment = "LEFT"
        row.prop(self, "show_more", icon=arrow, emboss=False)
        if self.show_more:
            for name in ("base_python", "wheels", "python"):
                column.prop(self, name)
        _draw_buttons(layout)
        _draw_news(layout)


def _draw_state(layout: bpy.types.UILayout) -> None:
    """Whether the backend is there."""
    try:
        python = backend_python()
    except RetakeError as error:
        draw_lines(layout, why_unusable(home(), ROOT) or str(error), "INFO")
        return
    stamp = read_stamp(home())
    if stamp is not None and python.is_relative_to(home()):
        text = f"Installed: Python {stamp.python}, PyTorch {stamp.torch}, in {home()}"
    else:
        text = f"Uses {python}"
    draw_lines(layout, text, "CHECKMARK")


def _draw_buttons(layout: bpy.types.UILayout) -> None:
    """Install or Repair with the size of the download, Remove, Test."""
    is_there = (home() / ENVIRONMENT).exists()
    try:
        build = find_build(ROOT, chosen_device())
        size = download_megabytes(ROOT, build)
    except RetakeError as error:
        draw_lines(layout, str(error), "ERROR")
        return
    loads = f"about {size} MB" if size < 1000 else f"about {size / 1000:.1f} GB"
    preferences = bpy.context.preferences.addons[RETAKE_AP_preferences.bl_idname].preferences
    if not preferences.wheels:
        layout.label(text=f"Download: {loads}", icon="IMPORT")
    row = layout.row(align=True)
    verb = "Repair" if is_there else "Install"
    icon = "FILE_REFRESH" if is_there else "IMPORT"
    row.operator("retake.install_backend", text=verb, icon=icon)
    if is_there:
        row.operator("retake.remove_backend", icon="TRASH")
    row.operator("retake.test_backend", icon="PLAY")
    row.operator("retake.show_log", icon="TEXT")
    stamp = read_stamp(home())
    if is_there and not why_unusable(home(), ROOT) and stamp is not None and stamp.device != build.device:
        draw_lines(layout, f"PyTorch's {stamp.device.upper()} build is installed: press Repair for the other.", "INFO")
    if why_offline():
        draw_lines(layout, f"{why_offline()}.", "INFO")
        layout.operator("screen.userpref_show", text="Show Blender's Network Setting").section = "SYSTEM"


def _draw_news(layout: bpy.types.UILayout) -> None:
    """The installation under way or how it ended, its log, and the last test."""
    installer, trial = session.installer, session.trial
    if installer is not None and is_installing():
        row = layout.row(align=True)
        row.progress(factor=installer.factor, text=f"{installer.stage}  {installer.factor:.0%}")
        row.operator("retake.cancel_install", text="", icon="CANCEL")
        box = layout.box().column(align=True)
        box.scale_y = 0.7
        for line in log_lines()[-_LOG_LINES:]:
            box.label(text=line[: _characters()])
    elif trial is not None:
        running = trial.is_running
        icon = "TIME" if running else "ERROR" if trial.has_failed else "CHECKMARK"
        draw_lines(layout, "Testing (a few seconds)" if running else trial.sentence, icon)
    elif installer is not None:
        draw_lines(layout, installer.sentence, "CHECKMARK" if installer.report else "ERROR")


def draw_lines(layout: bpy.types.UILayout, sentence: str, icon: str) -> None:
    """A sentence in as many lines as the window needs."""
    column = layout.column(align=True)
    for number, line in enumerate(textwrap.wrap(sentence, _characters())):
        column.label(text=line, icon=icon if number == 0 else "BLANK1")


def _characters() -> int:
    """How many letters a line of the preferences' window holds."""
    context = bpy.context
    width = context.region.width / context.preferences.system.ui_scale if context.region is not None else 0.0
    return max(int((width - _MARGIN) / _LETTER), 40)


CLASSES = (RETAKE_AP_preferences,)
