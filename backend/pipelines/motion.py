# SPDX-License-Identifier: GPL-3.0-or-later
"""Sampling of one network over fixed windows: what the face and the head pipeline have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..audio.features import AudioFeatures
from ..diffusion.guidance import GuidedDenoiser
from ..diffusion.noise import take_noise
from ..diffusion.samplers import SAMPLERS, sample_motion
from ..models import Models
from ..models.unet import ConditionedUNet
from .free import FreeMotions
from .given import GivenValues
from .settling import influence, settle
from .windows import Window, windows_for
from .workers import Workers

_BATCH = 4  # windows x takes that one thread computes at once; more are hardly quicker, and each takes 12 MB
_LARGEST_GIVEN = 6.0  # standard deviations; beyond it the network is told this much, the result is still exact


@dataclass(frozen=True)
class SamplingOptions:
    """How to sample, checked by `PerformanceOptions`."""

    guidance_scale: float
    num_inference_steps: int
    scheduler: str  # a key of SAMPLERS


@dataclass(frozen=True)
class Motion:
    """Motion of some channels, K takes."""

    channels: NDArray[np.float32]  # (K, N, C)
    given_raw: NDArray[np.float32]  # (K, G), the network's own last prediction; NaN where it has none


@dataclass(frozen=True)
class _Job:
    """One window of one take."""

    window: Window
    take: int
    seed: int


class MotionPipeline:
    """Samples the motion of one network's channels; it remembers only to be quick, so one serves any requests."""

    def __init__(
        self,
        network: ConditionedUNet,
        models: Models,
        columns: Sequence[int],
        stream: int,
        reach: float,
        horizon: float,
        workers: Workers,
    ) -> None:
        """Bind a network.

        Args:
            network: Predicts clean motion (B, N, C), normalised.
            models: The model that it is part of, with the channels' mean and standard deviation.
            columns: Channel index of each of the C dimensions.
            stream: Which noise of a take it uses.
            reach: Frames over which what the network misses of a given value fades out.
            horizon: Frames within which given values have a say.
            workers: Threads that compute its batches.
        """
        self.network = network
        self.columns = tuple(columns)
        self._mean = models.motion_mean[list(columns)]
        self._sd = models.motion_sd[list(columns)]
        self._stream = stream
        self._reach = reach
        self._horizon = horizon
        self._free = FreeMotions()
        self._workers = workers

    def jobs(self, frame_count: int, start: int, stop: int, takes: int) -> int:
        """Count windows x takes of a request, the unit of `on_step`'s count."""
        return takes * len(windows_for(frame_count, start, stop))

    def __call__(
        self,
        features: AudioFeatures,
        style: Tensor,
        given: GivenValues,
        seeds: Sequence[int],
        frames: tuple[int, int],
        options: SamplingOptions,
        on_step: Callable[[int], None],
        halt: Callable[[], None],
    ) -> Motion:
        """Sample takes.

        Args:
            features: What the network hears.
            style: Style vector (S,).
            given: Values every take passes through; those in the windows' margins count too.
            seeds: One a take, K of them.
            frames: First absolute model frame and the one after the last.
            options: How to sample.
            on_step: Called before every diffusion step of a batch, by the thread that computes it, with the number of
                windows in the batch; it may raise to stop.
            halt: Makes `on_step` raise from now on; called where a batch fails.

        Returns:
            The motion of these frames.
        """
        start, stop = frames
        motion = np.zeros((len(seeds), stop - start, len(self.columns)), np.float32)
        raw = np.zeros((len(seeds), len(given)), np.float32)
        heard = np.zeros(len(given), np.float32)

        def sample(batch: list[_Job]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            return self._sample(batch, features, style, given, options, on_step)

        batches = self._batches(features.frame_count, frames, seeds)
        for batch, (predictions, settled) in self._workers.map(sample, batches, halt):
            for job, predicted, clean in zip(batch, predictions, settled, strict=True):
                self._add(motion[job.take], job.window, start, clean)
                rows, cols, entries = self._entries(given, job.window)
                weights = job.window.weights()[rows]
                raw[job.take, entries] += weights * predicted[rows, cols]
                heard[entries] += weights / len(seeds)
        raw = np.divide(raw, heard, out=np.full_like(raw, np.nan), where=heard > 0)
        values, mask = given.dense(start, stop, self.columns)
        motion[:, mask] = values[mask]
        return Motion(motion, raw)

    def _batches(self, frame_count: int, frames: tuple[int, int], seeds: Sequence[int]) -> Iterator[list[_Job]]:
        """Group windows x takes of equal length into batches, one for each worker where there are enough of them."""
        windows = windows_for(frame_count, *frames)
        jobs = [_Job(window, take, seed) for window in windows for take, seed in enumerate(seeds)]
        for _, group in groupby(jobs, key=lambda job: len(job.window)):
            equal = list(group)
            size = min(_BATCH, -(-len(equal) // self._workers.count))
            yield from (equal[first : first + size] for first in range(0, len(equal), size))

    def _sample(
        self,
        batch: list[_Job],
        features: AudioFeatures,
        style: Tensor,
        given: GivenValues,
        options: SamplingOptions,
        on_step: Callable[[int], None],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Sample a batch of equally long windows: predictions and what is settled onto given values, (B, N, C)."""
        spans = [(job.window.start, job.window.stop) for job in batch]
        dense = [given.dense(*span, self.columns) for span in spans]
        values = torch.from_numpy(np.stack([one[0] for one in dense]))
        mask = torch.from_numpy(np.stack([one[1] for one in dense]))
        normalised = ((values - self._mean) / self._sd).clamp(-_LARGEST_GIVEN, _LARGEST_GIVEN)
        audio = torch.stack([features.span(*span) for span in spans])

        def predict(keyframe_mask: Tensor, count: Callable[[int], None]) -> Tensor:
            """Sample with some of the given values and return the last prediction, in the channels' units."""
            style_rows = style.expand(len(batch), -1)
            sampled = sample_motion(
                GuidedDenoiser(self.network, audio, style_rows, keyframe_mask, options.guidance_scale),
                lambda step: self._noise(batch, step),
                normalised,
                keyframe_mask,
                takes_mask=self.network.config.takes_mask,
                sampler=SAMPLERS[options.scheduler],
                num_inference_steps=options.num_inference_steps,
                on_step=lambda: count(len(batch)),
            )
            return sampled.raw * self._sd + self._mean

        def predict_free(count: Callable[[int], None]) -> NDArray[np.float32]:
            """Sample without given values, unless this batch is known."""
            key = (tuple(batch), style.numpy().tobytes(), options)
            motion, known = self._free.get(features.frames, key, lambda: predict(torch.zeros_like(mask), count).numpy())
            if known:
                count(len(batch) * options.num_inference_steps)
            return motion

        with torch.inference_mode():
            flags = mask.numpy()
            if not flags.any():
                predicted = predict_free(on_step)
                return predicted, predicted
            predicted = predict(mask, on_step).numpy()
            say = influence(flags, self._horizon)
            if say.min() < 1.0:
                free = predict_free(lambda windows: on_step(0))
                predicted = free + say * (predicted - free)
        return predicted, settle(predicted, values.numpy(), flags, self._reach, self.fixed(predicted, flags))

    def fixed(self, predicted: NDArray[np.float32], keyframe_mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
        """Where settling onto given values must leave the prediction alone, (B, N, C); None: nowhere."""
        return None

    def _noise(self, batch: list[_Job], step: int) -> Tensor:
        """Noise (B, N, C) of a step: each take's own, at its window's absolute frames."""
        return torch.stack(
            [
                take_noise(job.seed, self._stream, step, job.window.start, job.window.stop, len(self.columns))
                for job in batch
            ]
        )

    def _entries(
        self, given: GivenValues, window: Window
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Given values of these channels inside a window: their rows and columns there, and their indices."""
        inside = (given.frames >= window.start) & (given.frames < window.stop) & np.isin(given.channels, self.columns)
        entries = np.flatnonzero(inside)
        return given.frames[entries] - window.start, given.channels[entries] - self.columns[0], entries

    @staticmethod
    def _add(motion: NDArray[np.float32], window: Window, start: int, clean: NDArray[np.float32]) -> None:
        """Add a window (N_w, C), weighted, to the motion (N, C) that begins at the frame `start`."""
        first, last = max(window.start, start), min(window.stop, start + len(motion))
        inside = slice(first - window.start, last - window.start)
        weighted = clean[inside] * window.weights()[inside, None]
        motion[first - start : last - start] += weighted
