# SPDX-License-Identifier: GPL-3.0-or-later
"""Generating over changed and baked keys: in a window it is asked about, without one it is kept and said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import ClassVar

import bpy
import pytest

from retake.addon.core.keys import Finding, FindingKind
from retake.addon.core.timing import Span
from retake.addon.operators.asking import BAKE_ITEMS, CORRECTED_ITEMS, ask, undecided
from retake.addon.operators.generate import PART_ITEMS
from retake.addon.operators.session import session

from .helpers import GENERATED, Stage, error_of

ALL = {"MOUTH", "UPPER_FACE", "EYES", "HEAD"}


@pytest.fixture
def shifted(stage: Stage) -> Stage:
    """A head with a take whose jaw was moved as a whole."""
    stage.generate(count=1, seed=0, parts=ALL)
    for point in stage.curve("jawOpen").keyframe_points:
        point.co[1] += 0.1
    return stage


@pytest.fixture
def baked(stage: Stage) -> Stage:
    """A head with baked brows."""
    for frame in range(-30, 80):
        stage.key_value("browInnerUp", frame, 0.3)
    return stage


def given_count(stage: Stage, name: str) -> int:
    return int((stage.table(name)["type"] != GENERATED).sum())


def said(stage: Stage, capsys: pytest.CaptureFixture[str], **options: object) -> str:
    capsys.readouterr()
    stage.generate(count=1, seed=5, parts=ALL, **options)
    return capsys.readouterr().out


def test_it_is_said_that_changed_keys_were_kept(shifted: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    assert "The changed keys were kept: all of them are given now (Changed Keys: Keep)." in said(shifted, capfd)
    assert given_count(shifted, "jawOpen") == 97


def test_nothing_is_said_of_keeping_where_it_was_chosen_otherwise(
    shifted: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    assert "were kept" not in said(shifted, capfd, corrected="REDO")
    assert given_count(shifted, "jawOpen") == 0
    assert "were kept" not in said(shifted, capfd)


def test_it_is_said_that_a_bake_was_kept(baked: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    assert "The baked keys were kept: they are given (Bakes: Keep)." in said(baked, capfd)
    assert given_count(baked, "browInnerUp") == 110


@pytest.mark.parametrize(("choice", "left"), [("KEEP", 97), ("REDO", 0)])
def test_the_dialogs_choice_is_what_the_operator_does(shifted: Stage, choice: str, left: int) -> None:
    settings = json.dumps({"count": 2, "seed": 7, "parts": ["EYES", "MOUTH"]})
    bpy.ops.retake.decide(
        operator="new_takes", settings=settings, undecided={"CORRECTED"}, corrected=choice, bakes="REDO"
    )
    assert given_count(shifted, "jawOpen") == left
    order = session.job.order
    assert (order.seeds, order.parts, order.options.bakes.name) == ((7, 8), ("mouth", "eyes"), "KEEP")


def test_the_dialog_says_why_the_operator_refuses(shifted: Stage) -> None:
    settings = json.dumps({"range_mode": "PREVIEW"})
    options = {"operator": "new_takes", "settings": settings, "undecided": {"CORRECTED"}}
    assert error_of(bpy.ops.retake.decide, **options).startswith("The scene has no preview range.")


class Probe(bpy.types.Operator):
    """Asks as New Takes does in a window, and notes what it was called with in the end"""

    bl_idname = "retake.probe"
    bl_label = "Probe"

    corrected: bpy.props.EnumProperty(items=CORRECTED_ITEMS, options={"SKIP_SAVE"})
    bakes: bpy.props.EnumProperty(items=BAKE_ITEMS, options={"SKIP_SAVE"})
    parts: bpy.props.EnumProperty(items=PART_ITEMS, options={"ENUM_FLAG"})
    count: bpy.props.IntProperty(default=3)

    found = (
        Finding(FindingKind.BAKE, {}, Span(0, 9), "Baked."),
        Finding(FindingKind.SCALED, {}, Span(0, 9), "Scaled."),
    )
    calls: ClassVar[list[dict[str, object]]] = []

    def execute(self, context: bpy.types.Context) -> set[str]:
        open_questions = undecided(self, self.found)
        self.calls.append({finding.sentence: True for finding in open_questions} | {"count": self.count})
        return ask(self, open_questions) if open_questions else {"FINISHED"}


@pytest.fixture
def probe(registered: None) -> Iterator[list[dict[str, object]]]:
    bpy.utils.register_class(Probe)
    yield Probe.calls
    Probe.calls.clear()
    bpy.utils.unregister_class(Probe)


def test_only_what_the_caller_left_open_is_asked(probe: list[dict[str, object]]) -> None:
    bpy.ops.retake.probe(corrected="KEEP", bakes="KEEP")
    assert probe == [{"count": 3}]


def test_the_operator_goes_on_as_it_was_called(probe: list[dict[str, object]]) -> None:
    assert bpy.ops.retake.probe(corrected="KEEP", count=5, parts={"EYES"}) == {"CANCELLED"}
    assert probe == [{"Baked.": True, "count": 5}, {"count": 5}]


def test_the_order_tells_what_can_be_decided(shifted: Stage) -> None:
    shifted.generate(count=1, seed=3, parts={"EYES"})
    assert not session.job.order.questions
    shifted.generate(count=1, seed=4, parts={"MOUTH"})
    assert len(session.job.order.questions) == 1


def test_the_same_of_many_channels_is_one_sentence(baked: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    for frame in range(-30, 80):
        baked.key_value("browDownLeft", frame, 0.3)
    baked.generate(count=1, seed=0, parts=ALL)
    for name in ("jawOpen", "mouthClose", "mouthPucker", "mouthFunnel", "mouthLeft"):
        for frame in range(20, 31):
            baked.point(name, frame).co[1] = 0.5 + 0.04 * (frame % 3)
    lines = said(baked, capfd).splitlines()
    assert len([line for line in lines if "in a row of" in line]) == 1
    assert any(" generated keys in a row of " in line and " and 2 more were changed" in line for line in lines)
    assert any("browDownLeft, browInnerUp are baked: " in line for line in lines)
