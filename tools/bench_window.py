# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark's part in a real window: is it ever kept waiting, and does it play? Runs inside Blender.

`blender --python tools/bench_window.py -- FOLDER RUNS`: FOLDER holds eight.wav and minutes.wav, and gets window.json.
Every function of ours that Blender calls (modal, draw and poll methods, timers, handlers, the overlay) is timed; the
same scene without the extension is what playback and scrubbing are compared with.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import json
import os
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import bpy

ROOT = Path(__file__).resolve().parents[1]
_spec = importlib.util.spec_from_file_location("retake", ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
assert _spec is not None
assert _spec.loader is not None
retake = sys.modules["retake"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(retake)
registration = importlib.import_module("retake.addon.registration")
session = importlib.import_module("retake.addon.operators.session")
find_head = importlib.import_module("retake.addon.scene.shot").find_head

_FPS = 24
_HEADS = 3
_PLAYED_SECONDS = 12.0
_SCRUBBED = 60  # frames
_PATIENCE = 300.0  # s

Samples = dict[str, list[float]]
Course = Iterator[None]


class Watch:
    """Times what Blender calls of ours.

    Attributes:
        longest: Seconds of the longest call since `reset`, and whose it was.
        total: Seconds of all calls since then.
    """

    def __init__(self) -> None:
        self.longest, self.whose, self.total = 0.0, "", 0.0

    def reset(self) -> None:
        """Forget what was."""
        self.longest, self.whose, self.total = 0.0, "", 0.0

    def timed(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """The same function, timed."""

        def call(*arguments: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                took = time.perf_counter() - started
                self.total += took
                if took > self.longest:
                    self.longest, self.whose = took, name

        count = function.__code__.co_argcount  # Blender counts the arguments of what it registers
        counted: dict[int, Callable[..., Any]] = {
            0: lambda: call(),
            1: lambda a: call(a),
            2: lambda a, b: call(a, b),
            3: lambda a, b, c: call(a, b, c),
        }
        return counted.get(count, function)

    def attach(self) -> None:
        """Time all methods that Blender calls, the timers, the handlers and the overlay; before registering."""
        for cls in registration.CLASSES:
            for name in ("modal", "draw", "draw_header", "draw_header_preset"):
                if name in dir(cls) and not name.startswith("__") and callable(_own(cls, name)):
                    setattr(cls, name, self.timed(_own(cls, name), f"{cls.__name__}.{name}"))
            if "poll" in dir(cls) and hasattr(_own(cls, "poll"), "__func__"):
                poll = _own(cls, "poll").__func__
                cls.poll = classmethod(self.timed(poll, f"{cls.__name__}.poll"))
        for module, name in (("operators.backend", "watch"), ("operators.comp", "show_wanted"), ("ui.overlay", "draw")):
            owner = importlib.import_module(f"retake.addon.{module}")
            setattr(owner, name, self.timed(getattr(owner, name), name))


def _own(cls: type, name: str) -> Any:
    """A method of a class or of one of its own mixins, not of Blender's types; None where there is none."""
    found = next((base.__dict__[name] for base in cls.__mro__ if name in base.__dict__), None)
    is_ours = any(name in base.__dict__ and base.__module__.startswith("retake") for base in cls.__mro__)
    return found if is_ours else None


WATCH = Watch()


def course(folder: Path, runs: int) -> Course:
    """All measures, pausing wherever the window shall go on; samples go to window.json."""
    samples: Samples = {}
    WATCH.attach()
    retake.register()
    _show_panel()
    yield
    yield from _generation(folder / "eight.wav", "300_frames", runs, samples)
    yield from _generation(folder / "minutes.wav", "five_minutes", runs, samples)
    yield from _three_heads(folder / "minutes.wav", runs, samples)
    (folder / "window.json").write_text(json.dumps(samples), encoding="utf-8")


def _show_panel() -> None:
    """The sidebar with Retake's tab, where this Blender lets a script choose it."""
    for area in bpy.context.window_manager.windows[0].screen.areas:
        if area.type == "VIEW_3D":
            area.spaces.active.show_region_ui = True
            for region in area.regions:
                if region.type == "UI" and hasattr(region, "active_panel_category"):
                    with contextlib.suppress(AttributeError, TypeError):
                        region.active_panel_category = "Retake"


def _empty_scene() -> None:
    """Nothing in the scene, and no second Blender file."""
    for thing in list(bpy.data.objects):
        bpy.data.objects.remove(thing)
    scene = bpy.context.scene
    scene.render.fps = _FPS
    scene.sync_mode = "NONE"


def _add_head(clip: Path) -> None:
    """A head with its recording."""
    bpy.ops.retake.add_head()
    bpy.ops.retake.import_audio(filepath=str(clip), frame=1)


def _generation(clip: Path, name: str, runs: int, samples: Samples) -> Course:
    """The longest call while takes are generated in the window; then switching, undoing and redoing."""
    _empty_scene()
    _add_head(clip)
    yield
    WATCH.reset()
    bpy.ops.retake.new_takes("INVOKE_DEFAULT", True, count=2, seed=0)
    started = time.monotonic()
    while len(_takes()) < 2 or session.session.running or session.session.slices:
        if time.monotonic() - started > _PATIENCE:
            raise RuntimeError(f"No takes after {_PATIENCE:g} s: {session.session.sentence}")
        yield
    yield
    samples[f"longest_callback_ms_{name}"] = [WATCH.longest * 1000.0]
    print(f"longest callback ({name}): {WATCH.longest * 1000:.0f} ms, {WATCH.whose}", flush=True)
    switched = yield from _switching(runs + 1)
    samples |= {f"switch_first_ms_{name}": switched[:1], f"switch_ms_{name}": switched[1:]}
    back: list[float] = []
    again: list[float] = []
    for _ in range(min(runs, 5)):
        for operator, times in ((bpy.ops.ed.undo, back), (bpy.ops.ed.redo, again)):
            started = time.perf_counter()
            operator()
            times.append((time.perf_counter() - started) * 1000.0)
            yield
    samples |= {f"undo_ms_{name}": back, f"redo_ms_{name}": again}
    record = _record()
    started = time.perf_counter()
    record.sparse = True
    samples[f"sparse_on_ms_{name}"] = [(time.perf_counter() - started) * 1000.0]
    yield
    switched = yield from _switching(min(runs, 5) + 2)
    samples |= {f"sparse_switch_first_ms_{name}": switched[:2], f"sparse_switch_ms_{name}": switched[2:]}
    record.sparse = False
    yield


def _switching(times: int) -> Generator[None, None, list[float]]:
    """How long each of so many switches between two takes lasts, ms."""
    switched: list[float] = []
    for run in range(times):
        started = time.perf_counter()
        bpy.ops.retake.show_take("INVOKE_DEFAULT", True, take=2 - run % 2)
        switched.append((time.perf_counter() - started) * 1000.0)
        yield
    return switched


def _takes() -> Any:
    """Takes of the head."""
    return importlib.import_module("retake.addon.scene.state").load_library(_record()).takes


def _record() -> Any:
    """What is kept of the head that is meant; records of heads that were removed stand before it."""
    shot = importlib.import_module("retake.addon.scene.shot")
    return shot.open_shot(bpy.context.scene, find_head(bpy.context)).record


def _three_heads(clip: Path, runs: int, samples: Samples) -> Course:
    """Playback and scrubbing of several heads with sound, with the extension and with the bare scene."""
    _empty_scene()
    for number in range(_HEADS):
        _add_head(clip)
        find_head(bpy.context).parent.location.x = 0.3 * number if find_head(bpy.context).parent else 0.0
        bpy.ops.retake.new_takes(count=1, seed=number)
        yield
    scene = bpy.context.scene
    scene.frame_start, scene.frame_end = 1, 300 * _FPS
    for region in (r for a in bpy.context.screen.areas if a.type == "VIEW_3D" for r in a.regions if r.type == "WINDOW"):
        area = next(area for area in bpy.context.screen.areas if area.type == "VIEW_3D")
        with bpy.context.temp_override(area=area, region=region):
            bpy.ops.view3d.view_axis(type="FRONT")
            bpy.ops.view3d.view_all()
    yield
    for _ in range(30):
        yield
    for kind in ("retake", "bare"):
        if kind == "bare":
            retake.unregister()
            for _ in range(10):
                yield
        yield from _play(kind, samples)
        _scrub(kind, samples)
        yield
    retake.register()


def _play(kind: str, samples: Samples) -> Course:
    """Frames a second of playback, and what our functions take of each frame."""
    count = [0]

    def counted(*_: object) -> None:
        count[0] += 1

    scene = bpy.context.scene
    scene.frame_set(100)
    bpy.app.handlers.frame_change_post.append(counted)
    WATCH.reset()
    bpy.ops.screen.animation_play()
    started, first = time.perf_counter(), count[0]
    while time.perf_counter() - started < _PLAYED_SECONDS:
        yield
    seconds, frames = time.perf_counter() - started, count[0] - first
    bpy.ops.screen.animation_cancel(restore_frame=False)
    bpy.app.handlers.frame_change_post.remove(counted)
    samples[f"playback_fps_{kind}"] = [frames / seconds]
    if kind == "retake":
        samples["ours_ms_per_played_frame"] = [WATCH.total * 1000.0 / max(1, frames)]
        samples["frame_handlers_of_ours"] = [float(_frame_handlers())]


def _frame_handlers() -> int:
    """How many functions of ours Blender calls at every frame."""
    handlers = bpy.app.handlers
    lists = [handlers.frame_change_pre, handlers.frame_change_post]
    lists += [handlers.depsgraph_update_pre, handlers.depsgraph_update_post]
    return sum("retake" in getattr(function, "__module__", "") for each in lists for function in each)


def _scrub(kind: str, samples: Samples) -> None:
    """Milliseconds of each frame that is gone to and drawn."""
    scene, times = bpy.context.scene, []
    for number in range(_SCRUBBED + 5):
        started = time.perf_counter()
        scene.frame_set(200 + (number * 37) % 3000)
        bpy.ops.wm.redraw_timer(type="DRAW_WIN_SWAP", iterations=1)
        times.append((time.perf_counter() - started) * 1000.0)
    samples[f"scrub_ms_{kind}"] = [statistics.median(times[5:])]


def main() -> None:
    """Start the course; Blender ends when it ends."""
    folder, runs = sys.argv[sys.argv.index("--") + 1 :][:2]
    steps = course(Path(folder), int(runs))

    def advance() -> float | None:
        try:
            with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
                next(steps)
        except StopIteration:
            _leave(0)
        except BaseException:
            traceback.print_exc()
            _leave(1)
        return 0.05

    bpy.app.timers.register(advance, first_interval=2.0, persistent=True)


def _leave(code: int) -> None:
    """End Blender at once; nothing is to be saved."""
    session.close()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
