# SPDX-License-Identifier: GPL-3.0-or-later
"""Library and ledger as bytes, to be kept in a datablock of the shot.

Lossless. The bytes are: magic, format version, CRC-32, then deflated: length of a JSON header, the header, the arrays
it lists. Values of takes are stored as differences (exclusive or) of their bit patterns along time and all arrays byte
plane by byte plane, which deflates well: see `tests/addon_core/test_storage.py` for sizes.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...backend.errors import InputError
from .ledger import Ledger, WrittenCurve
from .library import Library
from .takes import CompEntry, GivenSet, OriginalCurve, Settings, Take
from .timing import Span

FORMAT_VERSION = 1
_MAGIC = b"RETAKE"
_HEAD = struct.Struct("<6sHI")
_LENGTH = struct.Struct("<I")
_MAX_BYTES = 1 << 30


class StoredTakesError(InputError):
    """Stored takes are damaged or from a newer Retake."""

    code = "stored_takes"


def library_to_bytes(library: Library) -> bytes:
    """Takes, comp and Take 0, without the deleted takes."""
    arrays = _Arrays()
    header = {
        "kind": "library",
        "next_id": library.next_id,
        "takes": [_take_header(take, arrays) for take in library.takes.values()],
        "comp": [[entry.part, entry.span.start, entry.span.end, entry.take] for entry in library.comp],
        "original": {name: _original_header(curve, arrays) for name, curve in library.original.items()},
    }
    return _pack(header, arrays)


def library_from_bytes(data: bytes) -> Library:
    """Inverse of `library_to_bytes`.

    Raises:
        StoredTakesError: The data is damaged or of a newer format.
    """
    header, arrays = _unpack(data, "library")
    try:
        takes = [_read_take(item, arrays) for item in header["takes"]]
        return Library(
            {take.id: take for take in takes},
            [CompEntry(str(part), Span(start, end), int(take)) for part, start, end, take in header["comp"]],
            {name: _read_original(item, arrays) for name, item in header["original"].items()},
            int(header["next_id"]),
        )
    except (KeyError, IndexError, TypeError, ValueError, InputError) as error:
        raise _damaged() from error


def ledger_to_bytes(ledger: Ledger) -> bytes:
    """The ledger of last-written keys."""
    arrays = _Arrays()
    curves = {
        name: [arrays.add(curve.frames), arrays.add(curve.values), arrays.add(curve.types)]
        for name, curve in ledger.curves.items()
    }
    return _pack({"kind": "ledger", "curves": curves}, arrays)


def ledger_from_bytes(data: bytes) -> Ledger:
    """Inverse of `ledger_to_bytes`.

    Raises:
        StoredTakesError: The data is damaged or of a newer format.
    """
    header, arrays = _unpack(data, "ledger")
    try:
        return Ledger(
            {name: WrittenCurve(*(arrays[number] for number in numbers)) for name, numbers in header["curves"].items()}
        )
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise _damaged() from error


class _Arrays:
    """Arrays on their way into the bytes, numbered."""

    def __init__(self) -> None:
        self.items: list[NDArray[Any]] = []

    def add(self, array: NDArray[Any]) -> int:
        """Queue an array; returns its number."""
        self.items.append(np.ascontiguousarray(array))
        return len(self.items) - 1


def _take_header(take: Take, arrays: _Arrays) -> dict[str, Any]:
    bits = np.array(take.values.T, np.float32, order="C").view(np.uint32)  # a copy: the take keeps its values
    bits[:, 1:] ^= bits[:, :-1].copy()
    return {
        "id": take.id,
        "name": take.name,
        "seed": take.seed,
        "parts": list(take.parts),
        "span": [take.span.start, take.span.end],
        "start_frame": take.start_frame,
        "channel_names": list(take.channel_names),
        "values": arrays.add(bits),
        "settings": asdict(take.settings),
        "given": [arrays.add(take.given.times), arrays.add(take.given.channels), arrays.add(take.given.values)],
        "pinned": take.pinned,
    }


def _read_take(item: Mapping[str, Any], arrays: Sequence[NDArray[Any]]) -> Take:
    bits = np.bitwise_xor.accumulate(arrays[item["values"]], axis=1)
    return Take(
        id=int(item["id"]),
        name=str(item["name"]),
        seed=int(item["seed"]),
        parts=tuple(item["parts"]),
        span=Span(*item["span"]),
        start_frame=int(item["start_frame"]),
        channel_names=tuple(item["channel_names"]),
        values=np.ascontiguousarray(bits.view(np.float32).T),
        settings=Settings(**item["settings"]),
        given=GivenSet(*(arrays[number] for number in item["given"])),
        pinned=bool(item["pinned"]),
    )


def _original_header(curve: OriginalCurve, arrays: _Arrays) -> dict[str, Any]:
    numbers = {name: arrays.add(array) for name, array in curve.arrays.items()}
    return {"existed": curve.existed, "arrays": numbers, "properties": dict(curve.properties)}


def _read_original(item: Mapping[str, Any], arrays: Sequence[NDArray[Any]]) -> OriginalCurve:
    rows = {name: arrays[number] for name, number in item["arrays"].items()}
    return OriginalCurve(bool(item["existed"]), rows, item["properties"])


def _pack(header: Mapping[str, Any], arrays: _Arrays) -> bytes:
    listed = [[array.dtype.str, list(array.shape)] for array in arrays.items]
    text = json.dumps({**header, "arrays": listed}).encode()
    planes = [array.reshape(-1, 1).view(np.uint8).reshape(-1, array.itemsize).T.tobytes() for array in arrays.items]
    body = zlib.compress(b"".join([_LENGTH.pack(len(text)), text, *planes]), 6)
    return _HEAD.pack(_MAGIC, FORMAT_VERSION, zlib.crc32(body)) + body


def _unpack(data: bytes, kind: str) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    if len(data) < _HEAD.size:
        raise _damaged()
    magic, version, checksum = _HEAD.unpack_from(data)
    if magic == _MAGIC and version > FORMAT_VERSION:
        raise StoredTakesError(f"The takes were stored by a newer Retake (format {version}).", "Update Retake.")
    body = data[_HEAD.size :]
    if magic != _MAGIC or zlib.crc32(body) != checksum:
        raise _damaged()
    try:
        raw = zlib.decompressobj().decompress(body, _MAX_BYTES)
        (length,) = _LENGTH.unpack_from(raw)
        header = json.loads(raw[_LENGTH.size : _LENGTH.size + length])
        arrays = _read_arrays(header["arrays"], raw[_LENGTH.size + length :])
    except (zlib.error, struct.error, ValueError, KeyError, TypeError) as error:
        raise _damaged() from error
    if header.get("kind") != kind:
        raise StoredTakesError(f"The stored data is a {header.get('kind')}, not a {kind}.")
    return header, arrays


def _read_arrays(listed: Sequence[tuple[str, Sequence[int]]], raw: bytes) -> list[NDArray[Any]]:
    arrays, at = [], 0
    for name, shape in listed:
        dtype = np.dtype(name)
        count = int(np.prod(shape, dtype=np.int64))
        plane = np.frombuffer(raw, np.uint8, count * dtype.itemsize, at)
        arrays.append(np.ascontiguousarray(plane.reshape(dtype.itemsize, count).T).view(dtype).reshape(tuple(shape)))
        at += count * dtype.itemsize
    return arrays


def _damaged() -> StoredTakesError:
    return StoredTakesError(
        "The stored takes are damaged and cannot be read.", "Undo, or open an earlier save of this file."
    )
