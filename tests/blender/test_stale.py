# SPDX-License-Identifier: GPL-3.0-or-later
"""The mark of takes that were made with other keys, or for another recording."""

from __future__ import annotations

from pathlib import Path

import bpy
import pytest

from retake.addon.operators.generate import shown_and_stale, why_stale
from retake.addon.operators.session import session
from retake.addon.scene.state import load_library

from .helpers import Stage, write_speech

ALL = {"MOUTH", "UPPER_FACE", "EYES", "HEAD"}


@pytest.fixture
def taken(stage: Stage) -> Stage:
    stage.generate(count=3, parts=ALL)
    return stage


def stale(stage: Stage) -> list[int]:
    return shown_and_stale(bpy.context)[1]


def test_showing_one_take_marks_all_that_are_stale(taken: Stage) -> None:
    taken.key_value("jawOpen", 20, 0.9)
    bpy.ops.retake.show_take(take=2)
    assert stale(taken) == [1, 2, 3]
    bpy.ops.retake.update_take()
    assert stale(taken) == [1, 3]


def test_a_key_that_is_taken_back_takes_the_marks_back(taken: Stage) -> None:
    point = taken.key_value("jawOpen", 20, 0.9)
    bpy.ops.retake.show_take(take=2)
    bpy.ops.retake.update_take()
    point = taken.point("jawOpen", 20)
    taken.curve("jawOpen").keyframe_points.remove(point)
    bpy.ops.retake.show_take(take=1)
    assert stale(taken) == [2]


def test_the_original_marks_them_too(taken: Stage) -> None:
    taken.key_value("jawOpen", 20, 0.9)
    bpy.ops.retake.show_original()
    assert stale(taken) == [1, 2, 3]


def test_a_key_of_another_part_marks_no_take(stage: Stage) -> None:
    stage.generate(count=1, parts=ALL)
    stage.generate(count=1, seed=5, parts={"EYES"})
    stage.key_value("jawOpen", 20, 0.9)
    bpy.ops.retake.show_take(take=2)
    assert stale(stage) == [1]


def test_another_recording_is_said_and_marks_the_takes(
    taken: Stage, speech: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "second.wav"
    write_speech(other, seconds=2.5)
    capfd.readouterr()
    bpy.ops.retake.import_audio(filepath=str(other), frame=1)
    sentence = "Take 1 and 2 more were made for 'speech.wav', not for 'second.wav': update what you keep, or make new"
    assert sentence in capfd.readouterr().out
    assert stale(taken) == [1, 2, 3]
    assert why_stale(bpy.context, load_library(taken.record).takes[1]) == "other recording"
    bpy.ops.retake.show_take(take=2)
    assert stale(taken) == [1, 2, 3]
    bpy.ops.retake.update_take()
    assert stale(taken) == [1, 3]
    bpy.ops.retake.import_audio(filepath=str(speech), frame=1)
    bpy.ops.retake.show_take(take=1)
    assert stale(taken) == [2]


def test_the_same_recording_elsewhere_marks_nothing(taken: Stage, speech: Path) -> None:
    session.sentence = ""
    bpy.ops.retake.import_audio(filepath=str(speech), frame=40)
    assert "made for" not in session.sentence
    assert stale(taken) == []
