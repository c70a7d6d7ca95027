# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against real processes: the backend itself, and small ones that die, hang, stay mute or talk garbage."""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import pytest

from retake.addon.core import process
from retake.addon.core.client import (
    BackendClient,
    ClientState,
    Event,
    Failed,
    Progress,
    Ready,
    Result,
    Rig,
    find_python,
)
from retake.addon.core.request import RequestValues
from retake.addon.core.takes import Settings
from retake.addon.core.timing import Span
from retake.backend.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
BLOCKED_SECONDS = 3.0  # far more than a call that does not wait takes on a busy machine
PRELUDE = """
import os, sys, time
from backend.protocol import *
pipes = sys.stdin.buffer, sys.stdout.buffer
def tell(message, arrays=None):
    write_message(pipes[1], message, arrays)
def hear():
    return read_message(pipes[0])
def refuse(number, code, text, remedy=""):
    tell({"type": "error", "id": number, "code": code, "message": text, "remedy": remedy})
"""
SAY_HELLO = 'tell(hello("backend", ["generate"], device="none", model="script")); hear()\n'

StartScript = Callable[..., BackendClient]
UNREAD: WeakKeyDictionary[BackendClient, list[Event]] = WeakKeyDictionary()


def state_of(client: BackendClient) -> ClientState:
    """Its state now, of which nothing is known from before."""
    return client.state


@pytest.fixture
def start_script() -> Iterator[StartScript]:
    clients: list[BackendClient] = []

    def start(*bodies: str, **limits: float) -> BackendClient:
        code = PRELUDE + "\n".join(textwrap.dedent(body) for body in bodies)
        clients.append(BackendClient(Path(sys.executable), ROOT, ("-c", code), **limits))
        clients[-1].start()
        return clients[-1]

    yield start
    for client in clients:
        client.shutdown()


def wait_for(client: BackendClient, kind: type[Event], seconds: float = 20.0) -> Event:
    """Poll as a timer would until an event of a kind comes; the loop never blocks inside poll."""
    deadline = time.monotonic() + seconds
    waiting = UNREAD.setdefault(client, [])
    while time.monotonic() < deadline:
        before = time.monotonic()
        waiting += client.poll()
        assert time.monotonic() - before < BLOCKED_SECONDS, "poll blocked"
        while waiting:
            event = waiting.pop(0)
            if isinstance(event, kind):
                return event
            assert not isinstance(event, Failed), event
        time.sleep(0.01)
    raise AssertionError(f"no {kind.__name__} within {seconds} s; log: {client.log_tail()}")


def make_rig(names: tuple[str, ...] = ("jawOpen", "mouthClose")) -> Rig:
    rng = np.random.default_rng(0)
    return Rig(
        names,
        names,
        rng.normal(size=(20, 3)).astype(np.float32),
        rng.normal(size=(len(names), 20, 3)).astype(np.float32),
        np.zeros((5, 20), np.float32),
        np.zeros((20, 5), np.float32),
    )


def no_values() -> RequestValues:
    return RequestValues(np.zeros(0), np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, bool))


def ask(client: BackendClient, rig: Rig | None = None) -> int:
    return client.generate(
        Path("speech.wav"), rig or make_rig(), ("mouth",), (1,), Span(0.0, 1.0), no_values(), Settings()
    )


ECHO = """
while True:
    message, arrays = hear()
    if message["type"] == "shutdown":
        break
    tell({"type": "progress", "id": message["id"], "stage": "s", "step": 1, "total": 2, "seconds_left": None})
    tell({"type": "result", "id": message["id"], "said": message["type"]})
"""


def test_a_conversation(start_script: StartScript) -> None:
    client = start_script(SAY_HELLO + ECHO)
    assert state_of(client) is ClientState.STARTING
    request = ask(client)
    ready = wait_for(client, Ready)
    assert isinstance(ready, Ready)
    assert ready.info["model"] == "script"
    assert state_of(client) is ClientState.READY
    assert wait_for(client, Progress) == Progress(request, "s", 1, 2, None)
    result = wait_for(client, Result)
    assert isinstance(result, Result)
    assert (result.request, result.message["said"]) == (request, "generate")


def test_a_rig_is_registered_once_a_process_and_again_when_it_was_forgotten(start_script: StartScript) -> None:
    client = start_script(
        SAY_HELLO,
        """
        seen, refusals = [], 1
        while True:
            message, arrays = hear()
            seen.append(message["type"])
            if message["type"] == "generate" and len(seen) == 4 and refusals:
                refusals = 0
                refuse(message["id"], "unknown_rig", "No.")
            else:
                tell({"type": "result", "id": message["id"], "seen": seen})
        """,
    )
    seen = []
    for _ in range(3):
        ask(client)
        result = wait_for(client, Result)
        assert isinstance(result, Result)
        seen.append(result.message["seen"])
    assert seen[0] == ["register_rig", "generate"]
    assert seen[1] == ["register_rig", "generate", "generate"]
    assert seen[2] == ["register_rig", "generate", "generate", "generate", "register_rig", "generate"]


def test_a_refused_rig_fails_its_request_with_the_reason(start_script: StartScript) -> None:
    client = start_script(
        SAY_HELLO,
        """
        while True:
            message, arrays = hear()
            code, text = ("rig", "Bad head.") if message["type"] == "register_rig" else ("unknown_rig", "Unknown.")
            refuse(message["id"], code, text, "Mend it.")
        """,
    )
    request = ask(client)
    failed = wait_for(client, Failed)
    assert isinstance(failed, Failed)
    assert (failed.request, failed.code, failed.sentence) == (request, "rig", "Bad head. Mend it.")
    assert state_of(client) is ClientState.READY


def test_a_dead_process_fails_its_requests_and_the_next_one_starts_it_again(start_script: StartScript) -> None:
    client = start_script(SAY_HELLO + 'print("my last words", file=sys.stderr); hear(); os._exit(7)')
    request = ask(client)
    failed = wait_for(client, Failed)
    assert isinstance(failed, Failed)
    assert (failed.request, failed.code) == (request, "backend_lost")
    assert "exit code 7" in failed.message
    assert "my last words" in failed.remedy
    assert state_of(client) is ClientState.LOST
    assert client.log_tail() == "my last words"
    assert client.why_lost == failed.message
    ask(client)
    assert state_of(client) is ClientState.STARTING
    assert not client.why_lost
    wait_for(client, Ready)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_killed_process_is_noticed_without_a_request_under_way(start_script: StartScript) -> None:
    client = start_script(SAY_HELLO + "hear()")
    wait_for(client, Ready)
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL)
    failed = wait_for(client, Failed)
    assert isinstance(failed, Failed)
    assert failed.request is None
    assert "signal 9" in failed.message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("time.sleep(60)", "did not answer"),
        (SAY_HELLO + "time.sleep(60)", "hangs"),
        ('print("Welcome to my library!", flush=True); time.sleep(60)', "no message"),
        (SAY_HELLO + 'os.write(1, b"\\xff" * 64); time.sleep(60)', "no message"),
        (SAY_HELLO + "os.write(1, (40).to_bytes(8, 'little') + b'x' * 40); time.sleep(60)", "damaged"),
        (SAY_HELLO + 'hear(); tell({"type": "progress", "id": 1}); time.sleep(60)', "progress"),
        (SAY_HELLO + 'hear(); tell({"type": "surprise", "id": 1}); time.sleep(60)', "surprise"),
        ('tell({"type": "hello", "side": "addon", "version": 1}); time.sleep(60)', "first message"),
    ],
    ids=["mute", "hung", "greeting", "garbage", "bad zip", "bad progress", "unknown event", "wrong side"],
)
def test_a_process_that_misbehaves_is_one_sentence_and_ended(start_script: StartScript, body: str, words: str) -> None:
    client = start_script(body, start_seconds=1.5, silence_seconds=1.5)
    pid = client.pid
    ask(client)
    failed = wait_for(client, Failed)
    assert isinstance(failed, Failed)
    assert words in failed.message
    assert "\n" not in failed.sentence
    assert state_of(client) is ClientState.LOST
    assert not is_running(pid)


def is_running(pid: int | None, patience: float = 3.0) -> bool:
    """Whether a child still runs after some patience; the reader thread collects it."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            os.kill(int(pid or 0), 0)
        except ProcessLookupError:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(("version", "side"), [(0, "Update the backend"), (2, "Update the add-on")])
def test_another_version_says_which_side_to_update(start_script: StartScript, version: int, side: str) -> None:
    client = start_script(f'tell({{"type": "hello", "side": "backend", "version": {version}}}); hear(); time.sleep(60)')
    failed = wait_for(client, Failed)
    assert isinstance(failed, Failed)
    assert failed.code == "version"
    assert side in failed.remedy


def test_an_interpreter_that_does_not_start_is_one_sentence(tmp_path: Path) -> None:
    client = BackendClient(tmp_path / "no_python", ROOT)
    client.start()
    failed = wait_for(client, Failed)
    assert isinstance(failed, Failed)
    assert "cannot be started" in failed.message
    assert "preferences" in failed.remedy


def test_an_error_of_a_request_leaves_the_process_alone(start_script: StartScript) -> None:
    client = start_script(
        SAY_HELLO,
        """
        while True:
            message, _ = hear()
            if message["type"] == "describe":
                refuse(message["id"], "audio", "No audio.", "Find it.")
        """,
    )
    request = client.describe()
    failed = wait_for(client, Failed)
    assert failed == Failed(request, "audio", "No audio.", "Find it.")
    assert state_of(client) is ClientState.READY


def test_a_request_that_cannot_be_written_fails_alone(start_script: StartScript) -> None:
    client = start_script(SAY_HELLO + ECHO)
    bad = client.generate(
        Path("a.wav"), make_rig(), ("mouth",), (1,), Span(0.0, 1.0), no_values(), Settings(guidance=float("nan"))
    )
    failed = wait_for(client, Failed)
    assert isinstance(failed, Failed)
    assert (failed.request, failed.code) == (bad, "protocol")
    client.describe()
    assert isinstance(wait_for(client, Result), Result)


def test_restart_fails_what_was_under_way(start_script: StartScript) -> None:
    client = start_script(SAY_HELLO + "hear(); time.sleep(60)")
    wait_for(client, Ready)
    pid = client.pid
    request = ask(client)
    client.restart()
    failed = wait_for(client, Failed)
    assert isinstance(failed, Failed)
    assert (failed.request, failed.code) == (request, "backend_lost")
    assert not is_running(pid)
    wait_for(client, Ready)


def test_shutdown_ends_even_a_process_that_does_not_listen(start_script: StartScript) -> None:
    client = start_script(SAY_HELLO + "time.sleep(60)")
    wait_for(client, Ready)
    pid = client.pid
    before = time.monotonic()
    client.shutdown()
    assert time.monotonic() - before < BLOCKED_SECONDS, "shutdown waited for the process"
    assert state_of(client) is ClientState.STOPPED
    assert not is_running(pid)


def test_cancel_reaches_the_process(start_script: StartScript) -> None:
    client = start_script(
        SAY_HELLO,
        """
        while True:
            message, _ = hear()
            if message["type"] == "cancel":
                refuse(message["target"], "cancelled", "Stopped.")
        """,
    )
    request = client.describe()
    client.cancel(request)
    assert wait_for(client, Failed) == Failed(request, "cancelled", "Stopped.", "")


def test_the_child_gets_a_clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONHOME", "LD_PRELOAD", "PYTHONSTARTUP", "SECRET_TOKEN"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("RETAKE_SOMETHING", "y")
    environment = process.child_environment(Path("root"))
    assert environment["PYTHONPATH"] == "root"
    assert environment["RETAKE_SOMETHING"] == "y"
    assert not {"PYTHONHOME", "LD_PRELOAD", "PYTHONSTARTUP", "SECRET_TOKEN"} & set(environment)


def test_the_interpreter_is_searched_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RETAKE_BACKEND_PYTHON", raising=False)
    home = tmp_path / "home"
    with pytest.raises(InputError, match=r"not installed\. Press Install"):
        find_python("", tmp_path, home)
    beside = tmp_path / ".venv" / "backend" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    beside.parent.mkdir(parents=True)
    beside.touch()
    assert find_python("", tmp_path) == beside
    assert find_python(sys.executable, tmp_path) == Path(sys.executable)
    with pytest.raises(InputError, match="preferences"):
        find_python(str(tmp_path / "gone"), tmp_path)
    monkeypatch.setenv("RETAKE_BACKEND_PYTHON", str(tmp_path / "gone"))
    with pytest.raises(InputError, match="RETAKE_BACKEND_PYTHON"):
        find_python(sys.executable, tmp_path)


def test_the_hash_of_a_rig_follows_everything_in_it() -> None:
    rig = make_rig()
    assert rig.hash == make_rig().hash
    moved = Rig(
        rig.channel_names, rig.control_names, rig.v_template + 1e-3, rig.controls, rig.joint_regressor, rig.weights
    )
    named = make_rig(("jawOpen", "mouthPucker"))
    assert len({rig.hash, moved.hash, named.hash}) == 3
