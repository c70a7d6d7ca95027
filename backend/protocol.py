# SPDX-License-Identifier: GPL-3.0-or-later
"""What crosses the pipe between Blender and the backend, and the names both sides use for it.

A message is a frame: an 8-byte little-endian unsigned length, then that many bytes of an uncompressed .npz (numpy's
own format, no pickles). Its member `message` is a JSON object as UTF-8 in a uint8 array; every other member is an
array of numbers. numpy and the standard library are all this module needs: Blender imports it.

First message both ways: {"type": "hello", "version": 1, "side": "addon" | "backend", "capabilities": [...]}; the
backend's has `device`, as it was asked for, and `model` besides. Then requests go one way, each with an integer `id`:

* {"type": "describe", "id"}
* {"type": "register_rig", "id", "rig", "channel_names", "control_names"} + v_template (V, 3) m, controls (E, V, 3) m,
  J_regressor (5, V), weights (V, 5)
* {"type": "generate", "id", "audio", "rig", "parts", "seeds", "range", "guidance", "steps", "scheduler", "style",
  "speaking"} (where the head speaks, [[start s, end s], ...]; silence elsewhere; empty: it speaks everywhere)
  + given_times (G,) s, given_channels (G,) indices into CHANNEL_NAMES, given_values (G,)
* {"type": "cancel", "id", "target"}
* {"type": "shutdown", "id"}

and events the other way, each with the `id` of its request (None where there is none):

* {"type": "progress", "id", "stage", "step", "total", "seconds_left"} (seconds_left may be None: not known yet)
* {"type": "result", "id", ...} + arrays; of a generate: {"seeds", "fps", "start_frame", "audio_seconds",
  "channel_names", "seconds", "phones" [[start s, end s, ARPAbet], ...] as the model hears them, "pauses" [[start,
  end], ...]} + channels (K, N, C), given_raw (K, G)
* {"type": "error", "id", "code", "message", "remedy"}
* {"type": "loaded", "id": None, "device"}: the model is there, and what it computes on
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .errors import ProtocolError, RetakeError, VersionError, error_class

PROTOCOL_VERSION = 1
MAX_MESSAGE_BYTES = 1 << 30
MAX_ARRAYS = 64  # a frame with more members than this is garbage

MODEL_FPS = 30  # model frame n stands for audio time n / 30 s
DEFAULT_SAMPLER = "dpmpp_2m"  # of the names in `diffusion.samplers`

CONTROL_NAMES: tuple[str, ...] = (
    *("eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft"),
    *("eyeSquintLeft", "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight"),
    *("eyeLookOutRight", "eyeLookUpRight", "eyeSquintRight", "eyeWideRight", "jawForward"),
    *("jawLeft", "jawRight", "jawOpen", "mouthClose", "mouthFunnel"),
    *("mouthPucker", "mouthLeft", "mouthRight", "mouthSmileLeft", "mouthSmileRight"),
    *("mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft"),
    *("mouthStretchRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper"),
    *("mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft"),
    *("mouthUpperUpRight", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft"),
    *("browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft"),
    *("noseSneerRight", "tongueOut"),
)
"""ARKit's 52 shape-key names, in its own order: the named controls of the default model."""

HEAD_ROTATION: tuple[str, ...] = ("head_rotation.x", "head_rotation.y", "head_rotation.z")
"""Neck rotation, axis-angle in rad, model axes (Y up, +Z front, +X the character's left), relative to rest."""

CHANNEL_NAMES: tuple[str, ...] = CONTROL_NAMES + HEAD_ROTATION
"""Every channel, in the order of all arrays that have a channel axis (C = 55)."""

JOINT_NAMES: tuple[str, ...] = ("root", "neck", "jaw", "left eye", "right eye")
"""FLAME's joints in its own order (Li et al. 2017), which is that of the built-in head too."""

FLAME_VERTICES, FLAME_FACES = 5023, 9976
"""Size of FLAME's mesh."""

_PART_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "mouth": ("jaw", "mouth", "tongueOut", "cheekPuff"),
    "upper_face": ("brow", "eyeSquint", "eyeWide", "cheekSquint", "noseSneer"),
    "eyes": ("eyeBlink", "eyeLook"),
    "head": HEAD_ROTATION,
}

PARTS: Mapping[str, tuple[str, ...]] = {
    part: tuple(name for name in CHANNEL_NAMES if name.startswith(prefixes))
    for part, prefixes in _PART_PREFIXES.items()
}
"""What can be generated or left out on its own -> its channels. Every channel is in exactly one part."""

Arrays = dict[str, NDArray[Any]]

_LENGTH = struct.Struct("<Q")
_READ_CHUNK = 1 << 20


def hello(side: str, capabilities: Sequence[str] = (), **details: object) -> dict[str, object]:
    """First message of a side.

    Args:
        side: "addon" or "backend".
        capabilities: What this side can do, e.g. the requests it answers.
        details: Further members; the backend tells `device` and `model`.

    Returns:
        The message, ready for `write_message`.
    """
    return {
        "type": "hello",
        "version": PROTOCOL_VERSION,
        "side": side,
        "capabilities": list(capabilities),
        **details,
    }


def check_hello(message: Mapping[str, Any], side: str) -> None:
    """Check the first message that came from the other side.

    Args:
        message: What was received.
        side: The side it must come from, "addon" or "backend".

    Raises:
        VersionError: The other side speaks another version; the sentence says which of the two to update.
        ProtocolError: It is no hello of that side.
    """
    if message.get("type") != "hello" or message.get("side") != side:
        raise ProtocolError(f"The first message should be the hello of the {side}, but it was another one.")
    version = message.get("version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise ProtocolError(f"The {side}'s hello has no version number.")
    if version == PROTOCOL_VERSION:
        return
    here = "backend" if side == "addon" else "addon"
    older = side if version < PROTOCOL_VERSION else here
    spoken = {"addon": "add-on", "backend": "backend"}
    raise VersionError(
        f"The {spoken[side]} speaks version {version} of the protocol and the {spoken[here]} version "
        f"{PROTOCOL_VERSION}.",
        f"Update the {spoken[older]}.",
    )


def error_message(request_id: int | None, error: RetakeError) -> dict[str, object]:
    """Error event for a request; `as_error` is its inverse."""
    return {
        "type": "error",
        "id": request_id,
        "code": error.code,
        "message": error.message,
        "remedy": error.remedy,
    }


def as_error(message: Mapping[str, Any]) -> RetakeError:
    """Exception that an error event stands for, to be raised or shown on this side."""
    kind = error_class(str(message.get("code", "")))
    return kind(str(message.get("message", "The backend reported an error.")), str(message.get("remedy", "")))


def write_message(
    stream: BinaryIO, message: Mapping[str, object], arrays: Mapping[str, NDArray[Any]] | None = None
) -> None:
    """Write one frame and flush. Not locked: the caller sees to it that one thread at a time writes.

    Args:
        stream: Binary, buffered; the other side's pipe.
        message: JSON-able members; floats must be finite.
        arrays: Arrays of numbers by name, any shape.

    Raises:
        ProtocolError: The message is not JSON-able, an array is not numeric, or the frame would exceed the limit.
        OSError: The other side is gone.
    """
    payload = _encode(message, arrays or {})
    stream.write(_LENGTH.pack(len(payload)))
    stream.write(payload)
    stream.flush()


def read_message(stream: BinaryIO) -> tuple[dict[str, Any], Arrays]:
    """Read one frame; blocks until it is complete.

    Memory stays within a small multiple of what was really received, whatever the length or headers claim.

    Args:
        stream: Binary; the other side's pipe.

    Returns:
        The message and its arrays (own, writable memory).

    Raises:
        EOFError: The stream ended before a first byte: the other side closed it.
        ProtocolError: Anything else that is not a whole, sound frame.
    """
    head = _read_up_to(stream, _LENGTH.size)
    if not head:
        raise EOFError("the other side closed the pipe")
    if len(head) < _LENGTH.size:
        raise ProtocolError("The pipe ended within the length of a message.")
    (length,) = _LENGTH.unpack(head)
    if length > MAX_MESSAGE_BYTES:
        raise ProtocolError(f"A message claims {length} bytes, over the limit of {MAX_MESSAGE_BYTES}.")
    payload = _read_up_to(stream, length)
    if len(payload) < length:
        raise ProtocolError(f"The pipe ended after {len(payload)} of a message's {length} bytes.")
    return _decode(payload)


def _read_up_to(stream: BinaryIO, count: int) -> bytearray:
    data = bytearray()
    while len(data) < count:
        chunk = stream.read(min(count - len(data), _READ_CHUNK))
        if not chunk:
            break
        data += chunk
    return data


def _encode(message: Mapping[str, object], arrays: Mapping[str, NDArray[Any]]) -> memoryview:
    try:
        text = json.dumps(dict(message), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ProtocolError(f"A message cannot be written as JSON: {error}.") from error
    members: Arrays = {"message": np.frombuffer(text.encode(), np.uint8)}
    for name, value in arrays.items():
        array = np.asarray(value)
        if array.dtype.kind not in "biuf" or not name.isidentifier() or name == "message":
            raise ProtocolError(f"The array '{name}' of {array.dtype} cannot be sent.")
        members[name] = array
    size = sum(array.nbytes for array in members.values())
    if size + MAX_ARRAYS * 1024 > MAX_MESSAGE_BYTES or len(members) > MAX_ARRAYS:
        raise ProtocolError(f"A message of {len(members)} arrays and {size} bytes is too large to be sent.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # np.savez, whose own parameters take names
        for name, array in members.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return buffer.getbuffer()


def _decode(payload: bytearray) -> tuple[dict[str, Any], Arrays]:
    # A reader of untrusted bytes: zipfile, numpy's header parser and json raise a dozen kinds of exceptions for
    # garbage (struct.error, SyntaxError, RecursionError, NotImplementedError, ...); all of them mean this one.
    try:
        members = _read_members(payload)
        message = _read_json(members.pop("message"))
    except ProtocolError:
        raise
    except KeyError as error:
        raise ProtocolError("A message lacks its member 'message'.") from error
    except Exception as error:
        raise ProtocolError(f"A message is damaged ({type(error).__name__}).") from error
    return message, members


def _read_members(payload: bytearray) -> Arrays:
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        entries = archive.infolist()
        stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
        if not stored or len(entries) > MAX_ARRAYS or sum(e.file_size for e in entries) > len(payload):
            raise ProtocolError("A message is compressed or claims more than it holds.")
        return {entry.filename.removesuffix(".npy"): _read_array(archive.read(entry)) for entry in entries}


def _read_array(member: bytes) -> NDArray[Any]:
    """Array of a .npy member; its header must describe exactly the bytes that follow it."""
    buffer = io.BytesIO(member)
    version = np.lib.format.read_magic(buffer)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ProtocolError(f"A message holds an array of the unknown format {version}.")
    shape, is_fortran, dtype = readers[version](buffer)
    data = bytearray(buffer.read())
    count = 1
    for size in shape:
        count *= size
    if dtype.kind not in "biuf" or min(shape, default=0) < 0 or count * dtype.itemsize != len(data):
        raise ProtocolError("A message holds an array that does not fit its description.")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if is_fortran else "C")


def _read_json(text: NDArray[Any]) -> dict[str, Any]:
    message = json.loads(text.tobytes().decode(), parse_constant=_refuse_constant)
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ProtocolError("A message is not a JSON object with a type.")
    return message


def _refuse_constant(name: str) -> object:
    raise ProtocolError(f"A message holds {name}, which is no number.")
