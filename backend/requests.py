# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests of the add-on, checked: from JSON and arrays to what the session takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .errors import OptionsError
from .pipelines.given import GivenValues
from .pipelines.performance import PerformanceOptions
from .protocol import DEFAULT_SAMPLER, PARTS, Arrays
from .rigs import NamedControlsRig

_LARGEST = 1e12  # of any number in a request


@dataclass(frozen=True)
class GenerateRequest:
    """A `generate` request."""

    audio: str
    rig: str
    given: GivenValues
    options: PerformanceOptions
    speaking: tuple[tuple[float, float], ...] = ()


def parse_generate(message: Mapping[str, Any], arrays: Arrays) -> GenerateRequest:
    """Check a `generate` request.

    Raises:
        OptionsError: A member is missing or of the wrong type, or an option is out of its range.
        GivenValuesError: The given values do not fit together.
    """
    steps, bounds = message.get("steps"), message.get("range")
    if bounds is not None and (not isinstance(bounds, list) or len(bounds) != 2):
        raise OptionsError(f"The request's range is {bounds!r}, not two times in seconds.")
    options = PerformanceOptions(
        seeds=tuple(_integers(message, "seeds")),
        range_seconds=None if bounds is None else (_number("range", bounds[0]), _number("range", bounds[1])),
        parts=tuple(_names(message, "parts", list(PARTS))),
        guidance_scale=_number("guidance", message.get("guidance", 1.0)),
        num_inference_steps=None if steps is None else _member(message, "steps", int),
        scheduler=_member(message, "scheduler", str, DEFAULT_SAMPLER),
        style=_member(message, "style", str, "neutral"),
    )
    options.check()
    none: list[float] = []
    members = [arrays.get(name, none) for name in ("given_times", "given_channels", "given_values")]
    return GenerateRequest(
        _member(message, "audio", str),
        _member(message, "rig", str),
        GivenValues.of(*members),
        options,
        _speaking(_member(message, "speaking", list, [])),
    )


def parse_rig(message: Mapping[str, Any], arrays: Arrays) -> tuple[str, NamedControlsRig]:
    """Check a `register_rig` request and return the head with its hash.

    Raises:
        OptionsError: A member is missing or of the wrong type.
        RigError: The arrays do not fit together.
    """
    names = _names(message, "channel_names"), _names(message, "control_names")
    return _member(message, "rig", str), NamedControlsRig.of(*names, arrays)


def _member(message: Mapping[str, Any], name: str, kind: Any, *default: Any) -> Any:
    value = message.get(name, *default)
    if name not in message and default:
        return value
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise OptionsError(f"The request's member '{name}' is {value!r}, which is not what belongs there.")
    return value


def _speaking(spans: list[Any]) -> tuple[tuple[float, float], ...]:
    """Spans of seconds, each a pair in order."""
    found = []
    for span in spans:
        pair = [_number("speaking", time) for time in span] if isinstance(span, list) else []
        if len(pair) != 2 or not pair[0] < pair[1]:
            raise OptionsError(
                f"The request's member 'speaking' holds {span!r}, not a start and a later end in seconds."
            )
        found.append((pair[0], pair[1]))
    return tuple(found)


def _number(name: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _LARGEST:
        raise OptionsError(f"The request's member '{name}' holds {value!r}, which is not a number that belongs there.")
    return float(value)


def _names(message: Mapping[str, Any], name: str, *default: list[str]) -> list[str]:
    values: list[str] = _member(message, name, list, *default)
    if not all(isinstance(value, str) for value in values):
        raise OptionsError(f"The request's member '{name}' should be a list of names.")
    return values


def _integers(message: Mapping[str, Any], name: str) -> list[int]:
    values: list[int] = _member(message, name, list)
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        raise OptionsError(f"The request's member '{name}' should be a list of whole numbers.")
    return values
