# SPDX-License-Identifier: GPL-3.0-or-later
"""The server: one request at a time over the process's own pipes.

Two threads. The reader takes messages off stdin: cancelling and shutting down act at once, everything else queues;
when stdin ends, the add-on's process is gone and this one ends too, mid-computation or not. The main thread says
hello, imports what is heavy, then works through the queue.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import struct
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from .errors import OptionsError, PackageError, ProtocolError, RetakeError
from .protocol import CHANNEL_NAMES, MODEL_FPS, Arrays, check_hello, error_message, hello, read_message, write_message

if TYPE_CHECKING:
    from .session import Session

CAPABILITIES = ("describe", "register_rig", "generate", "cancel", "shutdown")
DEFAULT_CHECKPOINT = Path(__file__).parent / "assets" / "default.safetensors"
_HEADER_LIMIT = 1 << 20

_Answer = tuple[dict[str, Any], Arrays]


class Server:
    """One conversation with one add-on."""

    def __init__(
        self, stdin: BinaryIO, stdout: BinaryIO, checkpoint: Path = DEFAULT_CHECKPOINT, device: str = "auto"
    ) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._checkpoint = checkpoint
        self._device = device
        self._session: Session | None = None
        self._requests: queue.Queue[tuple[dict[str, Any], Arrays]] = queue.Queue()
        self._pending: set[int] = set()
        self._cancelled: set[int] = set()
        self._state = threading.Lock()  # of the two sets; never held while anything blocks
        self._writing = threading.Lock()  # of stdout
        self._handlers = {
            "describe": self._describe,
            "register_rig": self._register_rig,
            "generate": self._generate,
        }

    def run(self) -> NoReturn:
        """Serve until the other side closes the pipe or asks to shut down: the process ends with it."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in Blender's terminal is Blender's affair
        name = peek_model_name(self._checkpoint)
        self._send(hello("backend", CAPABILITIES, device=self._device, model=name))
        threading.Thread(target=self._read, name="reader", daemon=True).start()
        self._prepare()
        while True:
            self._answer(*self._requests.get())

    def _read(self) -> None:
        """Take messages off the pipe until it ends."""
        try:
            check_hello(read_message(self._stdin)[0], "addon")
            while True:
                self._sort_in(*read_message(self._stdin))
        except RetakeError as error:
            # After bytes that are no message there is no telling where the next one begins.
            self._end_with(error)
        except (EOFError, OSError):
            _end(0)
        except Exception as error:  # nobody else reads: without this thread the process would be deaf for ever
            traceback.print_exc()
            self._end_with(RetakeError(f"The backend failed: {type(error).__name__}: {error}.", "Its log tells more."))

    def _end_with(self, error: RetakeError) -> NoReturn:
        """Tell what is wrong with the whole conversation and end the process, whether that can be told or not."""
        try:
            self._send(error_message(None, error))
        finally:
            _end(2)

    def _sort_in(self, message: dict[str, Any], arrays: Arrays) -> None:
        """Act on a message at once or queue it.

        Raises:
            ProtocolError: It has no id, or cancels what is none.
        """
        request = _whole_number(message, "id")
        if message["type"] == "shutdown":
            _end(0)
        if message["type"] == "cancel":
            target = _whole_number(message, "target")
            with self._state:
                if target in self._pending:
                    self._cancelled.add(target)
            return
        with self._state:
            self._pending.add(request)
        self._requests.put((message, arrays))

    def _answer(self, message: dict[str, Any], arrays: Arrays) -> None:
        """Work on one request and send its result or its error."""
        request: int = message["id"]
        try:
            handler = self._handlers.get(message["type"])
            if handler is None:
                raise OptionsError(f"The backend has no request '{message['type']}'.", "Update the older side.")
            answer, made = handler(message, arrays)
            self._send({"type": "result", "id": request, **answer}, made)
        except RetakeError as error:
            self._send(error_message(request, error))
        except ImportError as error:
            self._send(error_message(request, lacking_package(error)))
        except Exception as error:  # a bug or no memory: the log gets the traceback, the animator a sentence
            traceback.print_exc()
            wrapped = RetakeError(f"The backend failed: {type(error).__name__}: {error}.", "Its log tells more.")
            self._send(error_message(request, wrapped))
        finally:
            with self._state:
                self._pending.discard(request)
                self._cancelled.discard(request)

    def _describe(self, message: Mapping[str, Any], arrays: Arrays) -> _Answer:
        return self._open_session().describe(), {}

    def _register_rig(self, message: Mapping[str, Any], arrays: Arrays) -> _Answer:
        from .requests import parse_rig

        digest, rig = parse_rig(message, arrays)
        self._open_session().rigs.register(digest, rig)
        return {"rig": digest, "missing_controls": list(rig.missing_controls)}, {}

    def _generate(self, message: Mapping[str, Any], arrays: Arrays) -> _Answer:
        from .audio.hearing import pauses_between
        from .monitor import Monitor
        from .requests import parse_generate

        number: int = message["id"]
        request = parse_generate(message, arrays)
        session = self._open_session()
        session.rigs.get(request.rig)

        def report(stage: str, step: int, total: int, seconds_left: float | None) -> None:
            progress = {"stage": stage, "step": step, "total": total, "seconds_left": seconds_left}
            self._send({"type": "progress", "id": number, **progress})

        monitor = Monitor(report, lambda: number in self._cancelled)
        monitor.check()
        performance = session.generate(request.audio, request.given, request.options, monitor, request.speaking)
        answer = {
            "seeds": list(request.options.seeds),
            "fps": MODEL_FPS,
            "start_frame": performance.start_frame,
            "audio_seconds": performance.audio_seconds,
            "phones": [[round(phone.start, 4), round(phone.end, 4), phone.name] for phone in performance.phones],
            "pauses": [[round(start, 4), round(end, 4)] for start, end in pauses_between(performance.phones)],
            "channel_names": list(CHANNEL_NAMES),
            "seconds": monitor.seconds,
        }
        return answer, {"channels": performance.channels, "given_raw": performance.given_raw}

    def _open_session(self) -> Session:
        """Return the loaded model; after a failure the next request tries again."""
        if self._session is None:
            from .session import Session

            self._session = Session(self._checkpoint, self._device)
            self._send({"type": "loaded", "id": None, "device": self._session.device.type})
        return self._session

    def _prepare(self) -> None:
        """Import and load everything before a request needs it; what fails is told to the request that does."""
        try:
            session = self._open_session()
            while not self._requests.empty():
                self._answer(*self._requests.get())
            session.warm_up()
        except (RetakeError, ImportError) as error:
            print(error, file=sys.stderr)

    def _send(self, message: Mapping[str, object], arrays: Arrays | None = None) -> None:
        try:
            with self._writing:
                write_message(self._stdout, message, arrays)
        except OSError:  # the add-on's process is gone
            _end(0)


def _whole_number(message: Mapping[str, Any], member: str) -> int:
    """Member of a message that must be an integer."""
    value = message.get(member)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ProtocolError(f"A message of the type '{message['type']}' has no whole number as its {member}.")
    return value


def lacking_package(error: ImportError) -> PackageError:
    """Error that names the interpreter and the package it lacks."""
    return PackageError(
        f"The Python at '{sys.executable}' lacks the package '{error.name}', which the backend needs.",
        "Choose a Python that has the backend's packages in the add-on's preferences.",
    )


def peek_model_name(checkpoint: Path) -> str:
    """Name of a model out of its file's header, without the seconds that loading takes.

    Returns:
        The name in the metadata, else that of the file; a damaged file shows when it is loaded.
    """
    try:
        with checkpoint.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(min(length, _HEADER_LIMIT)))
        return str(json.loads(header["__metadata__"]["retake"]).get("name", checkpoint.stem))
    except (OSError, struct.error, ValueError, KeyError, TypeError, AttributeError):
        return checkpoint.stem


def _end(code: int) -> NoReturn:
    """End the process from any thread, at once, computing or not."""
    os._exit(code)
