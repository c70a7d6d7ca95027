# SPDX-License-Identifier: GPL-3.0-or-later
"""What the test command sums up, and where it sends what: decided without running the suite."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from retake.tools import suite
from retake.tools.environments import BACKEND, Environment, MissingPythonError
from retake.tools.suite import Summary


@pytest.mark.parametrize(
    ("summary", "is_ci", "code"),
    [
        (Summary(passed=["backend", "bpy-4.5"]), True, 0),
        (Summary(passed=["backend"], failed=["bpy-4.5"]), False, 1),
        (Summary(passed=["backend"], missing=["bpy-5.2 needs Python 3.13."]), False, 0),
        (Summary(passed=["backend"], missing=["bpy-5.2 needs Python 3.13."]), True, 1),
        (Summary(missing=["backend needs Python 3.11."]), False, 1),
        (Summary(), False, 1),
    ],
)
def test_exit_code(summary: Summary, is_ci: bool, code: int) -> None:
    assert summary.exit_code(is_ci) == code


def test_what_is_missing_is_named_at_the_end() -> None:
    lines = Summary(passed=["backend"], missing=["bpy-5.2 needs Python 3.13."]).lines(is_ci=False)
    assert lines == ["passed: backend", "not run: bpy-5.2 needs Python 3.13."]
    assert Summary(missing=["x"]).lines(is_ci=True) == ["passed: none", "FAILED: x"]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Sequence[str], Sequence[str]]]:
    """Notes where pytest would run, with what, instead of running it."""
    noted: list[tuple[str, Sequence[str], Sequence[str]]] = []

    def note(environment: Environment, what: Sequence[str], extra: Sequence[str], summary: Summary) -> None:
        noted.append((environment.name, what, extra))
        summary.passed.append(environment.name)

    monkeypatch.setattr(suite, "_run_in", note)
    return noted


def test_everything_runs_everywhere(runs: list[tuple[str, Sequence[str], Sequence[str]]]) -> None:
    assert suite.main([]) == 0
    assert [name for name, _, _ in runs] == ["backend", "bpy-4.2", "bpy-4.5", "bpy-5.0", "bpy-5.2"]
    assert any(argument.startswith("--ignore=") and argument.endswith("blender") for argument in runs[0][1])


def test_fast_leaves_blender_out_and_passes_arguments_on(runs: list[tuple[str, Sequence[str], Sequence[str]]]) -> None:
    suite.main(["--fast", "-k", "keys", "-x"])
    assert [(name, extra) for name, _, extra in runs] == [("backend", ["-k", "keys", "-x"])]


def test_paths_choose_environments(runs: list[tuple[str, Sequence[str], Sequence[str]]]) -> None:
    here = str(Path(__file__))
    suite.main([f"{here}::test_exit_code"])
    assert [name for name, _, _ in runs] == ["backend"]
    runs.clear()
    suite.main([str(suite._BLENDER_TESTS)])
    assert [name for name, _, _ in runs] == ["bpy-4.2", "bpy-4.5", "bpy-5.0", "bpy-5.2"]


def test_a_missing_python_is_noted_and_the_rest_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(environment: Environment) -> Path:
        raise MissingPythonError(f"{environment.name} needs Python 3.99.")

    monkeypatch.setattr(suite, "ensure", refuse)
    summary = Summary()
    suite._run_in(BACKEND, [], [], summary)
    assert summary.missing == ["backend needs Python 3.99."]


@pytest.mark.parametrize(("body", "passes"), [("assert True", True), ("assert False", False)])
def test_pytests_verdict_counts(
    body: str, passes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "test_inner.py"
    file.write_text(f"def test_inner():\n    {body}\n", encoding="utf-8")
    monkeypatch.setattr(suite, "ensure", lambda environment: Path(sys.executable))
    summary = Summary()
    suite._run_in(BACKEND, [str(file)], ["-p", "no:cacheprovider"], summary)
    assert (summary.passed == ["backend"], summary.failed == ["backend"]) == (passes, not passes)
    assert f"1 {'passed' if passes else 'failed'}" in capfd.readouterr().out


def test_the_window_that_is_driven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = {"RETAKE_GUI_VERSION": "5.2"}
    programs, launcher = tmp_path / "bin", tmp_path / "blender-gui"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setattr(suite, "_LAUNCHER", launcher)
    named = str(tmp_path / "named")
    assert suite.find_window("5.2", named, {}) == {**version, "RETAKE_GUI_BLENDER": named}
    launched = suite.find_window("5.2", None, {"RETAKE_BLENDER_GUI": "gui"})
    assert launched == {**version, "RETAKE_GUI_LAUNCHER": "gui"}
    with pytest.raises(MissingPythonError, match="No windowed Blender"):
        suite.find_window("5.2", None, {})
    launcher.touch()
    assert suite.find_window("5.2", None, {}) == {**version, "RETAKE_GUI_LAUNCHER": str(launcher)}
    launcher.unlink()
    if sys.platform == "win32":
        return  # the program below is a shell script
    program = programs / "blender"
    program.write_text("#!/bin/sh\necho Blender 4.3.2\n")
    program.chmod(0o755)
    assert suite.find_window("4.3", None, {}) == {"RETAKE_GUI_VERSION": "4.3", "RETAKE_GUI_BLENDER": str(program)}
    with pytest.raises(MissingPythonError, match="--blender"):
        suite.find_window("5.2", None, {})


@pytest.mark.parametrize("option", ["--blender", "--pictures"])
def test_what_belongs_to_the_window_is_refused_without_it(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        suite.main([option, "somewhere"])
    assert f"{option} goes with --gui" in capsys.readouterr().err
