# SPDX-License-Identifier: GPL-3.0-or-later
"""Import Vertices: the result of a model that predicts vertices, put on the head as keys."""

from __future__ import annotations

from pathlib import Path

import bpy

from ...backend.errors import InputError
from ..scene.shot import find_head
from ..scene.vertex_import import Options, import_vertices
from .common import Context, Outcome, refuse, reporting, why_no_head, why_no_shape_keys

VERTICES = "Face Vertices (.npy, .npz)"


class RETAKE_OT_import_vertices(bpy.types.Operator):
    """Fit a sequence of vertices (FaceFormer, CodeTalker, VOCASET, ...) with the head's keys and jaw, and key them"""

    bl_idname = "retake.import_vertices"
    bl_label = "Import Vertices"
    bl_options = {"REGISTER", "UNDO"}

    filepath: bpy.props.StringProperty(name="File", subtype="FILE_PATH")
    filter_glob: bpy.props.StringProperty(default="*.npy;*.npz", options={"HIDDEN"})
    frame: bpy.props.IntProperty(
        name="Start Frame", description="Where the sequence starts; the scene's first frame unless set"
    )
    fps: bpy.props.FloatProperty(
        name="Frame Rate",
        default=30.0,
        min=1.0,
        max=240.0,
        description="Of the file: FaceFormer's are at 30, those of BIWI at 25, VOCASET itself at 60",
    )
    neutral: bpy.props.StringProperty(
        name="Neutral",
        subtype="FILE_PATH",
        description="The subject's neutral face (.ply, .obj, .npy, .npz, or VOCASET's templates.pkl); found in the "
        "sequence where none is given",
    )
    correctives: bpy.props.BoolProperty(
        name="Corrective Keys", default=True, description="Add up to 24 shape keys for what the head's own cannot show"
    )
    tolerance: bpy.props.FloatProperty(
        name="Tolerance",
        default=0.1,
        min=0.001,
        max=100.0,
        description="How far a vertex may be from the file's, in millimetres, before corrective keys are added",
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """A head, in Object Mode: keys may be added to its mesh."""
        reason = "" if context.mode == "OBJECT" else "Switch to Object Mode first"
        return refuse(cls, reason or why_no_head(context) or why_no_shape_keys(context))

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """Ask for the file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Context) -> Outcome:
        """Fit and key it."""
        return reporting(self, lambda: self._import(context))

    def _import(self, context: Context) -> list[str]:
        if not self.filepath:
            raise InputError("No file was chosen.", "Choose a sequence of vertices, a .npy or .npz file.")
        scene = context.scene
        options = Options(
            path=Path(bpy.path.abspath(self.filepath)),
            neutral=Path(bpy.path.abspath(self.neutral)) if self.neutral else None,
            frame=self.frame if self.properties.is_property_set("frame") else scene.frame_start,
            fps=self.fps,
            tolerance_mm=self.tolerance,
            correctives=self.correctives,
        )
        return import_vertices(scene, find_head(context), options)


def draw_in_menu(menu: bpy.types.Menu, context: Context) -> None:
    """The entry in File > Import."""
    menu.layout.operator(RETAKE_OT_import_vertices.bl_idname, text=VERTICES)


def add_to_menu() -> None:
    """Put the entry into File > Import."""
    bpy.types.TOPBAR_MT_file_import.append(draw_in_menu)


def remove_from_menu() -> None:
    """Undo `add_to_menu`."""
    bpy.types.TOPBAR_MT_file_import.remove(draw_in_menu)


CLASSES = (RETAKE_OT_import_vertices,)
