# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that are there whole or not at all: written beside their place, then moved there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...backend.errors import OutputError


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A path to write to; what was written there becomes the file once the block ends well, and vanishes else.

    A link stays one; the file that it leads to is written.

    Args:
        path: Where the file belongs; one that is there is replaced.

    Raises:
        OutputError: The place cannot be written to; the sentence says why.
    """
    part: Path | None = None
    try:
        place = path.resolve()
        number, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name[:40]}.", suffix=".part")
        os.close(number)
        part = Path(name)
        yield part
        part.chmod(_usual_mode())
        part.replace(place)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"'{path}' cannot be written ({reason}).", "Choose another folder or name.") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _usual_mode() -> int:
    """Permissions of a new file: temporary ones are their owner's alone."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
