# SPDX-License-Identifier: GPL-3.0-or-later
"""The client and everything behind it against the real backend process (with a small random model)."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retake.addon.core.channels import CHANNEL_INDEX, LipModel
from retake.addon.core.client import BackendClient, ClientState, Event, Failed, Progress, Ready, Result, Rig
from retake.addon.core.library import Library
from retake.addon.core.render import render
from retake.addon.core.request import RequestValues, request_values
from retake.addon.core.takes import Settings
from retake.addon.core.timing import AudioClock, Span
from retake.backend.protocol import CHANNEL_NAMES, CONTROL_NAMES, PARTS
from retake.tests.addon_core.builders import curve, given_of, make_lips, whole_head
from retake.tests.addon_core.test_client import is_running, wait_for

ROOT = Path(__file__).resolve().parents[2]
SPAN = Span(-1.0, 6.0)
QUICK = Settings(steps=3)
LONG = Settings(steps=500, scheduler="ddpm")


@pytest.fixture
def client(checkpoint: Path) -> Iterator[BackendClient]:
    made = BackendClient(Path(sys.executable), ROOT, ("-m", "backend", "serve", "--model", str(checkpoint)))
    yield made
    made.shutdown()


def make_rig(scale: float = 1.0) -> Rig:
    rng = np.random.default_rng(0)
    return Rig(
        CHANNEL_NAMES,
        CONTROL_NAMES,
        (scale * rng.normal(size=(9, 3))).astype(np.float32),
        rng.normal(size=(52, 9, 3)).astype(np.float32),
        np.zeros((5, 9), np.float32),
        np.zeros((9, 5), np.float32),
    )


def values_of(**keyed: Any) -> RequestValues:
    return request_values(given_of(whole_head(**keyed)), AudioClock(24.0, 0.0), SPAN, tuple(PARTS))


def generate(client: BackendClient, audio: Path, settings: Settings = QUICK, **changes: Any) -> int:
    asked = {"rig": make_rig(), "parts": tuple(PARTS), "seeds": (4, 5), "span": SPAN, "given": values_of(), **changes}
    return client.generate(audio, settings=settings, **asked)


def until(client: BackendClient, kind: type[Event], seconds: float = 60.0) -> Event:
    return wait_for(client, kind, seconds)


def test_a_whole_generation(client: BackendClient, recording: Path) -> None:
    clock = AudioClock(23.976, 1013.0)
    key = curve("mouthSmileLeft", [clock.frame(2.0) + 0.3], [0.9])
    given = given_of(whole_head(mouthSmileLeft=key))
    sent = request_values(given, clock, SPAN, tuple(PARTS))
    request = generate(client, recording, given=sent)
    ready = until(client, Ready)
    assert isinstance(ready, Ready)
    assert ready.info["model"] == "random"
    progress = until(client, Progress)
    assert isinstance(progress, Progress)
    assert progress.request == request
    result = until(client, Result)
    assert isinstance(result, Result)
    library = Library()
    first, second = library.add_result(result.message, result.arrays, tuple(PARTS), SPAN, sent, Settings(steps=3))
    assert np.abs(library.take(first).values - library.take(second).values).max() > 0.01
    assert not library.stale(first, given, clock)
    for take in (first, second):
        library.show(take)
        plan = render(library, clock, given, make_lips())["mouthSmileLeft"]
        near = np.argsort(np.abs(plan.frames - key.frames[0]))[:2]
        assert np.abs(plan.values[near] - 0.9).max() < 0.25


def test_the_same_request_twice_gives_the_same_bytes_and_a_take_does_not_depend_on_the_others(
    client: BackendClient, recording: Path
) -> None:
    results = []
    for seeds in ((4, 5), (4, 5), (5,)):
        generate(client, recording, seeds=seeds)
        result = until(client, Result)
        assert isinstance(result, Result)
        results.append(result.arrays["channels"])
    assert results[0].tobytes() == results[1].tobytes()
    np.testing.assert_allclose(results[2][0], results[0][1], atol=1e-4)


def test_describe_and_another_head(client: BackendClient, recording: Path) -> None:
    client.describe()
    described = until(client, Result)
    assert isinstance(described, Result)
    assert described.message["styles"] == ["neutral", "calm"]
    assert len(described.message["channel_sd"]) == 55
    assert client.info["device"] == "cpu", "not what it was asked for any more, but what it computes on"
    assert not client.is_preparing
    for scale in (1.0, 2.0, 1.0):
        generate(client, recording, rig=make_rig(scale), seeds=(1,))
        assert isinstance(until(client, Result), Result)


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"audio": Path("/nowhere/speech.wav")}, "audio", "speech.wav"),
        ({"settings": Settings(style="angry")}, "options", "angry"),
        ({"settings": Settings(steps=0)}, "options", "steps"),
        ({"seeds": ()}, "options", ""),
        (
            {"given": RequestValues(np.array([np.nan]), np.array([3]), np.array([0.5]), np.array([True]))},
            "given_values",
            "the time nan",
        ),
    ],
    ids=["audio", "style", "steps", "seeds", "nan"],
)
def test_what_cannot_be_done_is_one_sentence_and_the_next_request_works(
    client: BackendClient, recording: Path, change: dict[str, Any], code: str, words: str
) -> None:
    request = generate(client, **{"audio": recording, **change})
    failed = until(client, Failed)
    assert isinstance(failed, Failed)
    assert (failed.request, failed.code) == (request, code)
    assert words in failed.sentence
    generate(client, recording)
    assert isinstance(until(client, Result), Result)


def test_cancelling_stops_a_long_generation(client: BackendClient, recording: Path) -> None:
    request = generate(client, recording, LONG, seeds=tuple(range(8)))
    until(client, Progress)
    client.cancel(request)
    before = time.monotonic()
    failed = until(client, Failed)
    assert isinstance(failed, Failed)
    assert (failed.request, failed.code) == (request, "cancelled")
    assert time.monotonic() - before < 5.0
    generate(client, recording)
    assert isinstance(until(client, Result), Result)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_kill_minus_9_is_one_sentence_and_the_next_generation_works(client: BackendClient, recording: Path) -> None:
    request = generate(client, recording, LONG, seeds=tuple(range(8)))
    until(client, Progress)
    assert client.pid is not None
    os.kill(client.pid, signal.SIGKILL)
    failed = until(client, Failed)
    assert isinstance(failed, Failed)
    assert (failed.request, failed.code) == (request, "backend_lost")
    assert "signal 9" in failed.message
    assert client.state is ClientState.LOST
    assert client.poll() == []
    generate(client, recording)
    assert isinstance(until(client, Result), Result)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_stopped_backend_is_given_up(checkpoint: Path, recording: Path) -> None:
    arguments = ("-m", "backend", "serve", "--model", str(checkpoint))
    client = BackendClient(Path(sys.executable), ROOT, arguments)
    generate(client, recording, LONG, seeds=tuple(range(8)))
    until(client, Progress)
    pid = client.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    client._limits = 60.0, 1.5
    failed = until(client, Failed)
    assert isinstance(failed, Failed)
    assert "hangs" in failed.message
    assert not is_running(pid)


def test_a_damaged_checkpoint_is_one_sentence(checkpoint: Path, recording: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(checkpoint.read_bytes()[:-100])
    client = BackendClient(Path(sys.executable), ROOT, ("-m", "backend", "serve", "--model", str(cut)))
    generate(client, recording)
    failed = until(client, Failed)
    client.shutdown()
    assert isinstance(failed, Failed)
    assert failed.code == "checkpoint"
    assert "cut.safetensors" in failed.sentence


def test_the_add_ons_death_ends_the_backend(client: BackendClient) -> None:
    client.start()
    until(client, Ready)
    pid = client.pid
    assert pid is not None
    assert client._talk is not None
    client._talk.process._outgoing.put(None)  # what the end of Blender does: the pipe closes
    assert not is_running(pid, 5.0)


def test_the_lips_of_the_built_in_head() -> None:
    with np.load(ROOT / "backend" / "assets" / "head.npz") as head:
        names = [str(name) for name in head["control_names"]]
        lips = LipModel.of_head(
            head["v_template"], dict(zip(names, head["controls"], strict=True)), head["inner_lip_pairs"]
        )
    assert 0 <= lips.neutral_mm < 0.3
    assert 22 <= lips.slopes[CHANNEL_INDEX["jawOpen"]] <= 40
    closing = np.zeros((2, 55))
    closing[:, [CHANNEL_INDEX["jawOpen"], CHANNEL_INDEX["mouthClose"]]] = [[0.0], [1.0]]
    assert lips.opening(closing).max() < 0.8
