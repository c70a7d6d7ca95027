# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds Pythons on this computer that really start and can make environments. Standard library only.

Searched in this order: the environment variable RETAKE_PYTHON_3_11 (or _3_13), the running interpreter, `python3.11`,
`python3` and `python` on PATH, the usual folders (a program started from the desktop often has a short PATH), Windows'
`py` launcher, pyenv's versions, uv's versions. A candidate counts only if it runs: pyenv's shims exist for versions
that are switched off, and some distributions ship Python without `ensurepip`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

Version = tuple[int, int]

_PROBE = "import ensurepip, sys, venv; print(*sys.version_info[:2]); print(sys._base_executable or sys.executable)"
_PROBE_SECONDS = 30
_USUAL = ("/usr/local/bin", "/opt/homebrew/bin", "/usr/bin", "/opt/local/bin")


class InterpreterError(Exception):
    """An interpreter that was asked for by name cannot be used."""


def find_interpreter(version: Version, environ: Mapping[str, str] = os.environ) -> Path | None:
    """Find a Python of one version.

    Args:
        version: Major and minor version, e.g. (3, 11).
        environ: Environment variables to read; PATH is searched.

    Returns:
        Its executable (of the base installation, if found through a virtual environment), or None.

    Raises:
        InterpreterError: The environment variable names something that is no such Python.
    """
    variable = variable_name(version)
    if named := environ.get(variable):
        found = probe(Path(named).expanduser(), version)
        if found is None:
            raise InterpreterError(
                f"{variable} is '{named}', which does not start as a Python {dotted(version)} with venv and ensurepip: "
                "name such an interpreter's executable, or unset the variable."
            )
        return found
    return next((found for path in _candidates(version, environ) if (found := probe(path, version))), None)


def variable_name(version: Version) -> str:
    """Environment variable that names the interpreter of a version, e.g. RETAKE_PYTHON_3_11."""
    return f"RETAKE_PYTHON_{version[0]}_{version[1]}"


def dotted(version: Version) -> str:
    """Version as people write it, e.g. "3.11"."""
    return f"{version[0]}.{version[1]}"


def probe(executable: Path, version: Version) -> Path | None:
    """Start an interpreter and ask what it is.

    Args:
        executable: What may be a Python.
        version: The version it should have.

    Returns:
        The base installation's executable, or None if it does not start, is another version, or lacks venv or
        ensurepip.
    """
    try:
        run = subprocess.run(
            [executable, "-I", "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    lines = run.stdout.splitlines()
    if run.returncode != 0 or len(lines) != 2 or lines[0].split() != [str(part) for part in version]:
        return None
    return Path(lines[1])


def _candidates(version: Version, environ: Mapping[str, str]) -> Iterator[Path]:
    if sys.version_info[:2] == version:
        yield Path(sys.executable)
    yield from _on_path(version, environ)
    yield from _in_usual_folders(version, environ)
    yield from _from_launcher(version, environ)
    yield from _from_pyenv(version, environ)
    yield from _from_uv(version, environ)


def _on_path(version: Version, environ: Mapping[str, str]) -> Iterator[Path]:
    for folder in environ.get("PATH", "").split(os.pathsep):
        for name in (f"python{dotted(version)}", f"python{version[0]}", "python"):
            if folder and (found := shutil.which(name, path=folder)):
                yield Path(found)


def _in_usual_folders(version: Version, environ: Mapping[str, str]) -> Iterator[Path]:
    """Where installers put Pythons: Homebrew's, python.org's, Windows'."""
    joined = f"{version[0]}{version[1]}"
    programs = [environ.get("LOCALAPPDATA", ""), environ.get("PROGRAMFILES", "")]
    paths = [Path(folder) / f"python{dotted(version)}" for folder in _USUAL]
    paths.append(Path("/Library/Frameworks/Python.framework/Versions", dotted(version), "bin", "python3"))
    paths += [Path(folder, "Programs", "Python", f"Python{joined}", "python.exe") for folder in programs[:1] if folder]
    paths += [Path(folder, f"Python{joined}", "python.exe") for folder in programs[1:] if folder]
    yield from (path for path in paths if path.is_file())


def _from_launcher(version: Version, environ: Mapping[str, str]) -> Iterator[Path]:
    launcher = shutil.which("py", path=environ.get("PATH", ""))
    if launcher is None:
        return
    try:
        run = subprocess.run(
            [launcher, f"-{dotted(version)}", "-c", "import sys; print(sys.executable)"],
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return
    if run.returncode == 0 and run.stdout.strip():
        yield Path(run.stdout.strip())


def _from_pyenv(version: Version, environ: Mapping[str, str]) -> Iterator[Path]:
    named = environ.get("PYENV_ROOT") or environ.get("PYENV")
    roots = [Path(named)] if named else [Path.home() / ".pyenv", Path.home() / ".pyenv" / "pyenv-win"]
    for root in roots:
        yield from _executables(root / "versions", f"{dotted(version)}*", version)


def _from_uv(version: Version, environ: Mapping[str, str]) -> Iterator[Path]:
    data = Path(environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    roots = [data / "uv" / "python", Path(environ.get("APPDATA", data)) / "uv" / "python"]
    if named := environ.get("UV_PYTHON_INSTALL_DIR"):
        roots.insert(0, Path(named))
    for root in roots:
        yield from _executables(root, f"cpython-{dotted(version)}*", version)


def _executables(folder: Path, pattern: str, version: Version) -> Iterator[Path]:
    """Executables of the installations in `folder` that match, the newest name first."""
    for installation in sorted(folder.glob(pattern), reverse=True):
        for relative in (f"bin/python{dotted(version)}", "bin/python", "python.exe"):
            if (installation / relative).is_file():
                yield installation / relative
