# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import json
import struct
import tracemalloc
import zipfile
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from retake.backend.errors import CheckpointError, ProtocolError, RetakeError, UnknownRigError, VersionError
from retake.backend.protocol import (
    CHANNEL_NAMES,
    CONTROL_NAMES,
    HEAD_ROTATION,
    MAX_MESSAGE_BYTES,
    PARTS,
    as_error,
    check_hello,
    error_message,
    hello,
    read_message,
    write_message,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.dictionaries(st.text(), JSON, max_size=4).map(lambda members: {**members, "type": "test"})
NUMERIC = npst.arrays(
    st.sampled_from([np.float32, np.float64, np.int32, np.int64, np.uint8, np.bool_]),
    npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name != "message")


def frame(payload: bytes) -> bytes:
    return struct.pack("<Q", len(payload)) + payload


def encoded(message: dict[str, Any], arrays: dict[str, Any] | None = None) -> bytes:
    stream = io.BytesIO()
    write_message(stream, message, arrays)
    return stream.getvalue()


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def npy(array: np.ndarray, allow_pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def text_member(text: str) -> bytes:
    return npy(np.frombuffer(text.encode(), np.uint8))


class TestChannels:
    def test_there_are_arkits_52_controls_and_the_neck(self) -> None:
        assert len(CONTROL_NAMES) == 52
        assert len(set(CHANNEL_NAMES)) == 55
        assert CHANNEL_NAMES[52:] == HEAD_ROTATION

    def test_every_channel_is_in_exactly_one_part(self) -> None:
        assert sorted(name for names in PARTS.values() for name in names) == sorted(CHANNEL_NAMES)

    @pytest.mark.parametrize(
        ("name", "part"),
        [
            ("jawOpen", "mouth"),
            ("tongueOut", "mouth"),
            ("cheekPuff", "mouth"),
            ("cheekSquintLeft", "upper_face"),
            ("eyeBlinkLeft", "eyes"),
            ("eyeLookUpRight", "eyes"),
            ("eyeSquintLeft", "upper_face"),
            ("noseSneerLeft", "upper_face"),
            ("browInnerUp", "upper_face"),
            ("head_rotation.y", "head"),
        ],
    )
    def test_parts(self, name: str, part: str) -> None:
        assert name in PARTS[part]


class TestFrames:
    @settings(max_examples=60, deadline=None)
    @given(MESSAGES, st.dictionaries(NAMES, NUMERIC, max_size=4))
    def test_round_trip(self, message: dict[str, Any], arrays: dict[str, Any]) -> None:
        stream = io.BytesIO(encoded(message, arrays) + b"next")
        received, members = read_message(stream)
        assert received == message
        assert members.keys() == arrays.keys()
        for name, array in arrays.items():
            assert members[name].dtype == array.dtype
            assert members[name].shape == array.shape
            assert members[name].tobytes() == array.tobytes()
            assert members[name].flags.writeable
        assert stream.read() == b"next"

    def test_is_numpys_own_format(self) -> None:
        payload = encoded({"type": "a"}, {"x": np.arange(6.0).reshape(2, 3)})[8:]
        with np.load(io.BytesIO(payload), allow_pickle=False) as loaded:
            assert json.loads(loaded["message"].tobytes()) == {"type": "a"}
            np.testing.assert_array_equal(loaded["x"], np.arange(6.0).reshape(2, 3))

    def test_fortran_order_survives(self) -> None:
        array = np.asfortranarray(np.arange(6.0).reshape(2, 3))
        _, members = read_message(io.BytesIO(encoded({"type": "a"}, {"x": array})))
        np.testing.assert_array_equal(members["x"], array)

    def test_same_message_same_bytes(self) -> None:
        assert encoded({"type": "a"}, {"x": np.ones(3)}) == encoded({"type": "a"}, {"x": np.ones(3)})

    def test_clean_end_is_eof(self) -> None:
        with pytest.raises(EOFError):
            read_message(io.BytesIO(b""))

    @pytest.mark.parametrize("bad", [{"x": float("nan")}, {"x": object()}, {"x": {1, 2}}])
    def test_what_json_cannot_say_is_refused(self, bad: dict[str, Any]) -> None:
        with pytest.raises(ProtocolError):
            encoded({"type": "a", **bad})

    @pytest.mark.parametrize(
        "arrays",
        [
            {"x": np.array([object()])},
            {"x": np.array(["text"])},
            {"message": np.ones(1)},
            {"a b": np.ones(1)},
            {f"x{index}": np.ones(1) for index in range(70)},
        ],
    )
    def test_what_is_no_array_of_numbers_is_refused(self, arrays: dict[str, Any]) -> None:
        with pytest.raises(ProtocolError):
            encoded({"type": "a"}, arrays)


class TestGarbage:
    """Whatever arrives, reading ends with a message, EOFError or ProtocolError, in bounded memory."""

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=300))
    def test_random_bytes(self, data: bytes) -> None:
        with pytest.raises((ProtocolError, EOFError)):
            read_message(io.BytesIO(data))

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=300))
    def test_random_payload(self, data: bytes) -> None:
        with pytest.raises(ProtocolError):
            read_message(io.BytesIO(frame(data)))

    @settings(max_examples=400, deadline=None)
    @given(st.data())
    def test_damaged_message(self, data: st.DataObject) -> None:
        whole = bytearray(encoded({"type": "test", "id": 1}, {"x": np.arange(12.0).reshape(3, 4)}))
        for _ in range(data.draw(st.integers(1, 6))):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(1, len(whole)))
        try:
            message, members = read_message(io.BytesIO(bytes(whole[:cut])))
        except ProtocolError:
            return
        assert isinstance(message["type"], str)
        assert sum(array.nbytes for array in members.values()) <= len(whole)

    @settings(max_examples=100, deadline=None)
    @given(st.text(max_size=60))
    def test_any_text_as_the_message(self, text: str) -> None:
        try:
            message, _ = read_message(io.BytesIO(frame(archive({"message.npy": text_member(text)}))))
        except ProtocolError:
            return
        assert isinstance(message["type"], str)

    @settings(max_examples=150, deadline=None)
    @given(st.binary(max_size=80))
    def test_any_array_header(self, header: bytes) -> None:
        member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"0" * 16
        with pytest.raises(ProtocolError):
            read_message(io.BytesIO(frame(archive({"message.npy": text_member('{"type": "a"}'), "x.npy": member}))))

    @pytest.mark.parametrize(
        "payload",
        [
            archive({"x.npy": npy(np.ones(3))}),
            archive({"message.npy": text_member("[]")}),
            archive({"message.npy": text_member('{"id": 1}')}),
            archive({"message.npy": text_member('{"type": NaN}')}),
            archive({"message.npy": text_member("[" * 20000 + "]" * 20000)}),
            archive({"message.npy": npy(np.frombuffer(b"\xff\xfe{}", np.uint8))}),
            archive({"message.npy": npy(np.array([{"type": "a"}], object), allow_pickle=True)}),
            archive({"message.npy": text_member('{"type": "a"}')}, zipfile.ZIP_DEFLATED),
            archive({f"x{index}.npy": b"" for index in range(1000)}),
        ],
        ids=["no message", "list", "no type", "NaN", "deep", "not UTF-8", "pickle", "compressed", "many members"],
    )
    def test_unsound_payload(self, payload: bytes) -> None:
        with pytest.raises(ProtocolError):
            read_message(io.BytesIO(frame(payload)))

    def test_length_over_the_limit(self) -> None:
        with pytest.raises(ProtocolError, match="over the limit"):
            read_message(io.BytesIO(struct.pack("<Q", MAX_MESSAGE_BYTES + 1)))

    def test_claims_cost_no_memory(self) -> None:
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (100000000000,), }"
        member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
        huge_array = frame(archive({"message.npy": text_member('{"type": "a"}'), "x.npy": member}))
        huge_frame = struct.pack("<Q", MAX_MESSAGE_BYTES) + b"PK" * 50
        tracemalloc.start()
        for data in (huge_array, huge_frame):
            with pytest.raises(ProtocolError):
                read_message(io.BytesIO(data))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 << 20


class TestHello:
    def test_same_version_passes(self) -> None:
        check_hello(hello("backend", ["describe"], device="cpu"), "backend")

    @pytest.mark.parametrize(
        ("version", "side", "older"),
        [(0, "addon", "add-on"), (2, "addon", "backend"), (0, "backend", "backend"), (2, "backend", "add-on")],
    )
    def test_another_version_says_which_side_to_update(self, version: int, side: str, older: str) -> None:
        with pytest.raises(VersionError) as caught:
            check_hello({**hello(side), "version": version}, side)
        assert caught.value.remedy == f"Update the {older}."
        assert str(version) in caught.value.message

    @pytest.mark.parametrize(
        "message",
        [
            {"type": "describe"},
            hello("addon"),
            {**hello("backend"), "version": "1"},
            {**hello("backend"), "version": True},
        ],
    )
    def test_no_hello_of_that_side(self, message: dict[str, Any]) -> None:
        with pytest.raises(ProtocolError):
            check_hello(message, "backend")


class TestErrors:
    @pytest.mark.parametrize("error", [UnknownRigError("No head.", "Register it."), CheckpointError("Cut short.")])
    def test_an_error_crosses_the_pipe(self, error: RetakeError) -> None:
        message, _ = read_message(io.BytesIO(encoded(error_message(3, error))))
        received = as_error(message)
        assert type(received) is type(error)
        assert str(received) == str(error)
        assert message["id"] == 3

    def test_an_unknown_code_is_still_an_error(self) -> None:
        assert type(as_error({"code": "of the future", "message": "Something."})) is RetakeError
