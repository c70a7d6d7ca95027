# SPDX-License-Identifier: GPL-3.0-or-later
"""Imputation: what the animator fixed replaces what the model says (3DiFACE, Algorithm 2, lines 7 and 9)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import ShapeError


def impute_keyframes(sample: Tensor, keyframe_values: Tensor, keyframe_mask: Tensor) -> Tensor:
    """Replace the values the animator fixed, leaving the rest to the model.

    With the mask M and the input signal Y of Algorithm 2: y <- (1 - M) * y + M * Y. The same rule writes the given
    values into the noisy sample (line 7) and into the prediction (line 9); here M is a flag a channel, in the paper
    one a frame.

    Args:
        sample: Motion, noisy or predicted, (B, N, C).
        keyframe_values: Target motion of the same shape and unit; anything where the mask is False.
        keyframe_mask: (B, N, C) bool, True where the value is given.

    Returns:
        Motion of the same shape; given values equal `keyframe_values` exactly.

    Raises:
        ShapeError: The shapes disagree; the message names them.
    """
    if not sample.shape == keyframe_values.shape == keyframe_mask.shape:
        shapes = f"{tuple(sample.shape)}, {tuple(keyframe_values.shape)} and {tuple(keyframe_mask.shape)}"
        raise ShapeError(f"Sample, given values and their mask have shapes {shapes}, which should be equal.")
    return torch.where(keyframe_mask, keyframe_values, sample)
