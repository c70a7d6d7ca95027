# SPDX-License-Identifier: GPL-3.0-or-later
"""A small real checkpoint with random weights, recordings, and a backend process to talk to."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: its threads must not spin beside others

import contextlib
import io
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, settings

from retake.backend.protocol import CHANNEL_NAMES, CONTROL_NAMES, hello, read_message, write_message

ROOT = Path(__file__).resolve().parents[2]
RATE = 16000

# The same examples every time, and no complaint about a busy machine.
settings.register_profile("retake", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("retake")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the real classes, small and untrained: every weight random, so that everything reaches the output."""
    import torch

    from retake.backend.models import (
        AudioEncoder,
        AudioEncoderConfig,
        DenoiserConfig,
        FaceDenoiser,
        HeadDenoiser,
        Models,
        save_checkpoint,
    )

    torch.manual_seed(0)
    sizes = AudioEncoderConfig(
        front_width=16, width=24, feature_dim=16, dilations=(1, 2), density_phones=3, densities=4
    )
    encoder = AudioEncoder(sizes)
    assert encoder.densities is not None
    encoder.densities.quadratic.normal_(std=0.01)
    encoder.densities.constant.normal_()
    face = FaceDenoiser(DenoiserConfig(52, feature_dim=16, widths=(24, 32)))
    head = HeadDenoiser(DenoiserConfig(3, feature_dim=16, widths=(16, 24)))
    with torch.no_grad():
        for network in (face, head):
            for parameter in network.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
    mean, sd = torch.full((55,), 0.2), torch.linspace(0.05, 0.2, 55)
    metadata = {"name": "random", "channel_sd": sd.tolist()}
    path = tmp_path_factory.mktemp("model") / "random.safetensors"
    models = Models(
        encoder.eval(), face.eval(), head.eval(), mean, sd, ("neutral", "calm"), torch.randn(2, 16), metadata
    )
    save_checkpoint(path, models)
    return path


@pytest.fixture(scope="session")
def session(checkpoint: Path) -> Any:
    """A session of that model in this process."""
    from retake.backend.session import Session

    return Session(checkpoint)


def speech_like(seconds: float, rate: int = RATE) -> np.ndarray:
    """A tone whose loudness goes up and down like syllables, (S,) float32."""
    time = np.arange(round(seconds * rate)) / rate
    tone = np.sin(2 * np.pi * 150 * time) + 0.5 * np.sin(2 * np.pi * 900 * time)
    return np.asarray(0.3 * tone * np.sin(2 * np.pi * 2 * time) ** 2, np.float32)


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds of audio."""
    path = tmp_path_factory.mktemp("audio") / "five.wav"
    soundfile.write(path, speech_like(5.0), RATE)
    return path


@pytest.fixture(scope="session")
def long_recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-one seconds of audio: several windows."""
    path = tmp_path_factory.mktemp("audio") / "long.wav"
    soundfile.write(path, speech_like(21.3), RATE)
    return path


def backend_environment() -> dict[str, str]:
    """Environment in which `-m backend` finds this tree, as the add-on makes it."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def run_backend(*arguments: str, cwd: Path | None = None, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a command of the backend to its end, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "backend", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=backend_environment(),
        cwd=cwd,
        timeout=timeout,
    )


class Backend:
    """One backend process, spoken to as the add-on does."""

    def __init__(self, checkpoint: Path, search_first: Path | None = None) -> None:
        environment = backend_environment()
        if search_first is not None:
            environment["PYTHONPATH"] = os.pathsep.join((str(search_first), environment["PYTHONPATH"]))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "backend", "serve", "--model", str(checkpoint)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        self.log, self.device = b"", ""
        self._drain = threading.Thread(target=self._read_log, daemon=True)
        self._drain.start()
        self._number = 0

    @property
    def stdin(self) -> io.BufferedWriter:
        """What the process reads."""
        assert isinstance(self.process.stdin, io.BufferedWriter)
        return self.process.stdin

    def send(self, message: Mapping[str, object], arrays: Mapping[str, np.ndarray] | None = None) -> None:
        write_message(self.stdin, message, arrays)

    def receive(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        assert isinstance(self.process.stdout, io.BufferedReader)
        return read_message(self.process.stdout)

    def greet(self) -> dict[str, Any]:
        self.send(hello("addon"))
        return self.receive()[0]

    def request(self, kind: str, arrays: Mapping[str, np.ndarray] | None = None, **members: object) -> int:
        self._number += 1
        self.send({"type": kind, "id": self._number, **members}, arrays)
        return self._number

    def answer(self, number: int) -> tuple[dict[str, Any], dict[str, np.ndarray], list[dict[str, Any]]]:
        """Result or error of a request, and the progress before it."""
        progress: list[dict[str, Any]] = []
        while True:
            message, arrays = self.receive()
            if message["type"] == "loaded":
                self.device = message["device"]
                continue
            assert message["id"] == number
            if message["type"] != "progress":
                return message, arrays, progress
            progress.append(message)

    def register_rig(self, digest: str = "a" * 64) -> None:
        rig = {"v_template": np.zeros((9, 3)), "controls": np.zeros((52, 9, 3))}
        rig |= {"J_regressor": np.zeros((5, 9)), "weights": np.zeros((9, 5))}
        names = {"channel_names": CHANNEL_NAMES, "control_names": CONTROL_NAMES}
        assert self.answer(self.request("register_rig", rig, rig=digest, **names))[0]["type"] == "result"

    def generate(self, recording: Path, arrays: Mapping[str, np.ndarray] | None = None, **members: Any) -> int:
        usual = {"audio": str(recording), "rig": "a" * 64, "seeds": [0, 1], "steps": 3, "style": "neutral"}
        return self.request("generate", arrays, **(usual | members))

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self._drain.join(10)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()

    def _read_log(self) -> None:
        assert isinstance(self.process.stderr, io.BufferedReader)
        while data := self.process.stderr.read1():
            self.log += data


@pytest.fixture
def start_backend(checkpoint: Path) -> Iterator[Callable[..., Backend]]:
    """Starts backend processes that end with the test."""
    started: list[Backend] = []

    def start(model: Path = checkpoint, search_first: Path | None = None) -> Backend:
        started.append(Backend(model, search_first))
        return started[-1]

    yield start
    for backend in started:
        backend.close()
