# SPDX-License-Identifier: GPL-3.0-or-later
"""Installing the backend: a real pip in real environments, on small packages of our own; once the real packages."""

from __future__ import annotations

import base64
import hashlib
import json
import platform
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from retake.addon.core import backend_home, installer
from retake.addon.core.installer import Installer, InstallPlan, InstallState
from retake.addon.core.process import find_python
from retake.addon.core.trial import Trial
from retake.backend.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
SAYS = """
import json, sys
import helper
assert sys.argv[1:3] == ["check", "--device"], sys.argv
print("a library that talks")
print(json.dumps({"model": "tiny", "device": "cpu", "torch": "1.0", "seconds_per_second": 0.01}))
"""


def make_wheel(folder: Path, name: str, code: str) -> str:
    """A wheel of one module; returns its sha256."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = []
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files.items():
            archive.writestr(inner, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            rows.append(f"{inner},sha256={digest},{len(text)}")
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]) + "\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder of wheels: a PyTorch and one package, both of one line."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder, "torch", "version = 1")
    make_wheel(folder, "helper", "help = 1")
    return folder


@pytest.fixture
def root(tmp_path: Path, wheels: Path) -> Path:
    """An extension whose backend is a script and whose packages are the small ones."""
    lists = tmp_path / "root" / "backend" / "requirements"
    lists.mkdir(parents=True)
    digests = {path.name.partition("-")[0]: hashlib.sha256(path.read_bytes()).hexdigest() for path in wheels.iterdir()}
    (lists / "packages.txt").write_text(f"helper==1.0 --hash=sha256:{digests['helper']}\n", encoding="utf-8")
    (lists / "cuda.txt").write_text("", encoding="utf-8")
    build: dict[str, Any] = {
        "system": platform.system(),
        "machine": platform.machine(),
        "device": "cpu",
        "index": None,
        "local": "",
    }
    build |= {"megabytes": 1, "sha256": {HERE: digests["torch"]}}
    table = {"version": "1.0", "indexes": {}, "builds": [build]}
    (lists / "torch.json").write_text(json.dumps(table), encoding="utf-8")
    (lists / "sizes.json").write_text(json.dumps({"packages": {}, "cuda": {}}), encoding="utf-8")
    (lists.parent / "__init__.py").touch()
    (lists.parent / "__main__.py").write_text(SAYS, encoding="utf-8")
    return tmp_path / "root"


@pytest.fixture
def plan(root: Path, wheels: Path, tmp_path: Path) -> InstallPlan:
    base = getattr(sys, "_base_executable", sys.executable)
    return InstallPlan(root, tmp_path / "home", python=base, wheels=wheels)


def run(plan: InstallPlan) -> Installer:
    """An installation, to its end."""
    one = Installer(plan)
    one.start()
    one.wait(120.0)
    return one


def test_install_use_remove(plan: InstallPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RETAKE_BACKEND_PYTHON", raising=False)
    assert backend_home.why_unusable(plan.folder, plan.root) == "The backend is not installed."
    done = run(plan)
    assert done.state is InstallState.DONE, "\n".join(done.log)
    assert done.sentence.startswith("Ready: tiny on CPU, PyTorch 1.0; a take of 10 s of speech takes about 0.1 s")
    assert done.factor == pytest.approx(1.0, abs=0.05)
    assert find_python("", plan.root, plan.folder) == backend_home.python_of(plan.folder)
    stamp = backend_home.read_stamp(plan.folder)
    assert stamp is not None
    assert stamp.python.startswith(HERE)
    trial = Trial(backend_home.python_of(plan.folder), plan.root, "auto")
    trial.wait()
    assert trial.sentence == done.sentence
    assert [path.name for path in plan.folder.iterdir()] == ["backend"]
    installer.remove_environment(plan.folder)
    assert not plan.folder.exists()


def test_a_file_that_was_exchanged_is_refused_and_nothing_is_left(plan: InstallPlan, wheels: Path) -> None:
    make_wheel(wheels, "helper", "import os  # something else")
    done = run(plan)
    assert done.state is InstallState.FAILED
    assert "not the one that Retake was made with" in done.sentence
    assert not plan.folder.exists()


def test_a_failed_repair_leaves_what_was_there(plan: InstallPlan, wheels: Path) -> None:
    run(plan)
    make_wheel(wheels, "helper", "import os  # something else")
    assert run(plan).state is InstallState.FAILED
    assert backend_home.why_unusable(plan.folder, plan.root) == ""
    assert [path.name for path in plan.folder.iterdir()] == ["backend"]


def test_cancel_ends_it_and_leaves_nothing(plan: InstallPlan) -> None:
    one = Installer(plan)
    one.start()
    while one.stage != "Making the environment":
        time.sleep(0.01)
    one.cancel()
    one.wait(20.0)
    assert one.state is InstallState.CANCELLED
    assert "nothing was changed" in one.sentence
    assert not plan.folder.exists()


def test_an_unfinished_or_older_environment_is_said(plan: InstallPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RETAKE_BACKEND_PYTHON", raising=False)
    run(plan)
    with (plan.root / "backend" / "requirements" / "packages.txt").open("a") as file:
        file.write("# changed\n")
    backend_home.lock_digest.cache_clear()
    assert "another version of Retake" in backend_home.why_unusable(plan.folder, plan.root)
    (plan.folder / "backend" / "retake.json").unlink()
    assert "broken" in backend_home.why_unusable(plan.folder, plan.root)
    with pytest.raises(InputError, match="press Repair"):
        find_python("", plan.root, plan.folder)


def test_a_backend_that_does_not_run_is_not_installed(plan: InstallPlan) -> None:
    (plan.root / "backend" / "__main__.py").write_text("import nothing_of_the_kind\n", encoding="utf-8")
    done = run(plan)
    assert done.state is InstallState.FAILED
    assert "nothing_of_the_kind" in done.sentence
    assert not plan.folder.exists()


def test_a_folder_without_the_wheels_is_said(plan: InstallPlan, tmp_path: Path) -> None:
    done = run(replace(plan, wheels=tmp_path))
    assert "holds no package (wheel) of PyTorch" in done.sentence


def test_a_python_that_is_none_is_said(plan: InstallPlan, wheels: Path) -> None:
    done = run(replace(plan, python=str(next(wheels.iterdir()))))
    assert "does not start as a Python" in done.sentence
    assert not plan.folder.exists()


def test_no_space_is_said_in_gigabytes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs 35000000\.0 GB, and the disk"):
        backend_home.check_place(tmp_path, 10**10)


def test_a_path_too_long_for_windows_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"characters, and Windows allows \d+ here\. Choose a shorter one"):
        backend_home.check_place(tmp_path / ("x" * 90), 1, system="win32")


def test_a_place_that_is_no_full_path_is_refused() -> None:
    with pytest.raises(InputError, match="no full path"):
        backend_home.check_place(Path("somewhere"), 1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("Failed to establish a new connection: [Errno -3] Temporary failure in name resolution", "not be reached"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE", "was refused"),
        ("PermissionError: [Errno 13] Permission denied: 'x'", "could not be written"),
    ],
)
def test_what_pip_says_is_explained(words: str, sentence: str) -> None:
    assert sentence in installer._explain(f"...\n{words}\n...")


@pytest.mark.parametrize(
    ("system", "machine", "device"),
    [
        ("Linux", "x86_64", "cpu"),
        ("Linux", "x86_64", "cuda"),
        ("Linux", "aarch64", "auto"),
        ("Darwin", "arm64", "mps"),
        ("Windows", "AMD64", "auto"),
        ("Windows", "AMD64", "cuda"),
    ],
)
def test_every_system_has_a_build_with_hashes(system: str, machine: str, device: str) -> None:
    build = backend_home.find_build(ROOT, device, system, machine)
    assert build.device == ("cuda" if device == "cuda" else "cpu")
    assert build.sha256
    assert all(len(digest) == 64 for digest in build.sha256.values())


def test_a_computer_without_a_build_is_said() -> None:
    with pytest.raises(InputError, match="is not made for Darwin on x86_64"):
        backend_home.find_build(ROOT, "auto", "Darwin", "x86_64")
    with pytest.raises(InputError, match="no CUDA build for Darwin"):
        backend_home.find_build(ROOT, "cuda", "Darwin", "arm64")


def test_the_lists_are_those_of_the_tests(tmp_path: Path) -> None:
    """What is installed is what the suite runs on: each exact version of the backend's own list is in the lock."""
    wanted = (ROOT / "tools" / "requirements" / "backend.txt").read_text(encoding="utf-8").split()
    locked = (ROOT / "backend" / "requirements" / "packages.txt").read_text(encoding="utf-8").split()
    torch = json.loads((ROOT / "backend" / "requirements" / "torch.json").read_text(encoding="utf-8"))["version"]
    exact = [word for word in wanted if "==" in word]
    assert f"torch=={torch}" in exact
    assert [word for word in exact if word not in locked and not word.startswith("torch==")] == []


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="once is enough")
def test_the_real_packages_install_and_perform(tmp_path: Path) -> None:
    done = Installer(InstallPlan(ROOT, tmp_path / "home"))
    done.start()
    done.wait(900.0)
    assert done.state is InstallState.DONE, "\n".join(list(done.log)[-30:])
    assert done.report["device"] == "cpu"
    assert backend_home.why_unusable(tmp_path / "home", ROOT) == ""
