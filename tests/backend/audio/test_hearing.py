# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retake.backend.audio.features import extract_features
from retake.backend.audio.hearing import HeardPhone, likeliest_path, pauses_between
from retake.backend.models import DEFAULT_CHECKPOINT, load_checkpoint
from retake.backend.monitor import Monitor
from retake.backend.training.speech import labels_at, read_phones

SAMPLE = Path(__file__).parents[3] / "backend" / "assets" / "sample.flac"


@pytest.fixture(scope="module")
def heard() -> tuple[HeardPhone, ...]:
    return extract_features(SAMPLE, load_checkpoint(DEFAULT_CHECKPOINT).encoder, Monitor()).phones


def test_the_default_model_hears_most_phones_of_the_sample(heard: tuple[HeardPhone, ...]) -> None:
    told = json.loads(SAMPLE.with_suffix(".json").read_text())
    times = np.arange(0.0, told["seconds"], 0.01)
    spoken = labels_at(read_phones(told["phones"], told["seconds"]), times)
    found = labels_at(read_phones(heard, told["seconds"]), times)
    assert np.mean([a == b for a, b in zip(spoken, found, strict=True)]) > 0.6


def test_the_pause_between_the_sentences_is_found(heard: tuple[HeardPhone, ...]) -> None:
    inner = [pause for pause in pauses_between(heard) if 1.5 < pause[0] < 3.0]
    assert inner == [pytest.approx((1.99, 2.77), abs=0.08)]


def test_phones_cover_the_recording(heard: tuple[HeardPhone, ...]) -> None:
    assert heard[0].start == 0.0
    assert heard[-1].end == pytest.approx(5.34, abs=1e-3)
    assert all(a.end == b.start and a.name != b.name for a, b in pairwise(heard))


def test_short_silences_are_no_pauses() -> None:
    phones = [HeardPhone(0.0, 0.25, "sil"), HeardPhone(0.25, 0.5, "aa"), HeardPhone(0.5, 0.65, "sil")]
    assert pauses_between(phones) == [(0.0, 0.25)]


def test_one_odd_frame_is_no_change() -> None:
    scores = np.log(np.array([[0.8, 0.2]] * 4 + [[0.3, 0.7]] + [[0.8, 0.2]] * 4))
    assert likeliest_path(scores, 3.0).tolist() == [0] * 9


@given(st.lists(st.tuples(*[st.floats(-5.0, 0.0)] * 3), min_size=1, max_size=5), st.floats(0.0, 4.0))
def test_no_path_is_likelier(rows: list[tuple[float, ...]], change: float) -> None:
    scores = np.array(rows)

    def likelihood(path: tuple[int, ...]) -> float:
        told = sum(scores[frame, label] for frame, label in enumerate(path))
        return float(told) - change * sum(a != b for a, b in pairwise(path))

    best = max(likelihood(path) for path in product(range(3), repeat=len(rows)))
    assert likelihood(tuple(likeliest_path(scores, change).tolist())) == pytest.approx(best)
