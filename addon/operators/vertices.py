# SPDX-License-Identifier: GPL-3.0-or-later
"""Import Vertices: the result of a model that predicts vertices, put on the head as keys."""

from __future__ import annotations

from pathlib import Path

import bpy

from .. import compat
from ..scene.pointer import counting
from ..scene.shot import Shot, find_head, open_shot
from ..scene.vertex_import import STEPS, Options, import_vertices
from .bringing import BringIn
from .common import Context, refuse, why_no_head, why_no_shape_keys


class RETAKE_OT_import_vertices(BringIn, bpy.types.Operator):
    """Fit a sequence of vertices (FaceFormer, CodeTalker, VOCASET, ...) with the head's keys and jaw, and key them"""

    bl_idname = "retake.import_vertices"
    bl_label = "Import Vertices"
    entry = "Face Vertices (.npy, .npz)"

    filter_glob: bpy.props.StringProperty(default="*.npy;*.npz", options={"HIDDEN"})
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
        options=compat.RELATIVE_PATHS,
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

    def shot(self, context: Context) -> Shot:
        """The head that is meant, whatever its shape keys are named."""
        return open_shot(context.scene, find_head(context), needs_controls=False)

    def bring_in(self, context: Context, shot: Shot) -> list[str]:
        """Fit and key it."""
        options = Options(
            path=self.chosen(),
            neutral=Path(bpy.path.abspath(self.neutral)) if self.neutral else None,
            frame=self.first_frame(context),
            fps=self.fps,
            tolerance_mm=self.tolerance,
            correctives=self.correctives,
        )
        with counting(STEPS) as tell:
            return import_vertices(shot, options, tell)
