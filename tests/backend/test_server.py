# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import os
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retake.backend.protocol import CHANNEL_NAMES, PROTOCOL_VERSION, hello, write_message

from .conftest import Backend, backend_environment

Start = Callable[..., Backend]
SLOW: dict[str, Any] = {"scheduler": "ddpm", "steps": 500, "seeds": list(range(8))}
SMILE, NECK_Y = CHANNEL_NAMES.index("mouthSmileLeft"), CHANNEL_NAMES.index("head_rotation.y")


def given_values(*keys: tuple[float, int, float]) -> dict[str, np.ndarray]:
    times, channels, values = zip(*keys, strict=True)
    return {
        "given_times": np.array(times),
        "given_channels": np.array(channels, np.int32),
        "given_values": np.array(values, np.float32),
    }


@pytest.fixture(scope="module")
def shared(checkpoint: Path) -> Iterator[Backend]:
    started = Backend(checkpoint)
    started.greet()
    yield started
    started.close()


@pytest.fixture
def backend(shared: Backend) -> Backend:
    """A process that tests share: none may end it."""
    assert shared.process.poll() is None
    return shared


@pytest.fixture
def own_backend(start_backend: Start) -> Backend:
    """A process that the test may end."""
    started = start_backend()
    started.greet()
    return started


def test_hello_comes_before_torch_is_imported(start_backend: Start, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("import time\ntime.sleep(600)\n", encoding="utf-8")  # an import that never ends
    backend = start_backend(search_first=tmp_path)
    message = backend.greet()
    assert (message["version"], message["side"]) == (PROTOCOL_VERSION, "backend")
    assert (message["model"], message["device"]) == ("random", "auto")
    assert "generate" in message["capabilities"]


def test_no_arguments_on_pipes_is_the_server() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "backend"], input=b"", capture_output=True, env=backend_environment(), timeout=60
    )
    assert process.returncode == 0
    assert b"hello" in process.stdout


def test_describe(backend: Backend) -> None:
    message, _, _ = backend.answer(backend.request("describe"))
    assert message["styles"] == ["neutral", "calm"]
    assert message["devices"] == ["cpu"]
    assert len(message["channel_sd"]) == len(message["channel_names"]) == 55
    assert 50 < message["peak_mib"] < 1500
    assert backend.device == "cpu", "it was told once the model was there"


def test_generate(backend: Backend, recording: Path) -> None:
    backend.register_rig()
    given = given_values((1.0, SMILE, 0.6), (2.345, NECK_Y, 0.3))
    message, arrays, progress = backend.answer(backend.generate(recording, given, seeds=[4, 5, 6]))
    assert message["type"] == "result"
    assert (message["seeds"], message["fps"], message["start_frame"]) == ([4, 5, 6], 30, -30)
    assert message["audio_seconds"] == 5.0
    assert (message["phones"][0][0], message["phones"][-1][1]) == (0.0, 5.0)
    assert all(start < end for start, end in message["pauses"])
    assert message["channel_names"] == list(CHANNEL_NAMES)
    assert {"audio", "face", "head"} <= message["seconds"].keys()
    assert arrays["channels"].shape == (3, 211, 55)
    assert arrays["given_raw"].shape == (3, 2)
    assert np.isfinite(arrays["given_raw"]).all()
    np.testing.assert_array_equal(arrays["channels"][:, 60, SMILE], np.float32(0.6))
    np.testing.assert_array_equal(arrays["channels"][:, 100, NECK_Y], np.float32(0.3))
    stages = [message["stage"] for message in progress]
    assert {"face", "head"} <= set(stages)
    last = [message for message in progress if message["stage"] == "head"][-1]
    assert last["step"] == last["total"]
    assert last["seconds_left"] == 0.0


def test_time_left_falls(backend: Backend, recording: Path) -> None:
    backend.register_rig()
    request = backend.generate(recording, scheduler="ddpm", steps=200, seeds=[0])
    _, _, progress = backend.answer(request)
    left = [message["seconds_left"] for message in progress if message["stage"] in ("face", "head")]
    assert len(left) > 4
    assert all(seconds >= 0 for seconds in left)
    assert left[-1] < left[0]


def test_same_request_same_bytes(start_backend: Start, recording: Path) -> None:
    results = []
    for _ in range(2):
        backend = start_backend()
        backend.greet()
        backend.register_rig()
        for _ in range(2):
            _, arrays, _ = backend.answer(backend.generate(recording, given_values((1.0, SMILE, 0.6))))
            results.append(arrays["channels"].tobytes())
    assert len(set(results)) == 1


def test_features_are_cached_until_the_file_changes(backend: Backend, recording: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.wav"
    copy.write_bytes(recording.read_bytes())
    backend.register_rig()
    first, before, _ = backend.answer(backend.generate(copy))
    again, _, _ = backend.answer(backend.generate(copy))
    assert "audio" in first["seconds"]
    assert "audio" not in again["seconds"]
    data = bytearray(recording.read_bytes())
    data[20000:60000] = bytes(40000)
    copy.write_bytes(data)
    changed, after, _ = backend.answer(backend.generate(copy))
    assert "audio" in changed["seconds"]
    assert not np.array_equal(before["channels"], after["channels"])


def test_cancel_takes_effect_within_a_step(backend: Backend, recording: Path) -> None:
    backend.register_rig()
    request = backend.generate(recording, **SLOW)
    while (before := backend.receive()[0])["stage"] != "face":
        pass
    backend.request("cancel", target=request)
    message, _, progress = backend.answer(request)
    assert message["code"] == "cancelled"
    last = progress[-1] if progress else before  # steps go on while the word is on its way
    assert last["stage"] == "face"
    assert last["step"] - before["step"] < 50
    assert before["total"] >= 500
    message, arrays, _ = backend.answer(backend.generate(recording))
    assert arrays["channels"].shape[0] == 2


def test_cancel_of_a_waiting_request(backend: Backend, recording: Path) -> None:
    backend.register_rig()
    running = backend.generate(recording, **SLOW)
    waiting = backend.generate(recording)
    backend.request("cancel", target=waiting)
    backend.request("cancel", target=running)
    assert backend.answer(running)[0]["code"] == "cancelled"
    assert backend.answer(waiting)[0]["code"] == "cancelled"


def test_cancel_of_nothing_is_ignored(backend: Backend) -> None:
    backend.request("cancel", target=99)
    assert backend.answer(backend.request("describe"))[0]["type"] == "result"


def test_unknown_rig(backend: Backend, recording: Path) -> None:
    message, _, _ = backend.answer(backend.generate(recording, rig="never registered"))
    assert message["code"] == "unknown_rig"


@pytest.mark.parametrize(
    ("members", "code", "sentence"),
    [
        ({"audio": "nowhere.wav"}, "audio", "does not exist"),
        ({"audio": 5}, "options", "'audio'"),
        ({"seeds": []}, "options", "takes"),
        ({"seeds": [True]}, "options", "seeds"),
        ({"seeds": [-1]}, "options", "-1"),
        ({"style": "shouting"}, "options", "shouting"),
        ({"scheduler": "euler"}, "options", "euler"),
        ({"steps": 0}, "options", "0 steps"),
        ({"guidance": -0.5}, "options", "-0.5"),
        ({"parts": ["ears"]}, "options", "ears"),
        ({"range": [2.0, 1.0]}, "options", "range"),
        ({"range": [0.0, 1e9]}, "options", "range"),
        ({"range": ["a", 1]}, "options", "range"),
    ],
)
def test_bad_request_is_one_sentence(
    backend: Backend, recording: Path, members: dict[str, Any], code: str, sentence: str
) -> None:
    backend.register_rig()
    message, _, _ = backend.answer(backend.generate(recording, **members))
    assert message["code"] == code
    assert sentence in message["message"]
    assert "\n" not in message["message"]
    assert backend.answer(backend.request("describe"))[0]["type"] == "result"


@pytest.mark.parametrize(
    ("key", "sentence"),
    [((1.0, SMILE, np.nan), "mouthSmileLeft"), ((np.inf, SMILE, 0.5), "inf"), ((1.0, 55, 0.5), "55")],
)
def test_bad_given_value(backend: Backend, recording: Path, key: tuple[float, int, float], sentence: str) -> None:
    backend.register_rig()
    message, _, _ = backend.answer(backend.generate(recording, given_values(key)))
    assert message["code"] == "given_values"
    assert sentence in message["message"]


def test_unknown_request(backend: Backend) -> None:
    message, _, _ = backend.answer(backend.request("juggle"))
    assert "juggle" in message["message"]


def test_bad_rig(backend: Backend) -> None:
    names = {"channel_names": ["jawOpen"], "control_names": ["jawOpen"]}
    arrays = {"v_template": np.zeros((4, 3)), "controls": np.zeros((2, 4, 3))}
    arrays |= {"J_regressor": np.zeros((5, 4)), "weights": np.zeros((4, 5))}
    message, _, _ = backend.answer(backend.request("register_rig", arrays, rig="b", **names))
    assert message["code"] == "rig"
    assert "(2, 4, 3)" in message["message"]


def test_shutdown_ends_the_process_even_while_it_computes(own_backend: Backend, recording: Path) -> None:
    own_backend.register_rig()
    own_backend.generate(recording, **SLOW)
    own_backend.receive()
    own_backend.request("shutdown")
    assert own_backend.process.wait(3) == 0


def test_end_of_stdin_ends_the_process_even_while_it_computes(own_backend: Backend, recording: Path) -> None:
    own_backend.register_rig()
    own_backend.generate(recording, **SLOW)
    own_backend.receive()
    own_backend.stdin.close()
    assert own_backend.process.wait(3) == 0


@pytest.mark.skipif(os.name == "nt", reason="process groups of POSIX")
def test_a_killed_parent_leaves_no_process(checkpoint: Path, recording: Path) -> None:
    parent = textwrap.dedent("""
        import subprocess, sys, time
        child = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdout.read(100)
        print(child.pid, flush=True)
        time.sleep(60)
    """)
    command = [sys.executable, "-m", "backend", "serve", "--model", str(checkpoint)]
    with subprocess.Popen(
        [sys.executable, "-c", parent, *command], stdout=subprocess.PIPE, text=True, env=backend_environment()
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    deadline = time.monotonic() + 5
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(child)


def alive(process: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    status = Path(f"/proc/{process}/stat")
    if Path("/proc/self/stat").exists():
        return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_another_version_is_told_which_side_to_update(start_backend: Start) -> None:
    backend = start_backend()
    backend.send({**hello("addon"), "version": PROTOCOL_VERSION + 1})
    assert backend.receive()[0]["type"] == "hello"
    message, _ = backend.receive()
    assert message["code"] == "version"
    assert message["remedy"] == "Update the backend."
    assert backend.process.wait(5) == 2


@pytest.mark.parametrize(
    "garbage",
    [b"\xff" * 64, struct.pack("<Q", 12) + b"not a zip at", b"GET / HTTP/1.1\r\n\r\n"],
    ids=["length", "payload", "text"],
)
def test_garbage_on_the_pipe_is_one_sentence(own_backend: Backend, garbage: bytes) -> None:
    own_backend.stdin.write(garbage)
    own_backend.stdin.close()
    message, _ = own_backend.receive()
    assert message["code"] == "protocol"
    assert message["id"] is None
    assert own_backend.process.wait(5) == 2
    own_backend._drain.join(5)
    assert b"Traceback" not in own_backend.log


@pytest.mark.parametrize("target", [[1], {}, None, True])
@pytest.mark.parametrize("kind", ["cancel", "describe"])
def test_what_is_no_number_is_one_sentence(own_backend: Backend, kind: str, target: object) -> None:
    own_backend.send({"type": kind, "id": 1 if kind == "cancel" else target, "target": target})
    answer, _ = own_backend.receive()
    assert (answer["code"], answer["id"]) == ("protocol", None)
    assert own_backend.process.wait(5) == 2
    own_backend._drain.join(5)
    assert b"Traceback" not in own_backend.log


def test_no_failure_of_the_reader_leaves_the_process_alive(checkpoint: Path) -> None:
    code = textwrap.dedent(f"""
        from pathlib import Path
        from backend.pipes import claim_pipes
        pipes = claim_pipes()
        class Broken:
            def read(self, count):
                raise RuntimeError("broken")
        from backend.server import Server
        Server(Broken(), pipes[1], Path({str(checkpoint)!r})).run()
    """)
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=b"", capture_output=True, env=backend_environment(), timeout=60)
    assert done.returncode == 2
    assert b"RuntimeError: broken" in done.stdout
    assert b"Traceback" in done.stderr


def test_prints_cannot_break_the_protocol(checkpoint: Path) -> None:
    code = textwrap.dedent(f"""
        import os, subprocess, sys
        from backend.pipes import claim_pipes
        pipes = claim_pipes()
        print("a library's print")
        os.write(1, b"a native library's print")
        subprocess.run([sys.executable, "-c", "print('a child process with a print')"])
        from pathlib import Path
        from backend.server import Server
        Server(*pipes, Path({str(checkpoint)!r})).run()
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=backend_environment(),
    )
    assert isinstance(process.stdin, io.BufferedWriter)
    write_message(process.stdin, hello("addon"))
    stdout, stderr = process.communicate(timeout=60)
    assert stdout[8:10] == b"PK"
    assert b"print" not in stdout
    assert stderr.count(b"print") == 3


@pytest.mark.parametrize("length", [0, 5, 300, 20000])
def test_a_checkpoint_cut_short_is_one_sentence(
    start_backend: Start, checkpoint: Path, tmp_path: Path, length: int
) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(checkpoint.read_bytes()[:length])
    backend = start_backend(cut)
    backend.greet()
    message, _, _ = backend.answer(backend.request("describe"))
    assert message["code"] == "checkpoint"
    assert "cut.safetensors" in message["message"]
    cut.write_bytes(checkpoint.read_bytes())  # mended: the next request finds it so
    assert backend.answer(backend.request("describe"))[0]["type"] == "result"


def test_two_conversations_at_once(start_backend: Start, recording: Path) -> None:
    results: list[bytes] = []

    def converse() -> None:
        backend = start_backend()
        backend.greet()
        backend.register_rig()
        results.append(backend.answer(backend.generate(recording))[1]["channels"].tobytes())

    threads = [threading.Thread(target=converse) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == 2
    assert results[0] == results[1]
