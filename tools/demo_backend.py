# SPDX-License-Identifier: GPL-3.0-or-later
"""Waits for the extension's backend process as a script without a window must. Runs inside Blender."""

from __future__ import annotations

import time
from typing import Any

from ..addon.core.client import ClientState, Failed, Result
from ..addon.operators import session

_PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.002


def start_backend() -> None:
    """Start the backend's process and wait until it has said hello.

    Raises:
        RuntimeError: It did not; the message ends with its log.
    """
    client = session.ensure_client()
    started = time.monotonic()
    while client.state is not ClientState.READY:
        failures = [event for event in client.poll() if isinstance(event, Failed)]
        if failures or time.monotonic() - started > _PATIENCE_SECONDS:
            sentence = failures[0].sentence if failures else "The backend did not start within a minute."
            raise RuntimeError(f"{sentence}\n{client.log_tail()}".strip())
        time.sleep(_PAUSE_SECONDS)


def describe_backend() -> dict[str, Any]:
    """What the backend tells of itself, its memory peak included.

    Raises:
        RuntimeError: It failed, or said nothing for a minute.
    """
    client = session.ensure_client()
    request, started = client.describe(), time.monotonic()
    while time.monotonic() - started < _PATIENCE_SECONDS:
        for event in client.poll():
            if isinstance(event, Result) and event.request == request:
                return dict(event.message)
            if isinstance(event, Failed):
                raise RuntimeError(event.sentence)
        time.sleep(_PAUSE_SECONDS)
    raise RuntimeError("The backend did not describe itself within a minute.")
