# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts start on a bare Python, say in one sentence why they don't on others, and never print a traceback."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from retake.addon.core.interpreters import find_interpreter

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path for path in (ROOT / "scripts").glob("*.py") if path.name != "_start.py")


def run_bare(python: Path | str, script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script without any installed package, the user's own and what the environment could add included."""
    return subprocess.run([python, "-S", "-s", "-E", script, *arguments], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
@pytest.mark.parametrize("version", [(3, 11), (3, 13)], ids=str)
def test_help_on_a_bare_python(script: Path, version: tuple[int, int]) -> None:
    python = find_interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} on this computer")
    run = run_bare(python, script, "--help")
    assert run.returncode == 0, run.stderr
    assert f"usage: {script.name}" in run.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_unknown_option_is_refused_without_traceback(script: Path) -> None:
    if script.name == "test.py":
        pytest.skip("what test.py does not know goes to pytest")
    run = run_bare(getattr(sys, "_base_executable", sys.executable), script, "--no-such-option")
    assert run.returncode == 2
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("script", [*SCRIPTS, ROOT / "scripts" / "_start.py"], ids=lambda path: path.name)
def test_old_pythons_can_read_a_script_to_its_end(script: Path) -> None:
    """No annotations and f-strings: Python 2.7 and 3.6 must get as far as the sentence that refuses them."""
    nodes = list(ast.walk(ast.parse(script.read_text(encoding="utf-8"))))
    assert not [node for node in nodes if isinstance(node, ast.AnnAssign | ast.JoinedStr | ast.NamedExpr)]
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    assert not [f.name for f in functions if f.returns or any(a.annotation for a in f.args.args)]
    assert not [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module == "__future__"]


@pytest.mark.parametrize("version", [(3, 10), (3, 12), (3, 14)], ids=str)
def test_another_version_gets_one_sentence(version: tuple[int, int], tmp_path: Path) -> None:
    """With an interpreter of that version where there is one, else with one that says it is."""
    start = (ROOT / "scripts" / "_start.py").read_text(encoding="utf-8")
    fake = tmp_path / "start_elsewhere.py"
    fake.write_text(f"import sys\nsys.version_info = {(*version, 0, 'final', 0)}\n{start}", encoding="utf-8")
    python = find_interpreter(version)
    run = run_bare(*((python, SCRIPTS[0]) if python else (sys.executable, fake)))
    assert run.returncode == 1
    assert run.stderr.strip() == (
        f"Retake's scripts run on Python 3.11 or 3.13, but this is Python {version[0]}.{version[1]}."
    )
