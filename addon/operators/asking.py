# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking in a window what becomes of changed and baked keys, before something is generated over them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import bpy

from ..core.keys import Finding, FindingKind
from .common import Context, Outcome
from .notices import finding_notices

CORRECTED_ITEMS = (
    ("KEEP", "Keep", "Generated keys that were changed together are all given"),
    ("PEAKS", "Keep Peaks Only", "Only the turning points of what was changed are given"),
    ("REDO", "Redo", "What was changed is generated anew"),
)
BAKE_ITEMS = (
    ("KEEP", "Keep", "Baked keys are given"),
    ("REDO", "Replace", "Baked keys are generated anew; the original take brings them back"),
)
SHOWN_SENTENCES = 6


def choice_about(finding: Finding) -> str:
    """Name of the property that decides about a finding."""
    return "bakes" if finding.kind is FindingKind.BAKE else "corrected"


def undecided(operator: bpy.types.Operator, found: Iterable[Finding]) -> list[Finding]:
    """What was found that the caller of an operator did not decide about."""
    return [finding for finding in found if not operator.properties.is_property_set(choice_about(finding))]


def ask(operator: bpy.types.Operator, found: Sequence[Finding]) -> Outcome:
    """Open the dialog; it calls the operator again, as it was called, with the choices."""
    chosen = {
        name: sorted(value) if isinstance(value := getattr(operator, name), set) else value
        for name, _ in operator.properties.bl_rna.properties.items()
        if name != "rna_type" and operator.properties.is_property_set(name)
    }
    bpy.ops.retake.decide(
        "INVOKE_DEFAULT",
        operator=operator.bl_idname.replace("_OT_", ".").rpartition(".")[2],
        settings=json.dumps(chosen),
        sentences="\n".join(finding_notices(found)),
        undecided={choice_about(finding).upper() for finding in found},
    )
    return {"CANCELLED"}


class RETAKE_OT_decide(bpy.types.Operator):
    """Decide what becomes of keys that were changed together, and of bakes"""

    bl_idname = "retake.decide"
    bl_label = "Changed Keys"
    bl_options = {"INTERNAL"}

    operator: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    settings: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"}, description="What it was called with, as JSON")
    sentences: bpy.props.StringProperty(options={"HIDDEN", "SKIP_SAVE"})
    undecided: bpy.props.EnumProperty(
        items=(("CORRECTED", "Changed Keys", ""), ("BAKES", "Bakes", "")),
        options={"ENUM_FLAG", "HIDDEN", "SKIP_SAVE"},
    )
    corrected: bpy.props.EnumProperty(items=CORRECTED_ITEMS, name="Changed Keys", options={"SKIP_SAVE"})
    bakes: bpy.props.EnumProperty(items=BAKE_ITEMS, name="Bakes", options={"SKIP_SAVE"})

    def invoke(self, context: Context, event: bpy.types.Event) -> Outcome:
        """Ask."""
        return context.window_manager.invoke_props_dialog(self, width=640)

    def draw(self, context: Context) -> None:
        """What was found, and the choices."""
        sentences = self.sentences.split("\n")
        for sentence in sentences[:SHOWN_SENTENCES]:
            self.layout.label(text=sentence)
        if len(sentences) > SHOWN_SENTENCES:
            self.layout.label(text=f"And {len(sentences) - SHOWN_SENTENCES} more.")
        for name in ("corrected", "bakes"):
            if name.upper() in self.undecided:
                self.layout.label(text=self.bl_rna.properties[name].name)
                self.layout.row().prop(self, name, expand=True)

    def execute(self, context: Context) -> Outcome:
        """Call the operator with the choices; in a window it goes on without blocking."""
        options = json.loads(self.settings or "{}")
        options |= {name: set(value) for name, value in options.items() if isinstance(value, list)}
        options |= {name: getattr(self, name) for name in ("corrected", "bakes") if name.upper() in self.undecided}
        call = getattr(bpy.ops.retake, self.operator)
        try:
            call("EXEC_DEFAULT" if bpy.app.background else "INVOKE_DEFAULT", **options)
        except RuntimeError as error:  # how Blender hands on what an operator reported
            self.report({"ERROR"}, str(error).removeprefix("Error: ").strip())
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (RETAKE_OT_decide,)
