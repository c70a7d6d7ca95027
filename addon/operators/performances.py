# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that bring tracked performances in as keys, and take what plays out as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import bpy
import numpy as np

from ...backend.errors import InputError, RigError
from .. import compat
from ..core.flame_layouts import read_performance
from ..core.flame_sequence import write_sequence
from ..core.live_link import read_live_link, write_live_link
from ..core.vertex_output import writing_vertices
from ..scene import flame_performance, live_link
from ..scene.flame_head import is_flame_head, joints_are_due, update_joints
from ..scene.flame_on_controls import on_controls
from ..scene.played import play, vertices
from ..scene.shot import Shot, find_head, metres_a_unit
from .bringing import BringIn, frames_a_second
from .common import Context, Outcome, current_shot, refuse, reporting, why_no_head, why_no_shape_keys
from .vertices import RETAKE_OT_import_vertices


class RETAKE_OT_import_live_link(BringIn, bpy.types.Operator):
    """Bring a recording of Live Link Face onto the head, as a key on every frame"""

    bl_idname = "retake.import_live_link"
    bl_label = "Import Live Link Face"
    entry = "Live Link Face (.csv)"

    filter_glob: bpy.props.StringProperty(default="*.csv", options={"HIDDEN"})

    def bring_in(self, context: Context, shot: Shot) -> list[str]:
        """Key the recording."""
        take = read_live_link(self.chosen())
        return self.keyed(context, shot, live_link.performance_of(shot, take, frames_a_second(context.scene)))


class RETAKE_OT_import_flame_parameters(BringIn, bpy.types.Operator):
    """Bring a performance that was tracked as FLAME parameters onto a FLAME head, as a key on every frame"""

    bl_idname = "retake.import_flame_parameters"
    bl_label = "Import FLAME Parameters"
    entry = "FLAME Parameters (.npz, .pkl, ...)"

    filter_glob: bpy.props.StringProperty(default="*.npz;*.npy;*.pkl;*.frame", options={"HIDDEN"})
    fps: bpy.props.FloatProperty(
        name="Recorded At",
        default=25.0,
        min=1.0,
        max=1000.0,
        description="Frames a second of the performance, where its file does not tell them",
    )
    identity: bpy.props.BoolProperty(
        name="Identity", default=True, description="Give the head the performer's identity, as far as it has keys"
    )
    controls: bpy.props.BoolProperty(
        name="On the Controls",
        default=False,
        description="Key the named controls, as near as they come, instead of the expression keys and the jaw: takes "
        "replace them there, part by part",
    )
    place: bpy.props.BoolProperty(
        name="Place", default=True, description="Move the head as the performer moved, not only turn it"
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """A FLAME head, in Object Mode: its joints follow its identity."""
        return refuse(cls, why_no_flame_head(context) or ("" if context.mode == "OBJECT" else "Switch to Object Mode"))

    def bring_in(self, context: Context, shot: Shot) -> list[str]:
        """Key the performance."""
        sequence, layout = read_performance(self.chosen())
        own_fps = sequence.fps or float(self.fps)
        resampled = sequence.at(frames_a_second(context.scene), own_fps)
        first = self.first_frame(context)
        shown, on_them = on_controls(shot, resampled, first) if self.controls else (None, [])
        performance = flame_performance.performance_of(shot, resampled, bool(self.place), shown)
        sentences = self.keyed(context, shot, performance) + on_them
        count = len(sequence.expression)
        sentences.append(f"Recognised as {layout}, {count} frame{'s' if count != 1 else ''} at {own_fps:g} a second.")
        if count == 1:
            sentences.append("For a performance of one file a frame, choose its folder.")
        if self.identity and len(sequence.identity):
            sentences += self._set_identity(context, shot, sequence.identity)
        if self.controls:
            return sentences
        if flame_performance.controls_on_top(shot, range(first, first + len(resampled.expression))):
            sentences.append("The named controls play on top of it; show the original to see it alone.")
        return [*sentences, "Takes add to it: import it On the Controls where they shall replace it."]

    def _set_identity(self, context: Context, shot: Shot, identity: np.ndarray) -> list[str]:
        """Set the identity keys, and move the joints where they can be moved."""
        count, sentences = flame_performance.set_identity(shot, identity)
        if shot.armature is not None and joints_are_due(shot.head, shot.armature):
            try:
                update_joints(context.view_layer, shot.head, shot.armature)
            except RigError as error:
                sentences.append(f"{error.message} {error.remedy}")
        return [f"Identity: {count} keys set.", *sentences]


def why_no_flame_head(context: Context) -> str:
    """Why there is no FLAME head to work on; empty where there is one."""
    return "" if is_flame_head(find_head(context)) else "Select a FLAME head"


class TakeOut:
    """What plays in a range of frames goes into a file."""

    bl_options = {"REGISTER"}

    entry, extension = "", ""
    """In the menus and the panel; of the file."""

    filepath: bpy.props.StringProperty(name="File", subtype="FILE_PATH", options=compat.RELATIVE_PATHS)
    check_existing: bpy.props.BoolProperty(default=True, options={"HIDDEN"})
    frame_start: bpy.props.IntProperty(
        name="Start Frame",
        options={"SKIP_SAVE"},
        description="First frame; that of the preview range or the scene unless set",
    )
    frame_end: bpy.props.IntProperty(
        name="End Frame",
        options={"SKIP_SAVE"},
        description="Last frame; that of the preview range or the scene unless set",
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a head with shape keys."""
        return refuse(cls, why_no_head(context) or why_no_shape_keys(context))

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """Ask for the place, with the head's name and the scene's range."""

        def prepare() -> None:
            shot, frames = current_shot(context), self.frames(context)
            self.frame_start, self.frame_end = frames[0], frames[-1]
            blend = Path(context.blend_data.filepath)
            folder = blend.parent if context.blend_data.filepath else Path.home()
            if not self.filepath:
                self.filepath = str(folder / f"{bpy.path.clean_name(shot.head.name)}{self.extension}")

        outcome = reporting(self, prepare)
        if outcome != {"FINISHED"}:
            return outcome
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def check(self, context: Context) -> bool:
        """Keep the file's extension while its name is typed."""
        wanted = bpy.path.ensure_ext(self.filepath, self.extension)
        changed, self.filepath = wanted != self.filepath, wanted
        return changed

    def execute(self, context: Context) -> Outcome:
        """Take it out."""

        def work() -> list[str]:
            if not self.filepath:
                raise InputError("No file was chosen.", "Choose a place and a name.")
            path = Path(bpy.path.abspath(bpy.path.ensure_ext(self.filepath, self.extension)))
            frames = self.frames(context)
            sentences = self.take_out(current_shot(context), frames, path)
            return [f"Frames {frames[0]} to {frames[-1]} are in '{path.name}'.", *sentences]

        return reporting(self, work)

    if TYPE_CHECKING:  # each operator has its own

        def take_out(self, shot: Shot, frames: Sequence[int], path: Path) -> list[str]:
            """Write the file; sentences for the animator."""

    def frames(self, context: Context) -> range:
        """The scene frames that go out.

        Raises:
            InputError: There is none.
        """
        scene, is_set = context.scene, self.properties.is_property_set
        edges = (scene.frame_start, scene.frame_end)
        if scene.use_preview_range:
            edges = (scene.frame_preview_start, scene.frame_preview_end)
        first = self.frame_start if is_set("frame_start") else edges[0]
        last = self.frame_end if is_set("frame_end") else edges[1]
        if last < first:
            raise InputError(f"The range from frame {first} to {last} is empty.", "Choose an end after the start.")
        return range(first, last + 1)


class RETAKE_OT_export_live_link(TakeOut, bpy.types.Operator):
    """Take what plays out as a recording of Live Link Face: 52 blend shapes, the turns of neck and eye bones"""

    bl_idname = "retake.export_live_link"
    bl_label = "Export Live Link Face"
    entry = "Live Link Face (.csv)"

    extension = ".csv"
    filter_glob: bpy.props.StringProperty(default="*.csv", options={"HIDDEN"})

    def take_out(self, shot: Shot, frames: Sequence[int], path: Path) -> list[str]:
        """Write the CSV."""
        controls, head, *eyes = live_link.record(shot, frames)
        seconds = np.arange(len(frames)) / frames_a_second(shot.scene)
        write_live_link(path, seconds, controls, head, (eyes[0], eyes[1]))
        return []


class RETAKE_OT_export_flame_parameters(TakeOut, bpy.types.Operator):
    """Take what plays out as FLAME parameters: expression, identity, the turns of the joints, the head's place"""

    bl_idname = "retake.export_flame_parameters"
    bl_label = "Export FLAME Parameters"
    entry = "FLAME Parameters (.npz)"

    extension = ".npz"
    filter_glob: bpy.props.StringProperty(default="*.npz", options={"HIDDEN"})

    @classmethod
    def poll(cls, context: Context) -> bool:
        """A FLAME head."""
        return refuse(cls, why_no_flame_head(context))

    def take_out(self, shot: Shot, frames: Sequence[int], path: Path) -> list[str]:
        """Write the .npz."""
        sequence, sentences = flame_performance.record(shot, frames, frames_a_second(shot.scene))
        write_sequence(path, sequence)
        return sentences


class RETAKE_OT_export_vertices(TakeOut, bpy.types.Operator):
    """Take the vertices that are drawn out, m, Y up, a row a frame as in VOCASET"""

    bl_idname = "retake.export_vertices"
    bl_label = "Export Vertices"
    entry = "Vertices (.npy)"

    extension = ".npy"
    filter_glob: bpy.props.StringProperty(default="*.npy", options={"HIDDEN"})

    def take_out(self, shot: Shot, frames: Sequence[int], path: Path) -> list[str]:
        """Write the .npy, frame by frame."""
        head, metres = shot.head, metres_a_unit(shot.head)
        with writing_vertices(path, len(frames), len(head.data.vertices)) as take:
            play(shot, frames, lambda depsgraph: take(metres * vertices(head, depsgraph)))
        return []


def draw_import(menu: bpy.types.Menu, context: Context) -> None:
    """Entries of File > Import."""
    for operator in IMPORTS:
        menu.layout.operator(operator.bl_idname, text=f"Retake: {operator.entry}")


def draw_export(menu: bpy.types.Menu, context: Context) -> None:
    """Entries of File > Export."""
    for operator in EXPORTS:
        menu.layout.operator(operator.bl_idname, text=f"Retake: {operator.entry}")


def add_to_menus() -> None:
    """Stand in File > Import and File > Export."""
    bpy.types.TOPBAR_MT_file_import.append(draw_import)
    bpy.types.TOPBAR_MT_file_export.append(draw_export)


def remove_from_menus() -> None:
    """Undo `add_to_menus`."""
    bpy.types.TOPBAR_MT_file_export.remove(draw_export)
    bpy.types.TOPBAR_MT_file_import.remove(draw_import)


IMPORTS = (RETAKE_OT_import_live_link, RETAKE_OT_import_flame_parameters, RETAKE_OT_import_vertices)
EXPORTS = (RETAKE_OT_export_live_link, RETAKE_OT_export_flame_parameters, RETAKE_OT_export_vertices)
CLASSES = (*IMPORTS, *EXPORTS)
