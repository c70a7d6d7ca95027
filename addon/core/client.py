# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's side of the pipe: starts the backend, sends requests, hands out events; never blocks the caller.

`poll` takes what has arrived. Everything that goes wrong comes out of it as a `Failed` event with one sentence: once
for each request under way, or once without a request if none is. The next request starts the process again.
"""

from __future__ import annotations

import hashlib
import queue
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import BackendLostError, CancelledError, ProtocolError, RetakeError, UnknownRigError
from ...backend.protocol import as_error, check_hello, hello
from .events import Arrays, Event, Failed, Progress, Ready, Result, progress_of
from .process import BackendProcess, Ended, Incoming, find_python, lost_remedy
from .request import RequestValues
from .takes import Settings
from .timing import Span

__all__ = [
    "BackendClient",
    "ClientState",
    "Event",
    "Failed",
    "Progress",
    "Ready",
    "Result",
    "Rig",
    "find_python",
]

START_SECONDS = 60.0  # from start to hello; it is said before anything heavy is imported
LOAD_SECONDS = 120.0  # after which a process that loaded nothing is not watched any more
SILENCE_SECONDS = 120.0  # without a word while a request is under way; loading the model is the longest


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

    @cached_property
    def hash(self) -> str:
        """sha256 of all of it, hex."""
        digest = hashlib.sha256("\0".join([*self.channel_names, "", *self.control_names]).encode())
        for name, array in self.arrays.items():
            digest.update(f"{name}{array.shape}{array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays of `register_rig`, by their names in the protocol."""
        return {
            "v_template": self.v_template,
            "controls": self.controls,
            "J_regressor": self.joint_regressor,
            "weights": self.weights,
        }


@dataclass
class _Request:
    """A request under way; a registration belongs to the request that waits for it."""

    message: dict[str, Any]
    arrays: Arrays
    rig: Rig | None = None
    waiting: int | None = None
    is_repeated: bool = False
    failure: RetakeError | None = None


@dataclass
class _Conversation:
    """What is known about one running process."""

    process: BackendProcess
    started: float = field(default_factory=time.monotonic)
    asked: float = field(default_factory=time.monotonic)
    rigs: set[str] = field(default_factory=set)
    is_ready: bool = False
    is_loaded: bool = False


class BackendClient:
    """One backend process and the requests to it.

    A request starts the process if none runs, and waits for it. All methods return at once.
    """

    def __init__(
        self,
        python: Path,
        root: Path,
        arguments: Sequence[str] = ("-m", "backend"),
        start_seconds: float = START_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        """Prepare a client; nothing is started.

        Args:
            python: Interpreter, see `find_python`.
            root: The extension's root, the child's PYTHONPATH.
            arguments: What the interpreter runs.
            start_seconds: Without a hello for longer, the process is given up as mute.
            silence_seconds: Without a word for longer while a request is under way, it is given up as hung.
        """
        self._python = python
        self._command = [str(python), *arguments]
        self._root = root
        self._limits = start_seconds, silence_seconds
        self._talk: _Conversation | None = None
        self._lost: tuple[BackendProcess, str] | None = None
        self._state = ClientState.STOPPED
        self._info: Mapping[str, Any] = {}
        self._next = 1
        self._requests: dict[int, _Request] = {}
        self._events: list[Event] = []

    @property
    def python(self) -> Path:
        """Interpreter that runs the backend."""
        return self._python

    @property
    def state(self) -> ClientState:
        """Where the process stands, as of the last `poll`."""
        return self._state

    @property
    def info(self) -> Mapping[str, Any]:
        """The backend's hello, empty before it came; its device is what was asked for until the model is loaded."""
        return self._info

    @property
    def why_lost(self) -> str:
        """Why the last process was lost, in a sentence; empty where it was not."""
        return "" if self._lost is None else self._lost[1]

    @property
    def is_preparing(self) -> bool:
        """Whether a process starts or loads its model, which it may take a while for."""
        talk = self._talk
        return talk is not None and not talk.is_loaded and time.monotonic() - talk.started < LOAD_SECONDS

    @property
    def pid(self) -> int | None:
        """Number of the running process, None if there is none."""
        return None if self._talk is None else self._talk.process.pid

    def start(self) -> None:
        """Start the process if none runs. What goes wrong comes out of `poll`."""
        if self._talk is None:
            self._talk, self._lost = _Conversation(BackendProcess(self._command, self._root)), None
            self._talk.process.send(hello("addon", ("progress", "cancel")))
            self._state, self._info = ClientState.STARTING, {}

    def restart(self) -> None:
        """End the process, if any, and start another; requests that were under way fail as lost."""
        if self._talk is not None:
            self._talk.process.kill()
            self._talk = None
            self._fail_all(BackendLostError("The backend was restarted while it worked.", "Ask again."))
        self.start()

    def describe(self) -> int:
        """Ask for models, styles, devices, memory; returns the request's number."""
        return self._ask(_Request({"type": "describe"}, {}))

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
        message = {
            "type": "generate",
            "audio": str(audio),
            "rig": rig.hash,
            "parts": list(parts),
            "seeds": [int(seed) for seed in seeds],
            "range": [float(span.start), float(span.end)],
            "guidance": settings.guidance,
            "steps": settings.steps,
            "scheduler": settings.scheduler,
            "style": settings.style,
            "speaking": [list(span) for span in settings.speaking],
        }
        arrays: Arrays = {"given_times": given.times, "given_channels": given.channels, "given_values": given.values}
        return self._ask(_Request(message, arrays, rig))

    def cancel(self, request: int) -> None:
        """Ask the backend to stop a request; its end comes as Failed with code "cancelled"."""
        if self._talk is not None and request in self._requests:
            self._talk.process.send({"type": "cancel", "id": self._number(), "target": request})

    def poll(self) -> list[Event]:
        """Events since the last call; also notices a dead, hung or mute process. Never blocks."""
        while self._talk is not None:
            try:
                item = self._talk.process.incoming.get_nowait()
            except queue.Empty:
                break
            try:
                self._take(self._talk, item)
            except RetakeError as error:
                self._lose(error)
        self._check_time()
        events, self._events = self._events, []
        return events

    def shutdown(self) -> None:
        """End the process: asked first, killed if it does not obey within a second (in the background)."""
        if self._talk is not None:
            self._talk.process.send({"type": "shutdown", "id": self._number()})
            self._talk.process.end()
            self._talk = None
        self._state = ClientState.STOPPED
        if self._requests:
            self._fail_all(CancelledError("The backend was shut down."))

    def log_tail(self, lines: int = 20) -> str:
        """The end of the backend's log, also of one that was lost; empty if there is none."""
        if self._talk is not None:
            return self._talk.process.log_tail(lines)
        return "" if self._lost is None else self._lost[0].log_tail(lines)

    def _number(self) -> int:
        self._next += 1
        return self._next - 1

    def _ask(self, request: _Request) -> int:
        """Number a request and send it, behind the registration of its rig where that is needed."""
        self.start()
        number = self._number()
        request.message["id"] = number
        self._requests[number] = request
        self._send(number)
        return number

    def _send(self, number: int) -> None:
        talk, request = self._talk, self._requests[number]
        if talk is None:
            return
        if request.rig is not None and request.rig.hash not in talk.rigs:
            self._register(talk, request.rig, number)
        talk.asked = time.monotonic()
        talk.process.send(request.message, request.arrays)

    def _register(self, talk: _Conversation, rig: Rig, waiting: int) -> None:
        number = self._number()
        message = {
            "type": "register_rig",
            "id": number,
            "rig": rig.hash,
            "channel_names": list(rig.channel_names),
            "control_names": list(rig.control_names),
        }
        self._requests[number] = _Request(message, rig.arrays, waiting=waiting)
        talk.rigs.add(rig.hash)
        talk.process.send(message, rig.arrays)

    def _take(self, talk: _Conversation, item: Incoming | Ended) -> None:
        """Act on one thing the process said."""
        if isinstance(item, Ended):
            raise item.error
        message, kind = item.message, item.message["type"]
        if not talk.is_ready:
            if kind == "error":
                raise as_error(message)
            check_hello(message, "backend")
            talk.is_ready = True
            self._state, self._info = ClientState.READY, message
            self._events.append(Ready(message))
        elif kind == "error" and message.get("id") is None:
            raise as_error(message)
        elif kind == "loaded":
            talk.is_loaded, self._info = True, {**self._info, "device": str(message.get("device", ""))}
        elif message.get("id") in self._requests:
            self._take_event(int(message["id"]), message, item.arrays)

    def _take_event(self, number: int, message: Mapping[str, Any], arrays: Arrays) -> None:
        """Act on an event of a request under way."""
        request = self._requests[number]
        if message["type"] == "progress":
            self._events.append(progress_of(number if request.waiting is None else request.waiting, message))
        elif message["type"] == "result":
            del self._requests[number]
            if request.waiting is None:
                self._events.append(Result(number, message, arrays))
        elif message["type"] == "error":
            self._take_error(number, request, as_error(message))
        else:
            raise ProtocolError(f"The backend sent an event '{message['type']}', which this add-on does not know.")

    def _take_error(self, number: int, request: _Request, error: RetakeError) -> None:
        """A registration's failure is kept for its request; a request with an unknown rig is repeated once."""
        if request.waiting is not None:
            del self._requests[number]
            self._forget_rig(str(request.message["rig"]))
            if request.waiting in self._requests:
                self._requests[request.waiting].failure = error
        elif isinstance(error, UnknownRigError) and request.failure is None and not request.is_repeated:
            request.is_repeated = True
            self._forget_rig(str(request.message["rig"]))
            self._send(number)
        else:
            del self._requests[number]
            is_consequence = isinstance(error, UnknownRigError) and request.failure is not None
            self._report(number, request.failure if is_consequence and request.failure else error)

    def _forget_rig(self, digest: str) -> None:
        if self._talk is not None:
            self._talk.rigs.discard(digest)

    def _check_time(self) -> None:
        """Give up a process that never said hello, or is silent while a request is under way."""
        if self._talk is None:
            return
        now, (start_limit, silence_limit) = time.monotonic(), self._limits
        if not self._talk.is_ready and now - self._talk.started > start_limit:
            self._lose(self._overdue(f"The backend did not answer within {start_limit:g} s of its start."))
        elif self._requests and now - max(self._talk.process.last_heard, self._talk.asked) > silence_limit:
            self._lose(self._overdue(f"The backend has not said a word for {silence_limit:g} s: it hangs."))

    def _overdue(self, sentence: str) -> BackendLostError:
        return BackendLostError(sentence, lost_remedy(self.log_tail(3)))

    def _lose(self, error: RetakeError) -> None:
        """Give the process up and say why."""
        if self._talk is not None:
            process = self._talk.process
            process.kill()
            self._talk, self._lost = None, (process, error.message)
        self._state = ClientState.LOST
        self._fail_all(error)

    def _fail_all(self, error: RetakeError) -> None:
        asked: list[int | None] = [number for number, one in self._requests.items() if one.waiting is None]
        self._requests.clear()
        for number in asked or [None]:
            self._report(number, error)

    def _report(self, number: int | None, error: RetakeError) -> None:
        self._events.append(Failed(number, error.code, error.message, error.remedy))
