# SPDX-License-Identifier: GPL-3.0-or-later
"""Library and ledger as bytes, to be kept in a datablock of the shot.

Lossless. The bytes are: magic, format version, CRC-32 of all that follows; length of a block, the block, and the
chunks whose sizes it lists. A block is, deflated, the length of a JSON header, the header, and the arrays it lists; a
chunk is the block of an original curve or the deflated values of a take. Arrays are stored byte plane by byte plane,
values of takes as differences (exclusive or) of their bit patterns along time, which deflates well. Takes and original
curves never change, so their chunks are made once: saving a library after another take was shown costs next to nothing.
"""

from __future__ import annotations

import itertools
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from weakref import WeakKeyDictionary

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
_SMALL, _FAST = 6, 1  # zlib's levels: for what is packed once, and for what is packed anew at every write
_TAKE_CHUNKS: WeakKeyDictionary[Take, bytes] = WeakKeyDictionary()
_ORIGINAL_CHUNKS: WeakKeyDictionary[OriginalCurve, bytes] = WeakKeyDictionary()


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
        "original": list(library.original),
    }
    chunks = [_take_chunk(take) for take in library.takes.values()]
    chunks += [_original_chunk(curve) for curve in library.original.values()]
    return _pack(header, arrays, chunks)


def library_from_bytes(data: bytes) -> Library:
    """Inverse of `library_to_bytes`.

    Raises:
        StoredTakesError: The data is damaged or of a newer format.
    """
    header, arrays, chunks = _unpack(data, "library")
    try:
        count, names = len(header["takes"]), header["original"]
        takes = [_read_take(item, arrays, chunk) for item, chunk in zip(header["takes"], chunks[:count], strict=True)]
        original = {name: _read_original(chunk) for name, chunk in zip(names, chunks[count:], strict=True)}
        return Library(
            {take.id: take for take in takes},
            [CompEntry(str(part), Span(start, end), int(take)) for part, start, end, take in header["comp"]],
            original,
            int(header["next_id"]),
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, zlib.error, struct.error, InputError) as error:
        raise _damaged() from error


def ledger_to_bytes(ledger: Ledger) -> bytes:
    """The ledger of last-written keys."""
    arrays = _Arrays()
    curves = {
        name: [arrays.add(curve.frames), arrays.add(curve.values), arrays.add(curve.types)]
        for name, curve in ledger.curves.items()
    }
    return _pack({"kind": "ledger", "curves": curves}, arrays, [], _FAST)


def ledger_from_bytes(data: bytes) -> Ledger:
    """Inverse of `ledger_to_bytes`.

    Raises:
        StoredTakesError: The data is damaged or of a newer format.
    """
    header, arrays, _ = _unpack(data, "ledger")
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
    return {
        "id": take.id,
        "name": take.name,
        "seed": take.seed,
        "parts": list(take.parts),
        "span": [take.span.start, take.span.end],
        "start_frame": take.start_frame,
        "channel_names": list(take.channel_names),
        "frames": len(take.values),
        "settings": asdict(take.settings),
        "given": [arrays.add(take.given.times), arrays.add(take.given.channels), arrays.add(take.given.values)],
        "pinned": take.pinned,
        "note": take.note,
    }


def _take_chunk(take: Take) -> bytes:
    """Values of a take as they are stored; made once a take."""
    if take not in _TAKE_CHUNKS:
        bits = np.array(take.values.T, np.float32, order="C").view(np.uint32)  # a copy: the take keeps its values
        bits[:, 1:] ^= bits[:, :-1].copy()
        _TAKE_CHUNKS[take] = zlib.compress(_planes(bits), 6)
    return _TAKE_CHUNKS[take]


def _settings(item: dict[str, Any]) -> Settings:
    """JSON has lists for tuples."""
    return Settings(**{**item, "speaking": tuple((start, end) for start, end in item.get("speaking", ()))})


def _read_take(item: Mapping[str, Any], arrays: Sequence[NDArray[Any]], chunk: bytes) -> Take:
    names = tuple(str(name) for name in item["channel_names"])
    raw = zlib.decompressobj().decompress(chunk, _MAX_BYTES)
    bits = _from_planes(raw, np.dtype(np.uint32), (len(names), int(item["frames"])), 0)
    take = Take(
        id=int(item["id"]),
        name=str(item["name"]),
        seed=int(item["seed"]),
        parts=tuple(item["parts"]),
        span=Span(*item["span"]),
        start_frame=int(item["start_frame"]),
        channel_names=names,
        values=np.ascontiguousarray(np.bitwise_xor.accumulate(bits, axis=1).view(np.float32).T),
        settings=_settings(item["settings"]),
        given=GivenSet(*(arrays[number] for number in item["given"])),
        pinned=bool(item["pinned"]),
        note=str(item.get("note", "")),
    )
    _TAKE_CHUNKS[take] = bytes(chunk)
    return take


def _original_chunk(curve: OriginalCurve) -> bytes:
    """An original curve as it is stored; made once a curve."""
    if curve not in _ORIGINAL_CHUNKS:
        arrays = _Arrays()
        numbers = {name: arrays.add(array) for name, array in curve.arrays.items()}
        header = {"existed": curve.existed, "arrays_of": numbers, "properties": dict(curve.properties)}
        _ORIGINAL_CHUNKS[curve] = _block(header, arrays)
    return _ORIGINAL_CHUNKS[curve]


def _read_original(chunk: bytes) -> OriginalCurve:
    header, arrays = _open_block(chunk)
    rows = {name: arrays[number] for name, number in header["arrays_of"].items()}
    curve = OriginalCurve(bool(header["existed"]), rows, header["properties"])
    _ORIGINAL_CHUNKS[curve] = bytes(chunk)
    return curve


def _pack(header: Mapping[str, Any], arrays: _Arrays, chunks: Sequence[bytes], level: int = _SMALL) -> bytes:
    block = _block({**header, "sizes": [len(chunk) for chunk in chunks]}, arrays, level)
    body = b"".join([_LENGTH.pack(len(block)), block, *chunks])
    return _HEAD.pack(_MAGIC, FORMAT_VERSION, zlib.crc32(body)) + body


def _unpack(data: bytes, kind: str) -> tuple[dict[str, Any], list[NDArray[Any]], list[bytes]]:
    """Header, arrays and chunks."""
    if len(data) < _HEAD.size:
        raise _damaged()
    magic, version, checksum = _HEAD.unpack_from(data)
    if magic == _MAGIC and version > FORMAT_VERSION:
        raise StoredTakesError(f"The takes were stored by a newer Retake (format {version}).", "Update Retake.")
    body = data[_HEAD.size :]
    if magic != _MAGIC or zlib.crc32(body) != checksum:
        raise _damaged()
    try:
        start = _LENGTH.size + _LENGTH.unpack_from(body)[0]
        header, arrays = _open_block(body[_LENGTH.size : start])
        ends = start + np.cumsum([0, *header["sizes"]])
    except (zlib.error, struct.error, ValueError, KeyError, TypeError) as error:
        raise _damaged() from error
    if header.get("kind") != kind:
        raise StoredTakesError(f"The stored data is a {header.get('kind')}, not a {kind}.")
    return header, arrays, [body[first:end] for first, end in itertools.pairwise(ends.tolist())]


def _block(header: Mapping[str, Any], arrays: _Arrays, level: int = _SMALL) -> bytes:
    listed = [[array.dtype.str, list(array.shape)] for array in arrays.items]
    text = json.dumps({**header, "arrays": listed}).encode()
    return zlib.compress(b"".join([_LENGTH.pack(len(text)), text, *map(_planes, arrays.items)]), level)


def _open_block(block: bytes) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    raw = zlib.decompressobj().decompress(block, _MAX_BYTES)
    (length,) = _LENGTH.unpack_from(raw)
    header: dict[str, Any] = json.loads(raw[_LENGTH.size : _LENGTH.size + length])
    return header, _read_arrays(header["arrays"], raw[_LENGTH.size + length :])


def _read_arrays(listed: Sequence[tuple[str, Sequence[int]]], raw: bytes) -> list[NDArray[Any]]:
    arrays, at = [], 0
    for name, shape in listed:
        arrays.append(_from_planes(raw, np.dtype(name), tuple(shape), at))
        at += arrays[-1].nbytes
    return arrays


def _planes(array: NDArray[Any]) -> bytes:
    """Bytes of an array, first all first bytes of its items, then all second ones, and so on."""
    return array.reshape(-1, 1).view(np.uint8).reshape(-1, array.itemsize).T.tobytes()


def _from_planes(raw: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], at: int) -> NDArray[Any]:
    """Inverse of `_planes`, reading from a place in some bytes."""
    count = int(np.prod(shape, dtype=np.int64))
    planes = np.frombuffer(raw, np.uint8, count * dtype.itemsize, at).reshape(dtype.itemsize, count)
    return np.ascontiguousarray(planes.T).view(dtype).reshape(shape)


def _damaged() -> StoredTakesError:
    return StoredTakesError(
        "The stored takes are damaged and cannot be read.", "Undo, or open an earlier save of this file."
    )
