# SPDX-License-Identifier: GPL-3.0-or-later
"""FLAME files as the published ones are written, made of the stand-in; shared by the tests that read them."""

from __future__ import annotations

import pickle
import sys
import types
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retake.tools.flame_standin import StandIn, make_standin

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT.parent / "shared" / "data" / "flame" / "flame2023_open_template.npz"
HEAD = ROOT / "backend" / "assets" / "head.npz"

needs_template = pytest.mark.skipif(not TEMPLATE.is_file(), reason="FLAME's template is not on this computer")


@cache
def standin(seed: int = 0) -> StandIn:
    """The stand-in, made once a process."""
    return make_standin(TEMPLATE, HEAD, seed)


def as_python_2(arrays: dict[str, Any]) -> bytes:
    """A pickle of protocol 2 under Python 2's names, arrays as chumpy's objects, the regressor as scipy's matrix."""
    chumpy, inner = types.ModuleType("chumpy"), types.ModuleType("chumpy.ch")

    class Ch:
        def __init__(self, x: Any) -> None:
            self.x = x
            self._dirty_vars: set[str] = set()
            self._parents: dict[str, str] = {}

    Ch.__module__, Ch.__qualname__ = "chumpy.ch", "Ch"
    inner.Ch = Ch  # type: ignore[attr-defined]
    sys.modules |= {"chumpy": chumpy, "chumpy.ch": inner}
    try:
        content: dict[str, Any] = {
            name: Ch(arrays[name]) for name in ("v_template", "shapedirs", "posedirs", "weights")
        }
        content |= {"f": arrays["f"], "kintree_table": arrays["kintree_table"].astype(np.uint32)}
        content |= {"J_regressor": sparse(arrays["J_regressor"]), "bs_style": "lbs"}
        return pickle.dumps(content, protocol=2)
    finally:
        del sys.modules["chumpy"], sys.modules["chumpy.ch"]


def sparse(matrix: Any) -> Any:
    """scipy's matrix by columns where scipy is, else an object that pickles as one."""
    scipy_sparse = pytest.importorskip("scipy.sparse")
    return scipy_sparse.csc_matrix(matrix)
