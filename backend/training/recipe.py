# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe of the default model, stage by stage: features, encoder, takes, face, head, checkpoint.

Every stage writes into one run folder and can be repeated or resumed after a kill; a finished stage costs nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..evaluation.lips import LipRig
from ..models import FaceDenoiser, HeadDenoiser, Models, save_checkpoint
from ..models.audio_encoder import AudioEncoder
from ..models.checkpoint import DEFAULT_CHECKPOINT
from ..models.phones import PHONES, SILENCE
from ..protocol import CHANNEL_NAMES, CONTROL_NAMES
from .cache import Cache, build_cache, load_cache, save_array
from .denoisers import DenoiserTraining, StyledDenoiser, TrainingData, encode_cache, train_denoiser
from .encoder import ENCODER_SIZES, EncoderWithHeads, all_targets, contact_frames, target_scale, train_encoder
from .judging import FaceJudge, HeadJudge, JudgedClip, Normalisation, judged_clips
from .keyframes import KeyframeSampler
from .loop import LoopConfig, load_tensors
from .speech_folder import Clip, read_lines, read_speech_folder, total_seconds
from .styles import STYLE_NAMES
from .takes import Takes, make_takes, scale_of, seam_reference

STAGES = ("features", "encoder", "takes", "face", "head", "checkpoint")
_FACE_CHANNELS = slice(0, len(CONTROL_NAMES))
_HEAD_CHANNELS = slice(len(CONTROL_NAMES), len(CHANNEL_NAMES))


@dataclass(frozen=True)
class Recipe:
    """Data, sizes and lengths of a training run; the defaults are those of the model that ships (see its card)."""

    speech: Path  # real speech with phone times, the larger part of what is seen
    judge: Path  # speech to choose by; nothing is learned from it
    run: Path  # where everything goes
    corpus: Path | None = None  # synthetic speech
    real_share: float = 0.7  # of what training sees, where there is a corpus
    speech_copies: int = 3  # augmented copies of each real recording
    corpus_copies: int = 1
    takes: int = 2  # of each copy
    speech_lead: float = 0.0  # s by which the phone times of the real speech come too early
    seed: int = 0
    encoder: LoopConfig = field(
        default_factory=lambda: LoopConfig(4000, learning_rate=2e-3, evaluate_every=500, bfloat16=True)
    )
    face: LoopConfig = field(
        default_factory=lambda: LoopConfig(6000, learning_rate=1.5e-3, evaluate_every=300, average=0.997)
    )
    head: LoopConfig = field(
        default_factory=lambda: LoopConfig(1500, learning_rate=1.5e-3, evaluate_every=500, average=0.997)
    )
    checkpoint: Path = DEFAULT_CHECKPOINT

    def shortened(self, iterations: dict[str, int | None]) -> Recipe:
        """Return the recipe with other numbers of iterations, by the stage's name; None keeps one."""
        given = {name: count for name, count in iterations.items() if count is not None}
        return replace(self, **{name: replace(getattr(self, name), iterations=count) for name, count in given.items()})


def run_recipe(recipe: Recipe, stages: tuple[str, ...]) -> None:
    """Run stages in order; each needs those before it to be done.

    Raises:
        InputError: A folder of speech is missing, or a stage that is needed has not run.
    """
    run: dict[str, Callable[[Recipe], object]] = {
        "features": features_stage,
        "encoder": encoder_stage,
        "takes": takes_stage,
        "face": face_stage,
        "head": head_stage,
        "checkpoint": checkpoint_stage,
    }
    claim_run(recipe)
    for stage in STAGES:
        if stage in stages:
            run[stage](recipe)


def claim_run(recipe: Recipe) -> None:
    """Note in the run folder what it is made of; every later stage has to be of the same.

    Raises:
        InputError: The folder was begun with something else.
    """
    made_of: dict[str, Any] = {
        "speech": index_digest(recipe.speech),
        "judge": index_digest(recipe.judge),
        "corpus": index_digest(recipe.corpus) if recipe.corpus else None,
        "real_share": recipe.real_share,
        "copies": [recipe.speech_copies, recipe.corpus_copies],
        "lead": recipe.speech_lead,
        "takes": recipe.takes,
        "seed": recipe.seed,
        "encoder": json.loads(json.dumps(asdict(ENCODER_SIZES))),
    }
    note = recipe.run / "made_of.json"
    if note.is_file():
        before = json.loads(note.read_text(encoding="utf-8"))
        changed = [name for name, value in made_of.items() if before.get(name) != value]
        if changed:
            raise InputError(
                f"The run {recipe.run} was begun with another {' and '.join(changed)}.",
                "Name a new folder, or take what it was begun with.",
            )
    recipe.run.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(made_of, indent=1), encoding="utf-8")


def index_digest(folder: Path) -> str:
    """Digest of what a folder of speech says of itself, hex."""
    return sha256("\n".join(read_lines(folder / "phones.jsonl")).encode()).hexdigest()


def features_stage(recipe: Recipe) -> Cache:
    """Compute the features of all recordings and their augmented copies."""
    folders, shares, copies = [recipe.speech], [1.0], [recipe.speech_copies]
    if recipe.corpus:
        folders.append(recipe.corpus)
        shares = [recipe.real_share, round(1.0 - recipe.real_share, 6)]
        copies.append(recipe.corpus_copies)
    leads = [recipe.speech_lead, 0.0][: len(folders)]
    return build_cache(folders, shares, copies, recipe.run / "features", recipe.seed, leads)


def encoder_stage(recipe: Recipe) -> AudioEncoder:
    """Train the audio encoder."""
    cache = load_cache(recipe.run / "features")
    return train_encoder(cache, read_speech_folder(recipe.judge), recipe.run / "encoder", recipe.encoder)


def takes_stage(recipe: Recipe) -> Takes:
    """Let the teacher perform everything."""
    return make_takes(load_cache(recipe.run / "features"), recipe.run / "features", recipe.takes, recipe.seed)


def face_stage(recipe: Recipe) -> StyledDenoiser:
    """Train the face denoiser."""
    prepared = prepare(recipe)
    network = StyledDenoiser(FaceDenoiser(), len(STYLE_NAMES))
    judge = FaceJudge(prepared.judged, LipRig.of_head(), prepared.normalisation(_FACE_CHANNELS))
    training = DenoiserTraining(_FACE_CHANNELS, crop=96, batch=24, contact_weight=8.0, pause_weight=1.5)
    keyframes = KeyframeSampler(CHANNEL_NAMES[_FACE_CHANNELS], together=False)
    return train_denoiser(network, prepared.data, training, keyframes, recipe.run / "face", recipe.face, judge)


def head_stage(recipe: Recipe) -> StyledDenoiser:
    """Train the head denoiser."""
    prepared = prepare(recipe)
    network = StyledDenoiser(HeadDenoiser(), len(STYLE_NAMES))
    judge = HeadJudge(prepared.judged, prepared.normalisation(_HEAD_CHANNELS))
    training = DenoiserTraining(_HEAD_CHANNELS, crop=192, batch=32)
    keyframes = KeyframeSampler(CHANNEL_NAMES[_HEAD_CHANNELS], together=True)
    return train_denoiser(network, prepared.data, training, keyframes, recipe.run / "head", recipe.head, judge)


@dataclass(frozen=True)
class Prepared:
    """What both denoisers learn from and are judged by."""

    data: TrainingData
    judged: list[JudgedClip]
    sd: np.ndarray  # (55,)

    def normalisation(self, columns: slice) -> Normalisation:
        """Statistics of one network's channels."""
        return Normalisation(self.data.mean[columns], self.data.scale[columns], self.sd[columns])


def prepare(recipe: Recipe) -> Prepared:
    """Load the cache, the takes and their statistics, and encode everything with the trained encoder."""
    cache, takes = load_cache(recipe.run / "features"), takes_stage(recipe)
    network = trained_encoder(recipe)
    mean, sd = statistics(recipe, takes)
    stored = recipe.run / "encoder" / "features.npy"
    best = trained_weights(recipe, "encoder")
    phones, controls = all_targets(cache.segments)
    contacts = contact_frames(phones)
    if not stored.exists() or stored.stat().st_mtime < best.stat().st_mtime:
        standardised = (controls - controls.mean(axis=0)) / target_scale(controls)
        save_array(stored, encode_cache(cache, network, standardised, contacts, recipe.seed))
    data = TrainingData(
        cache.segments, np.load(stored), takes, mean, scale_of(sd), contacts, phones == PHONES.index(SILENCE)
    )
    return Prepared(data, judged_clips(read_speech_folder(recipe.judge), network.encoder), sd)


def statistics(recipe: Recipe, takes: Takes) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (55,) of the takes, computed once."""
    path = recipe.run / "features" / f"statistics_{recipe.takes}_{recipe.seed}.npz"
    if not path.exists():
        partial = path.with_suffix(".part.npz")
        np.savez(partial, mean=takes.mean, sd=takes.sd)
        partial.replace(path)
    with np.load(path) as stored:
        return stored["mean"], stored["sd"]


def trained_weights(recipe: Recipe, stage: str) -> Path:
    """File of the best weights of a stage.

    Raises:
        InputError: The stage has not run.
    """
    path = recipe.run / stage / "best.safetensors"
    if not path.is_file():
        raise InputError(f"{recipe.run} has no trained {stage}.", f"Run the stage `{stage}` first.")
    return path


def trained_encoder(recipe: Recipe) -> EncoderWithHeads:
    """Load the encoder, with its heads, that its stage left."""
    network = EncoderWithHeads()
    network.load_state_dict(load_tensors(trained_weights(recipe, "encoder"))[0])
    return network.eval().requires_grad_(False)


def checkpoint_stage(recipe: Recipe) -> Models:
    """Put the trained networks, statistics and metadata into one file."""
    mean, sd = statistics(recipe, takes_stage(recipe))
    judged = read_speech_folder(recipe.judge)
    face, head = (StyledDenoiser(network, len(STYLE_NAMES)) for network in (FaceDenoiser(), HeadDenoiser()))
    face.load_state_dict(load_tensors(trained_weights(recipe, "face"))[0])
    head.load_state_dict(load_tensors(trained_weights(recipe, "head"))[0])
    assert isinstance(face.denoiser, FaceDenoiser)
    assert isinstance(head.denoiser, HeadDenoiser)
    models = Models(
        trained_encoder(recipe).encoder,
        face.denoiser,
        head.denoiser,
        torch.from_numpy(mean),
        torch.from_numpy(scale_of(sd)),
        STYLE_NAMES,
        face.styles.weight.detach(),
        metadata(recipe, sd, judged),
    )
    save_checkpoint(recipe.checkpoint, models)
    return models


def metadata(recipe: Recipe, sd: np.ndarray, judged: list[Clip]) -> dict[str, Any]:
    """What the checkpoint tells of itself: data, licences, figures of the runs, scales of the measures."""
    real = read_speech_folder(recipe.speech)
    synthetic = read_speech_folder(recipe.corpus) if recipe.corpus else []
    return {
        "name": "Retake default",
        "made": datetime.now(UTC).strftime("%Y-%m-%d"),
        "phones": list(PHONES),
        "channel_sd": [round(float(value), 6) for value in sd],
        "seam_reference": seam_reference(judged, sd),
        "data": {
            "real_minutes": round(total_seconds(real) / 60, 1),
            "real_speakers": len({clip.speaker for clip in real}),
            "synthetic_minutes": round(total_seconds(synthetic) / 60, 1),
            "sets": sorted({clip.set for clip in [*real, *synthetic]}),
        },
        "licence": "GPL-3.0-or-later; attribution of the recordings in NOTICE",
        "figures": {stage: best_entry(recipe.run / stage / "log.jsonl") for stage in ("encoder", "face", "head")},
    }


def best_entry(log: Path) -> dict[str, float]:
    """The line of a run's log with the highest score."""
    entries: list[dict[str, float]] = [json.loads(line) for line in log.read_text().splitlines()]
    best = max(entries, key=lambda entry: entry["score"])
    return {name: round(value, 4) for name, value in best.items()}
