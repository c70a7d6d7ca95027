# SPDX-License-Identifier: GPL-3.0-or-later
"""Result files: .npz, all of them or none."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence, Set
from pathlib import Path

import numpy as np

from .audio.hearing import pauses_between
from .errors import OutputError
from .pipelines.performance import Performance
from .protocol import CONTROL_NAMES, MODEL_FPS


class ResultFiles:
    """Writes results beside their final names and moves them there together, when all are complete.

    A context manager: leaving it without `commit` removes everything it wrote.
    """

    def __init__(self, paths: Iterable[Path], folder: Path | None = None, inputs: Iterable[Path] = ()) -> None:
        """Prepare to write.

        Args:
            paths: Where the results will be.
            folder: A folder to make first, if it is not there.
            inputs: Files that the results are made of, which must survive.

        Raises:
            OutputError: A result could not be written there, or would replace something else than an earlier result;
                found out before any work is done.
        """
        self._folder = folder
        self._is_folder_ours = False
        self._parts: dict[Path, Path] = {}
        kept = {path.resolve() for path in inputs}
        targets = list(paths)
        for path in targets:
            _check_target(path, folder)
            _check_replaced(path, kept)
        _try_writing(targets, folder)

    def __enter__(self) -> ResultFiles:
        return self

    def __exit__(self, *exception: object) -> None:
        for part in self._parts.values():
            part.unlink(missing_ok=True)
        if self._is_folder_ours and self._folder is not None and not any(self._folder.iterdir()):
            self._folder.rmdir()

    def write(self, path: Path, performance: Performance, seeds: Sequence[int]) -> None:
        """Write one result to its temporary name.

        Members: channels (K, N, 52) float32, channel_names (52,), head_rotation (K, N, 3) float32 rad, fps, seeds (K,),
        audio_seconds, and what the model hears: phone_times (P, 2) s, phone_names (P,), pauses (Q, 2) s.

        Raises:
            OutputError: The disk is full or not writable.
        """
        controls = len(CONTROL_NAMES)
        part = _part(path)
        try:
            if self._folder is not None:
                self._is_folder_ours |= not self._folder.exists()
                self._folder.mkdir(exist_ok=True)
            self._parts[path] = part
            with part.open("wb") as file:
                np.savez(
                    file,
                    channels=performance.channels[:, :, :controls],
                    channel_names=np.array(CONTROL_NAMES),
                    head_rotation=performance.channels[:, :, controls:],
                    fps=np.array(MODEL_FPS),
                    seeds=np.array(seeds, np.int64),
                    audio_seconds=np.array(performance.audio_seconds),
                    phone_times=np.array([(p.start, p.end) for p in performance.phones]).reshape(-1, 2),
                    phone_names=np.array([phone.name for phone in performance.phones], "U3"),
                    pauses=np.array(pauses_between(performance.phones)).reshape(-1, 2),
                )
        except OSError as error:
            raise _not_written(path, error) from error

    def commit(self) -> None:
        """Move all results to their names, replacing what is there."""
        for path, part in self._parts.items():
            try:
                part.replace(path)
            except OSError as error:
                raise _not_written(path, error) from error
        self._parts.clear()


def _check_target(path: Path, folder: Path | None) -> None:
    parent = folder or path.parent
    if folder is not None and folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; several recordings need a folder.", "Choose another --out.")
    needed = parent.parent if folder is not None and not folder.exists() else parent
    if not needed.is_dir():
        raise OutputError(f"The folder {needed} does not exist.", "Make it, or choose another --out.")
    if path.is_dir():
        raise OutputError(f"{path} is a folder; the result is a file.", "Choose another --out.")


def _check_replaced(path: Path, inputs: Set[Path]) -> None:
    """Refuse to overwrite what the result is made of, and whatever is no earlier result."""
    if not inputs.isdisjoint([path.resolve(), _part(path).resolve()]):
        raise OutputError(f"{path} is an input; the result would replace it.", "Choose another --out.")
    if path.exists() and not _is_result(path):
        raise OutputError(f"{path} exists and is no result of Retake; it is not replaced.", "Choose another --out.")


def _try_writing(paths: Iterable[Path], folder: Path | None) -> None:
    """Make each result's temporary file, and the folder, and remove them: only this tells that a place takes them."""
    is_folder_new = folder is not None and not folder.exists()
    for path in paths:
        part = _part(path)
        try:
            if folder is not None:
                folder.mkdir(exist_ok=True)
            was_there = part.exists()
            part.open("ab").close()
            if not was_there:
                part.unlink()
        except OSError as error:
            raise _not_written(path, error) from error
        finally:
            if folder is not None and is_folder_new and folder.is_dir():
                folder.rmdir()


def _not_written(path: Path, error: OSError) -> OutputError:
    return OutputError(f"The result {path} cannot be written: {error.strerror or error}.", "Choose another --out.")


def _is_result(path: Path) -> bool:
    """Whether a file is an earlier result, or empty."""
    if not path.is_file():
        return False
    try:
        if not path.stat().st_size:
            return True
        with zipfile.ZipFile(path) as members:
            return {"channels.npy", "channel_names.npy", "seeds.npy"} <= set(members.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _part(path: Path) -> Path:
    """Temporary name of a result until all are complete."""
    return path.with_name(path.name + ".part")
