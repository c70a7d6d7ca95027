# SPDX-License-Identifier: GPL-3.0-or-later
"""Fits of vertices: what a head can show is found again, within its sliders, without jitter; the rest is told."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from retake.addon.core.correctives import MOST, find_correctives, fit_with_correctives, posed_with
from retake.addon.core.flame import rotation_matrices
from retake.addon.core.flame_file import flame_of
from retake.addon.core.vertex_fit import FitRig, Jaw, fit_vertices, residual_mm, show
from retake.tests.flame_files import HEAD, needs_template, standin
from retake.tools.flame_standin import StandIn
from retake.tools.vertex_figures import curves, flame_rig, smooth_fields, within

FRAMES = 60


@cache
def built_in() -> FitRig:
    """The built-in head with its jaw's bone."""
    with np.load(HEAD) as file:
        template = file["v_template"].astype(np.float64)
        joint = (file["J_regressor"] @ file["v_template"])[2].astype(np.float64)
        weights, fields = file["weights"][:, 2].astype(np.float64), file["controls"].astype(np.float32)
    K = len(fields)
    jaw = Jaw(joint, weights, np.zeros((9, len(template), 3)), np.zeros((K, 3)))
    return FitRig(template, fields, np.full(K, -0.25), np.full(K, 1.5), np.ones(K), jaw)


@cache
def flame() -> FitRig:
    made: StandIn = standin()
    return flame_rig(flame_of(made.arrays, "stand-in"), 30)


def test_weights_and_the_jaws_turn_are_found_again() -> None:
    rig = built_in()
    weights, turn = within(rig, np.random.default_rng(0), FRAMES)
    fit = fit_vertices(rig, show(rig, weights, turn))
    assert np.abs(fit.weights - weights).max() < 0.01
    assert np.abs(fit.jaw_pose - turn).max() < 0.001
    assert fit.worst_mm.max() < 0.02
    assert fit.weights.shape == (FRAMES, len(rig.fields))
    assert fit.jaw_pose.shape == (FRAMES, 3)
    assert fit.mean_mm.shape == fit.worst_mm.shape == (FRAMES,)


@needs_template
def test_a_flame_head_with_pose_correctives_and_controls_that_turn_the_jaw() -> None:
    rig = flame()
    weights, turn = within(rig, np.random.default_rng(1), FRAMES)
    fit = fit_vertices(rig, show(rig, weights, turn))
    assert fit.mean_mm.max() < 0.005
    assert fit.worst_mm.max() < 0.03
    assert np.abs(fit.jaw_pose - turn).max() < 0.002
    assert (fit.weights >= rig.lower).all()
    assert (fit.weights <= rig.upper).all()


@needs_template
def test_what_a_control_turns_is_put_on_the_control_first() -> None:
    rig = flame()
    assert rig.jaw is not None
    weights = np.zeros((20, len(rig.fields)))
    opens = int(np.argmax(np.linalg.norm(rig.jaw.turns, axis=1)))
    weights[:, opens] = np.linspace(0.0, 0.8, 20)
    fit = fit_vertices(rig, show(rig, weights, weights @ rig.jaw.turns))
    beside = fit.jaw_pose - fit.weights @ rig.jaw.turns
    assert np.degrees(np.linalg.norm(beside, axis=1)).max() < 0.5
    assert np.abs(fit.weights[:, opens] - weights[:, opens]).max() < 0.05


def test_the_motion_that_is_shown_is_skinned_as_the_paper_has_it() -> None:
    rig, rng = built_in(), np.random.default_rng(2)
    jaw = rig.jaw
    assert jaw is not None
    pose = rng.normal(0.0, 1e-3, (9, len(rig.template), 3))
    rig = replace(rig, jaw=replace(jaw, pose=pose))
    weights, turn = rng.random((1, len(rig.fields))), np.array([[0.3, -0.1, 0.05]])
    R = rotation_matrices(turn)[0]
    shaped = rig.template + np.tensordot(weights[0], rig.fields, 1)
    shaped = shaped + np.tensordot((R - np.eye(3)).ravel(), pose, 1)
    turned = (shaped - jaw.joint) @ R.T + jaw.joint
    share = jaw.weights[:, None]
    wanted = share * turned + (1.0 - share) * shaped
    assert np.abs(rig.template + show(rig, weights, turn)[0] - wanted).max() < 1e-7


def test_sliders_are_kept_and_the_rest_is_the_best_within_them() -> None:
    rig = built_in()
    weights, turn = within(rig, np.random.default_rng(3), 20)
    wide = show(rig, 4.0 * weights, turn)
    fit = fit_vertices(rig, wide)
    assert fit.weights.max() == pytest.approx(1.5)
    assert (fit.weights >= rig.lower).all()
    clipped = residual_mm(rig, wide, np.clip(4.0 * weights, rig.lower, rig.upper), turn)
    assert (fit.mean_mm <= clipped[0] + 1e-3).all()


def test_weights_that_are_held_stay_and_the_others_make_up_for_them() -> None:
    rig = built_in()
    weights, turn = within(rig, np.random.default_rng(4), 20)
    held = np.full(weights.shape, np.nan)
    held[:, 3] = 0.7
    fit = fit_vertices(rig, show(rig, np.where(np.isnan(held), weights, held), turn), held)
    assert (fit.weights[:, 3] == 0.7).all()
    assert fit.worst_mm.max() < 0.02


def test_a_jaw_that_may_not_turn_stays_where_the_controls_put_it() -> None:
    rig = built_in()
    assert rig.jaw is not None
    still = replace(rig, jaw=replace(rig.jaw, is_free=False))
    weights, turn = within(rig, np.random.default_rng(5), 20)
    fit = fit_vertices(still, show(rig, weights, turn))
    assert not fit.jaw_pose.any()
    none = fit_vertices(replace(rig, jaw=None), show(rig, weights, 0.0 * turn))
    assert not none.jaw_pose.any()
    assert none.worst_mm.max() < 0.02


@needs_template
@pytest.mark.parametrize("held_at", [None, 0.7])
def test_keys_that_turn_a_jaw_which_nothing_else_may_turn(held_at: float | None) -> None:
    rig = flame()
    assert rig.jaw is not None
    led = replace(rig, jaw=replace(rig.jaw, is_free=False))
    weights, _ = within(rig, np.random.default_rng(8), 20)
    opens = int(np.argmax(np.linalg.norm(rig.jaw.turns, axis=1)))
    weights[:, opens] = np.linspace(0.0, 0.8, 20)
    held = None
    if held_at is not None:
        weights[:, opens] = held_at
        held = np.full(weights.shape, np.nan)
        held[:, opens] = held_at
    fit = fit_vertices(led, show(led, weights, weights @ rig.jaw.turns), held)
    assert np.abs(fit.jaw_pose - fit.weights @ rig.jaw.turns).max() < 1e-9
    assert np.abs(fit.weights[:, opens] - weights[:, opens]).max() < 0.02
    assert fit.worst_mm.max() < 0.05


def test_noise_on_the_vertices_makes_no_jitter() -> None:
    rig, rng = built_in(), np.random.default_rng(6)
    weights, turn = within(rig, rng, FRAMES)
    shown = show(rig, weights, turn)
    noisy = shown + 1e-4 * rng.standard_normal(shown.shape).astype(np.float32)
    fit = fit_vertices(rig, noisy)
    left, worst = residual_mm(rig, shown, fit.weights, fit.jaw_pose)
    assert left.max() < 0.01, "the noise of 0.1 mm is gone"
    assert worst.max() < 0.25
    jitter = np.abs(np.diff(fit.weights - weights, 2, axis=0)).mean()
    assert jitter < 0.02
    assert fit.mean_mm.mean() == pytest.approx(0.16, abs=0.01), "and told: the mean length of such noise"


@needs_template
@pytest.mark.parametrize("seed", [0, 1])
def test_what_lies_beside_the_keys_becomes_few_corrective_keys(seed: int) -> None:
    rig, rng = flame(), np.random.default_rng(seed)
    weights, turn = within(rig, rng, FRAMES)
    fields, amounts = smooth_fields(rig.template, 8, rng), 2.0 * curves(rng, FRAMES, 8) - 1.0
    wider = replace(rig, fields=np.concatenate((rig.fields, fields)))
    motion = show(wider, np.concatenate((weights, amounts), axis=1), turn)
    fit, added = fit_with_correctives(rig, motion, None, 0.1)
    assert residual_mm(rig, motion, fit.weights, fit.jaw_pose)[1].max() > 0.2
    assert 1 <= len(added.fields) <= MOST
    assert added.worst_mm.max() <= 0.1
    whole = posed_with(rig, added)
    mean, worst = residual_mm(whole, motion, np.concatenate((fit.weights, added.weights), axis=1), fit.jaw_pose)
    assert worst.max() == pytest.approx(added.worst_mm.max(), abs=0.01), "what is told is what is shown"
    assert mean.mean() == pytest.approx(added.mean_mm.mean(), abs=0.002)
    assert np.abs(added.weights).max(axis=0) == pytest.approx(np.ones(len(added.fields)))


def test_motion_beyond_24_components_is_lessened_and_what_is_left_is_told() -> None:
    rig, rng = built_in(), np.random.default_rng(7)
    fields = smooth_fields(rig.template, 40, rng, 4.0)
    motion = np.tensordot(2.0 * curves(rng, FRAMES, 40) - 1.0, fields, 1).astype(np.float32)
    fit = fit_vertices(rig, motion)
    added = find_correctives(rig, motion, fit, 0.1)
    assert len(added.fields) == MOST
    assert 0.1 < added.worst_mm.max() < fit.worst_mm.max()
    whole = posed_with(rig, added)
    worst = residual_mm(whole, motion, np.concatenate((fit.weights, added.weights), axis=1), fit.jaw_pose)[1]
    assert worst == pytest.approx(added.worst_mm, abs=0.01)


def test_noise_is_no_reason_for_corrective_keys() -> None:
    rig, rng = built_in(), np.random.default_rng(8)
    weights, turn = within(rig, rng, FRAMES)
    motion = show(rig, weights, turn)
    noisy = motion + 1e-4 * rng.standard_normal(motion.shape).astype(np.float32)
    _, added = fit_with_correctives(rig, noisy, None, 0.1)
    assert len(added.fields) <= 2
    assert added.worst_mm.max() > 0.1


def test_one_frame_alone_is_fitted() -> None:
    rig = built_in()
    weights, turn = within(rig, np.random.default_rng(9), 5)
    fit, added = fit_with_correctives(rig, show(rig, weights, turn)[:1], None, 0.1)
    assert fit.weights.shape == (1, len(rig.fields))
    assert added.worst_mm.max() < 0.05
