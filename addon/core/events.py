# SPDX-License-Identifier: GPL-3.0-or-later
"""What the backend's client hands out: the events of a conversation with the backend."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ...backend.errors import ProtocolError

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Ready:
    """The backend answered its hello; `info` is that message (device, model, capabilities)."""

    info: Mapping[str, Any]


@dataclass(frozen=True)
class Progress:
    """A request goes on: `stage`, `step` of `total`, `seconds_left` (None: not known yet)."""

    request: int
    stage: str
    step: int
    total: int
    seconds_left: float | None


@dataclass(frozen=True)
class Result:
    """A request is done: the result's message and arrays."""

    request: int
    message: Mapping[str, Any]
    arrays: Arrays


@dataclass(frozen=True)
class Failed:
    """A request, or the backend itself (request None), failed: one sentence and what to do.

    `code` is that of backend/errors.py, e.g. "cancelled", "backend_lost", "version".
    """

    request: int | None
    code: str
    message: str
    remedy: str

    @property
    def sentence(self) -> str:
        """Message and remedy together."""
        return f"{self.message} {self.remedy}".strip()


Event = Ready | Progress | Result | Failed


def progress_of(number: int, message: Mapping[str, Any]) -> Progress:
    """The event that a progress message of the backend stands for.

    Args:
        number: Request it is told to.
        message: The message.

    Raises:
        ProtocolError: It lacks a step or total.
    """
    left = message.get("seconds_left")
    with contextlib.suppress(TypeError, ValueError, KeyError):
        seconds = None if left is None else float(left)
        return Progress(number, str(message["stage"]), int(message["step"]), int(message["total"]), seconds)
    raise ProtocolError("The backend sent a progress report without a step or total.")
