# SPDX-License-Identifier: GPL-3.0-or-later
"""Given values in the scene: corrected, deleted, held, baked, locked and muted keys; nothing free."""

from __future__ import annotations

from collections.abc import Callable

import bpy
import numpy as np
import pytest

from retake.addon import compat
from retake.addon.operators.session import session
from retake.addon.scene.audio import find_strip

from .helpers import GENERATED, Stage, error_of


def rekey(stage: Stage, channel: str, frame: float, value: float) -> None:
    """Re-key a generated key as an animator does: Blender leaves its type GENERATED."""
    block = stage.key.key_blocks[channel]
    block.value = value
    block.keyframe_insert("value", frame=frame)
    assert stage.point(channel, frame).type == "GENERATED"


@pytest.fixture
def taken(stage: Stage) -> Stage:
    """A stage with two takes of everything, the first shown."""
    stage.generate(count=2, parts={"MOUTH", "UPPER_FACE", "EYES", "HEAD"})
    return stage


def test_a_corrected_key_is_exact_on_every_take(taken: Stage) -> None:
    rekey(taken, "jawOpen", 21, 0.77)
    bpy.ops.retake.show_take(take=2)
    assert abs(taken.at("jawOpen", [21])[0] - 0.77) <= 1e-6
    assert taken.point("jawOpen", 21).type == "KEYFRAME"
    bpy.ops.retake.show_take(take=1)
    bpy.ops.retake.update_take(all_takes=True)
    for take in (1, 2):
        bpy.ops.retake.show_take(take=take)
        assert abs(taken.at("jawOpen", [21])[0] - 0.77) <= 1e-6


def test_how_many_corrected_keys_are_kept_is_said_once(taken: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    for channel, frame in (("jawOpen", 21), ("browInnerUp", 25), ("eyeBlinkLeft", 30)):
        rekey(taken, channel, frame, 0.77)
    bpy.ops.retake.show_take(take=2)
    assert "3 corrected keys are now kept." in capsys.readouterr().out
    rekey(taken, "jawOpen", 35, 0.5)
    bpy.ops.retake.update_take()
    assert "1 corrected key is now kept." in capsys.readouterr().out
    bpy.ops.retake.show_take(take=1)
    assert "now kept" not in capsys.readouterr().out


def test_moved_handles_alone_promote_nothing(taken: Stage) -> None:
    point = taken.point("jawOpen", 21)
    point.handle_left_type = point.handle_right_type = "FREE"
    point.handle_left[1] += 0.2
    bpy.ops.retake.show_take(take=2)
    assert 21 in taken.generated("jawOpen")


def test_a_deleted_key_is_refilled(taken: Stage) -> None:
    curve = taken.curve("jawOpen")
    curve.keyframe_points.remove(taken.point("jawOpen", 21))
    assert 21 not in taken.generated("jawOpen")
    bpy.ops.retake.show_take(take=2)
    assert 21 in taken.generated("jawOpen")


def test_a_moved_key_is_given_where_it_went(taken: Stage) -> None:
    point = taken.point("jawOpen", 21)
    point.co = (21.3, 0.66)
    bpy.ops.retake.show_take(take=2)
    assert abs(taken.at("jawOpen", [21.3])[0] - 0.66) <= 1e-5
    assert np.abs(taken.generated("jawOpen") - 21.3).min() > 0.5


@pytest.mark.parametrize("choice", ["KEEP", "PEAKS", "REDO"])
def test_a_reshaped_span_is_kept_reduced_or_redone(taken: Stage, choice: str) -> None:
    frames = np.arange(20, 31)
    shape = 0.5 + 0.4 * np.sin((frames - 20) * np.pi / 5)
    for frame, value in zip(frames, shape, strict=True):
        taken.point("jawOpen", frame).co[1] = value
    bpy.ops.retake.update_take(corrected=choice)
    given = [frame for frame in frames if frame not in taken.generated("jawOpen")]
    wrong = np.abs(taken.at("jawOpen", frames) - shape)
    if choice == "KEEP":
        assert given == frames.tolist()
        assert wrong.max() <= 1e-6
    elif choice == "PEAKS":
        assert 0 < len(given) < 6
        assert wrong[[frame - 20 for frame in given]].max() <= 1e-6
    else:
        assert given == []
        assert wrong.max() > 0.05


def test_a_moving_hold_gives_every_frame(stage: Stage) -> None:
    for frame in (15, 27):
        stage.key_value("mouthSmileLeft", frame, 0.6, type="MOVING_HOLD")
    stage.generate(count=2)
    for take in (1, 2):
        bpy.ops.retake.show_take(take=take)
        assert np.abs(stage.at("mouthSmileLeft", np.arange(15, 27.01, 0.25)) - 0.6).max() <= 1e-5
        ours = stage.generated("mouthSmileLeft")
        assert not ((ours > 14.5) & (ours < 27.5)).any()
        assert (ours < 14.6).any()
        assert (ours > 27.4).any()


def test_a_constant_key_gives_every_frame_up_to_the_next(stage: Stage) -> None:
    stage.key_value("browInnerUp", 12, 0.8, interpolation="CONSTANT")
    stage.key_value("browInnerUp", 30, 0.2)
    stage.generate(count=1)
    assert np.abs(stage.at("browInnerUp", np.arange(12, 29.99, 0.25)) - 0.8).max() <= 1e-6
    assert abs(stage.at("browInnerUp", [30])[0] - 0.2) <= 1e-6
    ours = stage.generated("browInnerUp")
    assert not ((ours > 11.5) & (ours < 30.5)).any()


@pytest.mark.parametrize("kind", ["CONSTANT", "MOVING_HOLD"])
def test_a_hold_lasts_to_the_next_own_key_beyond_the_range(stage: Stage, kind: str) -> None:
    stage.key_value("mouthSmileLeft", 90, 0.2)
    stage.generate(count=2)
    last = stage.generated("mouthSmileLeft").max()
    held = {"interpolation": "CONSTANT"} if kind == "CONSTANT" else {"type": "MOVING_HOLD"}
    if kind == "MOVING_HOLD":
        stage.point("mouthSmileLeft", 90).type = "MOVING_HOLD"
        stage.key_value("mouthSmileLeft", 90, 0.9, type="MOVING_HOLD")
    stage.key_value("mouthSmileLeft", 58, 0.9, **held)
    for update in (lambda: bpy.ops.retake.update_take(), lambda: bpy.ops.retake.show_take(take=2)):
        update()
        frames = np.arange(58.0, 90.0, 0.25)
        assert last > 60
        assert np.abs(stage.at("mouthSmileLeft", frames) - 0.9).max() <= 1e-6
        assert stage.generated("mouthSmileLeft").max() < 58


def test_a_hold_set_on_a_take_clears_our_keys_within(taken: Stage) -> None:
    for frame in (15, 27):
        taken.key_value("mouthSmileLeft", frame, 0.6, type="MOVING_HOLD")
    bpy.ops.retake.update_take()
    assert np.abs(taken.at("mouthSmileLeft", np.arange(15, 27.01, 0.25)) - 0.6).max() <= 1e-5


@pytest.mark.parametrize("kind", ["JITTER", "KEYFRAME"])
def test_a_bake_is_kept_or_replaced_and_comes_back(stage: Stage, kind: str) -> None:
    frames = np.arange(1, 50)
    values = 0.3 + 0.2 * np.sin(frames / 3)
    for frame, value in zip(frames, values, strict=True):
        stage.key_value("cheekPuff", frame, value, type=kind)
    before = stage.table("cheekPuff").tobytes()
    stage.generate(count=1)
    assert any("cheekPuff" in notice for notice in session.job.order.notices)
    assert np.abs(stage.at("cheekPuff", frames) - values).max() <= 1e-6
    stage.generate(count=1, seed=5, bakes="REDO")
    assert len(stage.generated("cheekPuff")) > 45
    assert np.abs(stage.at("cheekPuff", frames) - values).max() > 0.01
    bpy.ops.retake.show_original()
    assert stage.table("cheekPuff").tobytes() == before


def test_nothing_free_is_said_with_what_holds_it(stage: Stage) -> None:
    for name in ("eyeBlinkLeft", "eyeBlinkRight"):
        stage.key_value(name, 10, 0.0, interpolation="CONSTANT")
        stage.key_value(name, 40, 0.0)
    for name in stage.curve_ids():
        if name.startswith("eyeLook"):
            stage.key.key_blocks[name].driver_add("value")
    scene = stage.scene
    scene.use_preview_range, scene.frame_preview_start, scene.frame_preview_end = True, 12, 30
    sentence = error_of(bpy.ops.retake.new_takes, parts={"EYES"}, range_mode="PREVIEW")
    assert sentence.startswith("Nothing is free between frames 12 and 30")
    assert "driver" in sentence or "hold" in sentence
    assert not len(stage.generated("eyeBlinkLeft"))


@pytest.mark.parametrize("state", ["lock", "mute"])
def test_locked_and_muted_curves_are_given_and_not_written(stage: Stage, state: str) -> None:
    for frame, value in ((5, 0.2), (30, 0.9)):
        stage.key_value("mouthFunnel", frame, value)
    setattr(stage.curve("mouthFunnel"), state, True)
    before = stage.table("mouthFunnel").tobytes()
    stage.generate(count=1)
    assert stage.table("mouthFunnel").tobytes() == before
    assert getattr(stage.curve("mouthFunnel"), state)
    given = session.job.order.given
    assert (given.channels == 19).sum() > 60, "dense: every frame is given"


def test_a_locked_span_keeps_what_plays(taken: Stage) -> None:
    bpy.ops.retake.lock_span(frame_start=15, frame_end=30)
    inside = np.arange(15, 30.01, 0.25)
    before = taken.tracks(inside)
    bpy.ops.retake.show_take(take=2)
    after = taken.tracks(inside)
    assert max(float(np.abs(after[name] - before[name]).max()) for name in before) <= 1e-5
    assert np.abs(taken.at("jawOpen", [10.0, 40.0]) - 0).max() > 0
    bpy.ops.retake.lock_span(frame_start=15, frame_end=30, unlock=True)
    bpy.ops.retake.show_take(take=1)
    bpy.ops.retake.show_take(take=2)
    freed = taken.tracks(inside)
    assert max(float(np.abs(freed[name] - before[name]).max()) for name in before) > 1e-3


def test_a_key_that_is_not_a_number_is_one_sentence(stage: Stage) -> None:
    stage.key_value("jawOpen", 20, 0.5)
    stage.curve("jawOpen").keyframe_points.foreach_set("co", np.array([20.0, np.nan], np.float32))
    sentence = error_of(bpy.ops.retake.new_takes)
    assert sentence == "The curve 'jawOpen' holds a key that is not a finite number. Delete that key."
    assert stage.curve("mouthClose") is None


def test_a_head_without_shape_keys_is_one_sentence(stage: Stage) -> None:
    stage.head.shape_key_clear()
    assert error_of(bpy.ops.retake.new_takes) == (
        "'Retake Head' has no shape keys. Choose a head with ARKit-named shape keys, or add ours."
    )


def test_left_out_parts_stay_byte_identical(taken: Stage) -> None:
    before = {name: taken.table(name).tobytes() for name in taken.curve_ids() if not name.startswith(("jaw", "mouth"))}
    before = {name: data for name, data in before.items() if name not in ("cheekPuff", "tongueOut")}
    taken.generate(count=1, seed=9, parts={"MOUTH"})
    for name, data in before.items():
        assert taken.table(name).tobytes() == data, name
    assert session.job.order.parts == ("mouth",)


def test_an_animated_neck_is_left_out_at_first(make_stage: Callable[..., Stage]) -> None:
    stage = make_stage()
    stage.neck.rotation_mode = "XYZ"
    for frame, angle in ((1, 0.0), (40, 0.4)):
        stage.neck.rotation_euler.y = angle
        stage.neck.keyframe_insert("rotation_euler", frame=frame)
    before = [stage.table(name).tobytes() for name in stage.neck_ids()]
    stage.generate(count=1)
    assert "head" not in session.job.order.parts
    assert any("animated already" in notice for notice in session.job.order.notices)
    assert [stage.table(name).tobytes() for name in stage.neck_ids()] == before
    assert (stage.table("jawOpen")["type"] == GENERATED).all()


def own_keys(stage: Stage, channel: str) -> list[tuple[float, float]]:
    """Frames and values of the keys of a curve that are not ours."""
    table = stage.table(channel)
    return [(round(float(f), 3), round(float(v), 3)) for f, v in table["co"][table["type"] != GENERATED]]


def move_audio(stage: Stage, frame: int) -> None:
    """Move the sound strip, as dragging it does."""
    strip = find_strip(stage.scene, stage.record.uid)
    setattr(strip, "content_start" if hasattr(strip, "content_start") else "frame_start", frame)


def test_a_deleted_key_stays_deleted(stage: Stage) -> None:
    for frame, value in ((10, 0.9), (30, 0.7)):
        stage.key_value("jawOpen", frame, value)
    stage.generate(count=2)
    stage.curve("jawOpen").keyframe_points.remove(stage.point("jawOpen", 10))
    bpy.ops.retake.show_take(take=2)
    if compat.has_audio():
        move_audio(stage, 5)
        bpy.ops.retake.show_take(take=1)
    assert own_keys(stage, "jawOpen") == [(30, 0.7)]
    bpy.ops.retake.show_original()
    assert own_keys(stage, "jawOpen") == [(30, 0.7)]
    bpy.ops.retake.show_take(take=1)
    assert own_keys(stage, "jawOpen") == [(30, 0.7)]


def test_a_moved_key_is_not_doubled(stage: Stage) -> None:
    for frame, value in ((10, 0.4), (30, 0.7)):
        stage.key_value("jawOpen", frame, value)
    stage.generate(count=2)
    stage.point("jawOpen", 10).co[0] = 12.25
    stage.curve("jawOpen").update()
    bpy.ops.retake.show_take(take=2)
    assert own_keys(stage, "jawOpen") == [(12.25, 0.4), (30, 0.7)]
    bpy.ops.retake.show_original()
    assert own_keys(stage, "jawOpen") == [(12.25, 0.4), (30, 0.7)]
    assert not len(stage.generated("jawOpen"))


@pytest.mark.skipif(not compat.has_audio(), reason="this bpy was built without Audaspace: no strip to move")
def test_a_retimed_shot_has_every_key_once(stage: Stage) -> None:
    stage.key_value("jawOpen", 10, 0.9)
    stage.key_value("mouthSmileLeft", 30, 0.7)
    stage.generate(count=2)
    for target in stage.shot.targets:
        for point in target.fcurve.keyframe_points if target.fcurve else ():
            for co in (point.co, point.handle_left, point.handle_right):
                co[0] += 100
    move_audio(stage, 101)
    bpy.ops.retake.show_take(take=1, corrected="REDO")
    assert own_keys(stage, "jawOpen") == [(110, 0.9)]
    assert own_keys(stage, "mouthSmileLeft") == [(130, 0.7)]
    bpy.ops.retake.show_original()
    assert own_keys(stage, "jawOpen") == [(110, 0.9)]
