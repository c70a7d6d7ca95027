# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise of a take: a function of its seed, the absolute frame, the channel and the diffusion step, and nothing else.

The range, the windows and the number of takes do not enter, so a take stays where it was when any of them changes.
The counter-based generator Philox (Salmon et al. 2011) makes that cheap: frames come in blocks of 64, and each block
of each step starts at its own counter, so that no block needs the ones before it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

BLOCK = 64  # frames a counter
_WORD = (1 << 64) - 1


def take_noise(seed: int, stream: int, step: int, start: int, stop: int, channels: int) -> Tensor:
    """Standard normal noise of one take for some frames.

    Args:
        seed: The take's seed, 0 to 2^64 - 1.
        stream: Which generator it is for (face and head draw independent noise).
        step: 0 for the initial noise, 1, 2, ... for the noise added after each sampling step.
        start: First absolute model frame, may be negative.
        stop: The frame after the last.
        channels: C. A channel's noise does not depend on how many follow it.

    Returns:
        (stop - start, C) float32.
    """
    first, last = start // BLOCK, -(-stop // BLOCK)
    blocks = [_block(seed, stream, step, block, channels) for block in range(first, last)]
    frames = np.concatenate(blocks)[start - first * BLOCK : stop - first * BLOCK]
    return torch.from_numpy(frames)


def _block(seed: int, stream: int, step: int, block: int, channels: int) -> np.ndarray:
    counter = np.array([0, 0, block & _WORD, step], np.uint64)  # the low words count within the block
    key = np.array([seed, stream], np.uint64)
    generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
    return generator.standard_normal((channels, BLOCK), dtype=np.float32).T
