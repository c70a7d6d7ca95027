# SPDX-License-Identifier: GPL-3.0-or-later
"""The skin in neutral: cage, relaxation onto the sculpt, subdivision, and the details that are snapped afterwards."""

from __future__ import annotations

import numpy as np

from . import cage as cages
from . import features
from .mesh import Ints, Mask, Mesh, catmull_clark, mirror_half, symmetrize, uniform_laplacian
from .sculpt import EYE_CENTER, EYE_RADIUS
from .sdf import Field, cast, project

LIP_GAP = 0.004  # cm between the closed lips, so that every vertex has a place of its own
EYE_RINGS, NOSTRIL_RINGS, EAR_RINGS = 16, 8, 18


def build_cage(sculpt: Field) -> tuple[Mesh, Mask]:
    """The whole cage before relaxation, and which of its vertices are pinned."""
    cage = cages.grid_cage(sculpt)
    _pin_nose(cage, sculpt)
    for cell, point in zip(cages.EAR_BORDER, features.ear_root(sculpt), strict=True):
        cage.pin(cell, point)
    _fill_mouth(cage, sculpt)
    _fill_eye(cage, sculpt)
    nostril = features.nostril_rings(sculpt)
    ids = cages.add_rings(cage, "nostril", cages.NOSTRIL_BORDER, nostril, free=())
    cages.zip_ring(cage, ids[-1])
    ear = features.ear_rings(cage.at(cages.EAR_BORDER))
    ids = cages.add_rings(cage, "ear", cages.EAR_BORDER, ear, free=())
    cages.zip_ring(cage, ids[-1])
    attributes = cages.ring_attributes(cage, {"mouth": 0, "eye": EYE_RINGS, "nostril": NOSTRIL_RINGS, "ear": EAR_RINGS})
    attributes["pinned"] = np.array(cage.pinned, float)
    mesh = mirror_half(np.array(cage.positions), np.array(cage.faces), attributes)
    return mesh, mesh.attributes["pinned"] > 0.5


def _pin_nose(cage: cages.Cage, sculpt: Field) -> None:
    for cell, (x, y) in features.NOSE_PINS.items():
        cage.pin(cell, cast(sculpt, [(x, y, 16.0)], (0, 0, -1))[0])
    for cell, point in features.COLUMELLA_PINS.items():
        cage.pin(cell, np.array(point))


def _fill_mouth(cage: cages.Cage, sculpt: Field) -> None:
    rings = features.lip_rings(sculpt)
    border = cage.at(cages.MOUTH_BORDER)
    rings = [*cages.blend_rings(border, rings[0], 1), *rings]
    ids = cages.add_rings(cage, "mouth", cages.MOUTH_BORDER, rings, free=(1,), closed=False)
    cages.zip_ring(cage, ids[-1])


def _fill_eye(cage: cages.Cage, sculpt: Field) -> None:
    rings = features.lid_rings(sculpt)
    border = cage.at(cages.EYE_BORDER)
    rings = [*cages.blend_rings(border, rings[0], 1), *rings]
    cages.add_rings(cage, "eye", cages.EYE_BORDER, rings, free=(1,))


def relax(mesh: Mesh, free: Mask, sculpt: Field, passes: int, rate: float) -> None:
    """Even out free vertices (V,) bool along the sculpt: part of a Laplacian step, then projection, repeated."""
    laplacian = uniform_laplacian(mesh.faces, len(mesh.vertices))
    for _ in range(passes):
        moved = mesh.vertices + rate * (laplacian @ mesh.vertices)
        moved[free] = project(sculpt, moved[free], 1)
        mesh.vertices = symmetrize(np.where(free[:, None], moved, mesh.vertices), mesh.mirror)
    mesh.vertices[free] = project(sculpt, mesh.vertices[free], 3)
    mesh.vertices = symmetrize(mesh.vertices, mesh.mirror)


def build_skin(sculpt: Field) -> Mesh:
    """The neutral skin: closed lips in contact, lids around the eyeballs, both halves alike."""
    mesh, pinned = build_cage(sculpt)
    relax(mesh, ~pinned, sculpt, 40, 0.5)
    mesh = catmull_clark(mesh)
    free = _on_sculpt(mesh)
    relax(mesh, free, sculpt, 16, 0.5)
    _soften_seams(mesh, free)
    _soften_ears(mesh)
    _keep_lids_off_the_eye(mesh)
    seal_lips(mesh)
    mesh.vertices = symmetrize(mesh.vertices, mesh.mirror)
    return mesh


def _on_sculpt(mesh: Mesh) -> Mask:
    a = mesh.attributes
    mouth_and_eye = (a["mouth_ring"] < 2.0) & (a["eye_ring"] < 2.0)
    return np.asarray(mouth_and_eye & (a["nostril_ring"] < 1.01) & (a["ear_ring"] < 0.0) & (a["row"] > 0.01))


def _soften_seams(mesh: Mesh, free: Mask) -> None:
    """A few Taubin passes over what is on the sculpt, so that sculpt and explicit rings meet without a step."""
    laplacian = uniform_laplacian(mesh.faces, len(mesh.vertices))
    free = free & (mesh.attributes["nostril_ring"] < -0.6)
    for _ in range(8):
        for rate in (0.5, -0.52):
            mesh.vertices = np.where(free[:, None], mesh.vertices + rate * (laplacian @ mesh.vertices), mesh.vertices)


def _soften_ears(mesh: Mesh) -> None:
    """Round the folds of the ears and the rims of the nostrils a little."""
    laplacian = uniform_laplacian(mesh.faces, len(mesh.vertices))
    a = mesh.attributes
    part = ((a["ear_ring"] > -0.6) | (a["nostril_ring"] > 1.4))[:, None]
    for _ in range(3):
        mesh.vertices = np.where(part, mesh.vertices + 0.35 * (laplacian @ mesh.vertices), mesh.vertices)


def _keep_lids_off_the_eye(mesh: Mesh) -> None:
    """Push lid skin (plate to margin) out to at least .07 cm over the eyeball."""
    ring = mesh.attributes["eye_ring"]
    lids = (ring > 1.9) & (ring <= 5.01)
    for side in (1.0, -1.0):
        part = lids & (mesh.vertices[:, 0] * side > 0)
        arm = mesh.vertices[part] - EYE_CENTER * [side, 1, 1]
        length = np.linalg.norm(arm, axis=1, keepdims=True)
        mesh.vertices[part] += arm / length * np.maximum(EYE_RADIUS + 0.07 - length, 0.0)


def lip_pairs(mesh: Mesh, ring: float) -> tuple[Ints, Ints]:
    """Vertex ids of one lip ring: upper and the lower one facing each, both (n,), corners left out."""
    a = mesh.attributes
    here = np.flatnonzero(np.abs(a["mouth_ring"] - ring) < 0.01)
    side = np.sign(np.round(mesh.vertices[here, 0], 6))
    table = {(round(float(2 * s)), int(x)): v for v, s, x in zip(here, a["mouth_s"][here], side, strict=True)}
    keys = sorted((k for k in table if k[0] < 14), key=lambda k: (k[1], k[0]))
    upper = np.array([table[k] for k in keys])
    lower = np.array([table[28 - k[0], k[1]] for k in keys])
    return upper, lower


def seal_lips(mesh: Mesh) -> None:
    """Bring the contact rings of both lips to one curve; rings beside them follow in part."""
    upper, lower = lip_pairs(mesh, features.LIP_CONTACT)
    offset = 0.5 * (mesh.vertices[lower] - mesh.vertices[upper])
    for step, share in ((0.0, 1.0), (-0.5, 0.6), (0.5, 0.6), (-1.0, 0.25), (1.0, 0.25)):
        near_upper, near_lower = lip_pairs(mesh, features.LIP_CONTACT + step)
        mesh.vertices[near_upper] += share * offset
        mesh.vertices[near_lower] -= share * offset
    mesh.vertices[upper, 1] += LIP_GAP / 2
    mesh.vertices[lower, 1] -= LIP_GAP / 2
