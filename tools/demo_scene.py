# SPDX-License-Identifier: GPL-3.0-or-later
"""The demo's half in Blender: the main job with the extension's own operators and a real backend process.

What is measured is read back from the evaluated scene, frame by frame, as an animator would see it: not from what the
extension remembers.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from ..addon.operators import session
from ..addon.scene import keying
from ..addon.scene.axes import model_to_pose, pose_to_model
from ..addon.scene.shot import find_head, open_shot
from ..backend.errors import RetakeError
from ..backend.protocol import CONTROL_NAMES, HEAD_ROTATION
from .arrays_head import add_head_of
from .demo_backend import describe_backend, start_backend
from .demo_plan import SMILE, TURN, Plan, plan_keys
from .demo_video import prepare_video, render_video

TAKES = 3
FIRST_FRAME = 1
_EDGE_FRAMES = 3  # read beside the range, so that its edges can be judged


@dataclass
class Stopwatch:
    """Seconds of each stage, by name."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Time a stage and say that it runs."""
        print(f"  {stage} ...", flush=True)
        started = time.monotonic()
        yield
        self.seconds[stage] = time.monotonic() - started


def main(audio: Path, out: Path, measured: Path, head: Path | None = None) -> int:
    """Do the main job.

    Args:
        audio: The recording.
        out: Folder for demo.blend and the videos.
        measured: Stem of the files that the report is made from: .npz and .json.
        head: A FLAME model file, or a head kept as arrays; the built-in head if None.

    Returns:
        Exit code.
    """
    root = sys.modules["retake"]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    root.register()
    try:
        _perform(audio, out, measured, head)
    except (RetakeError, ValueError, RuntimeError) as error:
        if not str(error).startswith("Error: "):  # an operator's own report, which Blender has printed
            print(error, file=sys.stderr)
        return 1
    finally:
        root.unregister()
    return 0


def _perform(audio: Path, out: Path, measured: Path, head: Path | None) -> None:
    """The main job, stage by stage."""
    watch, scene = Stopwatch(), bpy.context.scene
    with watch.timed("head"):
        if head is None:
            bpy.ops.retake.add_head()
        else:
            add_head_of(head)
    with watch.timed("audio"):
        bpy.ops.retake.import_audio(filepath=str(audio), frame=FIRST_FRAME)
    with watch.timed("backend"):
        start_backend()
        describe_backend()  # answered once its model is loaded
    with watch.timed("generate"):
        bpy.ops.retake.new_takes(count=TAKES, seed=0)
    plan = plan_keys(FIRST_FRAME, scene.frame_end)
    with watch.timed("keys"):
        _set_keys(plan)
    with watch.timed("update"):
        bpy.ops.retake.update_take(all_takes=True)
    result = _last_result()
    frames = _frames_to_read(result["span"])
    tracks = []
    prepare_video()
    for number in range(1, TAKES + 1):
        with watch.timed(f"switch_{number}"):
            bpy.ops.retake.show_take(take=number)
        tracks.append(_read_channels(frames))
        with watch.timed(f"render_{number}"):
            render_video(out / f"take{number}.mp4")
    bpy.ops.retake.show_take(take=1)
    with watch.timed("save"):
        scene.frame_set(FIRST_FRAME)
        bpy.ops.wm.save_as_mainfile(filepath=str(out / "demo.blend"), compress=True)
    _store(measured, plan, frames, np.stack(tracks), result, watch)


def _set_keys(plan: Plan) -> None:
    """Key what no take has: a smile with raised brows, held from one frame to another, and a head turn."""
    shot = open_shot(bpy.context.scene, find_head(bpy.context))
    values = keying.values_for(shot, SMILE)
    for target in keying.targets_of(shot, SMILE):
        for frame in (plan.smile_start, plan.smile_end):
            target.set_static(values[target.curve_id])
            target.owner.keyframe_insert(target.data_path, frame=frame)
        _set_key_types(shot.targets, target.curve_id, (plan.smile_start, plan.smile_end), "MOVING_HOLD")
    neck = shot.neck
    rest = neck.bone.matrix_local.to_3x3()
    neck.rotation_mode = "QUATERNION"
    neck.rotation_quaternion = model_to_pose(np.array(TURN), rest).to_quaternion()
    neck.keyframe_insert("rotation_quaternion", frame=plan.turn)
    for target in shot.targets:
        if target.channels == HEAD_ROTATION:
            _set_key_types(shot.targets, target.curve_id, (plan.turn,), "KEYFRAME")


def _set_key_types(targets: Sequence[Any], curve_id: str, frames: Sequence[int], kind: str) -> None:
    """Make keys of a curve the animator's own kind: Blender leaves a re-keyed generated key generated."""
    fcurve = next(target.fcurve for target in targets if target.curve_id == curve_id)
    for point in fcurve.keyframe_points:
        if round(point.co[0]) in frames and abs(point.co[0] - round(point.co[0])) < 1e-3:
            point.type = kind


def _last_result() -> dict[str, Any]:
    """What the backend was asked and what it answered when the takes were last updated."""
    job = session.session.job
    given = job.order.given
    return {
        "span": (job.order.span.start, job.order.span.end),
        "clock": (job.order.recording.clock.fps, job.order.recording.clock.start_frame),
        "audio_seconds": job.order.recording.seconds,
        "given_times": given.times,
        "given_channels": given.channels,
        "given_values": given.values,
        "given_raw": job.result.arrays["given_raw"],
        "seconds": dict(job.result.message["seconds"]),
    }


def _frames_to_read(span: tuple[float, float]) -> NDArray[np.int64]:
    """Scene frames of the generated range and a few beside it."""
    clock = session.session.job.order.recording.clock
    first, last = clock.frame(span[0]), clock.frame(span[1])
    return np.arange(int(np.floor(first)) - _EDGE_FRAMES, int(np.ceil(last)) + _EDGE_FRAMES + 1)


def _read_channels(frames: NDArray[np.int64]) -> NDArray[np.float64]:
    """Channels (N, 55) as the scene evaluates them."""
    scene = bpy.context.scene
    shot = open_shot(scene, find_head(bpy.context))
    neck = shot.neck
    rest = neck.bone.matrix_local.to_3x3()
    rows = []
    for frame in frames:
        scene.frame_set(int(frame))
        weights = dict.fromkeys(CONTROL_NAMES, 0.0)  # what nothing of the head carries stays at rest
        for channels, binding in shot.bindings.items():
            standing = np.array([[target.static for target in shot.groups[channels]]])
            weights.update(zip(channels, binding.channels_of(standing)[0].tolist(), strict=True))
        rows.append([*weights.values(), *pose_to_model(neck.matrix_basis.to_3x3(), rest)])
    return np.array(rows)


def _store(
    measured: Path,
    plan: Plan,
    frames: NDArray[np.int64],
    tracks: NDArray[np.float64],
    result: dict[str, Any],
    watch: Stopwatch,
) -> None:
    """Leave everything for the report."""
    arrays = {name: value for name, value in result.items() if isinstance(value, np.ndarray)}
    np.savez(measured.with_suffix(".npz"), frames=frames, tracks=tracks, **arrays)
    description = {
        "key_frames": list(plan.frames),
        "frame_start": bpy.context.scene.frame_start,
        "frame_end": bpy.context.scene.frame_end,
        "blender": bpy.app.version_string,
        "backend": describe_backend(),
        "seconds": watch.seconds,
        **{name: value for name, value in result.items() if name not in arrays and name != "seconds"},
        "backend_seconds": result["seconds"],
    }
    measured.with_suffix(".json").write_text(json.dumps(description), encoding="utf-8")
