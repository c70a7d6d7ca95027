# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the virtual environments that all scripts share, in `.venv/` of the checkout. Standard library only.

An environment is what a requirements file of exact versions installs: it carries a stamp of that file, and is made
anew when the file changes. Two scripts may ask for the same environment at once: one makes it, the other waits.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..addon.core.interpreters import InterpreterError, Version, dotted, find_interpreter, variable_name

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "tools" / "requirements"
_STAMP = "retake-stamp.txt"
_LOCK_POLL_SECONDS = 0.2
_ERROR_TAIL_LINES = 40

# PyPI's torch for Linux drags gigabytes of CUDA behind it; PyTorch's own index has it without (about 200 MB), and pip
# prefers that one because its local version, +cpu, sorts higher. Used where it answers, and PyPI alone elsewhere.
_INDEXES = json.loads((ROOT / "backend" / "requirements" / "torch.json").read_text(encoding="utf-8"))["indexes"]
_CPU_INDEX = str(_INDEXES["cpu"])
_CPU_INDEX_SECONDS = 5


class EnvironmentMakeError(Exception):
    """An environment could not be made; the message is one sentence, after pip's last lines where pip failed."""


class MissingPythonError(EnvironmentMakeError):
    """No interpreter of the version that an environment needs was found."""


@dataclass(frozen=True)
class Environment:
    """One virtual environment.

    Attributes:
        name: Folder below `.venv` and, unless another is named, the stem of its requirements file.
        versions: Pythons it can be made with, the preferred one first.
        requirements: Requirements file below tools/requirements.
        needs_torch: Whether PyTorch's CPU index is of use to it.
    """

    name: str
    versions: tuple[Version, ...]
    requirements: str
    needs_torch: bool = False


BACKEND = Environment("backend", ((3, 11), (3, 13)), "backend-dev.txt", needs_torch=True)
GUI = Environment("gui", ((3, 11), (3, 13)), "gui.txt")
BLENDERS = (
    Environment("bpy-4.2", ((3, 11),), "bpy-4.2.txt"),
    Environment("bpy-4.5", ((3, 11),), "bpy-4.5.txt"),
    Environment("bpy-5.0", ((3, 11),), "bpy-5.0.txt"),
    Environment("bpy-5.2", ((3, 13),), "bpy-5.2.txt"),
)


def demo_blender() -> Environment:
    """The Blender that demo and bench use: bpy 4.5 when started by Python 3.11, bpy 5.2 by 3.13."""
    name = "bpy-4.5" if sys.version_info[:2] == (3, 11) else "bpy-5.2"
    return next(environment for environment in BLENDERS if environment.name == name)


def python_in(environment: Environment, root: Path = ROOT) -> Path:
    """Path of an environment's interpreter, whether it is made yet or not."""
    below = Path("Scripts", "python.exe") if os.name == "nt" else Path("bin", "python")
    return root / ".venv" / environment.name / below


def runs_in(environment: Environment, root: Path = ROOT) -> bool:
    """Whether the running interpreter is that environment's."""
    return Path(sys.prefix).resolve() == (root / ".venv" / environment.name).resolve()


def rerun(environment: Environment, script: Path, arguments: Sequence[str]) -> int:
    """Run a script again in an environment, which is made first if it is not there.

    Args:
        environment: Which.
        script: The script.
        arguments: Those it was called with.

    Returns:
        Its exit code; 1 after a sentence on stderr if the environment cannot be made.
    """
    try:
        python = ensure(environment)
    except (EnvironmentMakeError, InterpreterError) as error:
        print(error, file=sys.stderr)
        return 1
    return subprocess.run([python, script, *arguments]).returncode


def ensure(environment: Environment, root: Path = ROOT) -> Path:
    """Make an environment, or make it anew if its requirements changed; else leave it alone.

    Args:
        environment: Which.
        root: Checkout whose `.venv` it lives in.

    Returns:
        Its interpreter.

    Raises:
        MissingPythonError: No Python of its versions was found.
        EnvironmentMakeError: pip failed; the message ends with pip's last lines.
        InterpreterError: An environment variable names something that is no such Python.
    """
    folder = root / ".venv" / environment.name
    if _is_current(environment, root):
        return python_in(environment, root)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent / f"{environment.name}.lock"):
        if not _is_current(environment, root):
            _make(environment, folder, root)
            (folder / _STAMP).write_text(stamp(environment, root), encoding="utf-8")
    return python_in(environment, root)


def stamp(environment: Environment, root: Path = ROOT) -> str:
    """Fingerprint of everything an environment is made from: sha256 over its requirements, as text."""
    lines = _requirement_lines(root / "tools" / "requirements" / environment.requirements)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() + "\n"


def _requirement_lines(path: Path) -> list[str]:
    """Lines that count: without comments, the files named by -r in place of those lines."""
    lines: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            lines += _requirement_lines(path.parent / text.removeprefix("-r ").strip())
        elif text:
            lines.append(text)
    return lines


def _is_current(environment: Environment, root: Path) -> bool:
    """Whether it is made from the present requirements and the Python it was made with is still there."""
    file = root / ".venv" / environment.name / _STAMP
    is_stamped = file.is_file() and file.read_text(encoding="utf-8") == stamp(environment, root)
    return is_stamped and python_in(environment, root).exists()


def _make(environment: Environment, folder: Path, root: Path) -> None:
    base = _base_interpreter(environment)
    print(f"Making .venv/{environment.name} (this takes a minute or a few) ...", file=sys.stderr, flush=True)
    if folder.exists():
        shutil.rmtree(folder)
    _run_quietly([str(base), "-m", "venv", str(folder)], f"Making .venv/{environment.name} failed")
    requirements = root / "tools" / "requirements" / environment.requirements
    install = [str(python_in(environment, root)), "-m", "pip", "install", "--disable-pip-version-check"]
    install += ["--extra-index-url", _CPU_INDEX] if environment.needs_torch and _cpu_index_answers() else []
    _run_quietly([*install, "-r", str(requirements)], f"Installing {requirements.name} failed")


def _base_interpreter(environment: Environment) -> Path:
    for version in environment.versions:
        if found := find_interpreter(version):
            return found
    versions = " or ".join(dotted(version) for version in environment.versions)
    variables = " or ".join(variable_name(version) for version in environment.versions)
    raise MissingPythonError(
        f".venv/{environment.name} needs Python {versions}, which was not found: install it, or name it in {variables}."
    )


def _cpu_index_answers() -> bool:
    if sys.platform != "linux":  # PyPI's torch has no CUDA elsewhere
        return False
    try:
        with urllib.request.urlopen(f"{_CPU_INDEX}/torch/", timeout=_CPU_INDEX_SECONDS):
            return True
    except (OSError, ValueError):
        return False


def _run_quietly(command: list[str], failure: str) -> None:
    """Run a command; its output is shown only if it fails."""
    run = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        errors="replace",
    )
    if run.returncode != 0:
        tail = "\n".join(run.stdout.splitlines()[-_ERROR_TAIL_LINES:])
        raise EnvironmentMakeError(f"{tail}\n{failure} (exit code {run.returncode}); the lines above say why.")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that other processes respect and that the system releases if this one dies."""
    with path.open("a+b") as file:
        while not _try_lock(file.fileno()):
            time.sleep(_LOCK_POLL_SECONDS)
        yield


if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
