# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes survive being stored, bit for bit; damage is one sentence."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from retake.addon.core import storage
from retake.addon.core.ledger import Ledger
from retake.addon.core.library import Library
from retake.addon.core.takes import CompEntry, GivenSet, OriginalCurve, Settings, Take
from retake.addon.core.timing import Span
from retake.backend.protocol import CHANNEL_NAMES


def make_take(values: np.ndarray, number: int = 1, **changes: object) -> Take:
    fields: dict[str, Any] = {
        "id": number,
        "name": f"Take {number}",
        "seed": 40 + number,
        "parts": ("mouth", "head"),
        "span": Span(-1.0, 4.5),
        "start_frame": -30,
        "channel_names": CHANNEL_NAMES[: values.shape[1]],
        "values": values,
        "settings": Settings(guidance=1.5),
        "given": GivenSet(np.array([0.5]), np.array([3], np.int32), np.array([0.25], np.float32)),
    }
    return Take(**{**fields, **changes})


def assert_same_take(left: Take, right: Take) -> None:
    assert left.values.dtype == right.values.dtype == np.float32
    assert left.values.tobytes() == right.values.tobytes()
    assert left.given.equals(right.given)
    for name in ("id", "name", "seed", "parts", "span", "start_frame", "channel_names", "settings", "pinned"):
        assert getattr(left, name) == getattr(right, name), name


@hypothesis_given(
    hnp.arrays(np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)),
    st.text(max_size=20),
    st.integers(-(2**62), 2**62),
    st.booleans(),
)
def test_a_library_comes_back_bit_for_bit(values: np.ndarray, name: str, seed: int, pinned: bool) -> None:
    take = make_take(values, name=name, seed=seed, pinned=pinned)
    original = OriginalCurve(True, {"frames": np.array([1.5, 2.0], np.float32)}, {"extrapolation": "LINEAR"})
    library = Library({1: take}, [CompEntry("mouth", Span(0.0, 1.0), 1)], {"curve": original}, 7)
    back = storage.library_from_bytes(storage.library_to_bytes(library))
    assert_same_take(back.takes[1], take)
    assert back.comp == library.comp
    assert back.next_id == 7
    assert back.original["curve"].properties == {"extrapolation": "LINEAR"}
    np.testing.assert_array_equal(back.original["curve"].arrays["frames"], original.arrays["frames"])


def test_storing_twice_gives_the_same_bytes_and_an_updated_take_is_stored_anew() -> None:
    library = Library({1: make_take(np.ones((5, 3), np.float32))})
    data = storage.library_to_bytes(library)
    assert storage.library_to_bytes(library) == data
    assert storage.library_to_bytes(storage.library_from_bytes(data)) == data
    library.takes[1] = replace(library.takes[1], values=np.zeros((5, 3), np.float32))
    assert not storage.library_from_bytes(storage.library_to_bytes(library)).takes[1].values.any()


def test_deleted_takes_are_not_stored() -> None:
    library = Library(deleted={1: make_take(np.zeros((3, 2), np.float32))})
    assert storage.library_from_bytes(storage.library_to_bytes(library)).deleted == {}


@hypothesis_given(
    hnp.arrays(np.float32, st.integers(0, 50), elements=st.floats(-1e5, 1e5, width=32)), st.text(max_size=30)
)
def test_a_ledger_comes_back_bit_for_bit(values: np.ndarray, name: str) -> None:
    frames = np.arange(len(values), dtype=np.float32) + 0.25
    ledger = Ledger()
    ledger.record(name, frames, values, np.full(len(values), 5))
    back = storage.ledger_from_bytes(storage.ledger_to_bytes(ledger))
    assert back.curves[name].values.tobytes() == values.tobytes()
    np.testing.assert_array_equal(back.curves[name].frames, frames)
    np.testing.assert_array_equal(back.curves[name].types, 5)


def test_a_take_of_69_channels_and_300_frames_is_about_80_kilobytes_at_most() -> None:
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(300, 69)).cumsum(axis=0)
    smooth = np.apply_along_axis(lambda column: np.convolve(column, np.hanning(9) / 4, "same"), 0, steps)
    take = make_take((smooth / np.abs(smooth).max()).astype(np.float32), channel_names=tuple(map(str, range(69))))
    assert len(storage.library_to_bytes(Library({1: take}))) < 80_000


@hypothesis_given(st.data())
def test_damage_is_one_sentence(data: st.DataObject) -> None:
    stored = bytearray(storage.library_to_bytes(Library({1: make_take(np.ones((5, 3), np.float32))})))
    if data.draw(st.booleans()):
        stored = stored[: data.draw(st.integers(0, len(stored) - 1))]
    else:
        at = data.draw(st.integers(0, len(stored) - 1))
        stored[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(storage.StoredTakesError):
        storage.library_from_bytes(bytes(stored))


@pytest.mark.parametrize(
    "body", [b"", b"\x00\x00\x00\x00", b"\x02\x00\x00\x00{}", b'\x10\x00\x00\x00{"arrays": [[1]]}']
)
def test_sound_bytes_of_wrong_content_are_one_sentence(body: bytes) -> None:
    block = zlib.compress(body)
    packed = len(block).to_bytes(4, "little") + block
    data = storage._HEAD.pack(b"RETAKE", 1, zlib.crc32(packed)) + packed
    with pytest.raises(storage.StoredTakesError, match="damaged"):
        storage.library_from_bytes(data)


def test_a_newer_format_says_to_update() -> None:
    data = storage.library_to_bytes(Library())
    newer = data[:6] + (99).to_bytes(2, "little") + data[8:]
    with pytest.raises(storage.StoredTakesError, match=r"newer Retake.*Update"):
        storage.library_from_bytes(newer)


def test_a_ledger_is_not_a_library() -> None:
    with pytest.raises(storage.StoredTakesError, match="ledger"):
        storage.library_from_bytes(storage.ledger_to_bytes(Ledger()))
