# SPDX-License-Identifier: GPL-3.0-or-later
"""The phone densities of pocketsphinx's US English acoustic model, read from the installed package.

Its Gaussians are tied a phone ("phonetically tied mixtures"): 42 phones, two of them noises, with 128 densities each in
three streams. The model is (c) 2015 Alpha Cephei Inc. under the two-clause BSD licence; see NOTICE.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import InputError, PackageError
from ..models.phone_densities import CEPSTRA, STREAMS, PhoneDensities

_LEAST_VARIANCE = 1e-4  # a density of less was never estimated
_NEVER = -1e4  # nats
_LITTLE_ENDIAN = b"\x44\x33\x22\x11"


def load_phone_densities(folder: Path | None = None) -> PhoneDensities:
    """Read the densities of pocketsphinx's English model.

    Args:
        folder: With its files `means` and `variances`; None for that of the installed package.

    Raises:
        PackageError: pocketsphinx is not installed.
        InputError: The files are not those of a phonetically tied model over 13 coefficients and their differences.
    """
    if folder is None:
        try:
            from pocketsphinx import get_model_path
        except ImportError as error:
            raise PackageError(
                "Training needs the package 'pocketsphinx'.", "Run `pip install pocketsphinx`."
            ) from error
        folder = Path(get_model_path()) / "en-us" / "en-us"
    try:
        means, variances = (_gaussians((folder / name).read_bytes()) for name in ("means", "variances"))
        if means.shape != variances.shape:
            raise ValueError(f"means of shape {means.shape} with variances of shape {variances.shape}")
    except (OSError, ValueError, struct.error) as error:
        raise InputError(f"The acoustic model {folder} cannot be used ({error}).", "Install pocketsphinx 5.") from error
    estimated = variances.min(axis=3, keepdims=True) >= _LEAST_VARIANCE
    precision = 1.0 / np.where(estimated, variances, 1.0)  # (P, 3, D, 13)
    quadratic = np.where(estimated, np.concatenate([-0.5 * precision, means * precision], axis=3), 0.0)
    constant = -0.5 * (np.log(2.0 * np.pi / precision) + means**2 * precision).sum(axis=3, keepdims=True)
    constant = np.where(estimated, constant, _NEVER)[..., 0]
    densities = PhoneDensities(len(means), means.shape[2])
    densities.quadratic.copy_(torch.from_numpy(quadratic.transpose(1, 3, 0, 2).reshape(densities.quadratic.shape)))
    densities.constant.copy_(torch.from_numpy(constant.transpose(1, 0, 2).reshape(densities.constant.shape)))
    return densities


def _gaussians(data: bytes) -> NDArray[np.float64]:
    """Means or variances (P, 3, D, 13) of a file of sphinx's own kind: a text header, then little-endian numbers."""
    start = data.index(b"endhdr\n") + 7 + len(_LITTLE_ENDIAN)
    if data[start - len(_LITTLE_ENDIAN) : start] != _LITTLE_ENDIAN:
        raise ValueError("its numbers are not little-endian")
    phones, streams, densities, *widths = struct.unpack_from(f"<3i{STREAMS}i", data, start)
    if streams != STREAMS or widths != [CEPSTRA] * STREAMS:
        raise ValueError(f"{streams} streams of {widths} coefficients")
    count = phones * streams * densities * CEPSTRA
    numbers = np.frombuffer(data, "<f4", count, start + 4 * (3 + STREAMS + 1))
    return numbers.reshape(phones, streams, densities, CEPSTRA).astype(np.float64)
