# SPDX-License-Identifier: GPL-3.0-or-later
"""Installs the backend's packages with pip, on a thread of its own: exact versions, each file checked by its hash.

The environment is made beside the one in use and takes its place when it has been tried; what fails or is cancelled
leaves everything as it was. The caller looks at `Installer`'s attributes whenever it draws.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from ...backend.errors import CancelledError, InstallError, RetakeError
from .backend_home import (
    ENVIRONMENT,
    INCOMING,
    OUTGOING,
    Build,
    Stamp,
    check_place,
    download_megabytes,
    find_base_python,
    find_build,
    lock_digest,
    python_of,
    write_stamp,
)
from .trial import NO_WINDOW, installed_sentence, try_backend

LOG_LINES = 2000
_DOWNLOADING = re.compile(
    r"^\s*(?:Downloading|Using cached|Processing) .*?([^/\s]+\.(?:whl|gz))\S*(?: \(([\d.]+) ([kMG]?B)\))?"
)
_RAW = re.compile(r"^Progress (\d+) of (\d+)")
_UNITS = {"B": 1e-6, "kB": 1e-3, "MB": 1.0, "GB": 1e3}
_UNPACKING = 0.4  # of the time that a list of packages takes, after its downloads

_CAUSES = (  # what pip says, and what it means
    (r"No space left|Errno 28|not enough space|ENOSPC", "The disk is full.", "Make room, then press Install again."),
    (
        r"DO NOT MATCH THE HASHES|Expected sha256",
        "A downloaded file is not the one that Retake was made with, and was refused.",
        "Try again; if it stays so, a proxy or mirror changes files: ask whoever runs it.",
    ),
    (
        r"Temporary failure in name resolution|getaddrinfo|NewConnectionError|NameResolutionError"
        r"|Network is unreachable|Max retries exceeded|ConnectTimeout|Read timed out|ProxyError"
        r"|SSLError|Connection (refused|reset)|CERTIFICATE_VERIFY_FAILED",
        "The package index could not be reached.",
        "Check the network (and the proxy), or install from a folder of downloaded packages (Offline Packages).",
    ),
    (
        r"Permission denied|Errno 13|Access is denied|WinError 5\b",
        "A file could not be written.",
        "Close other Blenders that use Retake, or choose another folder.",
    ),
)


class InstallState(Enum):
    """How far an installation is."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class InstallPlan:
    """What is to be installed.

    Attributes:
        root: The extension's root.
        folder: The user data folder.
        device: As chosen in the preferences: "auto", "cpu", "cuda" or "mps".
        python: Interpreter to make the environment with; empty to look for one.
        wheels: Folder of wheels to install from, without any network; None to download.
        before_replacing: Called before the environment in use is replaced: whoever runs in it has to end.
    """

    root: Path
    folder: Path
    device: str = "auto"
    python: str = ""
    wheels: Path | None = None
    before_replacing: Callable[[], None] = lambda: None


class Installer:
    """One installation.

    Attributes:
        state: How far it is.
        stage: What it does now, for the panel.
        factor: 0 to 1, how much of it is done.
        sentence: How it ended.
        log: What its programs said, the last lines.
        report: What the backend said of itself when it was tried.
    """

    def __init__(self, plan: InstallPlan) -> None:
        """Prepare it; nothing is touched."""
        self.plan = plan
        self.state = InstallState.RUNNING
        self.stage = "Starting"
        self.factor = 0.0
        self.sentence = ""
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self.report: Mapping[str, Any] = {}
        self._child: subprocess.Popen[str] | None = None
        self._is_cancelled = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retake install", daemon=True)
        self._from, self._to = 0.0, 0.01  # share of everything that the program under way stands for
        self._total, self._fetched, self._current = 1.0, 0.0, 0.0  # 10^6 bytes of it: all, of whole files, of one

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until it has ended."""
        self._thread.join(seconds)

    def cancel(self) -> None:
        """Stop it; what it made so far goes."""
        self._is_cancelled.set()
        child = self._child
        if child is not None:
            kill_tree(child)

    def _run(self) -> None:
        try:
            sentence = self._install()
        except CancelledError:
            self._end(InstallState.CANCELLED, "The installation was cancelled; nothing was changed.")
        except RetakeError as error:
            self._end(InstallState.FAILED, str(error))
        except OSError as error:
            told = InstallError(_explain(str(error)) or f"The backend could not be installed: {error}.")
            self._end(InstallState.FAILED, str(told))
        except Exception as error:  # nobody else would tell
            self.log.append(f"{type(error).__name__}: {error}")
            self._end(InstallState.FAILED, f"The installation failed: {type(error).__name__}: {error}.")
        else:
            self._end(InstallState.DONE, sentence)

    def _end(self, state: InstallState, sentence: str) -> None:
        """Clear up and say how it ended; the state is set last, for those who wait for it."""
        if state is not InstallState.DONE:
            shutil.rmtree(self.plan.folder / INCOMING, ignore_errors=True)
            with contextlib.suppress(OSError):  # a folder that was made for nothing
                self.plan.folder.rmdir()
        self.log.append(sentence)
        self.sentence = sentence
        self.state = state

    def _install(self) -> str:
        """All of it."""
        plan = self.plan
        build = find_build(plan.root, plan.device)
        megabytes = download_megabytes(plan.root, build)
        check_place(plan.folder, megabytes)
        if plan.wheels is not None and not any(plan.wheels.glob("torch-*.whl")):
            raise InstallError(
                f"The folder '{plan.wheels}' holds no package (wheel) of PyTorch.",
                "Choose the folder that was downloaded to.",
            )
        self.stage = "Looking for a Python"
        base, version = find_base_python(plan.python, build)
        self.log.append(f"Python {version}: {base}")
        plan.folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(plan.folder / INCOMING, ignore_errors=True)
        self._begin("Making the environment", 0.06)
        self._call([str(base), "-I", "-m", "venv", str(plan.folder / INCOMING)], "The environment could not be made.")
        self._begin("Preparing pip", 0.1)
        self._pip_itself()
        rest = megabytes - build.megabytes
        self._begin("Looking for PyTorch", 0.1 + 0.85 * build.megabytes / megabytes, build.megabytes)
        self._pip_torch(build, version)
        self._begin("Looking for packages", 0.95, rest)
        self._pip("packages.txt", "--no-deps", "--only-binary", ":all:")
        if build.device == "cuda" and sys.platform == "linux":
            self._pip("cuda.txt", "--no-deps", "--only-binary", ":all:")
        self._begin("Trying it", 1.0)
        self.report = try_backend(python_of(plan.folder, INCOMING), plan.root, plan.device, self._call)
        self._check_cancel()
        self.factor = 1.0
        self._replace(Stamp(self._python_version(), str(self.report["torch"]), build.device, lock_digest(plan.root)))
        return installed_sentence(self.report)

    def _begin(self, stage: str, until: float, megabytes: float = 0.0) -> None:
        """Note what comes now, and which share of everything will be done after it."""
        self.stage, self.factor = stage, self._to
        self._from, self._to = self._to, until
        self._total, self._fetched, self._current = max(float(megabytes), 1.0), 0.0, 0.0

    def _python_version(self) -> str:
        """Version of the environment's Python, with its third part."""
        for line in (self.plan.folder / INCOMING / "pyvenv.cfg").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "version":
                return value.strip()
        return ""

    def _replace(self, stamp: Stamp) -> None:
        """Let the environment that was made take the place of the one in use."""
        folder = self.plan.folder
        self.plan.before_replacing()
        write_stamp(folder / INCOMING, stamp)
        shutil.rmtree(folder / OUTGOING, ignore_errors=True)
        if (folder / ENVIRONMENT).exists():
            (folder / ENVIRONMENT).rename(folder / OUTGOING)
        (folder / INCOMING).rename(folder / ENVIRONMENT)
        shutil.rmtree(folder / OUTGOING, ignore_errors=True)

    def _pip_itself(self) -> None:
        """A pip that tells its progress; a folder of wheels need not hold one."""
        wheels = self.plan.wheels
        if wheels is None or any(wheels.glob("pip-*.whl")):
            self._pip("pip.txt")

    def _pip_torch(self, build: Build, version: str) -> None:
        """PyTorch, without what it asks for: all of that is in the lists."""
        online = bool(build.index) and self.plan.wheels is None
        arguments = ["--no-deps", *(["--extra-index-url", build.index] if online else [])]
        with tempfile.TemporaryDirectory() as folder:
            wanted = Path(folder) / "torch.txt"
            wanted.write_text(f"torch=={build.version} --hash=sha256:{build.sha256[version]}\n", encoding="utf-8")
            self._pip_install(wanted, arguments)

    def _pip(self, name: str, *arguments: str) -> None:
        self._pip_install(self.plan.root / "backend" / "requirements" / name, arguments)

    def _pip_install(self, wanted: Path, arguments: Sequence[str]) -> None:
        """Install what a list names."""
        python = python_of(self.plan.folder, INCOMING)
        command = [str(python), "-I", "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
        command += ["--require-hashes", "-r", str(wanted), *arguments]
        if self.plan.wheels is not None:
            command += ["--no-index", "--find-links", str(self.plan.wheels)]
        if _tells_progress(self.plan.folder / INCOMING):
            command += ["--progress-bar", "raw"]
        self._call(command, f"The packages of {wanted.name} could not be installed.")

    def _call(self, command: Sequence[str], failure: str, environment: Mapping[str, str] | None = None) -> str:
        """Run a program, its words going to the log.

        Returns:
            What it said.

        Raises:
            CancelledError: It was stopped.
            InstallError: It failed.
        """
        self._check_cancel()
        said: list[str] = []
        self._child = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            cwd=self.plan.folder,
            env=dict(environment) if environment is not None else _environment(),
            start_new_session=os.name != "nt",
            creationflags=NO_WINDOW,
        )
        with self._child as child:
            assert child.stdout is not None
            for line in child.stdout:
                self._hear(line.rstrip())
                said.append(line)
        code, self._child = child.returncode, None
        self._check_cancel()
        if code != 0:
            text = "".join(said)
            last = next((line.strip() for line in reversed(said) if line.strip()), f"exit code {code}")
            raise InstallError(_explain(text) or f"{failure} The last line of the log: {last[:300]}")
        return "".join(said)

    def _hear(self, line: str) -> None:
        """Log a line; measure by it how far the downloads are."""
        if progress := _RAW.match(line):
            self._current = int(progress[1]) / 1e6
        else:
            if line:
                self.log.append(line)
            if file := _DOWNLOADING.match(line):
                self._fetched += self._current
                self._current = 0.0
                self.stage = f"{'Downloading' if self.plan.wheels is None else 'Reading'} {file[1].partition('-')[0]}"
                if "Downloading" not in line and file[2]:
                    self._current = float(file[2]) * _UNITS[file[3]]
            elif line.startswith("Installing collected"):
                self.stage = "Unpacking (a minute or two)"
        share = min((self._fetched + self._current) / self._total, 1.0) * (1.0 - _UNPACKING)
        if self.stage.startswith("Unpacking"):
            share = 1.0 - _UNPACKING
        self.factor = max(self.factor, self._from + (self._to - self._from) * share)

    def _check_cancel(self) -> None:
        if self._is_cancelled.is_set():
            raise CancelledError("The installation was cancelled.")


def remove_environment(folder: Path) -> str:
    """Remove the environment from a user data folder, and the folder if nothing else is in it.

    Returns:
        What was done.

    Raises:
        InstallError: A file could not be removed.
    """
    for name in (INCOMING, OUTGOING, ENVIRONMENT):
        if (folder / name).exists():
            try:
                shutil.rmtree(folder / name)
            except OSError as error:
                raise InstallError(
                    f"'{error.filename or folder}' could not be removed: {error.strerror or error}.",
                    "Close other Blenders that use Retake and press Remove again.",
                ) from error
    with contextlib.suppress(OSError):
        folder.rmdir()
    return f"The backend was removed from {folder}."


def kill_tree(child: subprocess.Popen[str]) -> None:
    """End a program and those it started."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        if os.name == "nt":
            taskkill = ["taskkill", "/F", "/T", "/PID", str(child.pid)]
            subprocess.run(taskkill, capture_output=True, timeout=10, creationflags=NO_WINDOW)
        else:
            os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(OSError):
        child.kill()


def _environment() -> dict[str, str]:
    """The user's own variables (proxies, pip's settings), without those that steer another Python."""
    dropped = (
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONSTARTUP",
        "__PYVENV_LAUNCHER__",
        "VIRTUAL_ENV",
        "PIP_REQUIRE_VIRTUALENV",
    )
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "PIP_NO_COLOR": "1"}


def _tells_progress(environment: Path) -> bool:
    """Whether the environment's pip knows `--progress-bar raw` (24.1)."""
    for found in environment.glob("[Ll]ib*/**/pip-*.dist-info"):
        version = tuple(int(part) for part in re.findall(r"\d+", found.name)[:2])
        if version >= (24, 1):
            return True
    return False


def _explain(text: str) -> str:
    """What a program's words mean; empty where that is not known."""
    for pattern, cause, remedy in _CAUSES:
        if re.search(pattern, text):
            return f"{cause} {remedy}"
    return ""
