# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from retake.backend.errors import InputError
from retake.backend.models import load_checkpoint
from retake.backend.protocol import CHANNEL_NAMES
from retake.backend.training.augment import change_speed, colour, mask_features, warp_bands, worsen
from retake.backend.training.cache import CropSampler, Segment, build_cache, gather_crops
from retake.backend.training.denoisers import encode_cache
from retake.backend.training.encoder import EncoderWithHeads, all_targets, contact_frames, target_scale
from retake.backend.training.keyframes import KeyframeSampler, hump, reaches
from retake.backend.training.loop import LoopConfig, load_tensors, rate_at, train
from retake.backend.training.recipe import STAGES, Recipe, run_recipe
from retake.backend.training.speech_folder import read_speech_folder, sampling_weights
from retake.backend.training.takes import draw_styles, make_takes, scale_of, seam_reference

SECONDS = 7.0


def speech_folder(folder: Path, clips: int = 2) -> Path:
    """Recordings of noise bursts, labelled as vowels and consonants in turn."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    rows = []
    for number in range(clips):
        phones: list[list[Any]] = [[0.0, 0.4, "sil"]]
        while phones[-1][1] < SECONDS - 0.6:
            start = phones[-1][1]
            phones.append([start, round(start + 0.12, 3), ["m", "aa", "f", "uw", "iy"][len(phones) % 5]])
        envelope = (np.arange(int(SECONDS * 16000)) // 1920 % 2) * 0.3 + 0.02
        soundfile.write(folder / f"{number}.flac", envelope * generator.uniform(-1, 1, len(envelope)), 16000)
        row = {"file": f"{number}.flac", "seconds": SECONDS, "phones": phones, "speaker": f"s{number}", "set": "made"}
        rows.append(json.dumps(row))
    (folder / "phones.jsonl").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return speech_folder(tmp_path_factory.mktemp("data") / "speech")


def test_the_recipe_makes_a_checkpoint_and_a_repeated_run_resumes(folder: Path, tmp_path: Path) -> None:
    short = LoopConfig(2, evaluate_every=2, save_every=1)
    recipe = Recipe(
        folder, folder, tmp_path / "run", speech_copies=1, takes=1, encoder=short, face=short, head=short,
        checkpoint=tmp_path / "made.safetensors",
    )  # fmt: skip
    run_recipe(recipe, STAGES)
    models = load_checkpoint(recipe.checkpoint)
    assert models.style_names[0] == "neutral"
    assert len(models.channel_sd) == len(CHANNEL_NAMES)
    assert set(models.metadata["seam_reference"]) >= {"23.976", "24", "30", "60"}
    assert models.metadata["data"]["real_speakers"] == 2
    assert list((recipe.run / "face" / "tensorboard").glob("events.*"))
    before = recipe.checkpoint.read_bytes()
    run_recipe(recipe, ("encoder", "face", "checkpoint"))
    assert recipe.checkpoint.read_bytes() == before


def test_a_run_folder_keeps_to_what_it_was_begun_with(folder: Path, tmp_path: Path) -> None:
    recipe = Recipe(folder, folder, tmp_path / "run", speech_copies=0)
    run_recipe(recipe, ("features",))
    other = speech_folder(tmp_path / "other", clips=3)
    with pytest.raises(InputError, match="begun with another speech and lead"):
        run_recipe(replace(recipe, speech=other, speech_lead=0.006), ("features",))
    run_recipe(recipe, ("features",))


def test_denoisers_hear_more_of_the_rule_than_the_encoder_did(folder: Path, tmp_path: Path) -> None:
    cache = build_cache([folder], [1.0], [0], tmp_path / "features", 0)
    torch.manual_seed(0)
    network = EncoderWithHeads().eval()
    phones, controls = all_targets(cache.segments)
    contacts = contact_frames(phones)
    wanted = (controls - controls.mean(axis=0)) / target_scale(controls)
    told = torch.from_numpy(encode_cache(cache, network, wanted, contacts, 0).astype(np.float32))
    alike = torch.from_numpy(encode_cache(cache, network, wanted, np.zeros_like(contacts), 0).astype(np.float32))
    differs = (told != alike).any(dim=1).numpy()
    assert not differs[~contacts].any()
    assert differs[contacts].mean() > 0.9  # told by a part of its own
    with torch.inference_mode():
        segments = [cache.mel[4 * s.start : 4 * (s.start + s.frames)].astype(np.float32) for s in cache.segments]
        heard = torch.cat([network.encoder(torch.from_numpy(mel)[None])[0] for mel in segments])
        before, after = (network.control_head(features).numpy() for features in (heard, told))
    assert np.abs(after - wanted).mean() < 0.7 * np.abs(before - wanted).mean()
    assert np.abs(after - wanted).mean() > 0.1 * np.abs(before - wanted).mean()


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    def run(name: str, *iterations: int) -> None:
        for count in iterations:
            torch.manual_seed(0)
            network = torch.nn.Linear(3, 1)
            config = LoopConfig(count, warm_up=100, save_every=1, evaluate_every=2)
            train(network, losses, config, tmp_path / name, lambda _: (0.0, {}))

    def losses(network: torch.nn.Module, step: int, device: torch.device) -> dict[str, torch.Tensor]:
        batch = torch.randn(8, 3, generator=torch.Generator().manual_seed(step), device=device)
        return {"total": (network(batch) - batch.sum(dim=1, keepdim=True)).square().mean()}

    run("broken", 4, 8)
    run("whole", 8)
    broken, whole = (load_tensors(tmp_path / name / "state.safetensors")[0] for name in ("broken", "whole"))
    assert broken.keys() == whole.keys()
    assert any(key.startswith("adam.") for key in whole)
    for key, value in whole.items():
        torch.testing.assert_close(broken[key], value, rtol=0, atol=0)


def test_the_rate_warms_up_and_falls() -> None:
    config = LoopConfig(1000, warm_up=100)
    assert rate_at(0, config) == pytest.approx(0.01)
    assert rate_at(100, config) == pytest.approx(1.0)
    assert rate_at(550, config) == pytest.approx(0.51, abs=0.01)
    assert rate_at(1000, config) == pytest.approx(0.02)


def test_features_and_phones_stay_in_time_through_augmentation(folder: Path, tmp_path: Path) -> None:
    cache = build_cache([folder], [1.0], [2], tmp_path / "features", 0)
    assert len(cache.segments) == 6
    assert cache.frames == sum(segment.frames for segment in cache.segments)
    for segment in cache.segments:
        assert abs(segment.phones[-1].end - segment.seconds) < 0.05
        mel = cache.mel[4 * segment.start : 4 * (segment.start + segment.frames)].astype(np.float32).mean(axis=1)
        speaking = np.zeros(len(mel), bool)
        for phone in segment.phones:
            if phone.name != "sil":
                speaking[int(phone.start * 120) : int(phone.end * 120)] = True
        assert mel[speaking].mean() > mel[~speaking].mean() + 0.2


def test_a_cache_is_made_once(folder: Path, tmp_path: Path) -> None:
    build_cache([folder], [1.0], [0], tmp_path / "f", 0)
    stamp = (tmp_path / "f" / "mel.npy").stat().st_mtime_ns
    build_cache([folder], [1.0], [0], tmp_path / "f", 0)
    assert (tmp_path / "f" / "mel.npy").stat().st_mtime_ns == stamp
    build_cache([folder], [1.0], [0], tmp_path / "f", 1)
    assert (tmp_path / "f" / "mel.npy").stat().st_mtime_ns != stamp


def test_a_folder_without_an_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"phones\.jsonl"):
        read_speech_folder(tmp_path)
    (tmp_path / "phones.jsonl").write_text('{"file": "a.flac", "seconds": 1.0, "phones": [[0, 1, "??"]]}')
    with pytest.raises(InputError, match="Line 1"):
        read_speech_folder(tmp_path)


def test_one_voice_does_not_outweigh_the_others(folder: Path) -> None:
    clip = read_speech_folder(folder)[0]
    clips = [replace(clip, speaker=f"s{n}") for n in range(20)] + [replace(clip, speaker="loud")] * 60
    weights = sampling_weights(clips)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[20:].sum() < 0.35


def test_crops_are_a_function_of_seed_and_step() -> None:
    segments = [
        Segment(0, 50, 1.0, "a", "x", []),
        Segment(50, 20, 1.0, "b", "x", []),
        Segment(70, 200, 1.0, "c", "x", []),
    ]
    crops = CropSampler(segments, 40, 1)
    np.testing.assert_array_equal(crops.draw(5, 64), CropSampler(segments, 40, 1).draw(5, 64))
    starts = crops.draw(6, 500)
    assert all(0 <= start <= 10 or 70 <= start <= 230 for start in starts)
    assert gather_crops(np.arange(1080)[:, None], starts[:3], 40, rate=4)[0, 0, 0] == 4 * starts[0]
    with pytest.raises(InputError, match="as long as"):
        CropSampler(segments, 300, 1)


def test_augmentation_keeps_lengths() -> None:
    audio = np.random.default_rng(0).normal(0, 0.1, 16000).astype(np.float32)
    for seed in range(8):
        generator = np.random.default_rng(seed)
        heard = colour(audio, generator)
        assert heard.shape == audio.shape
        assert np.isfinite(heard).all()
        played, scale = change_speed(audio, generator)
        assert len(played) == pytest.approx(16000 * scale, abs=1)


def test_masks_and_warps() -> None:
    generator = torch.Generator().manual_seed(0)
    masked = mask_features(torch.ones(4, 200, 80), generator)
    assert 0.4 < masked.mean() < 1.0
    assert set(torch.unique(masked).tolist()) == {0.0, 1.0}
    ramp = torch.arange(80.0).expand(16, 3, 80)
    slopes = (warp_bands(ramp, generator)[:, 0, 40]) / 40
    assert slopes.min() > 0.89
    assert slopes.max() < 1.11
    assert slopes.std() > 0.02


def test_worse_microphones_tilt_bands_and_hide_what_is_soft() -> None:
    ramp = torch.linspace(-4.0, 2.0, 200)[None, :, None].expand(64, 200, 80)
    heard = worsen(ramp, torch.Generator().manual_seed(0))
    assert heard.shape == ramp.shape
    raised = heard[:, 0].mean(dim=1) > -3.0  # the softest frames of some
    assert 0.2 < raised.float().mean() < 0.7
    assert (heard[:, -1] - ramp[:, -1]).abs().mean() < 0.4  # the loudest are only tilted


def test_given_values_are_in_the_target_and_edits_fade() -> None:
    names = CHANNEL_NAMES[:52]
    sampler = KeyframeSampler(names, together=False)
    motion = np.zeros((200, 64, 52), np.float32)
    given = sampler.draw(motion, np.random.default_rng(0))
    share = given.mask.mean(axis=(1, 2))
    assert 0.2 < (share == 0).mean() < 0.45
    assert (share[share > 0] < 0.02).mean() > 0.3  # mostly sparse
    assert np.abs(given.target).max() > 1.0
    longest = reaches(names).max()
    for item in range(len(motion)):
        keyed = given.mask[item].any(axis=1)
        far = np.array([not keyed[max(0, n - longest) : n + longest + 1].any() for n in range(64)])
        assert np.abs(given.target[item][far]).max(initial=0.0) == 0.0
        untouched = ~given.mask[item].any(axis=0)
        assert np.abs(given.target[item][:, untouched]).max(initial=0.0) == 0.0


def test_a_moved_key_bends_its_own_neighbourhood_smoothly() -> None:
    weight = hump(np.arange(10), np.array([6]))
    assert weight[0] == 1.0
    assert weight[6] == 0.0
    assert (np.diff(weight) <= 0).all()
    assert reaches(("mouthSmileLeft", "jawOpen", "browInnerUp", "head_rotation.x")).tolist() == [13, 6, 13, 16]


def test_the_neck_is_given_as_a_whole() -> None:
    sampler = KeyframeSampler(CHANNEL_NAMES[52:], together=True)
    mask = sampler.draw(np.zeros((100, 192, 3), np.float32), np.random.default_rng(1)).mask
    assert (mask.all(axis=2) == mask.any(axis=2)).all()
    assert mask.any()


def test_takes_are_stored_and_scaled(folder: Path, tmp_path: Path) -> None:
    cache = build_cache([folder], [1.0], [0], tmp_path / "features", 0)
    takes = make_takes(cache, tmp_path / "features", 2, 0)
    assert takes.motion.shape == (2, cache.frames, 55)
    again = make_takes(cache, tmp_path / "features", 2, 0)
    np.testing.assert_array_equal(takes.motion, again.motion)
    assert np.abs(takes.motion[0] - takes.motion[1]).max() > 0.05
    scale = scale_of(takes.sd)
    assert (scale >= takes.sd.astype(np.float32)).all()
    assert scale[:52].min() == pytest.approx(0.06)
    assert (draw_styles(3, 1000, 0) == 0).mean() == pytest.approx(0.4, abs=0.05)
    reference = seam_reference(read_speech_folder(folder), takes.sd)
    assert reference["60"] < reference["30"] < reference["23.976"]
