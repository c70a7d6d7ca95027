# SPDX-License-Identifier: GPL-3.0-or-later
"""What the audio encoder hears: phones with times, and the pauses between phrases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ..models import AudioEncoder
from ..models.phones import PHONES, SILENCE
from ..protocol import MODEL_FPS

_CHANGE = 3.0  # nats that a change of phone costs: it takes evidence of more than a frame
_PAUSE = 0.2  # s of silence that part two phrases


class HeardPhone(NamedTuple):
    """A phone as the encoder hears it."""

    start: float  # s of audio time
    end: float
    name: str  # of `models.phones.PHONES`


def heard_phones(encoder: AudioEncoder, features: Tensor, seconds: float) -> tuple[HeardPhone, ...]:
    """The likeliest phones of a recording, one after the other, covering it.

    Args:
        encoder: The audio encoder.
        features: (N, D) of the recording's own motion frames.
        seconds: Its length.

    Returns:
        Phones in order; frame n speaks for the time from (n - 1/2) / 30 s to (n + 1/2) / 30 s.
    """
    scores = encoder.phone_logits(features).log_softmax(dim=-1).numpy().astype(np.float64)
    path = likeliest_path(scores, _CHANGE)
    changes = np.flatnonzero(np.diff(path)) + 1
    firsts = np.concatenate(([0], changes))
    bounds = np.clip((np.append(firsts, len(path)) - 0.5) / MODEL_FPS, 0.0, seconds)
    bounds[0], bounds[-1] = 0.0, seconds
    found = [
        HeardPhone(float(start), float(end), PHONES[path[first]])
        for first, start, end in zip(firsts.tolist(), bounds[:-1], bounds[1:], strict=True)
    ]
    return tuple(phone for phone in found if phone.end > phone.start)


def likeliest_path(scores: NDArray[np.float64], change: float) -> NDArray[np.int64]:
    """Viterbi's path through classes of which each may follow each.

    Args:
        scores: (N, P) log probabilities of the classes at each frame, N > 0.
        change: What a change of class costs.

    Returns:
        (N,) the class of each frame.
    """
    best, came_from = scores[0].copy(), np.empty(scores.shape, np.int64)
    classes = np.arange(scores.shape[1])
    for frame in range(1, len(scores)):
        leader = int(best.argmax())
        stays = best >= best[leader] - change
        came_from[frame] = np.where(stays, classes, leader)
        best = np.where(stays, best, best[leader] - change) + scores[frame]
    path = np.empty(len(scores), np.int64)
    path[-1] = best.argmax()
    for frame in range(len(scores) - 1, 0, -1):
        path[frame - 1] = came_from[frame, path[frame]]
    return path


def pauses_between(phones: Sequence[HeardPhone]) -> list[tuple[float, float]]:
    """Start and end in s of the silences that part phrases."""
    return [(p.start, p.end) for p in phones if p.name == SILENCE and p.end - p.start >= _PAUSE]
