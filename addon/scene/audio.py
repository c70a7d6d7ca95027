# SPDX-License-Identifier: GPL-3.0-or-later
"""The recording: its sound strip, its length, its place in time.

A Blender without sound (the bpy 4.2 module of PyPI) has no strips to play: the path and the frame of audio time 0 are
kept with the head instead, and lengths come from the headers of WAV and FLAC files.
"""

from __future__ import annotations

import wave
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.errors import AudioError
from .. import compat
from ..core.timing import AudioClock, Span

STRIP_MARK = "retake_audio"
STRIP_CHOSEN = "retake_chosen"
"""On an animator's own strip, which is never removed."""
_IN_STEP = 0.01  # frames
_TOUCH = 0.005  # s between two parts that go on without a gap
ANALYSIS_RATE = 8000  # Hz, enough to find pauses


def check_recording(path: Path) -> float:
    """Length of a recording in seconds.

    Raises:
        AudioError: The file is missing, unreadable or holds no sound.
    """
    if not path.is_file():
        raise AudioError(f"There is no recording at '{path}'.", "Choose an audio file that exists.")
    status = path.stat()
    if not status.st_size:
        raise AudioError(f"The recording '{path.name}' is empty.", "Choose another file.")
    seconds = _length(path, status.st_size, status.st_mtime_ns)
    if seconds <= 0.0:
        raise AudioError(f"The recording '{path.name}' holds no sound.", "Choose another file.")
    return seconds


@lru_cache(maxsize=64)
def _length(path: Path, size: int, modified_ns: int) -> float:
    """Length in seconds of a file as it is now: size and time of change are in the cache's key."""
    if compat.has_aud():
        return _length_by_audaspace(path)
    if not compat.has_audio():
        return _length_by_header(path)
    try:
        return _length_by_header(path)
    except AudioError:
        return _length_by_strip(path)


def _length_by_strip(path: Path) -> float:
    """Length as a sound strip has it, to a hundredth of a second; not while Blender draws, when nothing can be made."""
    try:
        bpy.context.window_manager["retake_may_write"] = True
    except AttributeError as error:
        raise AudioError(f"The length of '{path.name}' is not known while Blender draws.", "Press a button.") from error
    scratch = bpy.data.scenes.new("Retake scratch")
    try:
        scratch.render.fps = 120
        strips = compat.sequencer_strips(scratch, create=True)
        strip = strips.new_sound(name="length", filepath=str(path), channel=1, frame_start=1)
        if strip.sound.channels == "INVALID":
            raise RuntimeError("no sound in it")
        first, last = compat.strip_edges(strip)
        return (last - first) / scratch.render.fps
    except RuntimeError as error:
        raise AudioError(f"'{path.name}' cannot be read as audio.", "Choose a sound file, e.g. WAV or FLAC.") from error
    finally:
        sounds = [sound for sound in bpy.data.sounds if sound.users == 1 and Path(sound.filepath) == path]
        bpy.data.scenes.remove(scratch)
        for sound in sounds:
            bpy.data.sounds.remove(sound)


def _length_by_audaspace(path: Path) -> float:
    """Length as Blender's own sound library tells."""
    import aud

    try:
        sound = aud.Sound(str(path))
        rate = float(sound.specs[0])
        return float(sound.length) / rate if rate > 0.0 else 0.0
    except (aud.error, OSError) as error:
        raise AudioError(f"'{path.name}' cannot be read as audio.", "Choose a sound file, e.g. WAV or FLAC.") from error


def _length_by_header(path: Path) -> float:
    """Length from the header of a WAV or FLAC file."""
    with path.open("rb") as file:
        data = file.read(42)
    try:
        if data[:4] == b"fLaC":
            packed = int.from_bytes(data[18:26], "big")
            return (packed & ((1 << 36) - 1)) / (packed >> 44)
        with wave.open(str(path), "rb") as file:
            return file.getnframes() / file.getframerate()
    except (wave.Error, EOFError, ZeroDivisionError) as error:
        raise AudioError(
            f"'{path.name}' cannot be read as audio by this Blender, which has no sound.", "Use a WAV or FLAC file."
        ) from error


def read_samples(path: Path) -> NDArray[np.float32]:
    """Samples (S,) of a recording at ANALYSIS_RATE, mono, to find pauses.

    Raises:
        AudioError: This Blender has no sound.
    """
    if not compat.has_aud():
        raise AudioError("This Blender lets Python read no sound, so pauses cannot be found.", "Choose another range.")
    import aud

    sound = aud.Sound(str(path)).rechannel(1).resample(ANALYSIS_RATE, 0)
    return np.asarray(sound.data(), np.float32).reshape(-1)


def add_strip(scene: bpy.types.Scene, path: Path, frame: int, mark: str) -> Any:
    """Put a recording on a free sequencer channel.

    Args:
        scene: Scene that plays it; its frame rate stays.
        path: The recording, checked before.
        frame: Frame of audio time 0.
        mark: Written on the strip, so that it is found again whatever its name.
    """
    strips = compat.sequencer_strips(scene, create=True)
    channel = 1 + max((strip.channel for strip in strips), default=0)
    strip = strips.new_sound(name=path.stem[:60], filepath=str(path), channel=channel, frame_start=frame)
    strip[STRIP_MARK] = mark
    strip.show_waveform = True
    return strip


def find_strip(scene: bpy.types.Scene, mark: str) -> Any | None:
    """The strip that carries a mark (where it was cut, its first part), None where it was deleted or never made."""
    return next(iter(find_strips(scene, mark)), None)


def free_strips(scene: bpy.types.Scene, marks: Collection[str]) -> list[Any]:
    """Sound strips that carry none of some marks, in order of time."""
    found = [
        strip for strip in compat.all_strips(scene) if strip.type == "SOUND" and strip.get(STRIP_MARK) not in marks
    ]
    return sorted(found, key=compat.strip_edges)


def choose_strip(scene: bpy.types.Scene, strip: Any, mark: str) -> tuple[Path, AudioClock]:
    """Let an animator's own strip carry a mark, instead of those that carry it.

    Returns:
        Its file and its clock.

    Raises:
        AudioError: Its file is missing or unreadable, or it has no single speed; nothing has changed then.
    """
    path = strip_path(strip)
    check_recording(path)
    clock, _ = strip_clock(scene, strip)
    remove_strips(scene, mark)
    strip[STRIP_MARK], strip[STRIP_CHOSEN], strip.mute = mark, True, False
    return path, clock


def remove_strips(scene: bpy.types.Scene, mark: str) -> None:
    """Take away the strips that carry a mark; the animator's, and those in meta strips, are muted and lose it."""
    strips = compat.sequencer_strips(scene)
    for strip in find_strips(scene, mark):
        if strips.get(strip.name) == strip and not strip.get(STRIP_CHOSEN):
            strips.remove(strip)
        else:
            strip.mute = True
            del strip[STRIP_MARK]


def find_strips(scene: bpy.types.Scene, mark: str) -> list[Any]:
    """All strips that carry a mark (several where one was cut), in order of time."""
    found = [strip for strip in compat.all_strips(scene) if strip.get(STRIP_MARK) == mark]
    return sorted(found, key=compat.strip_edges)


def strips_in_step(scene: bpy.types.Scene, mark: str) -> tuple[AudioClock, list[Span], bool]:
    """Clock and heard seconds of a recording whose strip may have been cut.

    Returns:
        Clock of the first part, the spans of seconds that its parts play at that clock, in order and those that touch
        joined, and whether a part was moved off it.

    Raises:
        AudioError: A part has no single speed.
    """
    parts = [strip_clock(scene, strip) for strip in find_strips(scene, mark)]
    clock = parts[0][0]
    heard = [span for other, span in parts if abs(other.start_frame - clock.start_frame) < _IN_STEP]
    joined: list[Span] = []
    for span in sorted(heard, key=lambda span: span.start):
        if joined and span.start - joined[-1].end < _TOUCH:
            joined[-1] = Span(joined[-1].start, max(span.end, joined[-1].end))
        else:
            joined.append(span)
    return clock, joined, len(heard) < len(parts)


def strip_path(strip: Any) -> Path:
    """File of a strip's sound.

    Raises:
        AudioError: The sound was packed into the blend file and is not on disk.
    """
    path = Path(bpy.path.abspath(strip.sound.filepath, library=strip.sound.library))
    if not path.is_file() and strip.sound.packed_file:
        raise AudioError(f"The sound '{strip.sound.name}' is packed into the blend file.", "Unpack it to a file first.")
    return path


def strip_clock(scene: bpy.types.Scene, strip: Any) -> tuple[AudioClock, Span]:
    """Clock of a strip, and the seconds of its recording that are heard.

    A strip that was sped up or slowed down as a whole has a clock of its own rate.

    Raises:
        AudioError: Its parts have different speeds, or it stands still.
    """
    render = scene.render
    rate = render.fps / render.fps_base
    start = compat.strip_content_start(strip)
    keys = compat.strip_retiming(strip)
    speed = 1.0
    if keys:
        frames = check_recording(strip_path(strip)) * rate
        if len(keys) != 2 or keys[1] - keys[0] < 1.0 or frames <= 2.0:
            raise AudioError(
                f"The sound strip '{strip.name}' has parts of different speed.",
                "Give it one speed (Strip > Retiming > Set Speed), or reset its retiming.",
            )
        start, speed = keys[0], frames / compat.strip_content_frames(strip)
    clock = AudioClock.of_strip(rate / speed, 1.0, start + compat.strip_sound_offset(strip) * rate)
    first, last = compat.strip_edges(strip)
    return clock, Span(clock.second(first), clock.second(max(last, first)))


def scene_has_animation(scene: bpy.types.Scene) -> bool:
    """Whether anything in a scene moves already: then its frame range is the animator's."""
    if len(compat.sequencer_strips(scene)) or len(scene.timeline_markers):
        return True
    owners: list[bpy.types.ID] = [scene, *scene.objects]
    owners += [obj.data for obj in scene.objects if obj.data is not None]
    owners += [key for data in owners if (key := getattr(data, "shape_keys", None)) is not None]
    return any(_is_animated(owner) for owner in owners)


def _is_animated(owner: bpy.types.ID) -> bool:
    """Whether a datablock has an action, NLA tracks, or drivers that go by the frame; other drivers belong to a rig."""
    data = owner.animation_data
    if data is None:
        return False
    by_frame = any("frame" in curve.driver.expression for curve in data.drivers if curve.driver.type == "SCRIPTED")
    return bool(data.action or len(data.nla_tracks) or by_frame)


def fit_scene_range(scene: bpy.types.Scene, clock: AudioClock, seconds: float) -> None:
    """Let the scene's range reach the recording's end."""
    scene.frame_end = max(scene.frame_start, int(np.ceil(clock.frame(seconds))))
