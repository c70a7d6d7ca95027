# SPDX-License-Identifier: GPL-3.0-or-later
"""Importing a recording: the strip, the scene's range, what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest

from retake.addon import compat
from retake.addon.operators.session import session
from retake.addon.operators.setup import strips_to_use
from retake.addon.scene import state
from retake.addon.scene.audio import check_recording, find_strip
from retake.backend.errors import AudioError

from .helpers import Stage, error_of, write_speech

SAMPLE = Path(__file__).resolve().parents[2] / "backend" / "assets" / "sample.flac"
needs_audio = pytest.mark.skipif(not compat.has_audio(), reason="this bpy was built without Audaspace: no sound strips")


@needs_audio
def test_the_strip_plays_the_file_in_sync(stage: Stage, speech: Path) -> None:
    strip = find_strip(stage.scene, stage.record.uid)
    assert Path(bpy.path.abspath(strip.sound.filepath)) == speech
    assert compat.strip_edges(strip) == (1.0, 49.0)
    assert stage.scene.sync_mode == "AUDIO_SYNC"
    assert stage.scene.use_audio


def test_frame_rate_stays_and_the_empty_scenes_range_follows(make_stage: Callable[..., Stage]) -> None:
    scene = bpy.context.scene
    scene.frame_end = 250
    stage = make_stage(frame=11, fps=30, fps_base=1.001)
    assert (scene.render.fps, round(scene.render.fps_base, 6)) == (30, 1.001)
    assert scene.frame_end == 71
    assert abs(stage.recording.clock.frame(1.0) - (11 + 30 / 1.001)) < 1e-4


def test_the_range_of_an_animated_scene_stays(empty_scene: bpy.types.Scene, speech: Path) -> None:
    cube = bpy.data.objects.new("Body", None)
    empty_scene.collection.objects.link(cube)
    cube.keyframe_insert("location", frame=3)
    empty_scene.frame_start, empty_scene.frame_end = 3, 400
    bpy.ops.retake.add_head()
    bpy.ops.retake.import_audio(filepath=str(speech))
    assert (empty_scene.frame_start, empty_scene.frame_end) == (3, 400)


@needs_audio
def test_importing_again_replaces_the_strip(stage: Stage, tmp_path: Path) -> None:
    other = tmp_path / "other.wav"
    write_speech(other, seconds=1.0)
    bpy.ops.retake.import_audio(filepath=str(other), frame=5)
    strips = list(compat.sequencer_strips(stage.scene))
    assert len(strips) == 1
    assert stage.recording.path == other
    assert abs(stage.recording.clock.start_frame - 5.0) < 1e-6


@needs_audio
def test_a_strip_that_is_there_already_is_used_and_never_removed(
    empty_scene: bpy.types.Scene, speech: Path, tmp_path: Path
) -> None:
    bpy.ops.retake.add_head()
    assert "No sound strip is free" in error_of(bpy.ops.retake.use_strip)
    strips = compat.sequencer_strips(empty_scene, create=True)
    own = strips.new_sound(name="Dialogue", filepath=str(speech), channel=3, frame_start=31)
    empty_scene.frame_end = 400
    bpy.ops.retake.use_strip(strip="Dialogue")
    assert session.sentence == "'Dialogue' drives 'Retake Head' from frame 31 on."
    stage = Stage(bpy.context.object)
    assert (stage.recording.path, stage.recording.clock.start_frame) == (speech, 31.0)
    assert empty_scene.frame_end == 400
    assert len(list(strips)) == 1
    assert not strips_to_use(bpy.context)
    other = tmp_path / "other.wav"
    write_speech(other, seconds=1.0)
    bpy.ops.retake.import_audio(filepath=str(other), frame=5)
    assert stage.recording.path == other
    assert (own.mute, len(list(strips))) == (True, 2)
    bpy.ops.retake.use_strip(strip="Dialogue")
    assert (own.mute, [strip.name for strip in strips]) == (False, ["Dialogue"])
    bpy.ops.retake.add_head()
    assert not strips_to_use(bpy.context), "it drives the first head"


@needs_audio
def test_a_moved_and_trimmed_strip_moves_audio_time(stage: Stage) -> None:
    strip = find_strip(stage.scene, stage.record.uid)
    first = "content_start" if hasattr(strip, "content_start") else "frame_start"
    trim = "left_handle_offset" if hasattr(strip, "left_handle_offset") else "frame_offset_start"
    setattr(strip, first, 1013)
    setattr(strip, trim, 17)
    recording = stage.recording
    assert recording.clock.start_frame == 1013.0
    assert abs(recording.heard.start - 17 / 24) < 1e-6


@needs_audio
def test_a_deleted_strip_is_one_sentence(stage: Stage) -> None:
    compat.sequencer_strips(stage.scene).remove(find_strip(stage.scene, stage.record.uid))
    assert (
        error_of(bpy.ops.retake.new_takes)
        == "The sound strip of the recording was deleted. Import the recording again."
    )


def test_unusable_recordings_are_one_sentence_and_change_nothing(stage: Stage, tmp_path: Path) -> None:
    text, empty, silent = tmp_path / "text.wav", tmp_path / "empty.wav", tmp_path / "zero.wav"
    text.write_text("this is no sound")
    empty.write_bytes(b"")
    write_speech(silent, seconds=0.0)
    before = stage.record.audio_path, len(list(compat.sequencer_strips(stage.scene))), stage.scene.frame_end
    for path, words in (
        (tmp_path / "missing.wav", "There is no recording at"),
        (text, "'text.wav' cannot be read as audio"),
        (empty, "The recording 'empty.wav' is empty."),
        (silent, "zero.wav"),
    ):
        sentence = error_of(bpy.ops.retake.import_audio, filepath=str(path))
        assert words in sentence
        assert "Traceback" not in sentence
    assert before == (
        stage.record.audio_path,
        len(list(compat.sequencer_strips(stage.scene))),
        stage.scene.frame_end,
    )


def test_generating_without_a_recording_says_so(empty_scene: bpy.types.Scene) -> None:
    bpy.ops.retake.add_head()
    with pytest.raises(RuntimeError, match="Import a recording first"):
        bpy.ops.retake.new_takes()


def test_a_recording_that_vanished_is_one_sentence(make_stage: Callable[..., Stage], tmp_path: Path) -> None:
    path = tmp_path / "gone.wav"
    write_speech(path, seconds=1.0)
    stage = make_stage(audio=path)
    path.unlink()
    assert "There is no recording at" in error_of(bpy.ops.retake.new_takes)
    assert stage.curve("jawOpen") is None


@pytest.mark.parametrize("lost", ["file", "strip"])
@needs_audio
def test_takes_can_be_switched_without_the_recording(
    make_stage: Callable[..., Stage], tmp_path: Path, lost: str
) -> None:
    path = tmp_path / "line.wav"
    write_speech(path, seconds=2.0)
    stage = make_stage(frame=11, audio=path)
    stage.key_value("mouthSmileLeft", 20, 0.6)
    stage.generate(count=2)
    bpy.ops.retake.show_take(take=1)
    first = stage.table("jawOpen").tobytes()
    bpy.ops.retake.show_take(take=2)
    if lost == "file":
        path.unlink()
    else:
        compat.sequencer_strips(stage.scene).remove(find_strip(stage.scene, stage.record.uid))
    bpy.ops.retake.show_take(take=1)
    assert stage.table("jawOpen").tobytes() == first
    bpy.ops.retake.show_original()
    assert not len(stage.generated("jawOpen"))
    assert stage.at("mouthSmileLeft", [20])[0] == pytest.approx(0.6)
    bpy.ops.retake.show_take(take=1)
    assert stage.table("jawOpen").tobytes() == first
    assert "ecording" in error_of(bpy.ops.retake.update_take)  # what needs the sound still says so


@needs_audio
@pytest.mark.parametrize("moved", [0, 12])
def test_a_strip_that_was_cut_counts_as_far_as_it_is_in_step(stage: Stage, moved: int) -> None:
    strip = find_strip(stage.scene, stage.record.uid)
    second = strip.split(frame=20, split_method="SOFT")
    name = "content_start" if hasattr(second, "content_start") else "frame_start"
    setattr(second, name, getattr(second, name) + moved)
    stage.generate(count=1)
    end = stage.generated("jawOpen").max()
    said = any("was cut" in notice for notice in session.job.order.notices)
    assert (end, said) == ((73, False) if moved == 0 else (20, True))


@needs_audio
def test_a_head_speaks_where_the_parts_of_its_strip_are(make_stage: Callable[..., Stage]) -> None:
    """Two heads in one recording: where the other speaks, a part of the strip is deleted."""
    stage = make_stage(audio=SAMPLE)
    stage.generate(count=1)
    gap = np.arange(84.0, 104.0)
    spoke = np.ptp(stage.at("jawOpen", gap))
    before = stage.at("jawOpen", np.arange(10.0, 60.0))
    second = find_strip(stage.scene, stage.record.uid).split(frame=78, split_method="SOFT")
    third = second.split(frame=110, split_method="SOFT")
    compat.sequencer_strips(stage.scene).remove(second)
    assert third.name in [strip.name for strip in compat.all_strips(stage.scene)]
    bpy.ops.retake.show_take(take=1)
    assert state.load_notes(stage.record).stale == [1], "it was made for other cuts"
    bpy.ops.retake.update_take()
    assert state.load_notes(stage.record).stale == []
    assert np.ptp(stage.at("jawOpen", gap)) < 0.3 * spoke
    assert np.abs(stage.at("jawOpen", np.arange(10.0, 60.0)) - before).max() < 0.1, "the rest is spoken as before"
    assert state.load_library(stage.record).take(1).settings.speaking == ((0.0, 3.208), (4.542, 5.34))


@needs_audio
def test_another_recording_takes_the_place_of_a_strip_that_was_cut(stage: Stage, tmp_path: Path) -> None:
    find_strip(stage.scene, stage.record.uid).split(frame=20, split_method="SOFT")
    write_speech(tmp_path / "other.wav", seconds=1.0)
    bpy.ops.retake.import_audio(filepath=str(tmp_path / "other.wav"), frame=1)
    assert [Path(strip.sound.filepath).name for strip in compat.all_strips(stage.scene)] == ["other.wav"]


@needs_audio
def test_without_pythons_sound_module_a_strip_tells_the_length(
    stage: Stage, speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Debian's Blender 4.3 plays sound, but has no module `aud`."""
    monkeypatch.setitem(sys.modules, "aud", None)  # so that importing it fails, as it does there
    before = (len(bpy.data.scenes), len(bpy.data.sounds))
    other = tmp_path / "other.wav"
    write_speech(other, seconds=1.5)
    assert check_recording(other) == pytest.approx(1.5, abs=0.01)
    (tmp_path / "text.wav").write_text("no sound", encoding="utf-8")
    with pytest.raises(AudioError):
        check_recording(tmp_path / "text.wav")
    assert (len(bpy.data.scenes), len(bpy.data.sounds)) == before
    stage.generate(count=1)
    assert "lets Python read no sound" in error_of(bpy.ops.retake.new_takes, count=1, range_mode="PHRASE")


def test_a_cube_in_the_way_does_not_hide_the_head(empty_scene: bpy.types.Scene) -> None:
    bpy.ops.mesh.primitive_cube_add(size=2.0)
    bpy.ops.retake.add_head()
    head = bpy.context.object
    bpy.context.view_layer.update()
    assert min((head.matrix_world @ vertex.co).z for vertex in head.data.vertices) == pytest.approx(1.0, abs=1e-3)


def speed_up(strip: Any, percent: float) -> None:
    """Give a strip a speed, as Strip > Retiming does."""
    window = bpy.context.window_manager.windows[0]
    area = window.screen.areas[0]
    before, area.type = area.type, "SEQUENCE_EDITOR"
    region = next(region for region in area.regions if region.type == "WINDOW")
    compat.show_in_sequencer(bpy.context.scene)
    bpy.context.scene.sequence_editor.active_strip = strip
    strip.select = True
    with bpy.context.temp_override(window=window, screen=window.screen, area=area, region=region):
        assert bpy.ops.sequencer.retiming_segment_speed_set(speed=percent) == {"FINISHED"}
    area.type = before


@needs_audio
def test_a_strip_moved_trimmed_and_sped_up_stays_in_sync(stage: Stage) -> None:
    bpy.ops.retake.new_takes(count=1, seed=3)
    seconds = np.arange(0.3, 1.8, 0.01)
    names = ("jawOpen", "mouthClose", "mouthPucker")

    def at(frames: Any) -> Any:
        return np.stack([[stage.curve(name).evaluate(frame) for frame in frames] for name in names])

    rate, before = 24.0, at(1.0 + 24.0 * seconds)
    strip = find_strip(stage.scene, stage.record.uid)
    speed_up(strip, 110.0)
    setattr(strip, "content_start" if hasattr(strip, "content_start") else "frame_start", 11)
    setattr(strip, "left_handle_offset" if hasattr(strip, "left_handle_offset") else "frame_offset_start", 4)
    bpy.ops.retake.show_take(take=1)
    shifts = np.arange(-1.5, 1.51, 0.05)
    errors = [np.abs(at(11.0 + rate / 1.1 * seconds + shift) - before).mean() for shift in shifts]
    assert abs(shifts[int(np.argmin(errors))]) < 0.5
    assert min(errors) < 0.1 * np.abs(before - before.mean(axis=1, keepdims=True)).mean()


@needs_audio
def test_a_strip_of_two_speeds_is_one_sentence(stage: Stage) -> None:
    strip = find_strip(stage.scene, stage.record.uid)
    speed_up(strip, 110.0)
    strip.retiming_keys.add(timeline_frame=20)
    assert len(strip.retiming_keys) == 3
    assert "parts of different speed" in error_of(bpy.ops.retake.new_takes)


@needs_audio
def test_keys_and_takes_slide_with_the_audio(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    stage.key_value("mouthSmileLeft", 20, 0.7)
    stage.key_value("browInnerUp", 30, 0.4)
    bpy.ops.retake.new_takes(count=1, seed=3)
    bpy.ops.retake.lock_span(frame_start=35, frame_end=38)
    bpy.ops.retake.show_take(take=1)
    frames = np.arange(-10.0, 60.0, 0.5)
    before = stage.tracks(frames)
    assert error_of(bpy.ops.retake.slide_with_audio).startswith("Operator bpy.ops.retake.slide_with_audio")
    strip = find_strip(stage.scene, stage.record.uid)
    setattr(strip, "content_start" if hasattr(strip, "content_start") else "frame_start", 11)
    stage.curve("cheekPuff").lock = True
    bpy.ops.retake.slide_with_audio()
    assert "cheekPuff (locked)" in capsys.readouterr().out
    stage.curve("cheekPuff").lock = False
    before.pop("cheekPuff")
    after = stage.tracks(frames + 10.0)
    moved = np.sort(np.stack([np.abs(after[name] - before[name]) for name in before]).ravel())
    assert moved[-1] < 2e-4  # half a frame beside the locked span, where Blender computes a handle anew
    assert moved[-3] < 5e-5
    assert stage.point("mouthSmileLeft", 30).co[0] == pytest.approx(30.0, abs=1e-4)
    assert stage.point("mouthSmileLeft", 30).type == "KEYFRAME"
    again = stage.tracks(frames + 10.0)
    bpy.ops.retake.show_take(take=1)
    still = stage.tracks(frames + 10.0)
    assert max(float(np.abs(still[name] - again[name]).max()) for name in before) < 5e-5
    bpy.ops.retake.show_original()
    assert stage.curve("mouthSmileLeft").evaluate(30) == pytest.approx(0.7)
    assert [point.co[0] for point in stage.curve("browInnerUp").keyframe_points if point.type == "KEYFRAME"] == [40.0]
