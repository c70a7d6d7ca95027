# SPDX-License-Identifier: GPL-3.0-or-later
"""The facial motion generator's network (3DiFACE, Sec. 3.1).

Deviation: skip connections and guidance flags, which the paper gives only to the head, because plain imputation
makes edited faces pop (measured in the training notes). `DenoiserConfig(skip_connections=False, takes_mask=False)`
is the paper's network.
"""

from __future__ import annotations

from .config import DenoiserConfig
from .unet import ConditionedUNet

DEFAULT_FACE = DenoiserConfig(motion_dim=52, widths=(96, 128, 160), given_reach=16)


class FaceDenoiser(ConditionedUNet):
    """Denoiser of facial motion in any motion space: 52 named controls, or 3 V vertex displacements."""

    def __init__(self, config: DenoiserConfig = DEFAULT_FACE) -> None:
        super().__init__(config)
