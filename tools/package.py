# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds what is released: the extension's zip and the index of a self-hosted extension repository, by Blender's tool.

Put the folder on any web server and name its `index.json` in Blender (Preferences > Get Extensions > Repositories > Add
Remote Repository): Blender then installs Retake from it and tells of updates.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

from ..addon.core.interpreters import InterpreterError
from .environments import ROOT, EnvironmentMakeError, demo_blender, ensure

MOST_BYTES = 25_000_000
_UNWANTED = ("tests/", "tools/", "scripts/", "docs/", "out/", ".")
_FIND = "import bpy, pathlib; print(pathlib.Path(bpy.utils.system_resource('SCRIPTS'), 'addons_core/bl_pkg/cli'))"


class PackageBuildError(Exception):
    """The package could not be built or is not what it should be; the message is one sentence."""


def main(arguments: Sequence[str]) -> int:
    """Build it.

    Args:
        arguments: `--out DIR`, where the zip and the index go; out/package if left out.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(
        prog="package.py", description="Builds the extension's zip and a repository index.", allow_abbrev=False
    )
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "package", metavar="DIR", help="where they go")
    out: Path = parser.parse_args(arguments).out.resolve()
    try:
        python = ensure(demo_blender())
        package = build(python, out)
    except (EnvironmentMakeError, InterpreterError, PackageBuildError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{package.name}: {package.stat().st_size / 1e6:.1f} MB\nrepository: {out / 'index.json'}")
    return 0


def build(python: Path, out: Path) -> Path:
    """Build zip and index with the tool inside a Blender.

    Args:
        python: Interpreter of an environment with bpy.
        out: Folder for both, made if it is missing; an older zip of Retake in it stays beside.

    Returns:
        The zip.

    Raises:
        PackageBuildError: The tool failed, or the zip is too large or holds what it should not.
    """
    out.mkdir(parents=True, exist_ok=True)
    tool = str(Path(_run([str(python), "-c", _FIND]).strip().splitlines()[-1]) / "blender_ext.py")
    _run([str(python), tool, "validate", str(ROOT)])
    version = _manifest_version()
    package = out / f"retake-{version}.zip"
    _run([str(python), tool, "build", "--source-dir", str(ROOT), "--output-filepath", str(package)])
    check(package)
    _run([str(python), tool, "server-generate", "--repo-dir", str(out), "--html"])
    return package


def check(package: Path) -> None:
    """Refuse a zip that should not be released."""
    names = zipfile.ZipFile(package).namelist()
    unwanted = [name for name in names if name.startswith(_UNWANTED) or "__pycache__" in name]
    if unwanted:
        raise PackageBuildError(
            f"{package.name} holds {unwanted[0]}, which is not released: mend the manifest's [build]."
        )
    if package.stat().st_size > MOST_BYTES:
        megabytes = package.stat().st_size / 1e6
        raise PackageBuildError(f"{package.name} has {megabytes:.1f} MB; at most {MOST_BYTES / 1e6:.0f} are allowed.")


def _manifest_version() -> str:
    import tomllib

    with (ROOT / "blender_manifest.toml").open("rb") as file:
        return str(tomllib.load(file)["version"])


def _run(command: list[str]) -> str:
    """Run a program; what it said, or an error with the end of it."""
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL)
    if run.returncode != 0:
        raise PackageBuildError(f"{run.stdout.strip()[-2000:]}\nBlender's extension tool failed as said above.")
    return run.stdout
