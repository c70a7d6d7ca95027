# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from retake.backend.errors import CheckpointError, OptionsError, ShapeError
from retake.backend.models import (
    AudioEncoder,
    AudioEncoderConfig,
    DenoiserConfig,
    FaceDenoiser,
    HeadDenoiser,
    Models,
    load_checkpoint,
    save_checkpoint,
)
from retake.backend.models.layers import GivenSkip, SmoothGivenSkip
from retake.backend.models.phones import PHONES, VOWELS, phone_name
from retake.backend.training.encoder import ENCODER_SIZES

SMALL_FACE = DenoiserConfig(motion_dim=5, feature_dim=6, style_dim=4, widths=(8, 12), time_dim=8)
SMALL_HEAD = DenoiserConfig(motion_dim=3, feature_dim=6, style_dim=4, widths=(8, 12, 16), time_dim=8)
SMALL_ENCODER = AudioEncoderConfig(front_width=8, width=12, dilations=(1, 2), feature_dim=6)


def inputs(config: DenoiserConfig, B: int = 2, N: int = 21) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(1)
    sample = torch.randn(B, N, config.motion_dim, generator=generator)
    audio = torch.randn(B, N, config.feature_dim, generator=generator)
    style = torch.randn(B, config.style_dim, generator=generator)
    mask = torch.rand(B, N, config.motion_dim, generator=generator) > 0.5
    return sample, torch.tensor([3, 400][:B]), audio, style, mask


Network = TypeVar("Network", bound=torch.nn.Module)


def stirred(network: Network) -> Network:
    """Give every weight a value, those that start at zero too."""
    generator = torch.Generator().manual_seed(2)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    network.eval()
    return network


@pytest.mark.parametrize(("kind", "config"), [(FaceDenoiser, SMALL_FACE), (HeadDenoiser, SMALL_HEAD)])
@pytest.mark.parametrize("N", [1, 2, 7, 32])
def test_denoisers_keep_any_number_of_frames(kind: type, config: DenoiserConfig, N: int) -> None:
    sample, timesteps, audio, style, mask = inputs(config, N=N)
    assert stirred(kind(config))(sample, timesteps, audio, style, mask).shape == (2, N, config.motion_dim)


@pytest.mark.parametrize("position", range(5))
def test_every_input_matters(position: int) -> None:
    network = stirred(FaceDenoiser(SMALL_FACE))
    given = list(inputs(SMALL_FACE))
    before = network(*given)
    given[position] = ~given[position] if given[position].dtype == torch.bool else given[position] * 0.5 + 1
    assert (network(*given) - before).abs().max() > 1e-3


def test_a_denoiser_without_flags_ignores_the_mask() -> None:
    config = DenoiserConfig(5, 6, 4, (8, 12), time_dim=8, skip_connections=False, takes_mask=False)
    network = stirred(FaceDenoiser(config))
    sample, timesteps, audio, style, mask = inputs(config)
    same = network(sample, timesteps, audio, style, ~mask)
    torch.testing.assert_close(network(sample, timesteps, audio, style, mask), same)


def test_a_frame_depends_on_its_neighbourhood_only() -> None:
    network = stirred(HeadDenoiser(SMALL_HEAD))
    sample, timesteps, audio, style, mask = inputs(SMALL_HEAD, N=240)
    changed = sample.clone()
    changed[:, 120] += 5.0
    difference = (
        network(changed, timesteps, audio, style, mask) - network(sample, timesteps, audio, style, mask)
    ).abs()
    assert difference[:, 120].max() > 1e-3
    assert difference[:, :60].max() == 0
    assert difference[:, 180:].max() == 0


def test_given_values_reach_the_output_and_fade() -> None:
    skip = GivenSkip(2, reach=8)
    predicted, given, flags = torch.randn(1, 2, 40), torch.randn(1, 2, 40), torch.zeros(1, 2, 40)
    flags[0, 1, 20] = 1.0
    bent = skip(predicted, given, flags)
    torch.testing.assert_close(bent[0, 0], predicted[0, 0])
    torch.testing.assert_close(bent[0, 1, 20], given[0, 1, 20])
    share = (bent - predicted)[0, 1] / (given - predicted)[0, 1, 20]
    assert (share[20:29].diff() < 0).all()
    assert share[:12].abs().max() == 0
    torch.testing.assert_close(share[12:20].flip(0), share[21:29])


def test_values_given_throughout_replace_the_prediction() -> None:
    skip = GivenSkip(1, reach=4)
    level = skip(torch.zeros(1, 1, 30), torch.full((1, 1, 30), 2.0), torch.ones(1, 1, 30))
    torch.testing.assert_close(level, torch.full((1, 1, 30), 2.0))


def test_the_smooth_skip_bends_widely_around_lone_values_and_meets_close_ones() -> None:
    skip = SmoothGivenSkip(3, (20, 10, 5))
    predicted, flags, given = torch.zeros(1, 3, 120), torch.zeros(1, 3, 120), torch.zeros(1, 3, 120)
    flags[0, 0, 60] = flags[0, 1, 50] = flags[0, 1, 61] = 1.0
    given[0, 0, 60], given[0, 1, 50], given[0, 1, 61] = 1.0, 1.0, -1.0
    bent = skip(predicted, given, flags)[0]
    assert bent[0].diff(n=2).abs().max() < 0.0125  # of a raised cosine over 20 frames: (pi / 20)^2 / 2
    assert bent[0, :40].abs().max() == bent[0, 81:].abs().max() == bent[2].abs().max() == 0
    torch.testing.assert_close(bent[1, [50, 61]], torch.tensor([1.0, -1.0]), atol=0.02, rtol=0)


def test_wrong_shapes_are_named() -> None:
    sample, timesteps, audio, style, mask = inputs(SMALL_FACE)
    with pytest.raises(ShapeError, match=r"audio_features has shape \(2, 20, 6\) where \(2, 21, 6\)"):
        FaceDenoiser(SMALL_FACE)(sample, timesteps, audio[:, 1:], style, mask)


def test_the_default_networks_are_small() -> None:
    sizes = [
        sum(p.numel() for p in network.state_dict().values())
        for network in (AudioEncoder(ENCODER_SIZES), FaceDenoiser(), HeadDenoiser())
    ]
    assert 5e5 < sizes[0] < 2.5e6
    assert sum(sizes) * 2 < 12e6  # bytes in float16


def test_densities_that_do_not_fit_are_refused() -> None:
    mel = torch.randn(2, 4 * 9, 80)
    with pytest.raises(ShapeError, match=r"densities has shape \(2, 9, 18\) where \(2, 0, 18\)"):
        AudioEncoder(SMALL_ENCODER).eval()(mel, torch.zeros(2, 9, 18))
    hearing = AudioEncoder(replace(SMALL_ENCODER, density_phones=3, densities=4)).eval()
    assert hearing(mel, torch.zeros(2, 9, 18)).shape == (2, 9, 6)
    with pytest.raises(ShapeError, match=r"densities has shape \(2, 9, 1\)"):
        hearing(mel, torch.zeros(2, 9, 1))


def test_the_encoder_makes_one_feature_frame_of_four() -> None:
    encoder = AudioEncoder(SMALL_ENCODER).eval()
    features = encoder(torch.randn(2, 4 * 9, 80))
    assert features.shape == (2, 9, 6)
    assert encoder.phone_logits(features).shape == (2, 9, 40)


def test_the_encoder_sees_no_further_than_it_says() -> None:
    encoder = stirred(AudioEncoder(SMALL_ENCODER))
    mel = torch.randn(1, 4 * 60, 80)
    changed = mel.clone()
    changed[:, 4 * 30 : 4 * 31] += 3.0
    reached = (encoder(changed) - encoder(mel)).abs().amax(dim=(0, 2)).nonzero().flatten()
    assert 30 - encoder.receptive_frames <= reached.min() <= 30 <= reached.max() <= 30 + encoder.receptive_frames


def test_the_encoder_refuses_odd_lengths() -> None:
    with pytest.raises(ShapeError, match=r"\(1, 6, 80\)"):
        AudioEncoder(SMALL_ENCODER)(torch.zeros(1, 6, 80))


def small_models() -> Models:
    return Models(
        stirred(AudioEncoder(SMALL_ENCODER)),
        stirred(FaceDenoiser(SMALL_FACE)),
        stirred(HeadDenoiser(SMALL_HEAD)),
        torch.arange(8.0),
        torch.ones(8),
        ("neutral", "sad"),
        torch.eye(2, 4),
        {"name": "small", "channel_sd": [0.5] * 8},
    )


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    models = small_models()
    save_checkpoint(tmp_path / "m.safetensors", models, torch.float32)
    loaded = load_checkpoint(tmp_path / "m.safetensors")
    given = inputs(SMALL_FACE)
    torch.testing.assert_close(loaded.face(*given), models.face(*given))
    torch.testing.assert_close(loaded.encoder(torch.ones(1, 8, 80)), models.encoder(torch.ones(1, 8, 80)))
    assert loaded.head.config == SMALL_HEAD
    assert loaded.metadata["name"] == "small"
    assert loaded.channel_sd.tolist() == [0.5] * 8
    torch.testing.assert_close(loaded.style("sad"), torch.tensor([0.0, 1.0, 0.0, 0.0]))
    assert not any(parameter.requires_grad for parameter in loaded.face.parameters())


def test_a_checkpoint_from_before_phone_densities_still_loads(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    models = small_models()
    save_checkpoint(path, models, torch.float32)
    with safe_open(path, framework="pt") as file:
        metadata = {key: json.loads(value) for key, value in file.metadata().items()}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    (stored,) = metadata.values()
    for name in ("density_phones", "densities"):
        del stored["config"]["encoder"][name]
    save_file(tensors, path, {key: json.dumps(value) for key, value in metadata.items()})
    loaded = load_checkpoint(path).encoder
    assert loaded.densities is None
    torch.testing.assert_close(loaded(torch.ones(1, 8, 80)), models.encoder(torch.ones(1, 8, 80)))


def test_half_precision_stays_close(tmp_path: Path) -> None:
    models = small_models()
    save_checkpoint(tmp_path / "m.safetensors", models)
    given = inputs(SMALL_FACE)
    difference = load_checkpoint(tmp_path / "m.safetensors").face(*given) - models.face(*given)
    assert difference.abs().max() < 0.02


def test_an_unknown_style_lists_those_there_are() -> None:
    with pytest.raises(OptionsError, match="neutral, sad"):
        small_models().style("angry")


@pytest.mark.parametrize("damage", ["cut", "text", "missing", "foreign", "overwritten"])
def test_a_damaged_checkpoint_is_one_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "m.safetensors"
    save_checkpoint(path, small_models())
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif damage == "overwritten":
        path.write_bytes(path.read_bytes()[:-400] + b"\xff" * 400)
    elif damage == "text":
        path.write_text("not a model")
    elif damage == "foreign":
        from safetensors.torch import save_file

        save_file({"x": torch.zeros(1)}, path)
    else:
        path.unlink()
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert "m.safetensors" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"motion_mean": torch.zeros(7)}, "motion_mean"),
        ({"motion_sd": torch.ones(9)}, "motion_sd"),
        ({"motion_sd": torch.zeros(8)}, "deviation"),
        ({"style_vectors": torch.eye(1, 4)}, "style_vectors"),
        ({"style_names": (), "style_vectors": torch.eye(0, 4)}, "style"),
        ({"metadata": {}}, "channel_sd"),
        ({"metadata": {"channel_sd": [0.5] * 7}}, "channel_sd"),
    ],
)
def test_statistics_that_do_not_fit_the_networks_are_one_sentence(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    save_checkpoint(tmp_path / "m.safetensors", replace(small_models(), **change))
    with pytest.raises(CheckpointError, match=rf"m\.safetensors.*{named}"):
        load_checkpoint(tmp_path / "m.safetensors")


def test_phone_names() -> None:
    assert len(PHONES) == 40
    assert len(set(PHONES)) == 40
    assert [phone_name(label) for label in ("AA1", "pau", "AX", "zh")] == ["aa", "sil", "ah", "zh"]
    assert "aa" in VOWELS
    assert "b" not in VOWELS
    assert len(VOWELS) == 15
    with pytest.raises(ValueError, match="'qq'"):
        phone_name("qq")
