# SPDX-License-Identifier: GPL-3.0-or-later
"""What a window would draw: a name that this Blender does not know would leave a panel empty."""

from __future__ import annotations

import re

import bpy

from retake.addon.operators.session import ROOT
from retake.addon.registration import CLASSES

FILES = [*(ROOT / "addon" / "ui").glob("*.py"), *(ROOT / "addon" / "operators").glob("*.py")]


def test_every_icon_is_known_to_this_blender() -> None:
    known = set(bpy.types.UILayout.bl_rna.functions["prop"].parameters["icon"].enum_items.keys())
    used = set()
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        used |= set(re.findall(r'icon="([A-Z0-9_]+)"', text))
        used |= set(re.findall(r'icon="[A-Z0-9_]+" if [^)]*? else "([A-Z0-9_]+)"', text))
    assert len(used) > 20
    assert used - known == set()


def test_every_operator_that_a_panel_draws_is_registered(registered: None) -> None:
    pattern = r'operator(?:_menu_enum)?\(\s*"(\w+\.\w+)"'
    drawn = {name for path in FILES for name in re.findall(pattern, path.read_text(encoding="utf-8"))}
    known = {cls.bl_idname for cls in CLASSES if issubclass(cls, bpy.types.Operator)}
    assert "retake.new_takes" in drawn
    assert {name for name in drawn if name.startswith("retake.")} - known == set()


def test_every_parent_panel_comes_before_its_children() -> None:
    seen: set[str] = set()
    for cls in CLASSES:
        if issubclass(cls, bpy.types.Panel):
            parent = getattr(cls, "bl_parent_id", "")
            assert not parent or parent in seen, cls.__name__
            seen.add(cls.bl_idname)
