# SPDX-License-Identifier: GPL-3.0-or-later
"""keys.json: the keys of a performance for use without Blender.

    {"keys": [{"time": 1.2, "channel": "mouthSmileLeft", "value": 0.6},
              {"time": 1.2, "channel": "head_rotation", "value": [0.0, 0.3, 0.0]}]}

Times in seconds of audio time, weights, and the neck's rotation as axis-angle in rad, model axes.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .errors import GivenValuesError
from .pipelines.given import GivenValues
from .protocol import CHANNEL_NAMES, CONTROL_NAMES, HEAD_ROTATION, MODEL_FPS

HEAD_CHANNEL = "head_rotation"
_SAME_TIME = 6  # decimals of a second within which two keys stand at one time
_TOLERANCE = 1e-4  # s, as times are written with few decimals
_Row = tuple[float, int, float]


def read_keys(path: Path) -> GivenValues:
    """Read and check a keys.json.

    Raises:
        GivenValuesError: The file cannot be read, is no such JSON, names an unknown channel, holds a value that is
            not a finite number, two values at one time and channel, or two that are nearer than a frame of the result.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))  # Windows' editors may begin it with a mark
    except FileNotFoundError:
        raise GivenValuesError(f"The keys file {path} does not exist.", "Check the path.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise GivenValuesError(f"The keys file {path} is not JSON that can be read ({error}).") from error
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise GivenValuesError(f"The keys file {path} is not an object with a list 'keys'.")
    seen: set[tuple[float, str]] = set()
    rows: list[_Row] = []
    for number, key in enumerate(keys, start=1):
        rows.extend(_read_key(number, key, seen))
    _refuse_near(rows)
    times, channels, values = zip(*rows, strict=True) if rows else ((), (), ())
    return GivenValues.of(times, channels, values)


def check_inside(given: GivenValues, audio_seconds: float, recording: str) -> None:
    """Raise GivenValuesError, naming the key, where a key lies outside a recording."""
    for time, channel in zip(given.times, given.channels, strict=True):
        if not 0.0 <= time <= audio_seconds:
            raise GivenValuesError(
                f"The key of {CHANNEL_NAMES[channel]} at {time:g} s lies outside {recording}, "
                f"which is {audio_seconds:g} s long."
            )


def _read_key(number: int, key: Any, seen: set[tuple[float, str]]) -> Iterator[_Row]:
    """Rows (time, channel index, value) of one key: one, or three of a rotation."""
    if not isinstance(key, dict) or not {"time", "channel", "value"} <= key.keys():
        raise GivenValuesError(f"Key {number} is not an object with time, channel and value.")
    time, channel, value = key["time"], key["channel"], key["value"]
    names = _channels_of(channel)
    if not _is_number(time):
        raise GivenValuesError(f"Key {number} of {channel} has the time {time!r}, which is not a number of seconds.")
    values = value if isinstance(value, list) else [value]
    if len(values) != len(names) or (channel == HEAD_CHANNEL) != isinstance(value, list):
        wanted = "three numbers" if channel == HEAD_CHANNEL else "one number"
        raise GivenValuesError(f"The key of {channel} at {time:g} s has the value {value!r} instead of {wanted}.")
    for one in values:
        if not _is_number(one):
            raise GivenValuesError(f"The key of {channel} at {time:g} s has the value {one!r}, which is not a number.")
    place = (round(float(time), _SAME_TIME), channel)
    if place in seen:
        raise GivenValuesError(f"There are two keys of {channel} at {time:g} s.", "Keep one of them.")
    seen.add(place)
    for name, one in zip(names, values, strict=True):
        yield float(time), CHANNEL_NAMES.index(name), float(one)


def _refuse_near(rows: list[_Row]) -> None:
    """Raise GivenValuesError where keys of a channel stand within one frame: between frames not all can be met."""
    ordered = sorted((channel, time) for time, channel, _ in rows)
    for (channel, before), (other, time) in itertools.pairwise(ordered):
        if channel == other and time - before < 1.0 / MODEL_FPS - _TOLERANCE:
            raise GivenValuesError(
                f"The keys of {CHANNEL_NAMES[channel]} at {before:g} and {time:g} s are nearer than a frame of the "
                f"result, 1/{MODEL_FPS} s.",
                "Move them apart, or keep one of them.",
            )


def _channels_of(channel: Any) -> tuple[str, ...]:
    if channel == HEAD_CHANNEL:
        return HEAD_ROTATION
    if not isinstance(channel, str) or channel not in CONTROL_NAMES:
        raise GivenValuesError(
            f"There is no channel {channel!r}.", f"Use {HEAD_CHANNEL} or one of ARKit's names, such as jawOpen."
        )
    return (channel,)


def _is_number(value: Any) -> bool:
    """Whether a JSON value is a finite number: NaN, Infinity, true and what overflows a float are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e30
