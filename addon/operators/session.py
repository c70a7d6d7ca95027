# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend process of this Blender and the generations that are under way: one works, others wait for it.

`poll()` moves the messages: a window's timer calls it, or a loop without a window. It touches the scene only through an
operator, so that every write is one undo step.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ...backend.errors import CancelledError, InputError, RetakeError, error_class
from ..core.backend_home import data_folder
from ..core.client import BackendClient, ClientState, Failed, Progress, Result, find_python
from ..core.installer import Installer
from ..core.steps import Slices
from ..core.trial import Trial
from .orders import Order

ROOT = Path(__file__).resolve().parents[2]
PAUSE = 0.005  # s between two polls of a waiting loop


@dataclass
class Job:
    """A generation under way, or one that has ended.

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
        jobs: Generations under way in the order in which they were asked for, and the last one that ended.
        slices: What is being read or written a slice at a time, by whoever does so.
        longest_slice: Seconds of the longest one that ended, for the benchmark.
        sentence: What was said last, for the panel.
        runs_on: Interpreter and device that the client was made with.
        installer: The installation of the backend that is under way, or the last one; None before the first.
        trial: What the last test of the backend said; None before the first.
    """

    client: BackendClient | None = None
    jobs: list[Job] = field(default_factory=list)
    slices: list[Slices[Any]] = field(default_factory=list)
    longest_slice: float = 0.0
    sentence: str = ""
    runs_on: tuple[Path, str] | None = None
    installer: Installer | None = None
    trial: Trial | None = None

    @property
    def running(self) -> list[Job]:
        """Generations under way, the one that works first."""
        return [job for job in self.jobs if job.is_running]

    @property
    def job(self) -> Job | None:
        """The generation that works, else the last one; None before the first."""
        return next(iter(self.running), self.jobs[-1] if self.jobs else None)


session = Session()


def preferences() -> Any | None:
    """Retake's preferences; None where it runs from a checkout."""
    package = __package__.rpartition(".addon")[0]
    addon = bpy.context.preferences.addons.get(package)
    return None if addon is None else addon.preferences


def home() -> Path:
    """The user data folder in which the backend is, or would be, installed."""
    chosen = preferences()
    named = str(chosen.folder).strip() if chosen is not None else ""
    return Path(bpy.path.abspath(named)) if named else data_folder()


def chosen_device() -> str:
    """Device that the preferences name."""
    chosen = preferences()
    return "auto" if chosen is None else str(chosen.device).lower()


def backend_python() -> Path:
    """Interpreter of the backend.

    Raises:
        InputError: There is none; the sentence says what to do.
    """
    chosen = preferences()
    return find_python(str(chosen.python) if chosen is not None else "", ROOT, home())


def ensure_client() -> BackendClient:
    """The backend's client, its process started if none runs.

    Raises:
        InputError: There is no interpreter to start it with.
    """
    wanted = backend_python(), chosen_device()
    if session.client is not None and session.runs_on != wanted and not session.running:
        session.client.shutdown()
        session.client = None
    if session.client is None:
        session.client = BackendClient(wanted[0], ROOT, ("-m", "backend", "--device", wanted[1]))
        session.runs_on = wanted
    if not session.running:
        session.client.poll()  # notices a process that died while nothing was asked of it
    if session.client.state is ClientState.LOST:
        session.client.restart()
    elif session.client.state is ClientState.STOPPED:
        session.client.start()
    return session.client


def begin(order: Order, writes_itself: bool) -> Job:
    """Send an order to the backend, which works on one after the other.

    Raises:
        InputError: There is no backend interpreter, or the take that is to be updated is being updated already.
    """
    twice = {number for job in session.running if job.order.head_uid == order.head_uid for number in job.order.takes}
    if twice & set(order.takes):
        raise InputError("That take is being updated already.", "Wait for it, or cancel it.")
    client = ensure_client()
    request = client.generate(
        order.recording.path, order.rig, order.parts, order.seeds, order.span, order.given, order.options.settings
    )
    job = Job(order, request, writes_itself, started=time.monotonic())
    session.jobs = [*session.running, job]
    session.sentence = "Generating"
    return job


def poll() -> Job | None:
    """Take what the backend sent; write a finished result if nobody else does.

    Returns:
        The generation under way, or the last one; None before the first.
    """
    if session.client is None:
        return session.job
    running = session.running
    for event in session.client.poll():
        for job in running:
            _take(job, event)
    for job in running:
        if not job.is_running:
            job.seconds = time.monotonic() - job.started
            _finish(job)
    return session.job


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
            bpy.ops.retake.receive(request=job.request)
        except RuntimeError as error:  # how Blender hands on what an operator reported
            sentence = str(error).removeprefix("Error: ").strip()
            job.failure = Failed(job.request, RetakeError.code, sentence, "")
            session.sentence = sentence


def wait(job: Job) -> Job:
    """Poll until a generation has ended.

    Raises:
        RetakeError: It failed; the error is the backend's own.
    """
    while job.is_running:
        poll()
        time.sleep(PAUSE)
    if job.failure is not None:
        raise failure_error(job.failure)
    return job


def failure_error(failure: Failed) -> RetakeError:
    """A failure as the error it was."""
    return error_class(failure.code)(failure.message, failure.remedy)


def cancel(job: Job | None = None) -> None:
    """Ask the backend to stop a generation; all that are under way if None."""
    if session.client is not None:
        for each in session.running if job is None else [job]:
            session.client.cancel(each.request)


def abandon(sentence: str, job: Job | None = None) -> None:
    """Give up a generation as nobody waits for it any more; all that are under way if None."""
    for each in session.running if job is None else [job]:
        if each.is_running:
            cancel(each)
            each.failure = Failed(each.request, CancelledError.code, sentence, "")
            session.sentence = ""


@persistent
def abandon_at_load(*_: object) -> None:
    """Handler for when another file is opened."""
    stop_slices()
    abandon("Another file was opened while takes were generated.")


@persistent
def stop_slices(*_: object) -> None:
    """Handler for undo and redo: what is read or written a slice at a time would meet datablocks that are gone."""
    for slices in session.slices:
        slices.close()
    session.slices.clear()


def close() -> None:
    """End the backend process; whoever waits for takes is told."""
    abandon("The backend was ended while takes were generated.")
    if session.client is not None:
        session.client.shutdown()
    stop_slices()
    session.client, session.jobs = None, []
