# SPDX-License-Identifier: GPL-3.0-or-later
"""The search of interpreters, on folders laid out as the real tools do."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from retake.addon.core import interpreters

HERE = (sys.version_info[0], sys.version_info[1])
BASE = Path(getattr(sys, "_base_executable", sys.executable))
posix = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")


def stand_in(path: Path, body: str) -> Path:
    """An executable that does what a shell line says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def working(path: Path) -> Path:
    """An executable that passes its arguments to the Python that runs this test."""
    return stand_in(path, f'exec "{BASE}" "$@"')


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Environment variables in which nothing is found, not even the running interpreter."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(interpreters, "_USUAL", (str(tmp_path / "usual"),))
    return {"PATH": str(tmp_path / "bin")}


def test_the_running_python_is_found_by_its_version() -> None:
    found = interpreters.find_interpreter(HERE, {"PATH": ""})
    assert found is not None
    output = subprocess.run([found, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True)
    assert output.stdout.split() == [str(part) for part in HERE]


def test_a_version_that_is_not_there_is_none(nowhere: dict[str, str]) -> None:
    assert interpreters.find_interpreter(HERE, nowhere) is None


@posix
def test_a_shim_that_does_not_start_is_passed_over(nowhere: dict[str, str], tmp_path: Path) -> None:
    dotted = interpreters.dotted(HERE)
    stand_in(tmp_path / "bin" / f"python{dotted}", "echo 'pyenv: command not found' >&2; exit 127")
    assert interpreters.find_interpreter(HERE, nowhere) is None
    working(tmp_path / "bin" / "python3")
    assert interpreters.find_interpreter(HERE, nowhere) is not None


@posix
def test_the_usual_folders_are_searched_where_path_is_short(nowhere: dict[str, str], tmp_path: Path) -> None:
    working(tmp_path / "usual" / f"python{interpreters.dotted(HERE)}")
    assert interpreters.find_interpreter(HERE, nowhere) is not None


@posix
def test_a_python_without_ensurepip_is_passed_over(nowhere: dict[str, str], tmp_path: Path) -> None:
    stand_in(tmp_path / "bin" / "python3", f'exec "{BASE}" -c "raise ImportError(\'ensurepip\')"')
    assert interpreters.find_interpreter(HERE, nowhere) is None


@posix
@pytest.mark.parametrize(
    ("below", "variable"),
    [
        ("home/.pyenv/versions/{v}.9/bin/python{v}", None),
        ("elsewhere/versions/{v}.0/bin/python", "PYENV_ROOT"),
        ("home/.local/share/uv/python/cpython-{v}.4-linux-x86_64-gnu/bin/python{v}", None),
        ("uvs/cpython-{v}.1-macos-aarch64-none/bin/python{v}", "UV_PYTHON_INSTALL_DIR"),
    ],
)
def test_versions_of_pyenv_and_uv_are_found(
    nowhere: dict[str, str], tmp_path: Path, below: str, variable: str | None
) -> None:
    working(tmp_path / below.format(v=interpreters.dotted(HERE)))
    environ = {**nowhere, **({variable: str(tmp_path / below.partition("/")[0])} if variable else {})}
    assert interpreters.find_interpreter(HERE, environ) is not None
    assert interpreters.find_interpreter((3, 99), environ) is None


@posix
def test_the_launcher_is_asked(nowhere: dict[str, str], tmp_path: Path) -> None:
    stand_in(tmp_path / "bin" / "py", f'[ "$1" = "-{interpreters.dotted(HERE)}" ] && echo "{BASE}"')
    assert interpreters.find_interpreter(HERE, nowhere) is not None


def test_a_variable_that_names_no_python_is_an_error(tmp_path: Path) -> None:
    text = tmp_path / "python"
    text.write_text("not a program", encoding="utf-8")
    with pytest.raises(interpreters.InterpreterError, match=interpreters.variable_name(HERE)):
        interpreters.find_interpreter(HERE, {interpreters.variable_name(HERE): str(text)})


def test_a_variable_that_names_another_version_is_an_error() -> None:
    with pytest.raises(interpreters.InterpreterError, match=r"does not start as a Python 3\.99"):
        interpreters.find_interpreter((3, 99), {"RETAKE_PYTHON_3_99": str(BASE)})
