# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend process: waiting, polling, cancelling, dying, and Blender dying."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bpy
import pytest

from retake.addon.core.client import ClientState, find_python
from retake.addon.operators import session as sessions
from retake.addon.operators.backend import watch
from retake.addon.operators.generate import start_slices, write_result
from retake.addon.operators.session import ROOT, poll, session

from .helpers import Stage, backend_pid, error_of


def pump(seconds: float = 120.0) -> None:
    """Poll until the generation has ended, as a loop without a window does."""
    deadline = time.monotonic() + seconds
    while (job := poll()) is not None and job.is_running:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def slow(stage: Stage) -> None:
    """Start a generation that takes long enough to be disturbed."""
    bpy.ops.retake.new_takes(count=8, scheduler="ddpm", steps=500, wait=False)


def test_without_waiting_poll_writes_the_result(stage: Stage) -> None:
    bpy.ops.retake.new_takes(count=1, wait=False)
    assert stage.curve("jawOpen") is None
    pump()
    assert len(stage.generated("jawOpen")) > 40
    assert session.job.seconds > 0.0


def test_a_result_finds_its_scene_while_another_is_active(stage: Stage) -> None:
    home = bpy.context.scene
    bpy.ops.retake.new_takes(count=1, wait=False)
    bpy.context.window.scene = bpy.data.scenes.new("Elsewhere")
    pump()
    assert session.job.failure is None
    bpy.context.window.scene = home
    assert len(stage.generated("jawOpen")) > 40


def test_what_is_undone_while_takes_are_made_stays_undone(stage: Stage) -> None:
    bpy.ops.ed.undo_push(message="before")
    stage.key_value("jawOpen", 20, 0.6)
    bpy.ops.ed.undo_push(message="key")
    bpy.ops.retake.new_takes(count=1, wait=False)
    bpy.ops.ed.undo()
    pump()
    assert session.job.failure is None
    assert len(stage.generated("jawOpen")) == len(stage.table("jawOpen")) > 40


def test_a_write_that_is_undone_half_way_is_made_anew(stage: Stage) -> None:
    bpy.ops.ed.undo_push(message="before")
    stage.key_value("tongueOut", 20, 0.6)
    bpy.ops.ed.undo_push(message="key")
    bpy.ops.retake.new_takes(count=1, wait=False)
    job = session.job
    while job.is_running:
        for event in session.client.poll():
            sessions._take(job, event)
        time.sleep(0.005)
    writing = start_slices(write_result(job))
    for _ in range(8):
        assert not writing.advance(0.0)
    bpy.ops.ed.undo()
    assert writing.is_closed
    assert not session.slices
    bpy.ops.retake.receive(request=job.request)
    assert len(stage.generated("tongueOut")) == len(stage.table("tongueOut")) > 40


def test_a_result_that_cannot_be_written_is_a_sentence_and_leaves_the_pump_whole(stage: Stage) -> None:
    bpy.ops.retake.new_takes(count=1, wait=False)
    bpy.data.objects.remove(stage.head)
    pump()
    assert session.job.failure is not None
    assert "no longer in the scene" in session.job.failure.sentence
    assert session.sentence == session.job.failure.sentence


def test_generations_of_two_heads_queue(stage: Stage, speech: Path) -> None:
    bpy.ops.retake.new_takes(count=1, seed=5, wait=False)
    bpy.ops.retake.add_head()
    bpy.ops.retake.import_audio(filepath=str(speech), frame=1)
    other = Stage(bpy.context.object)
    bpy.ops.retake.new_takes(count=1, seed=5, wait=False)
    assert len(session.running) == 2
    pump()
    assert not session.running
    tables = [one.table("jawOpen") for one in (stage, other)]
    assert len(tables[0]) > 40
    assert (tables[0] == tables[1]).all()
    bpy.ops.retake.pick_head(head=stage.head.name)
    assert bpy.context.object == stage.head
    bpy.ops.retake.pick_head(head=other.head.name)
    assert bpy.context.object == other.head


def test_a_take_is_not_updated_twice_at_a_time(stage: Stage) -> None:
    bpy.ops.retake.new_takes(count=1)
    bpy.ops.retake.update_take(wait=False)
    with pytest.raises(RuntimeError, match="being updated already"):
        bpy.ops.retake.update_take(wait=False)
    pump()
    assert session.job.failure is None


def test_cancel_stops_what_waits_too(stage: Stage) -> None:
    slow(stage)
    bpy.ops.retake.new_takes(count=1, wait=False)
    bpy.ops.retake.cancel()
    pump()
    assert [job.failure.code for job in session.jobs] == ["cancelled"] * len(session.jobs)
    assert stage.curve("jawOpen") is None


def test_cancel_leaves_the_scene_as_it_was(stage: Stage) -> None:
    stage.key_value("jawOpen", 10, 0.3)
    before = stage.table("jawOpen").tobytes()
    slow(stage)
    while session.job.progress is None:
        poll()
        time.sleep(0.005)
    bpy.ops.retake.cancel()
    started = time.monotonic()
    pump()
    assert time.monotonic() - started < 5.0
    assert session.job.failure.code == "cancelled"
    assert stage.table("jawOpen").tobytes() == before
    assert stage.curve("mouthClose") is None
    stage.generate(count=1)
    assert len(stage.generated("jawOpen")) > 40


def test_a_restart_ends_the_wait_for_what_was_under_way(stage: Stage) -> None:
    slow(stage)
    bpy.ops.retake.new_takes(count=1, wait=False)
    jobs = session.running
    bpy.ops.retake.start_backend(restart=True)
    assert [job.failure.code for job in jobs] == ["cancelled", "cancelled"]
    assert "was ended while takes were generated" in jobs[0].failure.sentence
    assert not session.running
    stage.generate(count=1)
    assert len(stage.generated("jawOpen")) > 40


def test_the_panel_follows_a_start_until_the_model_is_there(stage: Stage) -> None:
    bpy.ops.retake.start_backend(restart=True)
    assert session.client.state is ClientState.STARTING
    deadline = time.monotonic() + 120.0
    while (seconds := watch()) is not None:  # as Blender's timers call it
        assert time.monotonic() < deadline
        time.sleep(seconds)
    assert session.client.state is ClientState.READY
    assert session.client.info["device"] == "cpu"


def test_a_killed_backend_is_one_sentence_and_the_next_generation_works(stage: Stage) -> None:
    stage.key_value("jawOpen", 10, 0.3)
    stage.generate(count=1)
    before = {name: stage.table(name).tobytes() for name in stage.curve_ids() if stage.curve(name)}
    slow(stage)
    while session.job.progress is None:
        poll()
        time.sleep(0.005)
    os.kill(backend_pid(), signal.SIGKILL)
    pump()
    assert session.job.failure.code == "backend_lost"
    sentence = session.job.failure.sentence
    assert "\n" not in sentence.strip()
    assert "Traceback" not in sentence
    assert {name: stage.table(name).tobytes() for name in stage.curve_ids() if stage.curve(name)} == before
    stage.generate(count=1, seed=4)
    assert list(bpy.context.scene.retake.heads)
    assert len(stage.generated("jawOpen")) > 40


def test_a_backend_killed_while_idle_does_not_matter(stage: Stage) -> None:
    stage.generate(count=1)
    os.kill(backend_pid(), signal.SIGKILL)
    time.sleep(2.0)  # nobody polls meanwhile; its last words are read in the background
    stage.generate(count=1, seed=3)
    assert len(stage.generated("jawOpen")) > 40


def test_a_head_that_went_away_is_one_sentence(stage: Stage) -> None:
    bpy.ops.retake.new_takes(count=1, wait=False)
    bpy.data.objects.remove(stage.head)
    job = session.job
    while job.is_running:
        for event in session.client.poll():
            sessions._take(job, event)
        time.sleep(0.005)
    assert "no longer in the scene" in error_of(bpy.ops.retake.receive, request=job.request)


def test_a_missing_interpreter_is_one_sentence(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sessions.close()
    monkeypatch.setenv("RETAKE_BACKEND_PYTHON", str(tmp_path / "nowhere"))
    sentence = error_of(bpy.ops.retake.new_takes)
    assert "RETAKE_BACKEND_PYTHON" in sentence
    assert "Traceback" not in sentence
    assert stage.curve("jawOpen") is None


def test_a_python_without_the_packages_is_one_sentence(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions.close()
    monkeypatch.setenv("RETAKE_BACKEND_PYTHON", sys.executable)  # Blender's own has numpy, and no torch
    sentence = error_of(bpy.ops.retake.new_takes)
    sessions.close()
    assert "lacks the package 'torch'" in sentence
    assert "preferences" in sentence
    assert "Traceback" not in sentence
    assert stage.curve("jawOpen") is None


CHILD = """
import sys, time
sys.path.insert(0, r"{scripts}")
import _start
_start.register_package()
import retake, bpy
bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
retake.register()
bpy.ops.retake.add_head()
bpy.ops.retake.import_audio(filepath=r"{audio}", frame=1)
bpy.ops.retake.new_takes(count=8, scheduler="ddpm", steps=500, wait=False)
from retake.addon.operators.session import poll, session
while session.job.progress is None:
    assert poll().failure is None, session.job.failure
    time.sleep(0.01)
print("PID", session.client.pid, flush=True)
time.sleep(60)
"""


def test_no_backend_outlives_a_killed_blender(registered: None, speech: Path) -> None:
    script = CHILD.format(scripts=ROOT / "scripts", audio=speech)
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child, child.stdout:
        pid = next(int(line.split()[1]) for line in child.stdout if line.startswith("PID"))
        assert is_alive(pid)
        child.kill()
        child.wait()
    deadline = time.monotonic() + 5.0
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(pid)


QUIET_EXIT = """
import sys
sys.path.insert(0, r"{scripts}")
import _start
_start.register_package()
import retake, bpy
retake.register()
bpy.ops.retake.add_head()
bpy.ops.retake.import_audio(filepath=r"{audio}", frame=1)
bpy.ops.retake.new_takes(count=1)
from retake.addon.operators.session import session
print("PID", session.client.pid, flush=True)
assert "torch" not in sys.modules
retake.unregister()
"""


def test_blender_ends_by_itself_and_torch_was_never_imported(registered: None, speech: Path) -> None:
    script = QUIET_EXIT.format(scripts=ROOT / "scripts", audio=speech)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stdout + done.stderr
    pid = next(int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("PID"))
    deadline = time.monotonic() + 5.0
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(pid)


def test_the_interpreter_is_the_one_the_tests_name(registered: None) -> None:
    assert find_python("", ROOT) == Path(os.environ["RETAKE_BACKEND_PYTHON"])


def test_opening_another_file_ends_the_wait(stage: Stage, make_stage: Callable[..., Stage]) -> None:
    slow(stage)
    poll()
    bpy.ops.wm.read_homefile(use_empty=True, use_factory_startup=True)
    assert not session.job.is_running
    assert session.job.failure.sentence == "Another file was opened while takes were generated."
    again = make_stage()
    again.generate(count=1)
    assert len(again.generated("jawOpen"))
