# SPDX-License-Identifier: GPL-3.0-or-later
"""Phone states: pocketsphinx's mixtures as we compute them, what they hear, and the network told by them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import norm

from retake.backend.audio.log_mel import FRAMES_PER_MOTION_FRAME, normalised_log_mel
from retake.backend.errors import InputError
from retake.backend.models import AudioEncoder, AudioEncoderConfig
from retake.backend.models.audio_encoder import PhoneStates
from retake.backend.models.phones import PHONES
from retake.backend.training.cache import build_cache
from retake.backend.training.loop import LoopConfig
from retake.backend.training.speech_folder import read_audio, read_speech_folder
from retake.backend.training.states import (
    AcousticModel,
    coefficients,
    load_acoustic_model,
    state_targets,
    train_states,
)
from retake.tests.backend.test_training import speech_folder

ASSETS = Path(__file__).parents[2] / "backend" / "assets"
SPHINX_PHONES = (
    *("+NSN+", "+SPN+", "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH"),
    *("IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "SIL", "T", "TH", "UH", "UW", "V"),
    *("W", "Y", "Z", "ZH"),
)


def test_log_likelihoods_are_those_of_gaussian_mixtures() -> None:
    generator = np.random.default_rng(0)
    mean, sd = generator.normal(size=(2, 3, 4, 13)), generator.uniform(0.5, 2, (2, 3, 4, 13))
    weights = generator.dirichlet(np.ones(4), size=(3, 2, 3))  # stream, phone, state, density
    quadratic = np.concatenate([-0.5 / sd**2, mean / sd**2], axis=3).transpose(1, 3, 0, 2).reshape(3, 26, 8)
    constant = (-np.log(sd) - 0.5 * np.log(2 * np.pi) - 0.5 * (mean / sd) ** 2).sum(axis=3).transpose(1, 0, 2)
    model = AcousticModel(*(torch.from_numpy(np.ascontiguousarray(each)).float() for each in (
        quadratic, constant.reshape(3, 8), weights.transpose(0, 1, 3, 2)
    )))  # fmt: skip
    frame = generator.normal(size=(1, 3, 13))
    found = model.log_likelihoods(torch.from_numpy(frame).float()).numpy()[0]
    for phone in range(2):
        for state in range(3):
            wanted = 0.0
            for stream in range(3):
                densities = norm.logpdf(frame[0, stream], mean[phone, stream], sd[phone, stream]).sum(axis=1)
                wanted += logsumexp(densities, b=weights[stream, phone, state])
            assert found[3 * phone + state] == pytest.approx(wanted, rel=1e-4)


def test_the_model_hears_the_phones_that_are_spoken() -> None:
    told = json.loads((ASSETS / "sample.json").read_text(encoding="utf-8"))
    mel = torch.from_numpy(normalised_log_mel(read_audio(ASSETS / "sample.flac")))[None]
    model = load_acoustic_model()
    assert model.phone_count == len(SPHINX_PHONES)
    heard = state_targets(model, mel)[0].unflatten(0, (-1, 3)).amax(dim=1).argmax(dim=0).numpy()
    right = []
    for start, end, name in told["phones"]:
        if name != "sil":
            right.append(SPHINX_PHONES[heard[round(60 * (start + end) / 2)]] == name.upper())
    assert np.mean(right) > 0.4  # of 39; by chance .03


def test_steady_sound_has_no_differences() -> None:
    steady = torch.randn(1, 1, 80).expand(1, 48, 80)
    found = coefficients(steady)
    assert found.shape == (1, 24, 3, 13)
    torch.testing.assert_close(found[:, :, 1:], torch.zeros(1, 24, 2, 13), rtol=0, atol=1e-4)


def test_a_network_learns_what_the_model_says(tmp_path: Path) -> None:
    folder = speech_folder(tmp_path / "speech")
    cache = build_cache([folder], [1.0], [0], tmp_path / "features", 0)
    sizes = AudioEncoderConfig(state_width=32)
    config = LoopConfig(40, learning_rate=3e-3, warm_up=5, evaluate_every=10, average=0.9)
    train_states(cache, read_speech_folder(folder), tmp_path / "run", config, sizes)
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    missed = [1.0 - entry["explained"] for entry in log]
    assert missed[-1] < 0.7 * missed[0]
    assert missed == sorted(missed, reverse=True)


def test_the_encoder_hears_through_its_phone_states() -> None:
    torch.manual_seed(0)
    encoder = AudioEncoder(AudioEncoderConfig(front_width=8, width=12, dilations=(1, 2), feature_dim=6, state_width=8))
    mel = torch.randn(1, 40 * FRAMES_PER_MOTION_FRAME, 80)
    encoder.eval()
    before = encoder(mel)
    assert isinstance(encoder.states, PhoneStates)
    assert encoder.states(mel.transpose(1, 2)).shape == (1, 126, 80)
    torch.nn.init.normal_(encoder.states.tell.weight)
    assert not torch.allclose(before, encoder(mel))
    other = mel.clone()
    other[:, 20 * FRAMES_PER_MOTION_FRAME] += 1.0  # one feature frame reaches no farther than is said
    reach = (encoder(mel) != encoder(other)).any(dim=2)[0].nonzero().flatten()
    assert abs(reach - 20).max() <= encoder.receptive_frames


@pytest.mark.parametrize(("name", "content"), [("mdef", b"TEXT"), ("means", b"s3\nendhdr\n"), ("sendump", b"")])
def test_a_model_of_another_kind_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    from pocketsphinx import get_model_path

    for file in ("mdef", "means", "variances", "sendump"):
        (tmp_path / file).write_bytes((Path(get_model_path()) / "en-us" / "en-us" / file).read_bytes())
    load_acoustic_model(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be used .* Install pocketsphinx 5"):
        load_acoustic_model(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match="cannot be used"):
        load_acoustic_model(tmp_path)


def test_phones_of_the_model_are_ours_and_two_noises() -> None:
    ours = {name.lower() for name in SPHINX_PHONES if not name.startswith("+")}
    assert ours == set(PHONES)
