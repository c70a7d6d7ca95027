# SPDX-License-Identifier: GPL-3.0-or-later
"""The performance of a recording: face and head together, several takes, all through the given values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..audio.features import AudioFeatures
from ..audio.hearing import HeardPhone
from ..diffusion.samplers import SAMPLERS
from ..diffusion.schedules import NUM_TRAIN_TIMESTEPS
from ..errors import OptionsError
from ..models import Models
from ..monitor import Monitor
from ..protocol import CHANNEL_NAMES, DEFAULT_SAMPLER, MODEL_FPS, PARTS
from .face import FACE_CHANNELS, FacePipeline
from .given import GivenValues
from .head import HEAD_CHANNELS, HeadPipeline
from .motion import MotionPipeline, SamplingOptions
from .workers import Workers

MAX_TAKES = 64
_MAX_BYTES = 900 << 20  # of all takes together: they cross the pipe in one message
_FARTHEST = 600.0  # s a range may pass the ends of the recording


@dataclass(frozen=True)
class PerformanceOptions:
    """What to generate and how."""

    seeds: Sequence[int] = (0,)  # one a take, 0 to 2^63 - 1
    range_seconds: tuple[float, float] | None = None  # audio time; None: the recording and 1 s before and after
    parts: Sequence[str] = tuple(PARTS)  # a face part asks for the whole face, which is one network
    guidance_scale: float = 1.0
    num_inference_steps: int | None = None  # None: the sampler's own
    scheduler: str = DEFAULT_SAMPLER
    style: str = "neutral"

    def check(self) -> None:
        """Raise OptionsError, naming the value, where an option is out of its range."""
        if not 1 <= len(self.seeds) <= MAX_TAKES:
            raise OptionsError(f"{len(self.seeds)} takes were asked for; 1 to {MAX_TAKES} are possible at once.")
        for seed in self.seeds:
            if not 0 <= seed < 1 << 63:
                raise OptionsError(f"The seed {seed} is not between 0 and 2^63 - 1.")
        unknown = [part for part in self.parts if part not in PARTS]
        if unknown or not self.parts:
            raise OptionsError(f"The parts {list(self.parts)} are not some of {', '.join(PARTS)}.")
        if self.scheduler not in SAMPLERS:
            raise OptionsError(f"There is no sampler {self.scheduler!r}.", f"Choose one of {', '.join(SAMPLERS)}.")
        if not (math.isfinite(self.guidance_scale) and 0.0 <= self.guidance_scale <= 10.0):
            raise OptionsError(f"The guidance {self.guidance_scale} is not between 0 and 10.")
        steps = self.num_inference_steps
        if steps is not None and not 1 <= steps <= NUM_TRAIN_TIMESTEPS:
            raise OptionsError(f"{steps} steps were asked for; 1 to {NUM_TRAIN_TIMESTEPS} are possible.")

    def frames(self, audio_seconds: float) -> tuple[int, int]:
        """First absolute model frame of the range and the one after its last, so that both ends lie inside.

        Raises:
            OptionsError: The range is not finite, reversed, or far from the recording.
        """
        first, last = self.range_seconds or (-1.0, audio_seconds + 1.0)
        if not -_FARTHEST <= first <= last <= audio_seconds + _FARTHEST:
            raise OptionsError(f"The range {first} to {last} s does not lie around the {audio_seconds:g} s of audio.")
        tolerance = 1e-6  # frames
        return math.floor(first * MODEL_FPS + tolerance), math.ceil(last * MODEL_FPS - tolerance) + 1

    def sampling(self) -> SamplingOptions:
        """The options of the samplers, defaults filled in."""
        steps = self.num_inference_steps or SAMPLERS[self.scheduler].default_steps
        return SamplingOptions(self.guidance_scale, steps, self.scheduler)


@dataclass(frozen=True)
class Performance:
    """Takes of a recording over a range of frames."""

    channels: NDArray[np.float32]  # (K, N, C), in the order of CHANNEL_NAMES
    given_raw: NDArray[np.float32]  # (K, G), the networks' last prediction at each given value; NaN: not generated
    start_frame: int  # model frame of the first row
    audio_seconds: float
    phones: tuple[HeardPhone, ...] = ()  # of the whole recording, as the encoder hears them


class PerformancePipeline:
    """Face and head of one model."""

    def __init__(self, models: Models, workers: Workers | None = None) -> None:
        self._models = models
        self.workers = workers or Workers()
        self._face = FacePipeline(models, self.workers)
        self._head = HeadPipeline(models, self.workers)

    def __call__(
        self, features: AudioFeatures, given: GivenValues, options: PerformanceOptions, monitor: Monitor
    ) -> Performance:
        """Generate takes.

        Take k depends on its seed, the recording, the given values, style and sampling options: not on the range,
        the parts or the other takes. A network none of whose parts is asked for does not run; its channels are the
        given values, and 0 where there is none.

        Args:
            features: What the networks hear.
            given: Values that every take passes through.
            options: What to generate and how.
            monitor: Receives progress in the stages "face" and "head"; cancels between two diffusion steps.

        Returns:
            The takes.

        Raises:
            OptionsError: An option is out of its range or names something unknown, or the takes are too long.
            CancelledError: The request was cancelled.
        """
        options.check()
        start, stop = options.frames(features.seconds)
        if len(options.seeds) * (stop - start) * len(CHANNEL_NAMES) * 4 > _MAX_BYTES:
            raise OptionsError(
                f"{len(options.seeds)} takes of {(stop - start) / MODEL_FPS:.0f} s are too much at once."
            )
        channels = np.zeros((len(options.seeds), stop - start, len(CHANNEL_NAMES)), np.float32)
        given_raw = np.full((len(options.seeds), len(given)), np.nan, np.float32)
        stages = self._stages(options.parts)
        for stage, pipeline in stages.items():
            jobs = pipeline.jobs(features.frame_count, start, stop, len(options.seeds))
            cost = float(sum(parameter.numel() for parameter in pipeline.network.parameters()))
            monitor.expect(stage, jobs * options.sampling().num_inference_steps, cost)
        for stage, pipeline in stages.items():
            columns, own = list(pipeline.columns), np.isin(given.channels, pipeline.columns)
            with monitor.timed(stage):
                motion = pipeline(
                    features,
                    self._models.style(options.style),
                    given,
                    options.seeds,
                    (start, stop),
                    options.sampling(),
                    partial(monitor.advance, stage),
                    monitor.halt,
                )
            channels[:, :, columns], given_raw[:, own] = motion.channels, motion.given_raw[:, own]
            del motion  # as large as the result
        self._fill_context(channels, given, start, stages)
        return Performance(channels, given_raw, start, features.seconds, features.phones)

    def _stages(self, parts: Sequence[str]) -> dict[str, MotionPipeline]:
        stages: dict[str, MotionPipeline] = {}
        if any(part != "head" for part in parts):
            stages["face"] = self._face
        if "head" in parts:
            stages["head"] = self._head
        return stages

    def _fill_context(
        self, channels: NDArray[np.float32], given: GivenValues, start: int, stages: dict[str, MotionPipeline]
    ) -> None:
        """Write the given values of channels that no network made."""
        left_out = ([] if "face" in stages else list(FACE_CHANNELS)) + ([] if "head" in stages else list(HEAD_CHANNELS))
        values, mask = given.dense(start, start + channels.shape[1], left_out)
        part = channels[:, :, left_out]
        part[:, mask] = values[mask]
        channels[:, :, left_out] = part
