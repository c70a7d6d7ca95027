# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the audio encoder: it tells phones apart and regresses the teacher's rule; then it is frozen.

Both heads are linear on the 64 audio features, so what they can tell is linearly there for the denoisers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from ..audio.log_mel import FRAMES_PER_MOTION_FRAME, MOTION_FPS, normalised_log_mel
from ..errors import InputError
from ..evaluation.lips import correlation
from ..models.audio_encoder import AudioEncoder
from ..models.config import AudioEncoderConfig
from ..models.phone_densities import PhoneDensities
from ..models.phones import PHONES
from ..protocol import CHANNEL_NAMES
from .acoustic_model import load_phone_densities
from .articulation import BILABIAL, LABIODENTAL
from .augment import mask_features, mask_frames, warp_bands, worsen
from .cache import Cache, CropSampler, Segment, gather_crops, save_array
from .expression import bump
from .loop import LoopConfig, train
from .speech import Phone, accents, labels_at
from .speech_folder import Clip, read_audio
from .teacher import perform

ENCODER_SIZES = AudioEncoderConfig(density_phones=42)
REGRESSED = (
    *("jawOpen", "mouthClose", "mouthFunnel", "mouthPucker", "mouthStretchLeft", "mouthLowerDownLeft"),
    *("mouthUpperUpLeft", "mouthRollLower", "mouthPressLeft", "tongueOut"),
)
_CROP = 96  # motion frames
DENSITIES_PER_MOTION_FRAME = 2
_BATCH = 32
_DENSITY_NOISE = 0.1  # of what the densities say, in its standard deviation of 1
_REGRESSION_WEIGHT = 1.5
_LABEL_SMOOTHING = 0.1
_CONTACT_WEIGHT = 2.5  # of frames in which lips or teeth have to touch: what is missed there is seen
_COLUMNS = [CHANNEL_NAMES.index(name) for name in REGRESSED]


class EncoderWithHeads(nn.Module):
    """The audio encoder and a linear head on the teacher's rule, for training only."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = AudioEncoder(ENCODER_SIZES)
        self.control_head = nn.Linear(self.encoder.config.feature_dim, len(REGRESSED) + 1)

    def forward(self, log_mel: Tensor, densities: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Normalised log-mel (B, 4 N, 80) to phone logits (B, N, 40) and standardised controls (B, N, 11)."""
        features = self.encoder(log_mel, densities)
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


def train_encoder(cache: Cache, judged: Sequence[Clip], folder: Path, config: LoopConfig) -> AudioEncoder:
    """Train the encoder on a cache, keeping the weights that do best on other recordings.

    Args:
        cache: What to learn from.
        judged: Recordings to judge by; nothing is learned from them.
        folder: Of the run, see `loop.train`; what the phone densities say of the cache is kept there.
        config: The run.

    Returns:
        The trained encoder.

    Raises:
        PackageError: pocketsphinx, whose phone densities the encoder hears, is not installed.
        InputError: Its acoustic model cannot be used.
    """
    network, known = EncoderWithHeads(), load_phone_densities()
    own = network.encoder.densities
    assert own is not None
    if known.quadratic.shape != own.quadratic.shape:
        raise InputError(f"pocketsphinx's acoustic model has {known.phones} phones.", "Install pocketsphinx 5.")
    own.load_state_dict(known.state_dict())
    densities = cached_densities(cache, own, folder / "densities.npy")
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
        said = torch.from_numpy(gather_crops(densities, starts, _CROP, DENSITIES_PER_MOTION_FRAME))
        said = mask_frames(said + _DENSITY_NOISE * torch.randn(said.shape, generator=generator), generator)
        rows = starts[:, None] + np.arange(_CROP)
        logits, predicted = network(mel.to(device), said.transpose(1, 2).to(device))
        weight = torch.from_numpy(weights[rows]).to(device)
        wanted = torch.from_numpy(phones[rows]).to(device)
        named = functional.cross_entropy(
            logits.transpose(1, 2), wanted, reduction="none", label_smoothing=_LABEL_SMOOTHING
        )
        named = (weight * named).mean()
        missed = (predicted - torch.from_numpy(standardised[rows]).to(device)).square().mean(dim=-1)
        regressed = (weight * missed).mean()
        return {"total": named + _REGRESSION_WEIGHT * regressed, "phones": named, "controls": regressed}

    trained = train(network, step_losses, config, folder, judge(judged, mean, sd))
    assert isinstance(trained, EncoderWithHeads)
    return trained.encoder


def cached_densities(cache: Cache, densities: PhoneDensities, path: Path) -> NDArray[np.float16]:
    """What the phone densities say of every feature of a cache, (2 F, 3 P), computed once and kept in a file."""
    made_of = path.with_suffix(".json")
    digest = sha256()
    for part in (densities.quadratic.numpy(), densities.constant.numpy(), cache.mel[:: max(1, len(cache.mel) // 1000)]):
        digest.update(np.ascontiguousarray(part).data)
    key = json.dumps([cache.frames, digest.hexdigest()])
    if not (path.is_file() and made_of.is_file() and made_of.read_text(encoding="utf-8") == key):
        made_of.unlink(missing_ok=True)  # a kill must not leave it beside what it is not of
        blocks = []
        with torch.inference_mode():
            for segment in tqdm(cache.segments, desc="densities"):
                rows = slice(segment.start * FRAMES_PER_MOTION_FRAME, None)
                mel = cache.mel[rows][: segment.frames * FRAMES_PER_MOTION_FRAME].astype(np.float32)
                blocks.append(densities(torch.from_numpy(mel)[None])[0].T.numpy().astype(np.float16))
        path.parent.mkdir(parents=True, exist_ok=True)
        save_array(path, np.concatenate(blocks))
        made_of.write_text(key, encoding="utf-8")
    kept: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return kept


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
