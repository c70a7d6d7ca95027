# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the lists that the extension installs its backend from: exact versions with the hashes of every file.

`backend/requirements/packages.txt` has everything but PyTorch, `cuda.txt` what PyTorch's CUDA build needs on Linux
besides, `pip.txt` the pip that installs them, `sizes.json` how much that is to download. They are derived from
tools/requirements/backend.txt by uv, for every system and Python at once. PyTorch's own builds and hashes stand in
`torch.json`, by hand: those of PyPI as PyPI tells them, those of PyTorch's index as other projects' lock files give
them (the one for Linux and Python 3.11 compared with the file itself).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any

from .environments import REQUIREMENTS, ROOT, Environment, rerun, runs_in

LOCK = Environment("lock", ((3, 11), (3, 13)), "lock.txt")
TARGET = ROOT / "backend" / "requirements"
PIP = "pip==26.2"
_PYTHON = "3.11"  # the oldest one that the backend runs on
_ONLY_CUDA = re.compile(r"(nvidia|cuda)-|triton==")
_PLATFORMS = {  # wheels of a system, for the size
    "Linux-x86_64": re.compile(r"manylinux\w*_x86_64"),
    "Linux-aarch64": re.compile(r"manylinux\w*_aarch64"),
    "Darwin-arm64": re.compile(r"macosx\w*_(arm64|universal2)"),
    "Windows-AMD64": re.compile(r"win_amd64"),
}
_MACHINE = {
    "Linux-x86_64": ("linux", "x86_64"),
    "Linux-aarch64": ("linux", "aarch64"),
    "Darwin-arm64": ("darwin", "arm64"),
    "Windows-AMD64": ("win32", "AMD64"),
}


def main(arguments: Sequence[str]) -> int:
    """Write all of them.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(
        prog="lock.py", description="Writes the lists that the extension installs its backend from.", allow_abbrev=False
    )
    parser.parse_args(arguments)
    if not runs_in(LOCK):
        return rerun(LOCK, ROOT / "scripts" / "lock.py", arguments)
    wanted = (REQUIREMENTS / "backend.txt").read_text(encoding="utf-8")
    torch = json.loads((TARGET / "torch.json").read_text(encoding="utf-8"))["version"]
    if f"torch=={torch}" not in wanted:
        print(f"tools/requirements/backend.txt and torch.json differ: the latter has torch {torch}.", file=sys.stderr)
        return 1
    entries = [entry for entry in _resolve(wanted) if not entry.startswith("torch==") and not _is_for_browsers(entry)]
    cuda = [entry for entry in entries if _ONLY_CUDA.match(entry)]
    others = [entry for entry in entries if entry not in cuda]
    for name, what, chosen in (
        ("packages.txt", "What the backend runs on, PyTorch left out", others),
        ("cuda.txt", "What PyTorch's CUDA build for Linux needs besides", cuda),
        ("pip.txt", "The pip that installs all of it", list(_resolve(PIP))),
    ):
        head = f"# {what}; written by scripts/lock.py.\n"
        (TARGET / name).write_text(head + "\n".join(chosen) + "\n", encoding="utf-8")
    sizes = {"packages": _megabytes(others), "cuda": _megabytes(cuda)}
    (TARGET / "sizes.json").write_text(json.dumps(sizes, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(sizes))
    return 0


def _resolve(wanted: str) -> Iterator[str]:
    """Requirements with everything that they need: an entry a package, its hashes on lines of their own."""
    run = subprocess.run(
        [
            *(sys.executable, "-m", "uv", "pip", "compile", "--universal", "--python-version", _PYTHON, "--quiet"),
            *("--generate-hashes", "--no-annotate", "--no-header", "--only-binary", ":all:", "-"),
        ],
        input=wanted,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    entry: list[str] = []
    for line in run.stdout.splitlines():
        if entry and not line.startswith(" "):
            yield "\n".join(entry)
            entry = []
        entry.append(line)
    yield "\n".join(entry)


def _is_for_browsers(entry: str) -> bool:
    """Whether an entry is wanted on emscripten alone."""
    return "== 'emscripten'" in entry.splitlines()[0]


def _megabytes(entries: Sequence[str]) -> dict[str, int]:
    """About how much some packages are to download, 10^6 bytes, by system."""
    from packaging.markers import Marker

    totals = dict.fromkeys(_PLATFORMS, 0)
    for entry in entries:
        first = entry.splitlines()[0].rstrip(" \\")
        name, _, rest = first.partition("==")
        version, _, marker = (part.strip() for part in rest.partition(";"))
        files = [one for one in _files(name) if f"-{version}-" in one["filename"]]
        for system, pattern in _PLATFORMS.items():
            platform, machine = _MACHINE[system]
            values = {"sys_platform": platform, "platform_machine": machine, "python_full_version": f"{_PYTHON}.9"}
            if not marker or Marker(marker).evaluate({**values, "implementation_name": "cpython"}):
                totals[system] += _size(files, pattern)
    return {system: round(total / 1e6) for system, total in totals.items()}


def _size(files: Sequence[dict[str, Any]], pattern: re.Pattern[str]) -> int:
    """Bytes of the wheel that pip would take, as a rule."""
    wheels = [one for one in files if one["filename"].endswith(".whl")]
    fitting = [one for one in wheels if pattern.search(one["filename"])]
    ours = [one for one in fitting if re.search(r"cp311-|abi3-|py3-", one["filename"])]
    pure = [one for one in wheels if one["filename"].endswith("-any.whl")]
    return int(next((one["size"] for one in (*ours, *fitting, *pure)), 0))


def _files(name: str) -> list[dict[str, Any]]:
    """Files of a package, as the package index that pip uses lists them."""
    from pip._internal.models.index import PyPI

    index = os.environ.get("PIP_INDEX_URL") or PyPI.simple_url
    request = urllib.request.Request(
        f"{index.rstrip('/')}/{name}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        files: list[dict[str, Any]] = json.load(answer)["files"]
    return files
