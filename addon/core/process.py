# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend as a child process: pipes, threads, log. It knows frames of the protocol, not what they mean.

One thread writes what is sent, one reads messages, one reads the log; whoever uses this only ever touches queues. The
child gets a short list of environment variables and the extension's root as PYTHONPATH, no shell and no window.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from numpy.typing import NDArray

from ...backend.errors import BackendLostError, InputError, RetakeError
from ...backend.protocol import read_message, write_message
from .backend_home import data_folder, python_of, why_unusable

LOG_LINES = 200
_GRACE = 1.0  # s to end by itself before it is killed
_KEPT = (
    *("PATH", "HOME", "USER", "USERNAME", "USERPROFILE", "LANG", "LC_ALL", "LC_CTYPE", "TZ"),
    *("TMPDIR", "TEMP", "TMP", "SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA"),
    *("PROGRAMFILES", "PROGRAMDATA", "NUMBER_OF_PROCESSORS", "XDG_CACHE_HOME", "CUDA_VISIBLE_DEVICES"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS"),
)


@dataclass(frozen=True)
class Incoming:
    """A message of the child."""

    message: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Ended:
    """The child is gone, or its pipe carries garbage: why."""

    error: RetakeError


def find_python(preference: str, root: Path, folder: Path | None = None) -> Path:
    """Interpreter of the backend.

    RETAKE_BACKEND_PYTHON, else the preference, else `.venv/backend` beside `root` (a checkout), else the environment
    that the preferences' Install made.

    Args:
        preference: Interpreter that the preferences name; empty if none.
        root: The extension's root.
        folder: The user data folder; None for the one that is proposed.

    Raises:
        InputError: None of them is there; the sentence says where was looked and what to do.
    """
    for source, path in (
        ("environment variable RETAKE_BACKEND_PYTHON", os.environ.get("RETAKE_BACKEND_PYTHON", "").strip()),
        ("add-on's preferences", preference.strip()),
    ):
        if path and not Path(path).is_file():
            raise InputError(f"The backend's Python '{path}' of the {source} does not exist.", f"Correct the {source}.")
        if path:
            return Path(path)
    beside = root / ".venv" / "backend" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if beside.is_file():
        return beside
    place = folder or data_folder()
    reason = why_unusable(place, root)
    if reason:
        raise InputError(reason, "" if "Repair" in reason else "Press Install in Retake's preferences.")
    return python_of(place)


def child_environment(root: Path) -> dict[str, str]:
    """Environment of the child: what a process needs to run at all, RETAKE_ variables, and PYTHONPATH."""
    kept = {name: value for name, value in os.environ.items() if name.upper() in _KEPT or name.startswith("RETAKE_")}
    return {**kept, "PYTHONPATH": str(root), "PYTHONUTF8": "1"}


class BackendProcess:
    """A started child. Messages come out of `incoming`; after `Ended` nothing more comes.

    Attributes:
        incoming: What the child said, in order.
        last_heard: `time.monotonic()` of its last message, or of its start.
    """

    def __init__(self, command: Sequence[str], root: Path) -> None:
        """Start the child; a failure to start comes as `Ended`.

        Args:
            command: Program and arguments.
            root: The extension's root: PYTHONPATH and working folder.
        """
        self.incoming: queue.SimpleQueue[Incoming | Ended] = queue.SimpleQueue()
        self.last_heard = time.monotonic()
        self._outgoing: queue.SimpleQueue[tuple[Mapping[str, Any], Mapping[str, NDArray[Any]]] | None]
        self._outgoing = queue.SimpleQueue()
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._child: subprocess.Popen[bytes] | None = None
        try:
            self._child = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=root,
                env=child_environment(root),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            reason = f"The backend's Python '{command[0]}' cannot be started: {error.strerror or error}."
            self.incoming.put(Ended(BackendLostError(reason, "Press Repair in Retake's preferences.")))
            return
        self._log_reader = self._thread(self._read_log, "retake log")
        self._thread(self._read, "retake reader")
        self._thread(self._write, "retake writer")

    @property
    def pid(self) -> int | None:
        """Number of the process, None if it could not be started."""
        return None if self._child is None else self._child.pid

    def send(self, message: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Queue a message; returns at once."""
        self._outgoing.put((message, arrays or {}))

    def log_tail(self, lines: int) -> str:
        """The end of the child's log."""
        return "\n".join(list(self._log)[-lines:])

    def kill(self) -> None:
        """End the child at once."""
        self._outgoing.put(None)
        if self._child is not None:
            with contextlib.suppress(OSError):
                self._child.kill()

    def end(self) -> None:
        """Close the child's stdin, which ends it; it is killed if it still runs a second later. Returns at once."""
        self._outgoing.put(None)
        if self._child is not None:
            self._thread(self._wait_or_kill, "retake end")

    def _thread(self, target: Any, name: str) -> threading.Thread:
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        return thread

    def _wait_or_kill(self) -> None:
        assert self._child is not None
        try:
            self._child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def _write(self) -> None:
        """Write what was queued until None; a broken pipe is noticed by the reader."""
        with contextlib.suppress(OSError), self._pipe("stdin") as stream:
            while (item := self._outgoing.get()) is not None:
                try:
                    write_message(stream, *item)
                except RetakeError as error:
                    self.incoming.put(Incoming(_unsent(item[0], error), {}))

    def _read(self) -> None:
        """Read messages until the pipe ends or carries garbage, then see the child off and say why."""
        assert self._child is not None
        reason = ""
        with self._pipe("stdout") as stream:
            try:
                while True:
                    message, arrays = read_message(stream)
                    self.last_heard = time.monotonic()
                    self.incoming.put(Incoming(message, arrays))
            except RetakeError as error:
                self.kill()
                reason = f"The backend sent what is no message of it: {error.message}"
            except (EOFError, OSError, ValueError):
                self._outgoing.put(None)
        self._wait_or_kill()
        self._log_reader.join(_GRACE)
        reason = reason or f"The backend ended unexpectedly ({_exit(self._child.returncode)})."
        self.incoming.put(Ended(BackendLostError(reason, lost_remedy(self.log_tail(3)))))

    def _read_log(self) -> None:
        with contextlib.suppress(OSError, ValueError), self._pipe("stderr") as stream:
            for line in iter(lambda: stream.readline(4096), b""):
                self._log.append(line.decode("utf-8", "replace").rstrip())

    def _pipe(self, name: str) -> BinaryIO:
        return cast(BinaryIO, getattr(self._child, name))


def lost_remedy(log: str) -> str:
    """What to do about a lost backend, with the end of its log."""
    words = " / ".join(line.strip() for line in log.splitlines() if line.strip())
    told = f"The end of its log: {words[-400:]}" if words else "Its log is empty."
    return f"The next request starts it again. {told}"


def _unsent(message: Mapping[str, Any], error: RetakeError) -> dict[str, Any]:
    """Error event for a request that could not be written."""
    return {
        "type": "error",
        "id": message.get("id"),
        "code": error.code,
        "message": error.message,
        "remedy": error.remedy,
    }


def _exit(code: int | None) -> str:
    """How a process ended, in words."""
    if code is None:
        return "it still runs"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
