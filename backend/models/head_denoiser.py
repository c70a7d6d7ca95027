# SPDX-License-Identifier: GPL-3.0-or-later
"""The head motion generator's network (3DiFACE, Sec. 3.2): guided motion diffusion with skip connections.

The head moves slower than the face and needs a longer context, so it has one level more.
"""

from __future__ import annotations

from .config import DenoiserConfig
from .unet import ConditionedUNet

DEFAULT_HEAD = DenoiserConfig(motion_dim=3, widths=(48, 96, 128), given_reaches=(20, 10, 5))


class HeadDenoiser(ConditionedUNet):
    """Denoiser of the neck's rotation, axis-angle in model axes, normalised."""

    def __init__(self, config: DenoiserConfig = DEFAULT_HEAD) -> None:
        super().__init__(config)
