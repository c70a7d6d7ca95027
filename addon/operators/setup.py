# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that set up a shot: the built-in head, the recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy

from ...backend.errors import AudioError
from .. import compat
from ..core.flame_file import read_flame
from ..core.timing import AudioClock
from ..scene import audio, state
from ..scene.built_in_head import add_head, free_height, read_head_file
from ..scene.editable import is_locked_by_link, linked_instance, make_editable
from ..scene.flame_head import add_flame_head
from ..scene.shot import Shot, find_head
from .common import Context, Outcome, current_shot, refuse, reporting, why_no_head


class RETAKE_OT_add_head(bpy.types.Operator):
    """Add the built-in head: mesh, 52 shape keys, armature with five bones"""

    bl_idname = "retake.add_head"
    bl_label = "Add Head"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Only in Object Mode: the armature is edited for a moment."""
        return refuse(cls, "" if context.mode == "OBJECT" else "Switch to Object Mode first")

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """In a window: add it and bring it into view."""
        outcome = self.execute(context)
        if outcome == {"FINISHED"} and context.area is not None and context.area.type == "VIEW_3D":
            region = next(region for region in context.area.regions if region.type == "WINDOW")
            with context.temp_override(region=region):
                bpy.ops.view3d.view_selected()
        return outcome

    def execute(self, context: Context) -> Outcome:
        """Add it."""

        def work() -> None:
            file = read_head_file()
            height = free_height(context.scene)
            head = add_head(context.scene, context.view_layer, file)
            if height:
                head.parent.location.z += height - float(file.template[:, 1].min())
            head.data["retake_lip_pairs"] = file.lip_pairs.ravel().tolist()
            state.ensure_record(context.scene, head)

        return reporting(self, work)


class RETAKE_OT_add_flame_head(bpy.types.Operator):
    """Add a FLAME head from a model file of yours: mesh, controls, identity, expression, five bones"""

    bl_idname = "retake.add_flame_head"
    bl_label = "Add FLAME Head"
    bl_options = {"REGISTER", "UNDO"}

    filepath: bpy.props.StringProperty(name="File", subtype="FILE_PATH", options=compat.RELATIVE_PATHS)
    filter_glob: bpy.props.StringProperty(default="*.pkl;*.npz", options={"HIDDEN"})
    identity: bpy.props.IntProperty(
        name="Identity", default=50, min=0, max=300, description="Identity components that get a shape key"
    )
    expression: bpy.props.IntProperty(
        name="Expression", default=50, min=0, max=300, description="Expression components that get a shape key"
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Only in Object Mode: the armature is edited for a moment."""
        return refuse(cls, "" if context.mode == "OBJECT" else "Switch to Object Mode first")

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """Ask for the file."""
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Context) -> Outcome:
        """Add it."""

        def work() -> list[str]:
            path = Path(bpy.path.abspath(self.filepath))
            model, reference = read_flame(path), read_head_file()
            height = free_height(context.scene)
            head = add_flame_head(
                context.scene, context.view_layer, model, reference, path.stem, self.identity, self.expression
            )
            if height:
                head.parent.location.z += height - float(model.v_template[:, 1].min())
            state.ensure_record(context.scene, head)
            kept = (min(self.identity, model.identity.shape[2]), min(self.expression, model.expression.shape[2]))
            return [f"{head.name}: {kept[0]} identity and {kept[1]} expression keys beside the controls."]

        return reporting(self, work)


_head_items: list[tuple[str, str, str]] = []


def head_items(operator: object, context: Context | None) -> list[tuple[str, str, str]]:
    """The scene's heads, for a menu; Blender needs the strings kept alive."""
    heads = [record.head for record in context.scene.retake.heads if record.head] if context is not None else []
    _head_items[:] = [(head.name, head.name, f"Direct '{head.name}'") for head in heads]
    return _head_items


class RETAKE_OT_pick_head(bpy.types.Operator):
    """Select another head of the scene: the panel then shows its recording and its takes"""

    bl_idname = "retake.pick_head"
    bl_label = "Head"
    bl_options = {"REGISTER", "UNDO"}

    head: bpy.props.EnumProperty(items=head_items, name="Head")

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Selecting needs Object Mode."""
        return refuse(cls, "" if context.mode == "OBJECT" else "Switch to Object Mode first")

    def execute(self, context: Context) -> Outcome:
        """Select it, alone."""
        chosen = context.scene.objects[self.head]
        for other in context.view_layer.objects:
            other.select_set(other == chosen)
        context.view_layer.objects.active = chosen
        return {"FINISHED"}


class RETAKE_OT_make_editable(bpy.types.Operator):
    """Make a library override of the linked character, so that takes can be written on it here"""

    bl_idname = "retake.make_editable"
    bl_label = "Make Editable"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Something linked is selected."""
        return refuse(cls, "" if linked_in(context) is not None else "Select a linked character")

    def execute(self, context: Context) -> Outcome:
        """Override it."""

        def work() -> list[str]:
            chosen = linked_in(context)
            assert chosen is not None
            library = next((one.library for one in (chosen, chosen.data) if one is not None and one.library), None)
            head = make_editable(context.scene, context.view_layer, chosen)
            for other in context.view_layer.objects:
                other.select_set(other == head)
            context.view_layer.objects.active = head
            source = f", linked from '{Path(library.filepath).name}'," if library is not None else ""
            return [f"'{head.name}'{source} can be keyed here now; its file is not changed."]

        return reporting(self, work)


def linked_in(context: Context) -> bpy.types.Object | None:
    """The linked character that is meant: the active object where it is an instance of one, else the head."""
    active = getattr(context, "object", None) or context.view_layer.objects.active
    if linked_instance(active) is not None:
        return active
    head = find_head(context)
    return head if is_locked_by_link(head) else None


class RETAKE_OT_import_audio(bpy.types.Operator):
    """Place a recording in the sequencer, in sync, and direct the head by it"""

    bl_idname = "retake.import_audio"
    bl_label = "Import Audio"
    bl_options = {"REGISTER", "UNDO"}

    filepath: bpy.props.StringProperty(name="Recording", subtype="FILE_PATH", options=compat.RELATIVE_PATHS)
    filter_glob: bpy.props.StringProperty(
        default="*.wav;*.flac;*.mp3;*.ogg;*.m4a;*.aac;*.aif;*.aiff;*.mp4;*.mov", options={"HIDDEN"}
    )
    frame: bpy.props.IntProperty(
        name="Frame", description="Where the recording starts; the scene's first frame unless set"
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """A recording belongs to a head."""
        return refuse(cls, why_no_head(context))

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """Ask for the file, unless there is no head to direct by it."""
        outcome = reporting(self, lambda: current_shot(context) and None)
        if outcome != {"FINISHED"}:
            return outcome
        self.frame = context.scene.frame_start  # shown beside the files
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Context) -> Outcome:
        """Place it."""
        return reporting(self, lambda: self._import(context))

    def _import(self, context: Context) -> list[str]:
        scene, shot = context.scene, current_shot(context)
        if not self.filepath:
            raise AudioError("No file was chosen.", "Choose a recording, e.g. a WAV or FLAC file.")
        path = Path(bpy.path.abspath(self.filepath))
        seconds = audio.check_recording(path)
        frame = self.frame if self.properties.is_property_set("frame") else scene.frame_start
        may_fit = not audio.scene_has_animation(scene)
        record = shot.record
        if compat.has_audio():
            audio.remove_strips(scene, record.uid)
            audio.add_strip(scene, path, frame, record.uid)
            compat.show_in_sequencer(scene)
        scene.sync_mode, scene.use_audio = "AUDIO_SYNC", True
        record.audio_path, record.audio_frame = str(path), frame
        if may_fit:
            clock = AudioClock.of_strip(scene.render.fps, scene.render.fps_base, frame)
            audio.fit_scene_range(scene, clock, seconds)
        silent = ["This Blender has no sound: the recording drives the head but is not heard."]
        return mark_for_other(shot, path.name, seconds) + ([] if compat.has_audio() else silent)


_strip_items: list[tuple[str, str, str]] = []


def strips_to_use(context: Context) -> list[Any]:
    """Sound strips of the scene that drive no head yet, in order of time."""
    records = [record for record in context.scene.retake.heads if record.head is not None]
    return audio.free_strips(context.scene, [record.uid for record in records])


def strip_items(operator: object, context: Context | None) -> list[tuple[str, str, str]]:
    """The scene's free sound strips, for a menu; Blender needs the strings kept alive."""
    strips = strips_to_use(context) if context is not None else []
    _strip_items[:] = [(strip.name, strip.name, f"Direct the head by '{strip.name}'") for strip in strips]
    return _strip_items


class RETAKE_OT_use_strip(bpy.types.Operator):
    """Direct the head by a sound strip that is in the sequencer already; the strip stays as it is"""

    bl_idname = "retake.use_strip"
    bl_label = "Use a Sound Strip"
    bl_options = {"REGISTER", "UNDO"}

    strip: bpy.props.EnumProperty(items=strip_items, name="Strip")

    @classmethod
    def poll(cls, context: Context) -> bool:
        """A recording belongs to a head."""
        none = "No sound strip is free: press Import Audio"
        return refuse(cls, why_no_head(context) or ("" if strips_to_use(context) else none))

    def execute(self, context: Context) -> Outcome:
        """Use it."""

        def work() -> list[str]:
            shot = current_shot(context)
            strip = next(one for one in strips_to_use(context) if one.name == self.strip)
            path, clock = audio.choose_strip(context.scene, strip, shot.record.uid)
            shot.record.audio_path, shot.record.audio_frame = str(path), clock.start_frame
            told = f"'{strip.name}' drives '{shot.head.name}' from frame {clock.start_frame:g} on."
            return [told, *mark_for_other(shot, path.name, audio.check_recording(path))]

        return reporting(self, work)


def mark_for_other(shot: Shot, name: str, seconds: float) -> list[str]:
    """Mark the takes that were made for another recording than the one that drives the head now, and say so."""
    others = state.load_library(shot.record).made_for_other(name, seconds)
    if not others:
        return []
    notes = state.load_notes(shot.record)
    notes.stale = sorted({*notes.stale, *(take.id for take in others)})
    state.save_notes(shot.record, notes)
    recordings = " and ".join(f"'{made}'" for made in dict.fromkeys(take.settings.recording for take in others))
    listed = others[0].name if len(others) == 1 else f"{others[0].name} and {len(others) - 1} more"
    were = "was" if len(others) == 1 else "were"
    return [f"{listed} {were} made for {recordings}, not for '{name}': update what you keep, or make new takes."]


CLASSES = (
    RETAKE_OT_add_head,
    RETAKE_OT_add_flame_head,
    RETAKE_OT_pick_head,
    RETAKE_OT_make_editable,
    RETAKE_OT_import_audio,
    RETAKE_OT_use_strip,
)
