# SPDX-License-Identifier: GPL-3.0-or-later
"""What one process keeps between requests: the model, features of recordings, registered heads."""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .audio.features import AudioFeatures, FeatureCache, Speaking
from .audio.log_mel import SAMPLE_RATE, normalised_log_mel
from .devices import available_devices, choose_device
from .models import DEFAULT_CHECKPOINT, Models, load_checkpoint
from .monitor import Monitor
from .pipelines.given import GivenValues
from .pipelines.performance import Performance, PerformanceOptions, PerformancePipeline
from .protocol import CHANNEL_NAMES, MODEL_FPS
from .rigs import RigCache

_SPEED_SECONDS = 10.0  # performed to measure the speed


class Session:
    """A loaded model and its caches; the server, the command line and the evaluation all generate through it."""

    def __init__(self, checkpoint: Path = DEFAULT_CHECKPOINT, device: str = "auto") -> None:
        """Load a model.

        Args:
            checkpoint: Its file.
            device: Where its denoisers compute, see `choose_device`.

        Raises:
            CheckpointError: The file is missing, damaged or not a Retake model.
            OptionsError: There is no such device here.
        """
        self.device = choose_device(device)
        self.checkpoint = checkpoint
        self.models: Models = load_checkpoint(checkpoint)
        for network in (self.models.face, self.models.head):
            network.to(self.device)
        self.rigs = RigCache()
        self.features = FeatureCache(self.models.encoder)
        self._perform = PerformancePipeline(self.models)

    def generate(
        self,
        audio: Path | str,
        given: GivenValues,
        options: PerformanceOptions,
        monitor: Monitor | None = None,
        speaking: Speaking = (),
    ) -> Performance:
        """Perform a recording; see `PerformancePipeline`.

        Args:
            audio: Anything soundfile or ffmpeg reads.
            given: Values that every take passes through.
            options: What to generate and how.
            monitor: Progress, cancelling, and the seconds of each stage.
            speaking: Seconds in which the head speaks, see `extract_features`.

        Returns:
            The takes.

        Raises:
            AudioError: The recording cannot be read.
            OptionsError: An option is out of its range or names something unknown.
            CancelledError: The request was cancelled.
        """
        options.check()
        self.models.style(options.style)
        monitor = monitor or Monitor()
        return self._perform(self.hear(audio, monitor, speaking), given, options, monitor)

    def hear(self, audio: Path | str, monitor: Monitor | None = None, speaking: Speaking = ()) -> AudioFeatures:
        """Features of a recording; those heard last are kept, see `FeatureCache`.

        Raises:
            AudioError: The recording cannot be read.
            CancelledError: The request was cancelled.
        """
        monitor = monitor or Monitor()
        return self._perform.workers.run(partial(self.features.get, audio, monitor, speaking), monitor.halt)

    def warm_up(self) -> None:
        """Do once what makes a process's first request slow: lazy imports, the networks' first call."""
        normalised_log_mel(np.zeros(SAMPLE_RATE, np.float32))
        self._perform_silence(1.0, 1)

    def speed(self) -> float:
        """Seconds that a second of one take takes, its audio features left out."""
        started = time.perf_counter()
        self._perform_silence(_SPEED_SECONDS, None)
        return (time.perf_counter() - started) / (_SPEED_SECONDS + 2.0)  # a second before and one after

    def _perform_silence(self, seconds: float, steps: int | None) -> None:
        silence = AudioFeatures(seconds, torch.zeros(1, self.models.encoder.config.feature_dim))
        options = PerformanceOptions(num_inference_steps=steps, style=self.models.style_names[0])
        self._perform(silence, GivenValues.none(), options, Monitor())

    def describe(self) -> dict[str, Any]:
        """What this process offers, JSON-able: model, styles, devices, channels, their deviations, memory."""
        return {
            "model": model_name(self.models, self.checkpoint),
            "checkpoint": self.checkpoint.name,
            "parameters": sum(
                parameter.numel()
                for network in (self.models.encoder, self.models.face, self.models.head)
                for parameter in network.parameters()
            ),
            "styles": list(self.models.style_names),
            "device": self.device.type,
            "devices": list(available_devices()),
            "torch": torch.__version__,
            "threads": self._perform.workers.count,
            "fps": MODEL_FPS,
            "channel_names": list(CHANNEL_NAMES),
            "channel_sd": [float(sd) for sd in self.models.channel_sd],
            "peak_mib": peak_mib(),
        }


def model_name(models: Models, checkpoint: Path) -> str:
    """Name of a model as its metadata tells, or the name of its file."""
    return str(models.metadata.get("name", checkpoint.stem))


def peak_mib() -> float:
    """Largest resident memory of this process so far, MiB.

    On Linux from /proc: getrusage would report the peak of the process this one was started from.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1024
    if os.name == "nt":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 2**20
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
