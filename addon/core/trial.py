# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an installed backend runs, on what, and how fast: it performs a little and tells."""

from __future__ import annotations

import contextlib
import json
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...backend.errors import InstallError, RetakeError
from .process import child_environment

NO_WINDOW: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""What keeps a console from opening on Windows."""


def try_backend(python: Path, root: Path, device: str, call: Callable[..., str] | None = None) -> Mapping[str, Any]:
    """Let the backend perform a little and tell of itself.

    Args:
        python: Its interpreter.
        root: The extension's root.
        device: As chosen in the preferences.
        call: Runs a program and returns what it said; None for a plain call.

    Returns:
        What `python -m backend check` prints.

    Raises:
        InstallError: It does not run.
    """
    command = [str(python), "-m", "backend", "check", "--device", device]
    environment = child_environment(root)
    if call is not None:
        said = call(command, "The backend does not run.", environment)
    else:
        try:
            run = subprocess.run(
                command,
                cwd=root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=300,
                creationflags=NO_WINDOW,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise InstallError(f"The backend's Python '{python}' does not run: {error}.", "Press Repair.") from error
        said = run.stdout
        if run.returncode != 0:
            last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
            raise InstallError(f"The backend does not run: {last[:300]}")
    for line in reversed(said.splitlines()):
        with contextlib.suppress(ValueError):
            report = json.loads(line)
            if isinstance(report, dict):
                return report
    raise InstallError("The backend ran, and did not tell of itself.", "Press Repair.")


class Trial:
    """A test of the backend on a thread of its own.

    Attributes:
        sentence: What came of it; empty while it runs.
        has_failed: Whether it did not run.
    """

    def __init__(self, python: Path, root: Path, device: str) -> None:
        """Begin; returns at once."""
        self.sentence = ""
        self.has_failed = False
        self._arguments = python, root, device
        self._thread = threading.Thread(target=self._run, name="retake trial", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    def wait(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self.sentence = installed_sentence(try_backend(*self._arguments))
        except RetakeError as error:
            self.has_failed, self.sentence = True, str(error)


def installed_sentence(report: Mapping[str, Any]) -> str:
    """What the backend told of itself, for a person."""
    speed = 1.0 / max(float(report["seconds_per_second"]), 1e-6)
    return (
        f"Ready: {report['model']} on {str(report['device']).upper()}, PyTorch {report['torch']}; "
        f"a take of 10 s of speech takes about {10.0 / speed:.1f} s."
    )
