# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the backend's Python environment lives, whether it is there and fits, and what it takes to make it.

One environment in one user data folder serves every Blender of a user. It is made by `installer.Installer`, which
leaves a stamp in it last of all: an environment without one was not finished.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ...backend.errors import InputError
from .interpreters import Version, dotted, find_interpreter, probe

VERSIONS: tuple[Version, ...] = ((3, 11), (3, 13), (3, 12))  # Pythons the backend runs on, the preferred one first
ENVIRONMENT = "backend"  # folder of the environment in the user data folder
INCOMING = "incoming"  # while it is made
OUTGOING = "outgoing"  # what it replaces
_STAMP = "retake.json"
_UNPACKED = 3.5  # an installed package takes about so many times its download, pip's copies included
_LONGEST = 171 + len("\\Lib\\site-packages\\")  # characters of the longest path below the environment (PyTorch's)
_PATH_LIMIT = 259  # characters of a path in Windows, unless long ones are allowed


@dataclass(frozen=True)
class Build:
    """A build of PyTorch.

    Attributes:
        device: "cpu" (with MPS on a Mac) or "cuda".
        version: As pip takes it, e.g. "2.13.0+cpu".
        index: Package index that has it; empty for the one that pip uses anyway.
        megabytes: To download, 10^6 bytes.
        sha256: By Python version, e.g. "3.11".
    """

    device: str
    version: str
    index: str
    megabytes: int
    sha256: Mapping[str, str]


@dataclass(frozen=True)
class Stamp:
    """What an environment that is finished tells of itself."""

    python: str  # version, e.g. "3.11.9"
    torch: str
    device: str  # of the build: "cpu" or "cuda"
    lock: str  # digest of the lists that it was installed from


def data_folder(environ: Mapping[str, str] = os.environ, system: str = sys.platform) -> Path:
    """The user data folder that is proposed."""
    home = Path.home()
    if system == "win32":
        return Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local") / "Retake"
    if system == "darwin":
        return home / "Library" / "Application Support" / "Retake"
    return Path(environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "retake"


def python_of(folder: Path, name: str = ENVIRONMENT) -> Path:
    """Interpreter of the environment in a user data folder, whether it is there or not."""
    return folder / name / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def read_stamp(folder: Path) -> Stamp | None:
    """What the environment in a user data folder tells of itself; None if there is none or it was not finished."""
    try:
        told = json.loads((folder / ENVIRONMENT / _STAMP).read_text(encoding="utf-8"))
        return Stamp(**told)
    except (OSError, ValueError, TypeError):
        return None


def write_stamp(environment: Path, stamp: Stamp) -> None:
    """Mark an environment as finished."""
    (environment / _STAMP).write_text(json.dumps(asdict(stamp)), encoding="utf-8")


def why_unusable(folder: Path, root: Path) -> str:
    """Why the environment in a user data folder is not used; empty if it can be.

    Args:
        folder: The user data folder.
        root: The extension's root.
    """
    if not (folder / ENVIRONMENT).is_dir():
        return "The backend is not installed."
    stamp = read_stamp(folder)
    if stamp is None or not python_of(folder).exists():
        return "The backend's environment is broken: press Repair."
    if stamp.lock != lock_digest(root):
        return "The backend was installed by another version of Retake: press Repair."
    return ""


@cache
def lock_digest(root: Path) -> str:
    """Digest of the lists that an environment is installed from, hex."""
    digest = hashlib.sha256()
    for name in ("packages.txt", "cuda.txt", "torch.json"):
        digest.update((root / "backend" / "requirements" / name).read_bytes())
    return digest.hexdigest()[:16]


@cache
def _table(root: Path, name: str) -> dict[str, Any]:
    table: dict[str, Any] = json.loads((root / "backend" / "requirements" / name).read_text(encoding="utf-8"))
    return table


def find_build(root: Path, device: str, system: str = platform.system(), machine: str = platform.machine()) -> Build:
    """The build of PyTorch for a device of this computer.

    Args:
        root: The extension's root.
        device: As chosen in the preferences; anything but "cuda" gets the CPU build.
        system: As `platform.system` tells.
        machine: As `platform.machine` tells.

    Raises:
        InputError: There is none.
    """
    table, kind = _table(root, "torch.json"), "cuda" if device == "cuda" else "cpu"
    for build in table["builds"]:
        if (build["system"], build["machine"], build["device"]) == (system, machine, kind):
            index = table["indexes"][build["index"]] if build["index"] else ""
            return Build(kind, table["version"] + build["local"], index, build["megabytes"], build["sha256"])
    if kind == "cuda":
        raise InputError(f"PyTorch has no CUDA build for {system} on {machine}.", "Choose Auto or CPU.")
    raise InputError(
        f"PyTorch {table['version']} is not made for {system} on {machine}.",
        "Retake's backend runs on 64-bit Linux and Windows and on Macs with Apple's own processors.",
    )


def download_megabytes(root: Path, build: Build) -> int:
    """How much an installation downloads, 10^6 bytes, about."""
    sizes, key = _table(root, "sizes.json"), f"{platform.system()}-{platform.machine()}"
    cuda = int(sizes["cuda"].get(key, 0)) if build.device == "cuda" else 0
    return build.megabytes + int(sizes["packages"].get(key, 0)) + cuda


def check_place(folder: Path, megabytes: int, system: str = sys.platform) -> None:
    """Refuse a user data folder that cannot take the environment.

    Args:
        folder: It, existing or not.
        megabytes: To download.
        system: As `sys.platform` tells.

    Raises:
        InputError: Its path is not absolute or too long for Windows, it is a file, or there is too little space.
    """
    if not folder.is_absolute():
        raise InputError(f"The backend's folder '{folder}' is no full path.", "Name one from the root of a disk.")
    longest = len(str(folder)) + 1 + len(INCOMING) + _LONGEST
    if system == "win32" and longest > _PATH_LIMIT and not _allows_long_paths():
        most = _PATH_LIMIT - _LONGEST - 1 - len(INCOMING)
        raise InputError(
            f"The path of the backend's folder has {len(str(folder))} characters, and Windows allows {most} here.",
            f"Choose a shorter one, for example {folder.drive or 'C:'}\\Retake.",
        )
    parent = next(path for path in (folder, *folder.parents) if path.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InputError(f"Nothing can be written to '{parent}'.", "Choose another folder for the backend.")
    needed, free = megabytes * _UNPACKED, shutil.disk_usage(parent).free / 1e6
    if free < needed:
        raise InputError(
            f"The backend needs {needed / 1000:.1f} GB, and the disk of '{parent}' has {free / 1000:.1f} GB free.",
            "Make room, or choose a folder on another disk.",
        )


def _allows_long_paths() -> bool:
    """Whether this Windows allows paths of more than 259 characters."""
    if sys.platform == "win32":
        import winreg

        with (
            contextlib.suppress(OSError),
            winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key,
        ):
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    return False


def find_base_python(named: str, build: Build, environ: Mapping[str, str] = os.environ) -> tuple[Path, str]:
    """A Python that an environment can be made with.

    Args:
        named: What the preferences say; empty to look for one.
        build: What shall run on it.
        environ: Environment variables to read.

    Returns:
        The executable and its version, e.g. "3.11".

    Raises:
        InputError: There is none, or the named one cannot be used.
    """
    fitting = [version for version in VERSIONS if dotted(version) in build.sha256]
    names = ", ".join(dotted(version) for version in sorted(fitting))
    for version in fitting:
        found = probe(Path(named), version) if named else find_interpreter(version, environ)
        if found is not None:
            return found, dotted(version)
    if named:
        raise InputError(
            f"'{named}' does not start as a Python {names} that can make environments (with venv and ensurepip).",
            "Name another one, or leave the field empty to have one looked for.",
        )
    raise InputError(
        f"No Python {names} that can make environments was found on this computer; Blender's own cannot here.",
        f"Install Python {dotted(fitting[0])} (from python.org, or by the system's own means) and press Install again.",
    )
