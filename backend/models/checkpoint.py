# SPDX-License-Identifier: GPL-3.0-or-later
"""One safetensors file holds a whole model: three networks, motion statistics, styles and metadata.

Tensors are named `encoder.`, `face.`, `head.` and the parameter's name, or `motion_mean`, `motion_sd`,
`style_vectors`. The header's metadata has one key, `retake`, with JSON: the networks' configurations under
`config`, `style_names`, and whatever the training wrote (data, licences, figures, `channel_sd`, `seam_reference`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from ..errors import CheckpointError, OptionsError
from .audio_encoder import AudioEncoder
from .config import AudioEncoderConfig, DenoiserConfig
from .face_denoiser import FaceDenoiser
from .head_denoiser import HeadDenoiser
from .unet import ConditionedUNet

DEFAULT_CHECKPOINT = Path(__file__).parent.parent / "assets" / "default.safetensors"
_METADATA_KEY = "retake"


@dataclass
class Models:
    """Everything that generating needs, ready for inference.

    `motion_mean` and `motion_sd` are (C_face + 3,) float32 in channel order, face then head rotation: normalised
    motion is (channels - mean) / sd. `style_vectors` is (styles, S), a row each for `style_names`.
    """

    encoder: AudioEncoder
    face: FaceDenoiser
    head: HeadDenoiser
    motion_mean: Tensor
    motion_sd: Tensor
    style_names: tuple[str, ...]
    style_vectors: Tensor
    metadata: dict[str, Any] = field(default_factory=dict)

    def style(self, name: str) -> Tensor:
        """Return the vector (S,) of a style.

        Raises:
            OptionsError: No style has this name; the message lists those there are.
        """
        if name not in self.style_names:
            raise OptionsError(f"There is no style {name!r}.", f"Choose one of {', '.join(self.style_names)}.")
        return self.style_vectors[self.style_names.index(name)]

    @property
    def channel_sd(self) -> np.ndarray:
        """Standard deviation of each channel on the teacher's tracks, (C,) float64, unit of the channel."""
        return np.asarray(self.metadata["channel_sd"], dtype=np.float64)


def save_checkpoint(path: Path, models: Models, dtype: torch.dtype = torch.float16) -> None:
    """Write a model to one safetensors file, replacing it whole or not at all.

    Args:
        path: The file.
        models: What to write.
        dtype: Storage type of the networks' weights; statistics and styles stay float32.
    """
    tensors: dict[str, Tensor] = {
        "motion_mean": models.motion_mean.float(),
        "motion_sd": models.motion_sd.float(),
        "style_vectors": models.style_vectors.detach().float(),
    }
    networks: dict[str, AudioEncoder | ConditionedUNet] = {
        "encoder": models.encoder,
        "face": models.face,
        "head": models.head,
    }
    for name, network in networks.items():
        for key, value in network.state_dict().items():
            tensors[f"{name}.{key}"] = value.to(dtype) if value.is_floating_point() else value
    config = {name: asdict(network.config) for name, network in networks.items()}
    metadata = {**models.metadata, "config": config, "style_names": list(models.style_names)}
    partial = path.with_name(path.name + ".part")
    stored = {key: value.cpu().contiguous() for key, value in tensors.items()}
    save_file(stored, partial, {_METADATA_KEY: json.dumps(metadata)})
    partial.chmod(0o644)  # safetensors writes for the owner alone
    partial.replace(path)


def load_checkpoint(path: Path = DEFAULT_CHECKPOINT, device: str = "cpu") -> Models:
    """Read a model written by `save_checkpoint`, in evaluation mode, weights as float32.

    Raises:
        CheckpointError: The file is missing, damaged, or not a Retake model.
    """
    try:
        if not path.is_file():
            raise CheckpointError(f"The model file {path} is missing.", "Reinstall Retake or choose another model.")
        with safe_open(path, framework="pt", device=device) as file:
            metadata = json.loads(file.metadata()[_METADATA_KEY])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a mapping)
        _check_finite(tensors)
        return _build(metadata, tensors, device)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise CheckpointError(
            f"The model file {path} is damaged or not a Retake model ({reason}).", "Copy it anew."
        ) from error


def _check_finite(tensors: Mapping[str, Tensor]) -> None:
    """Refuse what a damaged file holds: with it every take would be NaN."""
    for key, value in tensors.items():
        if not torch.isfinite(value).all():
            raise ValueError(f"{key} holds values that are not finite")


def _build(metadata: dict[str, Any], tensors: Mapping[str, Tensor], device: str) -> Models:
    """Make the networks of a checkpoint and fill them."""
    config = metadata["config"]
    encoder = AudioEncoder(AudioEncoderConfig(**_tuples(config["encoder"])))
    face = FaceDenoiser(DenoiserConfig(**_tuples(config["face"])))
    head = HeadDenoiser(DenoiserConfig(**_tuples(config["head"])))
    for name, network in {"encoder": encoder, "face": face, "head": head}.items():
        _fill(network, name, tensors)
        network.to(device).eval().requires_grad_(False)
    _check_statistics(metadata, tensors, face.config.motion_dim + head.config.motion_dim, face.config.style_dim)
    return Models(
        encoder,
        face,
        head,
        tensors["motion_mean"],
        tensors["motion_sd"],
        tuple(metadata["style_names"]),
        tensors["style_vectors"],
        metadata,
    )


def _check_statistics(metadata: Mapping[str, Any], tensors: Mapping[str, Tensor], channels: int, style: int) -> None:
    """Refuse statistics and styles that do not fit the networks."""
    shapes: dict[str, tuple[int, ...]] = {"motion_mean": (channels,), "motion_sd": (channels,)}
    shapes["style_vectors"] = (len(metadata["style_names"]), style)
    for key, shape in shapes.items():
        if tuple(tensors[key].shape) != shape:
            raise ValueError(f"{key} has shape {tuple(tensors[key].shape)} where {shape} is needed")
    sd = np.asarray(metadata.get("channel_sd", []), np.float64)
    if sd.shape != (channels,) or not np.isfinite(sd).all():
        raise ValueError(f"channel_sd is not {channels} numbers")
    if not metadata["style_names"] or not (tensors["motion_sd"] > 0).all():
        raise ValueError("there is no style, or a deviation is not above 0")


def _fill(network: nn.Module, name: str, tensors: Mapping[str, Tensor]) -> None:
    """Load a network's tensors by their prefix, as float32."""
    prefix = f"{name}."
    state = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
    network.load_state_dict({key: as_float32(value) for key, value in state.items()})


def as_float32(value: Tensor) -> Tensor:
    """Widen a stored tensor; integers stay as they are."""
    return value.float() if value.is_floating_point() else value


def _tuples(config: Mapping[str, Any]) -> dict[str, Any]:
    """Turn JSON's lists back into tuples."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}
