# SPDX-License-Identifier: GPL-3.0-or-later
"""Put the head together and write it: skin, inner parts, controls, rig, colours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import inner, rig
from .colors import PALETTE, paint
from .controls import CONTROL_NAMES, Fields, part_field, skin_fields
from .face import Face
from .features import LIP_BORDER, LIP_CONTACT
from .inner import Part
from .sculpt import head_sculpt
from .sdf import Array
from .skin import build_skin

METRES = 0.01
MATERIALS = (
    "skin", "lips", "lid_rim", "mouth", "nostril", "sclera", "iris", "iris_rim", "pupil",
    "glint", "teeth", "gums", "tongue", "brows", "lashes", "cloth",
)  # fmt: skip


def build_head() -> dict[str, NDArray[Any]]:
    """Every array of `head.npz`, in metres.

    Returns:
        `v_template` (V, 3), `f` (F, 4), `J_regressor` (5, V), `weights` (V, 5), `kintree_table` (2, 5) with parent -1
        for the root, `posedirs` (V, 3, 36), all zero (the jaw bone needs no corrective that linear skinning with the
        jaw control's own weights lacks), `control_names` (52,), `controls` (52, V, 3), `shapedirs` (V, 3, 10),
        `landmarks68` (68,), `inner_lip_pairs` (P, 2), `material_names` (M,), `material_index` (F,), `material_colors`
        (M, 3) and `colors` (V, 3) in sRGB 0 to 255: soft skin tones, for viewers that draw vertex colours.
    """
    sculpt = head_sculpt()
    skin = build_skin(sculpt)
    face = Face(skin)
    parts = _parts(face, inner.brow(sculpt))
    fields = skin_fields(face)
    vertices = np.vstack([skin.vertices, *(p.vertices for p in parts)])
    starts = np.cumsum([len(skin.vertices), *(len(p.vertices) for p in parts)])
    faces = [skin.faces] + [np.where(p.faces < 0, -1, p.faces + s) for p, s in zip(parts, starts[:-1], strict=True)]
    names = [_skin_materials(face), *(p.materials for p in parts)]
    eyes = tuple(int(starts[k]) for k, p in enumerate(parts) if p.motion.startswith("eye:"))
    return {
        "v_template": _rounded(vertices),
        "f": np.vstack(faces).astype(np.int32),
        "J_regressor": rig.joint_regressor(vertices, len(skin.vertices), (eyes[0], eyes[1])).astype(np.float32),
        "weights": _weights(face, parts),
        "kintree_table": rig.KINTREE.astype(np.int32),
        "posedirs": np.zeros((len(vertices), 3, 36), np.float32),
        "control_names": np.array(CONTROL_NAMES),
        "controls": _controls(face, parts, fields),
        "shapedirs": _rounded(rig.identity_shapes(vertices)),
        "landmarks68": rig.landmarks(face, sculpt).astype(np.int32),
        "inner_lip_pairs": rig.inner_lip_pairs(face).astype(np.int32),
        "material_names": np.array(MATERIALS),
        "material_colors": np.array([PALETTE[m] for m in MATERIALS], np.uint8),
        "colors": paint(face, parts, names),
        "material_index": np.array([MATERIALS.index(m) for group in names for m in group], np.int32),
    }


def write_head(path: Path) -> None:
    """Build the head and save it, compressed."""
    arrays = build_head()
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def _rounded(values: Array) -> NDArray[np.float32]:
    """Centimetres to metres, to whole micrometres, so that files compress and both sides agree to the bit."""
    return (np.round(values * METRES, 6) + 0.0).astype(np.float32)


def _parts(face: Face, brow: Part) -> list[Part]:
    """All inner parts; the two eyeballs first."""
    eye = inner.eyeball()
    parts = [replace(eye, motion="eye:Left"), eye.mirrored("eye:Right")]
    for part in inner.teeth():
        parts += [part, part.mirrored()]
    parts += [*inner.gums(), inner.tongue()]
    lash = replace(inner.lashes(face.mesh), motion="glued:lid")
    for part in (brow, lash, inner.glint(), inner.caruncle()):
        parts += [part, part.mirrored()]
    return [*parts, inner.shirt(face.mesh, face.normals)]


def _skin_materials(face: Face) -> list[str]:
    f = face.mesh.faces
    used = np.where(f >= 0, 1, 0)
    ring = (face.ring[f] * used).sum(1) / used.sum(1)
    lowest = np.where(f >= 0, face.ring[f], 99).min(1)
    lid = np.where(f >= 0, face.lid_ring[f], 99).min(1)
    names = np.full(len(f), "skin", object)
    names[(lowest >= LIP_BORDER - 0.01) & (ring < LIP_CONTACT + 1.6)] = "lips"
    names[(lowest >= LIP_BORDER - 0.01) & (ring >= LIP_CONTACT + 1.6)] = "mouth"
    names[lid >= 4.99] = "lid_rim"
    names[face.mesh.attributes["nostril_ring"][f].min(1) > 2.9] = "nostril"
    names[face.mesh.attributes["row"][f].max(1) < 1.01] = "cloth"  # hidden by the collar, seen at its end
    return [str(n) for n in names]


def _weights(face: Face, parts: list[Part]) -> NDArray[np.float32]:
    skin = rig.skin_weights(face)
    stacked = np.vstack([skin, *(rig.part_weights(p) for p in parts)])
    return np.round(stacked, 5).astype(np.float32)


def _controls(face: Face, parts: list[Part], fields: Fields) -> NDArray[np.float32]:
    stacked = [np.vstack([fields[name], *(part_field(p, name, face, fields) for p in parts)]) for name in CONTROL_NAMES]
    return _rounded(np.array(stacked))
