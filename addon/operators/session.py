# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend process of this Blender and the one generation that can be under way.

`poll()` moves the messages: a window's timer calls it, or a loop without a window. It touches the scene only through an
operator, so that every write is one undo step.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.app.handlers import persistent

from ...backend.errors import BackendLostError, CancelledError, InputError, RetakeError, error_class
from ..core.client import BackendClient, ClientState, Failed, Progress, Result, find_python
from .orders import Order

ROOT = Path(__file__).resolve().parents[2]
PAUSE = 0.005  # s between two polls of a waiting loop


@dataclass
class Job:
    """A generation under way, or the last one.

    Attributes:
        order: What was asked.
        request: Its number on the pipe.
        writes_itself: Whether whoever started it also writes the result; otherwise `poll` does.
        progress: The last news, None before the first.
        result: What came.
        failure: Why nothing came.
        started: Clock at the start, s.
        seconds: How long it took, 0 while it runs.
    """

    order: Order
    request: int
    writes_itself: bool
    progress: Progress | None = None
    result: Result | None = None
    failure: Failed | None = None
    started: float = 0.0
    seconds: float = 0.0

    @property
    def is_running(self) -> bool:
        """Whether neither a result nor a failure came yet."""
        return self.result is None and self.failure is None


@dataclass
class Session:
    """What lives as long as this Blender.

    Attributes:
        client: The backend's client, None before it is needed.
        job: The generation under way, or the last one.
        sentence: What was said last, for the panel.
    """

    client: BackendClient | None = None
    job: Job | None = None
    sentence: str = ""


session = Session()


def preferred_python() -> str:
    """Interpreter that the preferences name; empty where there is none or the extension runs from a checkout."""
    package = __package__.rpartition(".addon")[0]
    addon = bpy.context.preferences.addons.get(package)
    return str(addon.preferences.python) if addon is not None and addon.preferences is not None else ""


def ensure_client() -> BackendClient:
    """The backend's client, its process started if none runs.

    Raises:
        InputError: There is no interpreter to start it with.
    """
    python = find_python(preferred_python(), ROOT)
    if session.client is not None and session.client.python != python:
        session.client.shutdown()
        session.client = None
    if session.client is None:
        session.client = BackendClient(python, ROOT)
    if session.job is None or not session.job.is_running:
        session.client.poll()  # notices a process that died while nothing was asked of it
    if session.client.state is ClientState.LOST:
        session.client.restart()
    elif session.client.state is ClientState.STOPPED:
        session.client.start()
    return session.client


def begin(order: Order, writes_itself: bool) -> Job:
    """Send an order to the backend.

    Raises:
        InputError: Another generation is under way, or there is no backend interpreter.
    """
    if session.job is not None and session.job.is_running:
        raise InputError("A generation is under way.", "Wait for it, or cancel it.")
    client = ensure_client()
    request = client.generate(
        order.recording.path, order.rig, order.parts, order.seeds, order.span, order.given, order.options.settings
    )
    session.job = Job(order, request, writes_itself, started=time.monotonic())
    session.sentence = "Generating"
    return session.job


def poll() -> Job | None:
    """Take what the backend sent; write a finished result if nobody else does.

    Returns:
        The generation under way, or the last one; None before the first.
    """
    job = session.job
    if session.client is None:
        return job
    was_running = job is not None and job.is_running
    for event in session.client.poll():
        if job is not None:
            _take(job, event)
    if job is not None and was_running and not job.is_running:
        job.seconds = time.monotonic() - job.started
        _finish(job)
    return job


def _take(job: Job, event: object) -> None:
    """Sort one event in."""
    if isinstance(event, Progress) and event.request == job.request:
        job.progress = event
    elif isinstance(event, Result) and event.request == job.request:
        job.result = event
    elif isinstance(event, Failed) and event.request in (job.request, None) and job.is_running:
        job.failure = event


def _finish(job: Job) -> None:
    """Say how it ended; write the result where the starter does not."""
    if job.failure is not None:
        session.sentence = job.failure.sentence
    elif not job.writes_itself:
        try:
            bpy.ops.retake.receive()
        except RuntimeError as error:  # how Blender hands on what an operator reported
            sentence = str(error).removeprefix("Error: ").strip()
            job.failure = Failed(job.request, RetakeError.code, sentence, "")
            session.sentence = sentence


def wait() -> Job:
    """Poll until the generation under way has ended.

    Raises:
        RetakeError: It failed; the error is the backend's own.
    """
    while (job := poll()) is not None and job.is_running:
        time.sleep(PAUSE)
    if job is None:
        raise BackendLostError("No generation was started.")
    if job.failure is not None:
        raise failure_error(job.failure)
    return job


def failure_error(failure: Failed) -> RetakeError:
    """A failure as the error it was."""
    return error_class(failure.code)(failure.message, failure.remedy)


def cancel() -> None:
    """Ask the backend to stop the generation under way."""
    if session.client is not None and session.job is not None and session.job.is_running:
        session.client.cancel(session.job.request)


def abandon(sentence: str) -> None:
    """Give up the generation under way, as nobody waits for it any more."""
    job = session.job
    if job is not None and job.is_running:
        cancel()
        job.failure = Failed(job.request, CancelledError.code, sentence, "")
        session.sentence = ""


@persistent
def abandon_at_load(*_: object) -> None:
    """Handler for when another file is opened."""
    abandon("Another file was opened while takes were generated.")


def close() -> None:
    """End the backend process."""
    if session.client is not None:
        session.client.shutdown()
    session.client, session.job = None, None
