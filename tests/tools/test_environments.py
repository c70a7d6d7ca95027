# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments are made once, by one of several scripts, and again when their requirements change."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from retake.tools import environments
from retake.tools.environments import Environment

HERE = (sys.version_info[0], sys.version_info[1])
EMPTY = Environment("empty", (HERE,), "empty.txt")
MISSING = Environment("missing", ((3, 99),), "empty.txt")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with one environment that needs no package."""
    folder = tmp_path / "tools" / "requirements"
    folder.mkdir(parents=True)
    (folder / "empty.txt").write_text("# nothing\n-r more.txt\n", encoding="utf-8")
    (folder / "more.txt").write_text("", encoding="utf-8")
    return tmp_path


def test_made_once_and_again_when_requirements_change(root: Path) -> None:
    python = environments.ensure(EMPTY, root)
    mark = root / ".venv" / "empty" / "mark"
    mark.touch()
    assert environments.ensure(EMPTY, root) == python
    assert mark.exists()  # left alone
    (root / "tools" / "requirements" / "more.txt").write_text("pip\n", encoding="utf-8")
    environments.ensure(EMPTY, root)
    assert not mark.exists()  # a file named by -r changed: made anew
    assert subprocess.run([python, "-c", "import pip"]).returncode == 0


def test_comments_change_nothing(root: Path) -> None:
    before = environments.stamp(EMPTY, root)
    (root / "tools" / "requirements" / "more.txt").write_text("# why\n\n", encoding="utf-8")
    assert environments.stamp(EMPTY, root) == before


def test_an_interrupted_environment_is_made_anew(root: Path) -> None:
    half = root / ".venv" / "empty"
    half.mkdir(parents=True)
    (half / "mark").touch()
    assert environments.ensure(EMPTY, root).exists()
    assert not (half / "mark").exists()


def test_two_scripts_at_once_make_it_once(root: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import _start; _start.register_package()\n"
        "from pathlib import Path; from retake.tools.environments import Environment, ensure\n"
        "ensure(Environment('empty', (sys.version_info[:2],), 'empty.txt'), Path(sys.argv[2]))\n"
    )
    command = [sys.executable, "-c", program, str(environments.ROOT / "scripts"), str(root)]
    runs = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    messages = [run.communicate(timeout=120)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0]
    assert sum("Making .venv/empty" in message for message in messages) == 1


def test_a_missing_python_is_named(root: Path) -> None:
    with pytest.raises(environments.MissingPythonError, match=r"needs Python 3\.99.*RETAKE_PYTHON_3_99"):
        environments.ensure(MISSING, root)


def test_pips_lines_are_shown_when_it_fails(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (root / "tools" / "requirements" / "empty.txt").write_text("./no-such-folder\n", encoding="utf-8")
    with pytest.raises(environments.EnvironmentMakeError, match=r"(?s)no-such-folder.*empty\.txt failed"):
        environments.ensure(EMPTY, root)
    assert "no-such-folder" not in capfd.readouterr().out
    assert not (root / ".venv" / "empty" / "retake-stamp.txt").exists()


@pytest.mark.parametrize("environment", [environments.BACKEND, *environments.BLENDERS], ids=lambda e: e.name)
def test_real_requirements_are_exact(environment: Environment) -> None:
    lines = environments._requirement_lines(environments.REQUIREMENTS / environment.requirements)
    assert lines
    assert all("==" in line for line in lines)


def test_a_script_runs_again_in_its_environment(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environments.ensure, "__defaults__", (root,))
    script = root / "script.py"
    script.write_text("import sys; print(sys.prefix, *sys.argv[1:]); sys.exit(3)", encoding="utf-8")
    assert environments.rerun(EMPTY, script, ["--a", "b c"]) == 3
    prefix, *arguments = capfd.readouterr().out.split(maxsplit=1)
    assert Path(prefix).resolve() == (root / ".venv" / "empty").resolve()
    assert arguments == ["--a b c\n"]
    assert environments.rerun(MISSING, script, []) == 1
    assert "needs Python 3.99" in capfd.readouterr().err


def test_paths_of_interpreters(root: Path) -> None:
    python = environments.python_in(EMPTY, root)
    assert python.is_relative_to(root / ".venv" / "empty")
    assert python.suffix == (".exe" if os.name == "nt" else "")
