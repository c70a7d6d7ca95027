# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep, Push to NLA and Bake: what plays stays what it is."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest

from retake.addon import compat
from retake.addon.operators.session import session

from .helpers import GENERATED, Stage, error_of

FRAMES = np.arange(-30, 90)


@pytest.fixture
def taken(stage: Stage) -> Stage:
    stage.key_value("jawOpen", 20.3, 0.6)
    stage.generate(count=2, parts={"MOUTH", "UPPER_FACE", "EYES", "HEAD"})
    return stage


def evaluated(stage: Stage) -> np.ndarray:
    return np.array([list(stage.weights(frame).values()) for frame in (-5, 12, 20.25, 40, 60)])


def test_keep_makes_an_ordinary_action_that_survives(taken: Stage, tmp_path: Path) -> None:
    before = {name: taken.table(name).tobytes() for name in taken.curve_ids()}
    known = {action.name for action in bpy.data.actions}
    bpy.ops.retake.keep_take()
    kept = [action for action in bpy.data.actions if action.name not in known]
    assert len(kept) == len({owner.animation_data.action for owner in (taken.key, taken.rig)})
    assert all(action.use_fake_user and action.name.startswith("Retake Head Take 1") for action in kept)
    curves = [curve for action in kept for curve in compat.all_fcurves(action)]
    assert len(curves) == len(taken.curve_ids())
    assert not any(point.type == "GENERATED" for curve in curves for point in curve.keyframe_points)
    assert {name: taken.table(name).tobytes() for name in taken.curve_ids()} == before
    names = sorted(action.name for action in kept)
    bpy.ops.retake.show_original()
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "kept.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "kept.blend"))
    assert set(names) <= {action.name for action in bpy.data.actions}


def test_pushed_down_it_plays_the_same_and_takes_go_on_top(taken: Stage) -> None:
    before = evaluated(taken)
    bpy.ops.retake.push_to_nla()
    track = "The NLA track 'Retake Head Take 1' plays frames -23 to 73 now"
    assert session.sentence == f"{track}; a take shown anew goes on top of it."
    assert taken.key.animation_data.action is None
    assert [track.name for track in taken.key.animation_data.nla_tracks] == ["Retake Head Take 1"]
    assert np.abs(evaluated(taken) - before).max() <= 1e-5
    bpy.ops.retake.show_take(take=2)
    assert len(taken.generated("jawOpen")) > 40
    bpy.ops.retake.show_original()
    assert np.abs(evaluated(taken) - before).max() <= 1e-5


def test_baked_keys_are_the_animators(taken: Stage) -> None:
    before = taken.tracks(FRAMES)
    bpy.ops.retake.bake_take()
    assert session.sentence == "The generated keys of frames -23 to 73 are plain keyframes now, which takes keep."
    for name in taken.curve_ids():
        table = taken.table(name)
        assert not (table["type"] == GENERATED).any()
        assert set(range(-23, 74)) <= set(table["co"][:, 0].tolist())
        assert np.abs(taken.at(name, FRAMES) - before[name]).max() <= 1e-5
    assert np.isclose(taken.table("jawOpen")["co"][:, 0], 20.3).any()
    baked = {name: taken.table(name).tobytes() for name in taken.curve_ids()}
    bpy.ops.retake.show_take(take=2)
    assert {name: taken.table(name).tobytes() for name in taken.curve_ids()} == baked, "a bake is given"


@pytest.mark.parametrize("operator", ["keep_take", "push_to_nla", "bake_take"])
def test_without_a_shown_take_there_is_nothing_to_keep(taken: Stage, operator: str) -> None:
    bpy.ops.retake.show_original()
    assert "nothing to keep" in error_of(getattr(bpy.ops.retake, operator))
