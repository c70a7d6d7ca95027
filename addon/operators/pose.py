# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that key: the pose, what plays, a mouth shape, a blink."""

from __future__ import annotations

import bpy

from ...backend.errors import InputError
from ...backend.protocol import CHANNEL_NAMES, PARTS
from ..core.channels import channels_of
from ..core.poses import GROUPS, MOUTH_SHAPES, SHAPED, shape_values
from ..core.steps import finish
from ..core.wording import shortened
from ..scene import keying, state
from ..scene.shot import Shot
from . import direct
from .common import Context, Outcome, current_shot, refuse, reporting, why_no_head, why_no_shape_keys
from .generate import PART_ITEMS
from .reading import Options

CHANGED = 1e-4  # weights or rad by which a slider must differ from what plays to count as moved
GROUP_ITEMS = (
    ("CHANGED", "What Was Moved", "The controls that differ from what plays at the playhead"),
    *((group.upper(), group.capitalize(), f"All controls of the group '{group}'") for group in GROUPS),
)
SHAPE_ITEMS = tuple((name, name, f"The mouth of {name}, as it is spoken") for name in MOUTH_SHAPES)
BLINK_SECONDS = (0.10, 0.17)  # lids close in the first and open in the second


class KeyingOperator:
    """There is a head with shape keys."""

    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def poll(cls, context: Context) -> bool:
        """Whether there is something to key."""
        return refuse(cls, why_no_head(context) or why_no_shape_keys(context))


def told(shot: Shot, count: int, what: str, frames: str, left: list[str]) -> list[str]:
    """What was keyed, where ("frame 7"), what to press, and what was left alone."""
    update = " Press Update Take to let the rest follow." if shot.record.library else ""
    sentences = [f"{count} {what}{'s' if count != 1 else ''} keyed at {frames}.{update}"]
    return [*sentences, f"Left as they are: {shortened(left)}."] if left else sentences


class RETAKE_OT_key_pose(KeyingOperator, bpy.types.Operator):
    """Key the sliders that were moved, or a whole group, at the playhead: every take will pass through them"""

    bl_idname = "retake.key_pose"
    bl_label = "Key Pose"

    group: bpy.props.EnumProperty(items=GROUP_ITEMS, name="What")

    def execute(self, context: Context) -> Outcome:
        """Key them."""

        def work() -> list[str]:
            shot = current_shot(context)
            frame = shot.scene.frame_current_final
            if self.group == "CHANGED":
                channels = {
                    name
                    for target in shot.targets
                    if abs(target.static - keying.plays(shot, target, frame)) > CHANGED
                    for name in target.channels
                }
                if not channels:
                    raise InputError(
                        f"No slider differs from what plays at frame {frame:g}.",
                        "Move one first; to keep what plays press Keep This Pose.",
                    )
            else:
                channels = set(GROUPS[self.group.lower()])
            targets = keying.targets_of(shot, channels)
            left = keying.key_targets(shot, targets, frame)
            return told(shot, len(targets) - len(left), "control", f"frame {frame:g}", left)

        return reporting(self, work)


class RETAKE_OT_toggle_key(KeyingOperator, bpy.types.Operator):
    """Key this control at the playhead as it is, or remove your key of it there"""

    bl_idname = "retake.toggle_key"
    bl_label = "Key or Unkey"

    channels: bpy.props.StringProperty(name="Channels", description="Names, with commas between them")

    def execute(self, context: Context) -> Outcome:
        """Key it, or take its key away and let the take that plays fill the place."""

        def work() -> list[str]:
            shot = current_shot(context)
            frame = shot.scene.frame_current_final
            targets = keying.targets_of(shot, self.channels.split(","))
            keyed = [target for target in targets if keying.is_keyed(shot, target, frame)]
            if not keyed:
                left = keying.key_targets(shot, targets, frame)
                return told(shot, len(targets) - len(left), "control", f"frame {frame:g}", left)
            for target in keyed:
                keying.unpin(target, [keying.point_at(shot, target, frame)])
                target.fcurve.update()
            take = state.load_notes(shot.record).shown
            if take:
                finish(direct.show_take(shot, take, Options()))
            return [f"{len(keyed)} key{'s' if len(keyed) > 1 else ''} of yours removed at frame {frame:g}."]

        return reporting(self, work)


class RETAKE_OT_keep_pose(KeyingOperator, bpy.types.Operator):
    """Keep what plays at the playhead just as it is: the chosen parts are keyed there, though no value changed"""

    bl_idname = "retake.keep_pose"
    bl_label = "Keep This Pose"

    parts: bpy.props.EnumProperty(
        items=PART_ITEMS, options={"ENUM_FLAG"}, name="Parts", default={item[0] for item in PART_ITEMS}
    )

    def execute(self, context: Context) -> Outcome:
        """Key them."""

        def work() -> list[str]:
            shot = current_shot(context)
            frame = shot.scene.frame_current_final
            parts = [part for part in PARTS if part.upper() in self.parts]
            targets = keying.targets_of(shot, channels_of(parts) if parts else CHANNEL_NAMES)
            left = keying.key_targets(shot, targets, frame)
            return told(shot, len(targets) - len(left), "control", f"frame {frame:g}", left)

        return reporting(self, work)


class RETAKE_OT_mouth_shape(KeyingOperator, bpy.types.Operator):
    """Key the mouth of a sound at the playhead, for two frames"""

    bl_idname = "retake.mouth_shape"
    bl_label = "Mouth Shape"

    shape: bpy.props.EnumProperty(items=SHAPE_ITEMS, name="Sound")
    strength: bpy.props.FloatProperty(name="Strength", default=1.0, min=0.0, max=2.0, description="1 is as spoken")

    def execute(self, context: Context) -> Outcome:
        """Key it."""

        def work() -> list[str]:
            shot = current_shot(context)
            frame = shot.scene.frame_current_final
            targets = keying.targets_of(shot, SHAPED)
            values = keying.values_for(shot, shape_values(self.shape, self.strength))
            left = keying.key_targets(shot, targets, frame, values)
            keying.key_targets(shot, targets, frame + 1.0, values)
            frames = f"frames {frame:g} and {frame + 1.0:g}"
            sentences = told(shot, len(targets) - len(left), "mouth control", frames, left)
            return [f"{self.shape}: {sentences[0]}", *sentences[1:]]

        return reporting(self, work)


def _more_open(value: float, ajar: float, shut: float) -> float:
    """The one of two values of a lid that is farther from where it is shut."""
    return max(value, ajar, key=lambda one: abs(one - shut))


class RETAKE_OT_add_blink(KeyingOperator, bpy.types.Operator):
    """Key a blink whose lids are shut at the playhead"""

    bl_idname = "retake.add_blink"
    bl_label = "Add Blink"

    def execute(self, context: Context) -> Outcome:
        """Key it."""

        def work() -> list[str]:
            shot = current_shot(context)
            frame, render = shot.scene.frame_current_final, shot.scene.render
            fps = render.fps / render.fps_base
            targets = keying.targets_of(shot, ("eyeBlinkLeft", "eyeBlinkRight"))
            if not targets:
                raise InputError("Nothing of this head carries 'eyeBlinkLeft' or 'eyeBlinkRight'.")
            lids = ("eyeBlinkLeft", "eyeBlinkRight")
            shut, ajar = (keying.values_for(shot, dict.fromkeys(lids, amount)) for amount in (1.0, 0.2))
            before, after = frame - round(BLINK_SECONDS[0] * fps), frame + round(BLINK_SECONDS[1] * fps)
            around = {
                at: {target.curve_id: keying.plays(shot, target, at) for target in targets} for at in (before, after)
            }
            left = keying.key_targets(shot, targets, frame, shut)
            for at, values in around.items():
                open_ = {name: _more_open(value, ajar[name], shut[name]) for name, value in values.items()}
                keying.key_targets(shot, targets, at, open_)
            sentences = told(shot, len(targets) - len(left), "lid", f"frame {frame:g}", left)
            return [f"A blink from frame {before:g} to {after:g}. {sentences[0]}", *sentences[1:]]

        return reporting(self, work)


def pin_selected(shot: Shot) -> list[str]:
    """Make selected generated keys the animator's."""
    count = keying.each_selected(shot, keying.pin)
    if not count:
        raise InputError("No generated key is selected.", "Select some in the Dope Sheet or the Graph Editor.")
    return [f"{count} generated key{'s are' if count > 1 else ' is'} kept now."]


def unpin_selected(shot: Shot) -> list[str]:
    """Remove the animator's selected keys, and show the take again."""
    count = keying.each_selected(shot, keying.unpin)
    if not count:
        raise InputError("No key of yours is selected.", "Select some in the Dope Sheet or the Graph Editor.")
    take = state.load_notes(shot.record).shown
    if take:
        finish(direct.show_take(shot, take, Options()))
    again = " The take plays there again." if take else ""
    return [f"{count} key{'s are' if count > 1 else ' is'} gone.{again} Press Update Take to let the rest follow."]


def hold_selected(shot: Shot) -> list[str]:
    """Turn neighbouring selected keys into holds: the animator's own where two are among them, else generated ones.

    So two columns of the Dope Sheet can be selected, and only what was keyed there is held.
    """
    only_own = keying.each_selected(shot, keying.own_pairs) > 0
    count = keying.each_selected(shot, keying.hold_own if only_own else keying.hold)
    if not count:
        raise InputError("No two keys of one channel are selected.", "Select a hold's first and last key.")
    return [f"{count // 2} hold{'s' if count > 2 else ''} made. Press Update Take to let the rest follow."]


class RETAKE_OT_pin_keys(KeyingOperator, bpy.types.Operator):
    """Make selected generated keys yours, as they are: no take changes them"""

    bl_idname = "retake.pin_keys"
    bl_label = "Pin Selected"

    def execute(self, context: Context) -> Outcome:
        """Pin them."""
        return reporting(self, lambda: pin_selected(current_shot(context)))


class RETAKE_OT_unpin_keys(KeyingOperator, bpy.types.Operator):
    """Remove selected keys of yours, and let the take that plays fill their place"""

    bl_idname = "retake.unpin_keys"
    bl_label = "Unpin Selected"

    def execute(self, context: Context) -> Outcome:
        """Remove them."""
        return reporting(self, lambda: unpin_selected(current_shot(context)))


class RETAKE_OT_hold_keys(KeyingOperator, bpy.types.Operator):
    """Turn two neighbouring selected keys into a hold: the first one's value stays up to the second"""

    bl_idname = "retake.hold_keys"
    bl_label = "Hold"

    def execute(self, context: Context) -> Outcome:
        """Hold."""
        return reporting(self, lambda: hold_selected(current_shot(context)))


class RETAKE_OT_select_generated(KeyingOperator, bpy.types.Operator):
    """Select the generated keys of this head, and no others of it"""

    bl_idname = "retake.select_generated"
    bl_label = "Select Generated"

    def execute(self, context: Context) -> Outcome:
        """Select them."""
        shot = current_shot
        return reporting(self, lambda: [f"{keying.select_generated(shot(context))} generated keys are selected."])


CLASSES = (
    RETAKE_OT_key_pose,
    RETAKE_OT_toggle_key,
    RETAKE_OT_keep_pose,
    RETAKE_OT_mouth_shape,
    RETAKE_OT_add_blink,
    RETAKE_OT_pin_keys,
    RETAKE_OT_unpin_keys,
    RETAKE_OT_hold_keys,
    RETAKE_OT_select_generated,
)
