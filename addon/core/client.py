# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's side of the pipe: starts the backend, sends requests, hands out events; never blocks the caller.

One thread reads the process's stdout, one its stderr, one writes; `poll` takes what has arrived. Everything that goes
wrong comes out of `poll` as a `Failed` event with one sentence, and the process can be started again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .request import RequestValues
from .takes import Settings
from .timing import Span

Arrays = Mapping[str, NDArray[Any]]


class ClientState(Enum):
    """Where the process stands."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    LOST = "lost"


@dataclass(frozen=True)
class Rig:
    """A head as the backend needs it; registered on demand.

    Attributes:
        channel_names: Channels the head has.
        control_names: (E,) names of the controls.
        v_template: (V, 3) m.
        controls: (E, V, 3) m.
        joint_regressor: (5, V).
        weights: (V, 5).
    """

    channel_names: tuple[str, ...]
    control_names: tuple[str, ...]
    v_template: NDArray[np.float32]
    controls: NDArray[np.float32]
    joint_regressor: NDArray[np.float32]
    weights: NDArray[np.float32]

    @property
    def hash(self) -> str:
        """sha256 of all of it, hex."""
        raise NotImplementedError


@dataclass(frozen=True)
class Ready:
    """The backend answered its hello; `info` is that message (device, model, capabilities)."""

    info: Mapping[str, Any]


@dataclass(frozen=True)
class Progress:
    """A request goes on: `stage`, `step` of `total`, `seconds_left` (None: not known yet)."""

    request: int
    stage: str
    step: int
    total: int
    seconds_left: float | None


@dataclass(frozen=True)
class Result:
    """A request is done: the result's message and arrays."""

    request: int
    message: Mapping[str, Any]
    arrays: Arrays


@dataclass(frozen=True)
class Failed:
    """A request, or the backend itself (request None), failed: one sentence and what to do.

    `code` is that of backend/errors.py, e.g. "cancelled", "backend_lost", "version".
    """

    request: int | None
    code: str
    message: str
    remedy: str

    @property
    def sentence(self) -> str:
        """Message and remedy together."""
        return f"{self.message} {self.remedy}".strip()


Event = Ready | Progress | Result | Failed


def find_python(preference: str, root: Path) -> Path:
    """Interpreter of the backend: RETAKE_BACKEND_PYTHON, else the preference, else `.venv/backend` beside `root`.

    Args:
        preference: What the preferences say; empty if nothing.
        root: The extension's root.

    Raises:
        InputError: None of them is there; the sentence says where was looked and what to do.
    """
    raise NotImplementedError


class BackendClient:
    """One backend process and the requests to it.

    Requests may be sent right after `start`: they wait for the hello. All methods return at once.
    """

    def __init__(self, python: Path, root: Path, arguments: Sequence[str] = ("-m", "backend")) -> None:
        """Prepare a client; nothing is started.

        Args:
            python: Interpreter, see `find_python`.
            root: The extension's root, the child's PYTHONPATH.
            arguments: What the interpreter runs.
        """
        raise NotImplementedError

    @property
    def state(self) -> ClientState:
        """Where the process stands, as of the last `poll`."""
        raise NotImplementedError

    @property
    def info(self) -> Mapping[str, Any]:
        """The backend's hello, empty before it came."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the process if none runs. What goes wrong comes out of `poll`."""
        raise NotImplementedError

    def restart(self) -> None:
        """End the process, if any, and start another; requests that were under way fail as lost."""
        raise NotImplementedError

    def describe(self) -> int:
        """Ask for models, styles, devices, memory; returns the request's number."""
        raise NotImplementedError

    def generate(
        self,
        audio: Path,
        rig: Rig,
        parts: Sequence[str],
        seeds: Sequence[int],
        span: Span,
        given: RequestValues,
        settings: Settings,
    ) -> int:
        """Ask for takes; the rig is registered first if this process does not know it yet.

        Args:
            audio: The recording.
            rig: The head.
            parts: Parts to generate.
            seeds: A seed a take.
            span: Range, s.
            given: Given values.
            settings: Guidance, steps, scheduler, style.

        Returns:
            The request's number, as in its events.
        """
        raise NotImplementedError

    def cancel(self, request: int) -> None:
        """Ask the backend to stop a request; its end comes as Failed with code "cancelled"."""
        raise NotImplementedError

    def poll(self) -> list[Event]:
        """Events since the last call; also notices a dead, hung or mute process. Never blocks."""
        raise NotImplementedError

    def shutdown(self) -> None:
        """End the process: asked first, killed if it does not obey within a second (in the background)."""
        raise NotImplementedError

    def log_tail(self, lines: int = 20) -> str:
        """The end of the backend's log."""
        raise NotImplementedError
