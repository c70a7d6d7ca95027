# SPDX-License-Identifier: GPL-3.0-or-later
"""A keying set for each group of controls, so that I in the 3D View keys them as animators are used to."""

from __future__ import annotations

from typing import Any

import bpy

from ..core.poses import GROUPS
from ..operators.common import why_no_head, why_no_shape_keys
from ..scene.keying import targets_of
from ..scene.shot import find_head, open_shot


class GroupKeyingSet:
    """What the keying sets have in common."""

    group = ""

    def poll(self, context: Any) -> bool:
        """There is a head to key."""
        return not (why_no_head(context) or why_no_shape_keys(context))

    def iterator(self, context: Any, keying_set: Any) -> None:
        """One round: the head that is meant."""
        self.generate(context, keying_set, find_head(context))

    def generate(self, context: Any, keying_set: Any, head: Any) -> None:
        """Add the paths of the group's controls."""
        shot = open_shot(context.scene, head)
        for target in targets_of(shot, GROUPS[self.group]):
            index = -1 if target.owner == head.data.shape_keys else target.index
            keying_set.paths.add(target.owner, target.data_path, index=index)


def _keying_set(group: str) -> type[Any]:
    name = f"RETAKE_KSI_{group.replace(' ', '_')}"
    members = {
        "__doc__": f"Key the controls of the group '{group}' of the head that is meant",
        "bl_idname": name,
        "bl_label": f"Retake: {group.title()}",
        "group": group,
    }
    return type(name, (GroupKeyingSet, bpy.types.KeyingSetInfo), members)


CLASSES = tuple(_keying_set(group) for group in GROUPS)
