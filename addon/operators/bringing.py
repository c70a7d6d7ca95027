# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operators share that bring performances in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import bpy

from ...backend.errors import InputError
from .. import compat
from ..core.wording import shortened
from ..scene.performance import Performance, Written, beyond_limits, left_told, past_the_end, write_tracks
from ..scene.pointer import counting
from ..scene.shot import Shot
from .common import Context, Outcome, current_shot, refuse, reporting, why_no_head, why_no_shape_keys


class BringIn:
    """A file is chosen, and comes onto the head as keys from a frame on."""

    bl_options = {"REGISTER", "UNDO"}

    entry = ""
    """In the menus and the panel."""

    filepath: bpy.props.StringProperty(name="File", subtype="FILE_PATH", options=compat.RELATIVE_PATHS)
    frame_start: bpy.props.IntProperty(
        name="Start Frame",
        options={"SKIP_SAVE"},
        min=-1_048_574,  # as far as Blender's frames go
        max=1_048_574,
        description="Where the performance starts; the scene's first frame unless set",
    )

    @classmethod
    def poll(cls, context: Context) -> bool:
        """There is a head with shape keys."""
        return refuse(cls, why_no_head(context) or why_no_shape_keys(context))

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """Ask for the file, unless the head cannot be keyed."""
        outcome = reporting(self, lambda: self.shot(context) and None)
        if outcome != {"FINISHED"}:
            return outcome
        if not self.properties.is_property_set("frame_start"):
            self.frame_start = context.scene.frame_start
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context: Context) -> Outcome:
        """Bring it in."""
        with counting(1):
            return reporting(self, lambda: self.bring_in(context, self.shot(context)))

    def shot(self, context: Context) -> Shot:
        """The head that is meant."""
        return current_shot(context)

    if TYPE_CHECKING:  # each operator has its own

        def bring_in(self, context: Context, shot: Shot) -> list[str]:
            """Key the file on a head; sentences for the animator."""

    def keyed(self, context: Context, shot: Shot, performance: Performance) -> list[str]:
        """Key a performance; sentences that tell what was keyed and what was left."""
        if not performance.tracks:
            raise InputError(f"'{shot.head.name}' has no place for anything in the file.", "Choose another head.")
        first = self.first_frame(context)
        return told(context.scene, first, performance, write_tracks(shot, performance.tracks, first))

    def chosen(self) -> Path:
        """The file.

        Raises:
            InputError: None was chosen.
        """
        if not self.filepath:
            raise InputError("No file was chosen.", "Choose one.")
        return Path(bpy.path.abspath(self.filepath))

    def first_frame(self, context: Context) -> int:
        """Where the performance starts."""
        return int(self.frame_start if self.properties.is_property_set("frame_start") else context.scene.frame_start)


def frames_a_second(scene: bpy.types.Scene) -> float:
    """The scene's frame rate."""
    return float(scene.render.fps / scene.render.fps_base)


def told(scene: bpy.types.Scene, first: int, performance: Performance, written: Written) -> list[str]:
    """What was keyed, on which frames, and what was left."""
    last = first + len(performance.tracks[0].values) - 1
    targets = [target for track in written.tracks for target in track.targets]
    keys = len({target.data_path for target in targets if target.block is not None})
    counted = [f"{keys} shape key{'s' if keys != 1 else ''}"] * bool(keys)
    counted += [track.name for track in written.tracks if any(target.block is None for target in track.targets)]
    sentences = [f"Keyed {', '.join(counted)} on frames {first} to {last}."]
    if performance.left:
        sentences.append(f"Left out, as the head has no place for them: {shortened(performance.left)}.")
    if performance.untold:
        sentences.append(f"Left as they are, as the file does not tell them: {shortened(performance.untold)}.")
    sentences += left_told(written)
    if muted := sorted({target.block.name for target in targets if target.block is not None and target.block.mute}):
        sentences.append(f"These shape keys are muted, so nothing is seen of them: {shortened(muted)}.")
    if passed := beyond_limits(written.tracks):
        sentences.append(f"These shape keys reach their slider limits: {shortened(passed)}.")
    return sentences + past_the_end(scene, last)
