# SPDX-License-Identifier: GPL-3.0-or-later
"""The extension validates, builds, installs, and works when installed; bpy is not imported before registration."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import bpy
import pytest

from retake.addon.operators.session import ROOT
from retake.tools import package as package_tool

EXTENSION_TOOL = Path(bpy.utils.system_resource("SCRIPTS")) / "addons_core" / "bl_pkg" / "cli" / "blender_ext.py"
needs_tool = pytest.mark.skipif(not EXTENSION_TOOL.exists(), reason="this bpy has no blender_ext.py")


def tool(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(EXTENSION_TOOL), *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension's zip."""
    return package_tool.build(Path(sys.executable), tmp_path_factory.mktemp("build"))


@needs_tool
def test_the_sources_validate() -> None:
    assert "rror" not in tool("validate", str(ROOT))


@needs_tool
def test_the_zip_validates_and_holds_what_it_must(package: Path) -> None:
    tool("validate", str(package))
    names = set(zipfile.ZipFile(package).namelist())
    for wanted in ("__init__.py", "blender_manifest.toml", "addon/registration.py", "backend/server.py"):
        assert wanted in names
    assert "backend/assets/head.npz" in names
    unwanted = ("tests/", "tools/", "scripts/", "docs/", "out/", ".", "pyproject.toml")
    assert not [name for name in names if name.startswith(unwanted) or "__pycache__" in name]


@needs_tool
def test_the_repository_lists_the_zip_with_its_hash(package: Path) -> None:
    listed = json.loads((package.parent / "index.json").read_text(encoding="utf-8"))["data"]
    assert [entry["id"] for entry in listed] == ["retake"]
    assert listed[0]["archive_url"] == f"./{package.name}"
    assert listed[0]["archive_hash"] == f"sha256:{hashlib.sha256(package.read_bytes()).hexdigest()}"


def test_what_must_not_be_released_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "retake-1.zip", "w") as file:
        file.writestr("tests/test_x.py", "")
    with pytest.raises(package_tool.PackageBuildError, match=r"holds tests/test_x\.py"):
        package_tool.check(tmp_path / "retake-1.zip")


INSTALLED = """
import os, sys
import bpy
before = list(sys.path)
bpy.ops.preferences.addon_enable(module="bl_pkg")
bpy.ops.extensions.package_install_files(filepath=r"{package}", repo="user_default", enable_on_install=True)
name = "bl_ext.user_default.retake"
assert name in bpy.context.preferences.addons, list(bpy.context.preferences.addons.keys())
assert bpy.context.preferences.addons[name].preferences.python == ""
bpy.ops.wm.read_homefile(use_empty=True)
bpy.ops.retake.add_head()
bpy.ops.retake.import_audio(filepath=r"{audio}", frame=1)
bpy.ops.retake.new_takes(count=1)
root = os.path.dirname(sys.modules[name].__file__)
assert not root.startswith(r"{root}"), root
assert "torch" not in sys.modules and "backend" not in sys.modules
compat = sys.modules[name + ".addon.compat"]
assert len(compat.fcurves_of(bpy.context.object.data.shape_keys)) == 52
bpy.ops.preferences.addon_disable(module=name)
assert not hasattr(bpy.types.Scene, "retake")
assert sys.path == before, "sys.path stays"
print("INSTALLED AND USED", flush=True)
"""


@needs_tool
def test_the_zip_installs_and_generates(package: Path, speech: Path, tmp_path: Path) -> None:
    script = INSTALLED.format(package=package, audio=speech, root=ROOT)
    homes = {name: str(tmp_path) for name in ("BLENDER_USER_RESOURCES", "HOME", "XDG_CONFIG_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=240, env={**os.environ, **homes}
    )
    assert "INSTALLED AND USED" in done.stdout, done.stdout + done.stderr


def test_the_package_is_imported_without_blender() -> None:
    script = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location(
    "retake", r"{ROOT / "__init__.py"}", submodule_search_locations=[r"{ROOT}"]
)
module = importlib.util.module_from_spec(spec)
sys.modules["retake"] = module
spec.loader.exec_module(module)
assert "bpy" not in sys.modules
assert callable(module.register) and callable(module.unregister)
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_registering_twice_over_leaves_nothing(registered: None) -> None:
    import retake

    retake.unregister()
    assert not hasattr(bpy.types.Scene, "retake")
    assert not hasattr(bpy.types, "RETAKE_PT_main")
    retake.register()
    assert hasattr(bpy.types.Scene, "retake")
