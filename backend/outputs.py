# SPDX-License-Identifier: GPL-3.0-or-later
"""Places to write to: what the file system refuses becomes a sentence."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import OutputError

_REMEDY = "Choose another place."


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise what the file system refuses while a file or folder is written as an OutputError that names it."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.", _REMEDY) from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it; an existing one stays.

    Raises:
        OutputError: It cannot be made, or no file can be made in it.
    """
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()


def check_file_target(path: Path) -> None:
    """Find out before any work whether a file could be written.

    Raises:
        OutputError: Its folder does not exist, or the path is a folder.
    """
    if not path.parent.is_dir():
        raise OutputError(f"The folder {path.parent} does not exist.", "Make it, or choose another place.")
    if path.is_dir():
        raise OutputError(f"{path} is a folder; a file is to be written.", _REMEDY)
