# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import numpy as np
import pytest

from retake.backend.errors import OptionsError
from retake.backend.evaluation.lips import LipRig
from retake.backend.protocol import CHANNEL_NAMES
from retake.backend.training.articulation import split_diphthongs
from retake.backend.training.speech import Phone, accents, padded, pauses, phrase_starts, read_phones
from retake.backend.training.styles import STYLE_NAMES
from retake.backend.training.teacher import perform

WORDS = [
    *[(0.0, 0.5, "sil"), (0.5, 0.58, "m"), (0.58, 0.74, "aa"), (0.74, 0.82, "p"), (0.82, 0.9, "iy"), (0.9, 0.97, "b")],
    *[(0.97, 1.15, "ay"), (1.15, 1.25, "f"), (1.25, 1.4, "ae"), (1.4, 1.48, "v"), (1.48, 1.6, "uw"), (1.6, 1.7, "s")],
    *[(1.7, 1.85, "ao"), (1.85, 1.95, "w"), (1.95, 2.1, "iy"), (2.1, 3.0, "sil")],
]
PHONES = read_phones(WORDS, 3.0)


@pytest.fixture(scope="module")
def rig() -> LipRig:
    return LipRig.of_head()


def column(track: np.ndarray, name: str) -> np.ndarray:
    return track[:, CHANNEL_NAMES.index(name)]


def at(phone: str) -> float:
    """Centre of the first phone of this name."""
    return next(p.centre for p in PHONES if p.name == phone)


def test_shape_and_range() -> None:
    track = perform(PHONES, 3.0, 24.0, seed=3)
    assert track.shape == (72, 55)
    assert track.dtype == np.float32
    assert track[:, :52].min() >= 0.0
    assert track[:, :52].max() <= 1.0
    assert np.abs(track[:, 52:]).max() < 0.6


@pytest.mark.parametrize("fps", [23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 60.0])
@pytest.mark.parametrize("style", STYLE_NAMES)
def test_lips_really_close_at_every_rate_and_in_every_style(rig: LipRig, fps: float, style: str) -> None:
    for seed in (None, 1, 2):
        gap = rig.gap(perform(PHONES, 3.0, fps, style, seed))
        for phone in PHONES:
            inside = (np.arange(len(gap)) / fps >= phone.start) & (np.arange(len(gap)) / fps <= phone.end)
            if phone.name in "pbm":
                assert gap[inside].min() < 0.5, (phone, gap[inside])


def test_the_mouth_opens_at_vowels_and_rests_in_silence(rig: LipRig) -> None:
    gap = rig.gap(perform(PHONES, 3.0, 60.0))
    assert 7.0 < gap[round(at("aa") * 60)] < 16.0
    assert gap[:24].max() < 0.1
    assert gap[-40:].max() < 0.1


def test_teeth_on_the_lip(rig: LipRig) -> None:
    track = perform(PHONES, 3.0, 60.0)
    frame = round(at("f") * 60)
    assert column(track, "mouthRollLower")[frame] > 0.4
    assert rig.gap(track)[frame] < 0.25 * rig.gap(track)[round(at("ae") * 60)]


def test_rounding_narrows_the_mouth_and_comes_early(rig: LipRig) -> None:
    track = perform(PHONES, 3.0, 60.0)
    width = rig.width(track)
    assert width[round(at("w") * 60)] < width[round(at("iy") * 60)] - 5.0
    start = next(p.start for p in PHONES if p.name == "uw")
    assert column(track, "mouthPucker")[round((start - 0.03) * 60)] > 0.05


def test_the_same_seed_is_the_same_take_and_others_differ() -> None:
    first, again, other = perform(PHONES, 3.0, seed=4), perform(PHONES, 3.0, seed=4), perform(PHONES, 3.0, seed=5)
    np.testing.assert_array_equal(first, again)
    assert np.abs(column(first, "jawOpen") - column(other, "jawOpen")).mean() > 0.005
    assert np.abs(first[:, 52:] - other[:, 52:]).mean() > np.deg2rad(0.5)


def test_a_take_is_the_same_motion_at_twice_the_rate() -> None:
    slow, fast = perform(PHONES, 3.0, 30.0, seed=6), perform(PHONES, 3.0, 60.0, seed=6)
    mouth = [index for index, name in enumerate(CHANNEL_NAMES) if name.startswith(("jaw", "mouthC", "mouthP"))]
    np.testing.assert_allclose(slow[:, mouth], fast[::2][:, mouth], atol=1e-6)


def test_styles_can_be_told_apart() -> None:
    means = {style: perform(PHONES, 3.0, style=style, seed=1).mean(axis=0) for style in STYLE_NAMES}
    assert len(STYLE_NAMES) >= 8
    jaw, smile = CHANNEL_NAMES.index("jawOpen"), CHANNEL_NAMES.index("mouthSmileLeft")
    assert means["shouting"][jaw] > 1.5 * means["neutral"][jaw] > 2.5 * means["mumbling"][jaw]
    assert means["smiling"][smile] > 0.3 > 0.1 > means["neutral"][smile]
    assert means["sad"][CHANNEL_NAMES.index("browInnerUp")] > means["neutral"][CHANNEL_NAMES.index("browInnerUp")] + 0.2


def test_blinks_come_as_often_as_people_blink() -> None:
    long = [Phone(4.0 * i, 4.0 * i + 3.0, "sil" if i % 5 == 4 else "ah") for i in range(75)]
    blink = column(perform(read_phones([(p.start, p.end, p.name) for p in long], 300.0), 300.0, seed=0), "eyeBlinkLeft")
    blinks = ((blink[1:] > 0.5) & (blink[:-1] <= 0.5)).sum() / 5.0
    assert 10 <= blinks <= 25


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(OptionsError, match="'angry'"):
        perform(PHONES, 1.0, style="angry")


def test_nothing_to_perform() -> None:
    assert perform([], 0.0).shape == (0, 55)


def test_phones_are_completed_with_silence() -> None:
    phones = read_phones([(0.2, 0.4, "AA1"), (0.3, 0.5, "b"), (0.5, 0.6, "sp"), (0.6, 0.7, "pau")], 1.0)
    assert [(p.start, p.end, p.name) for p in phones] == [
        (0.0, 0.2, "sil"),
        (0.2, 0.4, "aa"),
        (0.4, 0.5, "b"),
        (0.5, 1.0, "sil"),
    ]


def test_padding_joins_the_silence_that_is_there() -> None:
    phones = padded([Phone(0.0, 0.5, "sil"), Phone(0.5, 1.0, "aa")], 0.25, 0.5)
    assert [(p.start, p.end, p.name) for p in phones] == [(0.0, 0.75, "sil"), (0.75, 1.25, "aa"), (1.25, 1.75, "sil")]


def test_pauses_phrases_and_accents() -> None:
    assert [pause.start for pause in pauses(PHONES)] == [0.0, 2.1]
    assert phrase_starts(PHONES) == [0.5]
    strong = accents([Phone(0.0, 0.3, "aa"), Phone(0.3, 0.36, "ih"), Phone(0.9, 1.2, "ae")])
    assert [round(accent.time, 2) for accent in strong] == [0.15, 1.05]


def test_diphthongs_are_split_without_gaps() -> None:
    parts = split_diphthongs([Phone(0.0, 0.1, "ow"), Phone(0.1, 0.2, "t")])
    assert [part.name for part in parts] == ["ao", "uw", "t"]
    assert parts[0].end == parts[1].start
    assert parts[1].end == 0.1
