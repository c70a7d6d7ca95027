# SPDX-License-Identifier: GPL-3.0-or-later
"""Library and ledger as bytes, to be kept in a datablock of the shot.

Lossless: float32 values are stored byte-plane by byte-plane and deflated, about 80 KB for 69 channels x 300 frames or
less. A version number and a checksum make damage and newer files one clear sentence each.
"""

from __future__ import annotations

from ...backend.errors import InputError
from .ledger import Ledger
from .takes import Library

FORMAT_VERSION = 1


class StoredTakesError(InputError):
    """Stored takes are damaged or from a newer Retake."""

    code = "stored_takes"


def library_to_bytes(library: Library) -> bytes:
    """Takes, comp and Take 0, without the deleted takes."""
    raise NotImplementedError


def library_from_bytes(data: bytes) -> Library:
    """Inverse of `library_to_bytes`.

    Raises:
        StoredTakesError: The data is damaged or of a newer format.
    """
    raise NotImplementedError


def ledger_to_bytes(ledger: Ledger) -> bytes:
    """The ledger of last-written keys."""
    raise NotImplementedError


def ledger_from_bytes(data: bytes) -> Ledger:
    """Inverse of `ledger_to_bytes`.

    Raises:
        StoredTakesError: The data is damaged or of a newer format.
    """
    raise NotImplementedError
