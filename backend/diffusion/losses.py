# SPDX-License-Identifier: GPL-3.0-or-later
"""Training losses of 3DiFACE (Sec. 3.1 Eq. 1-3, Sec. 3.2 Eq. 4) on normalised motion (B, N, C)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms."""

    velocity: float = 10.0  # lambda_vel of Eq. 3
    keyframes: float = 1.0  # of L_mask, Eq. 4


def simple_loss(target: Tensor, predicted: Tensor, frame_mask: Tensor) -> Tensor:
    """L_simple, Eq. 1: mean squared error of x0 over the real frames.

    Args:
        target: Clean motion, (B, N, C).
        predicted: The network's prediction of it, (B, N, C).
        frame_mask: (B, N) bool, True = a real frame, not padding.

    Returns:
        Scalar.
    """
    return _frame_mean((predicted - target).square().mean(dim=-1), frame_mask)


def velocity_loss(target: Tensor, predicted: Tensor, frame_mask: Tensor) -> Tensor:
    """L_vel, Eq. 2: mean squared error of the frame-to-frame differences; arguments as for `simple_loss`."""
    error = torch.diff(predicted - target, dim=1)
    return _frame_mean(error.square().mean(dim=-1), frame_mask[:, 1:] & frame_mask[:, :-1])


def keyframe_loss(target: Tensor, predicted: Tensor, keyframe_mask: Tensor) -> Tensor:
    """L_mask, Eq. 4: squared error at the given values, averaged over those of each sample.

    Averaging over each sample's own given values, not over all frames as written in the paper, keeps a single key
    as heavy as a dense context; without it sparse keys are ignored (measured in the training notes). Where the
    network's outermost skip carries given values to its output, lone keys have no error left: this trains dense ones.

    Args:
        target: Clean motion, (B, N, C).
        predicted: The network's prediction of it, (B, N, C).
        keyframe_mask: (B, N, C) bool, True = given.

    Returns:
        Scalar; 0 where nothing is given.
    """
    given = keyframe_mask.to(target.dtype)
    errors = ((predicted - target).square() * given).sum(dim=(1, 2)) / given.sum(dim=(1, 2)).clamp(min=1.0)
    return errors.mean()


def _frame_mean(errors: Tensor, frame_mask: Tensor) -> Tensor:
    """Mean of (B, N) over the frames of the mask."""
    weights = frame_mask.to(errors.dtype)
    return (errors * weights).sum() / weights.sum().clamp(min=1.0)
