# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the audio encoder: it tells phones apart and regresses the teacher's rule; then it is frozen.

Both heads are linear on the 64 audio features, so what they can tell is linearly there for the denoisers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from ..audio.log_mel import FRAMES_PER_MOTION_FRAME, MOTION_FPS, normalised_log_mel
from ..evaluation.lips import correlation
from ..models.audio_encoder import AudioEncoder, PhoneStates
from ..models.config import AudioEncoderConfig
from ..models.phones import PHONES
from ..protocol import CHANNEL_NAMES
from .articulation import BILABIAL, LABIODENTAL
from .augment import mask_features, warp_bands, worsen
from .cache import Cache, CropSampler, Segment, gather_crops
from .expression import bump
from .loop import LoopConfig, train
from .speech import Phone, accents, labels_at
from .speech_folder import Clip, read_audio
from .teacher import perform

ENCODER_SIZES = AudioEncoderConfig(state_width=256)
REGRESSED = (
    *("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthStretchLeft", "mouthLowerDownLeft"),
    *("mouthUpperUpLeft", "mouthRollLower", "mouthPressLeft", "tongueOut"),
)
_CROP = 96  # motion frames
_BATCH = 32
_REGRESSION_WEIGHT = 1.5
_LABEL_SMOOTHING = 0.1
_CONTACT_WEIGHT = 2.5  # of frames in which lips or teeth have to touch: what is missed there is seen
_COLUMNS = [CHANNEL_NAMES.index(name) for name in REGRESSED]


class EncoderWithHeads(nn.Module):
    """The audio encoder and a linear head on the teacher's rule, for training only.

    What it was taught of phone states stays as it is.
    """

    def __init__(self, states: PhoneStates | None = None) -> None:
        super().__init__()
        self.encoder = AudioEncoder(ENCODER_SIZES)
        assert self.encoder.states is not None
        if states is not None:
            self.encoder.states.load_state_dict(states.state_dict())
        self.encoder.states.requires_grad_(False)
        self.control_head = nn.Linear(self.encoder.config.feature_dim, len(REGRESSED) + 1)

    def forward(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised log-mel (B, 4 N, 80) to phone logits (B, N, 40) and standardised controls (B, N, 11)."""
        features = self.encoder(log_mel)
        return self.encoder.phone_logits(features), self.control_head(features)


def phone_targets(phones: Sequence[Phone], frames: int) -> NDArray[np.int64]:
    """Class of the phone at each motion frame, (N,)."""
    labels = labels_at(phones, np.arange(frames) / MOTION_FPS)
    return np.array([PHONES.index(label) for label in labels], np.int64)


def control_targets(phones: Sequence[Phone], frames: int) -> NDArray[np.float32]:
    """The rule's `REGRESSED` controls and the accents at each motion frame, (N, 11)."""
    rule = perform(phones, frames / MOTION_FPS)[:, _COLUMNS]
    times = np.arange(frames) / MOTION_FPS
    stress = np.zeros(frames)
    for accent in accents(phones):
        stress = np.maximum(stress, accent.strength * bump(times, accent.time, 0.2, 0.3))
    return np.concatenate([rule, stress[:, None].astype(np.float32)], axis=1)


def all_targets(segments: Sequence[Segment]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Targets of every frame of a cache: phones (F,) and controls (F, 11)."""
    phones = [phone_targets(segment.phones, segment.frames) for segment in segments]
    controls = [control_targets(segment.phones, segment.frames) for segment in tqdm(segments, desc="rule")]
    return np.concatenate(phones), np.concatenate(controls)


def contact_frames(phones: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which frames (F,), by the class of their phone, have the lips or the teeth and a lip touch: p b m f v."""
    return np.isin(phones, [PHONES.index(name) for name in sorted(BILABIAL | LABIODENTAL)])


def target_scale(controls: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divisor (11,) that standardises the control head's targets (F, 11)."""
    scale: NDArray[np.float32] = controls.std(axis=0) + np.float32(1e-3)
    return scale


def train_encoder(
    cache: Cache, judged: Sequence[Clip], folder: Path, config: LoopConfig, states: PhoneStates
) -> AudioEncoder:
    """Train the encoder on a cache, keeping the weights that do best on other recordings.

    Args:
        cache: What to learn from.
        judged: Recordings to judge by; nothing is learned from them.
        folder: Of the run, see `loop.train`.
        config: The run.
        states: The part of the encoder that was trained before, see `states`.

    Returns:
        The trained encoder.
    """
    phones, controls = all_targets(cache.segments)
    mean, sd = controls.mean(axis=0), target_scale(controls)
    standardised = (controls - mean) / sd
    weights = np.where(contact_frames(phones), np.float32(_CONTACT_WEIGHT), np.float32(1.0))
    sampler = CropSampler(cache.segments, _CROP, config.seed)

    def step_losses(network: nn.Module, step: int, device: torch.device) -> Mapping[str, Tensor]:
        starts = sampler.draw(step, _BATCH)
        mel = torch.from_numpy(gather_crops(cache.mel, starts, _CROP, FRAMES_PER_MOTION_FRAME))
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + step)
        mel = mask_features(worsen(warp_bands(mel, generator), generator), generator)
        rows = starts[:, None] + np.arange(_CROP)
        logits, predicted = network(mel.to(device))
        weight = torch.from_numpy(weights[rows]).to(device)
        wanted = torch.from_numpy(phones[rows]).to(device)
        named = functional.cross_entropy(
            logits.transpose(1, 2), wanted, reduction="none", label_smoothing=_LABEL_SMOOTHING
        )
        named = (weight * named).mean()
        missed = (predicted - torch.from_numpy(standardised[rows]).to(device)).square().mean(dim=-1)
        regressed = (weight * missed).mean()
        return {"total": named + _REGRESSION_WEIGHT * regressed, "phones": named, "controls": regressed}

    network = train(EncoderWithHeads(states), step_losses, config, folder, judge(judged, mean, sd))
    assert isinstance(network, EncoderWithHeads)
    return network.encoder


def judge(
    clips: Sequence[Clip], mean: NDArray[np.float32], sd: NDArray[np.float32]
) -> Callable[[nn.Module], tuple[float, dict[str, float]]]:
    """Make the judge of a run: phone accuracy and correlation with the rule on unheard recordings."""
    heard = []
    for clip in clips:
        mel = normalised_log_mel(read_audio(clip.path))
        frames = len(mel) // FRAMES_PER_MOTION_FRAME
        targets = (control_targets(clip.phones, frames) - mean) / sd
        heard.append((torch.from_numpy(mel)[None], phone_targets(clip.phones, frames), targets))

    def judged(network: nn.Module) -> tuple[float, dict[str, float]]:
        right, predicted, wanted = [], [], []
        device = next(network.parameters()).device
        for mel, phones, controls in heard:
            logits, regressed = network(mel.to(device))
            right.append(logits[0].argmax(dim=-1).cpu().numpy() == phones)
            predicted.append(regressed[0].cpu().numpy())
            wanted.append(controls)
        given, made = np.concatenate(wanted), np.concatenate(predicted)
        correlations = {
            f"r_{name}": correlation(made[:, column], given[:, column])
            for column, name in enumerate([*REGRESSED, "accent"])
        }
        accuracy = float(np.concatenate(right).mean())
        lips = float(np.mean([correlations[f"r_{name}"] for name in REGRESSED]))
        return accuracy + lips, {"accuracy": accuracy, "lips": lips, **correlations}

    return judged
