# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the denoisers compute. The audio encoder and everything around the networks stay on the CPU."""

from __future__ import annotations

import os

import torch

from .errors import OptionsError

DEVICES = ("auto", "cpu", "cuda", "mps")


def available_devices() -> tuple[str, ...]:
    """Devices that this PyTorch computes on here; "cpu" is always one."""
    found = ["cpu"]
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return tuple(found)


def choose_device(name: str) -> torch.device:
    """The device that a name stands for.

    Args:
        name: One of `DEVICES`. "auto" is CUDA where PyTorch's CUDA build found a card, else the CPU: the default model
            is made for it, and bit-for-bit repeatability is promised there.

    Raises:
        OptionsError: There is no such device here.
    """
    if name not in DEVICES:
        raise OptionsError(f"The device '{name}' is none of {', '.join(DEVICES)}.")
    found = available_devices()
    if name == "auto":
        name = "cuda" if "cuda" in found else "cpu"
    if name not in found:
        build = "has no CUDA in it" if torch.version.cuda is None else "finds no card that it can use"
        why = f"this PyTorch ({torch.__version__}) {build}" if name == "cuda" else "this computer has none"
        raise OptionsError(f"The device '{name}' cannot be used: {why}.", "Choose Auto or CPU.")
    if name == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # repeatable sums
    torch.use_deterministic_algorithms(True, warn_only=name == "mps")
    return torch.device(name)
