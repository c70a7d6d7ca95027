# SPDX-License-Identifier: GPL-3.0-or-later
"""Which shape keys carry which channels, and how groups of them show and are shown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retake.addon.core.binding import Binding, Property
from retake.addon.core.poses import MOUTH_SHAPES, shape_values
from retake.addon.core.rig_names import VISEMES, ShapeGroup, match_shapes, unmapped
from retake.backend.protocol import CONTROL_NAMES

READY_PLAYER_ME = (
    *("viseme_sil", "viseme_PP", "viseme_FF", "viseme_TH", "viseme_DD", "viseme_kk", "viseme_CH", "viseme_SS"),
    *("viseme_nn", "viseme_RR", "viseme_aa", "viseme_E", "viseme_I", "viseme_O", "viseme_U"),
)
VRCHAT = tuple(f"vrc.v_{name}" for name in ("sil", "pp", "ff", "aa", "e", "ih", "oh", "ou"))
VROID = ("Fcl_MTH_A", "Fcl_MTH_I", "Fcl_MTH_U", "Fcl_MTH_E", "Fcl_MTH_O", "Fcl_EYE_Close", "Fcl_ALL_Joy")


def visemes_of(names: tuple[str, ...]) -> ShapeGroup | None:
    """The group of the visemes."""
    return next((group for group in match_shapes(names) if len(group.channels) > 2), None)


def test_arkits_names_are_one_to_one() -> None:
    groups = match_shapes(tuple(CONTROL_NAMES))
    assert [group.channels for group in groups] == [(name,) for name in CONTROL_NAMES]
    assert all(group.binding.is_plain for group in groups)
    assert not unmapped(groups)


def test_one_shape_for_both_sides_and_one_for_each() -> None:
    whole = [name for name in CONTROL_NAMES if name not in ("mouthSmileLeft", "mouthSmileRight", "browInnerUp")]
    groups = match_shapes((*whole, "Mouth_Smile", "browInnerUp_L", "BrowInnerUpRight"))
    by_channels = {group.channels: group for group in groups}
    assert by_channels["mouthSmileLeft", "mouthSmileRight"].names == ("Mouth_Smile",)
    assert by_channels["browInnerUp",].names == ("browInnerUp_L", "BrowInnerUpRight")
    assert not unmapped(groups)


def test_left_and_right_of_the_mouth_are_no_sides_of_one_shape() -> None:
    groups = match_shapes((*(name for name in CONTROL_NAMES if name not in ("mouthLeft", "mouthRight")), "mouth"))
    assert unmapped(groups) == ["mouthLeft", "mouthRight"]


@pytest.mark.parametrize(("names", "count"), [(READY_PLAYER_ME, 14), (VRCHAT, 7), (VROID, 5), (tuple("AIUEO"), 5)])
def test_visemes_are_found(names: tuple[str, ...], count: int) -> None:
    found = visemes_of(names)
    assert found is not None
    assert len(found.names) == count


def test_visemes_rest_where_a_head_has_the_controls() -> None:
    assert visemes_of((*CONTROL_NAMES, *READY_PLAYER_ME)) is None


@pytest.mark.parametrize("names", [("a", "i", "u", "e", "o"), ("Key 1", "Key 2"), (), ("aardvark", "viseme_PP")])
def test_other_names_are_no_visemes(names: tuple[str, ...]) -> None:
    assert visemes_of(names) is None


def test_blinks_of_other_heads() -> None:
    assert ("eyeBlinkLeft", "eyeBlinkRight") in {group.channels for group in match_shapes(VROID)}
    sided = {group.channels: group.names for group in match_shapes(("Blink", "Blink_L", "Blink_R"))}
    assert sided == {("eyeBlinkLeft",): ("Blink_L",), ("eyeBlinkRight",): ("Blink_R",)}


@pytest.mark.parametrize("shape", MOUTH_SHAPES)
def test_visemes_open_the_lips_as_the_mouth_shape_does(shape: str) -> None:
    group = visemes_of(READY_PLAYER_ME)
    assert group is not None
    values = shape_values(shape, 1.0)
    wanted = np.array([[values.get(name, 0.0) for name in group.channels]])
    amounts = group.binding.values_of(wanted)
    assert amounts.min() >= 0.0
    assert amounts.max() <= 1.0
    jaw, close = (group.channels.index(name) for name in ("jawOpen", "mouthClose"))
    shown = group.binding.channels_of(amounts)[0]
    assert shown[jaw] - shown[close] == pytest.approx(values["jawOpen"] - values["mouthClose"], abs=0.03)


amounts = st.lists(st.floats(0.0, 1.0), min_size=len(VISEMES), max_size=len(VISEMES))


@given(st.lists(amounts, min_size=1, max_size=4))
def test_what_visemes_show_is_shown_again(rows: list[list[float]]) -> None:
    group = visemes_of(READY_PLAYER_ME)
    assert group is not None
    shown = group.binding.channels_of(np.array(rows))
    again = group.binding.channels_of(group.binding.values_of(shown))
    jaw, close = (group.channels.index(name) for name in ("jawOpen", "mouthClose"))
    assert np.abs((again - shown)[:, jaw] - (again - shown)[:, close]).max() < 0.004
    assert np.abs(again - shown).max() < 0.02


gains = st.floats(0.1, 50.0) | st.floats(-50.0, -0.1)
affine = st.builds(lambda gain, offset: Property((1.0 / gain,), offset), gains, st.floats(-9.0, 9.0))


@given(affine, st.lists(st.floats(-2.0, 2.0), min_size=1, max_size=5))
def test_gain_and_offset_are_undone(shown: Property, track: list[float]) -> None:
    binding, channels = Binding(("jawOpen",), (shown,)), np.array(track)[:, None]
    assert np.allclose(binding.channels_of(binding.values_of(channels)), channels, atol=1e-9)


def test_followers_repeat_their_leader_within_their_limits() -> None:
    follower = Property((0.0,), offset=1.0, high=2.0, leader=0, gain=4.0)
    binding = Binding(("jawOpen",), (Property(), follower))
    assert np.allclose(binding.values_of(np.array([[0.1], [0.9]])), [[0.1, 1.4], [0.9, 2.0]])
    assert np.allclose(binding.channels_of(np.array([[0.5, 7.0]])), [[0.5]])
