# SPDX-License-Identifier: GPL-3.0-or-later
"""Phone densities: pocketsphinx's Gaussians as we read and compute them, and the encoder that hears them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import norm

from retake.backend.audio.log_mel import FRAMES_PER_MOTION_FRAME, normalised_log_mel
from retake.backend.errors import InputError
from retake.backend.models import AudioEncoder, AudioEncoderConfig
from retake.backend.models.phone_densities import PhoneDensities, coefficients
from retake.backend.models.phones import PHONES
from retake.backend.training.acoustic_model import load_phone_densities
from retake.backend.training.cache import build_cache
from retake.backend.training.encoder import cached_densities
from retake.backend.training.speech_folder import read_audio
from retake.tests.backend.test_training import speech_folder

ASSETS = Path(__file__).parents[2] / "backend" / "assets"
SPHINX_PHONES = (
    *("+NSN+", "+SPN+", "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH"),
    *("IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "SIL", "T", "TH", "UH", "UW", "V"),
    *("W", "Y", "Z", "ZH"),
)


def sphinx_file(numbers: np.ndarray) -> bytes:
    """Means or variances (P, 3, D, 13) as sphinx stores them."""
    phones, streams, densities, width = numbers.shape
    sizes = np.array([phones, streams, densities, *[width] * streams, numbers.size], "<i4").tobytes()
    return b"s3\nversion 1.0\nendhdr\n" + b"\x44\x33\x22\x11" + sizes + numbers.astype("<f4").tobytes()


def test_the_likeliest_of_each_phones_gaussians_is_said(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    mean, variance = generator.normal(size=(5, 3, 4, 13)), generator.uniform(0.5, 2, (5, 3, 4, 13))
    for name, numbers in (("means", mean), ("variances", variance)):
        (tmp_path / name).write_bytes(sphinx_file(numbers))
    densities = load_phone_densities(tmp_path)
    mel = torch.randn(1, 24, 80)
    frames = coefficients(mel)[0].double().numpy()
    found = densities(mel)[0].T.reshape(12, 3, 5).numpy()
    for frame in range(12):
        for stream in range(3):
            said = norm.logpdf(frames[frame, stream], mean[:, stream], np.sqrt(variance[:, stream])).sum(axis=2)
            best = said.max(axis=1)
            np.testing.assert_allclose(found[frame, stream], (best - best.mean()) / 4, atol=1e-3 * np.abs(best).max())


def test_spoken_phones_fit_best_where_they_are_spoken() -> None:
    told = json.loads((ASSETS / "sample.json").read_text(encoding="utf-8"))
    mel = torch.from_numpy(normalised_log_mel(read_audio(ASSETS / "sample.flac")))[None]
    densities = load_phone_densities()
    assert densities.phones == len(SPHINX_PHONES)
    heard = densities(mel)[0].unflatten(0, (3, -1)).sum(dim=0).argmax(dim=0).numpy()
    right = [
        SPHINX_PHONES[heard[round(60 * (start + end) / 2)]] == name.upper()
        for start, end, name in told["phones"]
        if name != "sil"
    ]
    assert np.mean(right) > 0.35  # of 39; by chance .03


def test_the_recognisers_phones_are_ours_and_two_noises() -> None:
    assert {name.lower() for name in SPHINX_PHONES if not name.startswith("+")} == set(PHONES)


def test_steady_sound_has_no_differences() -> None:
    steady = torch.randn(1, 1, 80).expand(1, 48, 80)
    found = coefficients(steady)
    assert found.shape == (1, 24, 3, 13)
    torch.testing.assert_close(found[:, :, 1:], torch.zeros(1, 24, 2, 13), rtol=0, atol=1e-3)


def test_the_encoder_hears_densities_no_farther_than_it_says() -> None:
    torch.manual_seed(0)
    sizes = AudioEncoderConfig(front_width=8, width=12, dilations=(1, 2), feature_dim=6, density_phones=4, densities=8)
    encoder = AudioEncoder(sizes).eval()
    assert isinstance(encoder.densities, PhoneDensities)
    mel = torch.randn(1, 40 * FRAMES_PER_MOTION_FRAME, 80)
    silent = encoder(mel)
    torch.nn.init.normal_(encoder.densities.quadratic, std=0.01)
    assert not torch.allclose(silent, encoder(mel))
    other = mel.clone()
    other[:, 20 * FRAMES_PER_MOTION_FRAME : 21 * FRAMES_PER_MOTION_FRAME] += 1.0
    reach = (encoder(mel) - encoder(other)).abs().amax(dim=2)[0] > 1e-6
    assert abs(reach.nonzero().flatten() - 20).max() == encoder.receptive_frames
    told = encoder(mel, encoder.densities(other))
    assert not torch.allclose(told, encoder(mel))


def test_a_cache_is_listened_to_once_a_model(tmp_path: Path) -> None:
    cache = build_cache([speech_folder(tmp_path / "speech")], [1.0], [1], tmp_path / "features", 0)
    densities, path = load_phone_densities(), tmp_path / "densities.npy"
    first = cached_densities(cache, densities, path)
    assert first.shape == (2 * cache.frames, densities.width)
    segment = cache.segments[-1]
    mel = cache.mel[4 * segment.start : 4 * (segment.start + segment.frames)].astype(np.float32)
    said = densities(torch.from_numpy(mel)[None])[0].T.numpy()
    np.testing.assert_allclose(first[2 * segment.start :], said, rtol=2e-3, atol=1e-3)
    written = path.stat().st_mtime_ns
    cached_densities(cache, densities, path)
    assert path.stat().st_mtime_ns == written
    densities.constant.mul_(1.5)
    assert not np.array_equal(first, cached_densities(cache, densities, path))


@pytest.mark.parametrize(("name", "content"), [("means", b"TEXT"), ("variances", b"s3\nendhdr\n"), ("means", None)])
def test_a_model_of_another_kind_is_refused(tmp_path: Path, name: str, content: bytes | None) -> None:
    numbers = np.ones((5, 3, 4, 13))
    for file in ("means", "variances"):
        (tmp_path / file).write_bytes(sphinx_file(numbers))
    load_phone_densities(tmp_path)
    (tmp_path / name).write_bytes(sphinx_file(numbers[:4]) if content is None else content)
    with pytest.raises(InputError, match=r"cannot be used .* Install pocketsphinx 5"):
        load_phone_densities(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match="cannot be used"):
        load_phone_densities(tmp_path)
