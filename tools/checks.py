# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint, format and type checks in .venv/backend. Standard library only.

mypy must see the tree under the name its modules use, the package `retake`, while the checkout's folder may be called
anything. A link would do on some systems; a copy of the few hundred small files does on all.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..addon.core.interpreters import InterpreterError
from .environments import BACKEND, ROOT, EnvironmentMakeError, ensure

_NO_SOURCES = {".venv", ".git", "out", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}


def main(arguments: Sequence[str]) -> int:
    """Run every check, also after one failed.

    Args:
        arguments: `--fix` lets ruff mend and format first.

    Returns:
        Exit code: 0 if all passed.
    """
    parser = argparse.ArgumentParser(prog="check.py", description="Lint, format and type checks.")
    parser.add_argument("--fix", action="store_true", help="let ruff mend and format what it can first")
    options = parser.parse_args(arguments)
    try:
        python = str(ensure(BACKEND))
    except (EnvironmentMakeError, InterpreterError) as error:
        print(error, file=sys.stderr)
        return 1
    ruff = [python, "-m", "ruff"]
    if options.fix:
        subprocess.run([*ruff, "check", "--fix", "--quiet", "."], cwd=ROOT)
        subprocess.run([*ruff, "format", "--quiet", "."], cwd=ROOT)
    codes = [_report("ruff check", [*ruff, "check", "."], ROOT)]
    codes.append(_report("ruff format", [*ruff, "format", "--check", "."], ROOT))
    codes.append(_check_types(python))
    return int(any(codes))


def _report(name: str, command: Sequence[str], folder: Path) -> int:
    print(f"=== {name} ===", flush=True)
    return subprocess.run(command, cwd=folder).returncode


def _check_types(python: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT, Path(folder) / "retake", ignore=_everything_but_sources)
        cache = ROOT / ".mypy_cache"
        command = [python, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(cache)]
        return _report("mypy", [*command, "-p", "retake"], Path(folder))


def _everything_but_sources(folder: str, names: list[str]) -> set[str]:
    """What of a folder to leave out of the copy: anything that is neither a folder of sources nor Python."""
    unwanted = {name for name in names if not name.endswith((".py", ".pyi")) and not (Path(folder) / name).is_dir()}
    return unwanted | (_NO_SOURCES & set(names))
