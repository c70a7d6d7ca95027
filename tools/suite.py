# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the test suite in the environments it needs. Standard library only.

`tests` without Blender's runs in .venv/backend; `tests/blender` runs once in each Blender. A Blender whose Python is
not on this computer is named at the end; with CI=true that is a failure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..addon.core.interpreters import InterpreterError
from .environments import BACKEND, BLENDERS, GUI, ROOT, Environment, EnvironmentMakeError, MissingPythonError, ensure

_NO_TESTS_COLLECTED = 5  # pytest's exit code
_BLENDER_TESTS = ROOT / "tests" / "blender"
_WINDOW_TESTS = ROOT / "tests" / "gui"  # need a windowed Blender, see `--gui`
_LAUNCHER = ROOT.parent / "shared" / "tools" / "blender-gui"


@dataclass
class Summary:
    """What happened where, told at the end."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def exit_code(self, is_ci: bool) -> int:
        """0 when everything that ran passed, something ran and, in CI, nothing was missing."""
        return int(bool(self.failed) or not self.passed or (is_ci and bool(self.missing)))

    def lines(self, is_ci: bool) -> list[str]:
        """Closing lines for a person."""
        lines = [f"passed: {', '.join(self.passed) or 'none'}"]
        lines += [f"FAILED: {name}" for name in self.failed]
        lines += [f"{'FAILED' if is_ci else 'not run'}: {sentence}" for sentence in self.missing]
        return lines


def main(arguments: Sequence[str]) -> int:
    """Make the environments and run the tests.

    Args:
        arguments: `--gui VERSION` drives a windowed Blender instead; `--fast` leaves Blender out; everything else goes
            to pytest. Paths among them choose what runs: those under tests/blender in each Blender, others in the
            backend's environment.

    Returns:
        Exit code: 0 if all that ran passed.
    """
    parser = _parser()
    options, extra = parser.parse_known_args(arguments)
    for name in ("blender", "pictures"):
        if getattr(options, name) and not options.gui:
            parser.error(f"--{name} goes with --gui VERSION")
    if options.gui:
        return _run_window(options.gui, options.blender, options.pictures, extra)
    is_ci = os.environ.get("CI", "").lower() == "true"
    paths = [argument for argument in extra if _is_test_path(argument)]
    others = [argument for argument in extra if argument not in paths]
    for_blender = [path for path in paths if _is_blender_path(path)]
    for_backend = [path for path in paths if path not in for_blender]
    summary = Summary()
    if for_backend or not paths:
        _run_in(BACKEND, for_backend or _everything_without_blender(), others, summary)
    if not options.fast and (for_blender or not paths):
        for environment in BLENDERS:
            _run_in(environment, for_blender or [str(_BLENDER_TESTS)], others, summary)
    print("\n" + "\n".join(summary.lines(is_ci)), flush=True)
    return summary.exit_code(is_ci)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="test.py",
        description="Makes the environments and runs the test suite.",
        epilog="Other arguments go to pytest.",
        allow_abbrev=False,
    )
    parser.add_argument("--gui", metavar="VERSION", help="only drive the window of that Blender, e.g. 5.2, by clicks")
    parser.add_argument("--blender", metavar="PATH", help="the Blender program for --gui")
    parser.add_argument("--pictures", metavar="DIR", help="with --gui: put the manual's screenshots there")
    parser.add_argument("--fast", action="store_true", help="leave out the tests that need Blender")
    return parser


def _everything_without_blender() -> list[str]:
    return [str(ROOT / "tests"), f"--ignore={_BLENDER_TESTS}", f"--ignore={_WINDOW_TESTS}"]


def _is_test_path(argument: str) -> bool:
    return not argument.startswith("-") and _path(argument).exists() and ROOT / "tests" in _path(argument).parents


def _is_blender_path(argument: str) -> bool:
    return _BLENDER_TESTS in (_path(argument), *_path(argument).parents)


def _path(argument: str) -> Path:
    return Path(argument.partition("::")[0]).resolve()


def find_window(version: str, blender: str | None, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Which Blender `--gui` drives, as variables for the test.

    Args:
        version: E.g. "5.2".
        blender: What was named.
        environ: Environment variables.

    Raises:
        MissingPythonError: None was found; the sentence says what to name.
    """
    found = {"RETAKE_GUI_VERSION": version}
    launcher = environ.get("RETAKE_BLENDER_GUI") or str(_LAUNCHER)
    if blender:
        return {**found, "RETAKE_GUI_BLENDER": blender}
    if environ.get("RETAKE_BLENDER_GUI") or _LAUNCHER.is_file():
        return {**found, "RETAKE_GUI_LAUNCHER": launcher}
    program = shutil.which("blender")
    told = subprocess.run([program, "--version"], capture_output=True, text=True).stdout if program else ""
    if program and f"Blender {version}" in told:
        return {**found, "RETAKE_GUI_BLENDER": program}
    raise MissingPythonError(
        f"No windowed Blender {version} was found: name it with --blender, or its launcher in RETAKE_BLENDER_GUI."
    )


def _run_window(version: str, blender: str | None, pictures: str | None, extra: Sequence[str]) -> int:
    """Drive the window of one Blender."""
    try:
        found = find_window(version, blender)
        if shutil.which("tesseract") is None:
            raise MissingPythonError("The test reads the screen with tesseract: install it (Debian: tesseract-ocr).")
        python = ensure(GUI)
    except (EnvironmentMakeError, InterpreterError) as error:
        print(error, file=sys.stderr)
        return 1
    what = found.get("RETAKE_GUI_BLENDER") or found.get("RETAKE_GUI_LAUNCHER")
    print(f"Drives Blender {version} by {what}", flush=True)
    variables = {**os.environ, **found, "PYTHONDONTWRITEBYTECODE": "1"}
    if pictures:
        variables["RETAKE_GUI_PICTURES"] = str(Path(pictures).resolve())
    command = [str(python), "-m", "pytest", str(_WINDOW_TESTS), "-x", *extra]
    return subprocess.run(command, cwd=ROOT, env=variables).returncode


def _run_in(environment: Environment, what: Sequence[str], extra: Sequence[str], summary: Summary) -> None:
    """Run pytest in one environment and note how it went."""
    print(f"\n=== {environment.name} ===", flush=True)
    try:
        backend = ensure(BACKEND)
        python = ensure(environment)
    except MissingPythonError as error:
        summary.missing.append(str(error))
        print(error, file=sys.stderr, flush=True)
        return
    except (EnvironmentMakeError, InterpreterError) as error:
        summary.failed.append(f"{environment.name}: {error}")
        print(error, file=sys.stderr, flush=True)
        return
    variables = {**os.environ, "RETAKE_BACKEND_PYTHON": str(backend), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(python), "-m", "pytest", *what, *extra]
    code = subprocess.run(command, cwd=ROOT, env=variables).returncode
    is_fine = code == 0 or (code == _NO_TESTS_COLLECTED and bool(extra))
    (summary.passed if is_fine else summary.failed).append(environment.name)
