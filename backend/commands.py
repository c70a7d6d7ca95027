# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command `generate` does, after the command line has been read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from .audio.features import count_frames
from .errors import OptionsError
from .keys_file import check_inside, read_keys
from .models import DEFAULT_CHECKPOINT
from .monitor import Monitor
from .pipelines.bending import bend_through
from .pipelines.given import GivenValues
from .pipelines.performance import Performance, PerformanceOptions
from .protocol import MODEL_FPS
from .results import ResultFiles
from .session import Session


@dataclass(frozen=True)
class Generation:
    """One call of `generate`."""

    audio: Sequence[Path]
    out: Path  # a file; a folder where there are several recordings
    keys: Path | None
    options: PerformanceOptions  # the range is each recording's own
    model: Path | None  # None: the default checkpoint
    device: str = "auto"

    def inputs(self) -> list[Path]:
        """All files that are read."""
        return [*self.audio, *(path for path in (self.keys, self.model) if path)]


def generate_files(generation: Generation) -> None:
    """Perform recordings and write a file each, or none at all.

    Raises:
        RetakeError: Anything that the user has to change, found before the first result is written.
    """
    generation.options.check()
    targets = _targets(generation)
    given = read_keys(generation.keys) if generation.keys else GivenValues.none()
    folder = generation.out if len(generation.audio) > 1 else None
    with ResultFiles(targets, folder, generation.inputs()) as files:
        session = Session(generation.model or DEFAULT_CHECKPOINT, generation.device)
        session.models.style(generation.options.style)
        for path in generation.audio:
            check_inside(given, session.hear(path).seconds, path.name)
        for path, target in zip(generation.audio, targets, strict=True):
            files.write(target, _perform(session, path, given, generation.options), generation.options.seeds)
        files.commit()


def _perform(session: Session, path: Path, given: GivenValues, options: PerformanceOptions) -> Performance:
    """Perform the frames 0 to N - 1 of one recording, with a progress bar where stderr is a terminal."""
    last = (count_frames(session.hear(path).seconds) - 1) / MODEL_FPS
    with tqdm(desc=path.name, disable=None, leave=False) as bar:

        def report(stage: str, step: int, total: int, seconds_left: float | None) -> None:
            bar.set_postfix_str(stage, refresh=False)
            bar.total, bar.n = total, step
            bar.refresh()

        performance = session.generate(path, given, replace(options, range_seconds=(0.0, last)), Monitor(report))
    bend_through(performance.channels, given)
    return performance


def _targets(generation: Generation) -> list[Path]:
    """Result file of each recording, checked."""
    if len(generation.audio) == 1:
        targets = [generation.out]
    else:
        targets = [generation.out / f"{path.stem}.npz" for path in generation.audio]
    counts = Counter(str(target).casefold() for target in targets)
    for path, target in zip(generation.audio, targets, strict=True):
        if counts[str(target).casefold()] > 1:
            raise OptionsError(f"Two recordings are called {path.stem}: both results would be {target.name}.")
    return targets
