# SPDX-License-Identifier: GPL-3.0-or-later
"""Sequences carried over to a head: units, offsets, neutral, axes, motion of the whole head."""

from __future__ import annotations

import numpy as np
import pytest

from retake.addon.core.flame import rotation_matrices
from retake.addon.core.rotations import angles_between, of_matrices
from retake.addon.core.vertex_motion import Neck, VertexMotion, calm_vertices, carry_over
from retake.backend.errors import InputError
from retake.tests.flame_files import HEAD
from retake.tools.vertex_figures import curves, smooth_fields

FRAMES = 60
with np.load(HEAD) as _file:
    HEAD_POINTS = _file["v_template"].astype(np.float64)
    CONTROLS = _file["controls"]
    JAW = _file["weights"][:, 2].astype(np.float64)
CALM = calm_vertices(CONTROLS, JAW)


def speaking(seed: int = 0) -> np.ndarray:
    """(N, V, 3) m, displacements of some controls, with pauses at both ends and in the middle."""
    rng = np.random.default_rng(seed)
    weights = curves(rng, FRAMES, len(CONTROLS)) * (rng.random(len(CONTROLS)) < 0.2)
    for pause in (slice(0, 8), slice(28, 36), slice(54, 60)):
        weights[pause] = 0.0
    return np.asarray(np.tensordot(weights, CONTROLS, 1))


def somebody_else() -> np.ndarray:
    """(V, 3) m, another face of the same topology."""
    return np.asarray(1.06 * HEAD_POINTS + 5.0 * smooth_fields(HEAD_POINTS, 3, np.random.default_rng(9)).sum(axis=0))


def carried(sequence: np.ndarray, neutral: np.ndarray | None = None, turns_with: str = "") -> VertexMotion:
    face = None if neutral is None else neutral.astype(np.float32)
    return carry_over(sequence.astype(np.float32), face, HEAD_POINTS, CALM, turns_with)


def off_mm(motion: VertexMotion, wanted: np.ndarray) -> float:
    return 1000.0 * float(np.linalg.norm(motion.displacements - wanted, axis=2).max())


@pytest.mark.parametrize(("scale", "unit"), [(1.0, "metres"), (100.0, "centimetres"), (1000.0, "millimetres")])
def test_units_are_judged_by_size_and_said(scale: float, unit: str) -> None:
    motion = carried(scale * (HEAD_POINTS + speaking()))
    assert off_mm(motion, speaking()) < 0.001
    assert motion.notices[0] == f"Its values are places of vertices, in {unit}."
    assert "this very head" in motion.notices[1]
    offsets = carried(scale * speaking())
    assert off_mm(offsets, speaking()) < 0.001
    assert offsets.notices == (f"Its values are offsets from a neutral face, in {unit}.",)


def test_faces_of_no_heads_size_are_refused() -> None:
    with pytest.raises(InputError, match="is no head in metres, centimetres or millimetres"):
        carried(1e5 * (HEAD_POINTS + speaking()))


@pytest.mark.parametrize("base", [0.0, 1.0])
def test_what_moves_as_no_face_does_is_refused(base: float) -> None:
    sequence = base * HEAD_POINTS + speaking()
    sequence[7, 40, 1] = 1e20
    with pytest.raises(InputError, match="in the file's frame 7, as no face does"):
        carried(sequence)


def test_only_the_motion_of_another_face_counts_with_its_neutral() -> None:
    motion = carried(somebody_else() + speaking(), somebody_else())
    assert off_mm(motion, speaking()) < 0.001


def test_without_its_neutral_the_pauses_of_another_face_are_its_rest() -> None:
    motion = carried(somebody_else() + speaking())
    assert off_mm(motion, speaking()) < 0.001
    assert "stillest" in motion.notices[1]
    rng = np.random.default_rng(1)
    noisy = somebody_else() + speaking() + 2e-5 * rng.standard_normal((FRAMES, *HEAD_POINTS.shape))
    assert off_mm(carried(noisy), speaking()) < 0.25


def test_offsets_with_noise_are_still_offsets() -> None:
    rng = np.random.default_rng(2)
    noise = 1e-4 * rng.standard_normal((FRAMES, *HEAD_POINTS.shape))
    assert "offsets" in carried(speaking() + noise).notices[0]
    assert "offsets" in carried(np.zeros((3, *HEAD_POINTS.shape))).notices[0]


def test_other_axes_are_turned_to_the_heads() -> None:
    z_up = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    motion = carried((somebody_else() + speaking()) @ z_up.T, somebody_else() @ z_up.T)
    assert any("axes" in notice for notice in motion.notices)
    assert off_mm(motion, speaking()) < 1.0, "the other face is held a little otherwise"


def test_a_motion_of_the_whole_head_is_taken_out_and_told() -> None:
    time = np.arange(FRAMES)[:, None] / 10.0
    turns = np.sin(time) * np.array([0.1, 0.25, 0.05])
    shifts = np.sin(time) * np.array([0.02, 0.0, 0.01])
    R = rotation_matrices(turns)
    moved = np.einsum("nab,nvb->nva", R, HEAD_POINTS + speaking()) + shifts[:, None]
    motion = carried(moved, HEAD_POINTS, "the bone 'root'")
    assert off_mm(motion, speaking()) < 0.5
    assert motion.head is not None
    assert np.abs(motion.head.rotations - turns).max() < 0.003
    assert np.abs(motion.head.shifts - shifts).max() < 0.002
    assert motion.notices[-1].startswith("The whole head turns by up to 15.")
    assert motion.notices[-1].endswith("it is put on the bone 'root'.")
    assert carried(moved, HEAD_POINTS).notices[-1].endswith("left out, as no bone can take it.")


def test_a_head_that_turns_on_its_neck_leaves_the_body_and_bends_back() -> None:
    shares = np.clip((HEAD_POINTS[:, 1] - HEAD_POINTS[:, 1].min()) / 0.08 - 0.3, 0.0, 1.0)
    joint = np.array([0.0, HEAD_POINTS[:, 1].min() + 0.05, 0.0])
    neck = Neck("the bone 'neck'", joint, shares)
    calm = calm_vertices(CONTROLS, JAW + 1.0 - shares)
    motion = speaking()
    turns = rotation_matrices(0.3 * np.sin(np.arange(FRAMES) / 9.0)[:, None] * np.array([0.4, 0.9, 0.1]))
    bent = np.eye(3) + shares[:, None, None] * (turns[:, None] - np.eye(3))
    sequence = joint + np.einsum("nvab,nvb->nva", bent, HEAD_POINTS + motion - joint)
    found = carry_over(sequence.astype(np.float32), None, HEAD_POINTS, calm, "the bone 'root'", neck)
    assert found.head is not None
    assert found.head.is_on_neck
    assert found.notices[-1].endswith("it is put on the bone 'neck'.")
    assert angles_between(found.head.rotations, of_matrices(turns)).max() < 1e-3
    assert np.abs(found.displacements - motion).max() < 1e-4
    whole = np.einsum("nab,nvb->nva", turns, HEAD_POINTS + motion)
    found = carry_over(whole.astype(np.float32), None, HEAD_POINTS, calm, "the bone 'root'", neck)
    assert found.head is not None
    assert not found.head.is_on_neck
    assert found.notices[-1].endswith("it is put on the bone 'root'.")


def test_a_head_that_stands_is_not_said_to_turn() -> None:
    assert carried(HEAD_POINTS + speaking()).head is None


def test_one_frame_is_carried_over() -> None:
    motion = carried((HEAD_POINTS + speaking())[20:21], HEAD_POINTS)
    assert off_mm(motion, speaking()[20:21]) < 0.001
