# SPDX-License-Identifier: GPL-3.0-or-later
"""The import graph: what each side may know of the other, and that no module reaches back."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLENDERS_OWN = {"bpy", "bpy_extras", "mathutils", "bmesh", "aud", "gpu", "gpu_extras", "blf"}

# A package may import what stands to the left of it, itself included.
_SHARED = ("errors", "protocol", "monitor", "outputs")
BACKEND_LAYERS = (*_SHARED, "rigs", "models", "audio", "diffusion", "pipelines", "teacher", "evaluation", "training")
# The articulation teacher and labelled speech are the reference of the measures, which in turn judge the training.
TEACHER = {
    "align",
    "synthesizers",
    "foreign",
    "speech",
    "speech_folder",
    "articulation",
    "expression",
    "styles",
    "teacher",
}
ADDON_LAYERS = ("core", "compat", "scene", "operators", "ui")


def modules_below(folder: str) -> list[Path]:
    return sorted(path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py"))


def imports_of(path: Path) -> set[str]:
    """Dotted names that a file of ours imports anywhere; those of ours start with `retake.`."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    package = ("retake", *path.parts[:-1])
    return {name for node in ast.walk(tree) for name in _names(node, package)}


def _names(node: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = package[: len(package) - node.level + 1] if node.level else ()
        module = ".".join((*base, *(node.module or "").split("."))).strip(".")
        yield from (f"{module}.{alias.name}" for alias in node.names)


def is_below(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


def foreign(names: set[str]) -> set[str]:
    """Top-level packages that are neither ours nor the standard library's."""
    tops = {name.partition(".")[0] for name in names}
    return tops - {"retake"} - set(sys.stdlib_module_names)


def layer_of(name: str, side: str, layers: tuple[str, ...]) -> int | None:
    """Place in `layers` of a module of that side; None for what stands above all of them, or elsewhere."""
    package, _, inside = name.removeprefix(f"retake.{side}.").partition(".")
    if package == "training" and inside.partition(".")[0] in TEACHER:
        package = "teacher"
    return layers.index(package) if package in layers else None


@pytest.mark.parametrize("path", [Path("__init__.py"), *modules_below("addon")], ids=str)
def test_addon_knows_only_protocol_and_errors_of_the_backend(path: Path) -> None:
    from_backend = {name for name in imports_of(path) if is_below(name, "retake.backend")}
    allowed = ("retake.backend.protocol", "retake.backend.errors")
    assert not {name for name in from_backend if not any(is_below(name, module) for module in allowed)}


@pytest.mark.parametrize("path", [Path("__init__.py"), *modules_below("addon")], ids=str)
def test_addon_needs_only_what_blender_has(path: Path) -> None:
    assert foreign(imports_of(path)) <= BLENDERS_OWN | {"numpy"}


@pytest.mark.parametrize("path", modules_below("addon/core"), ids=str)
def test_core_is_free_of_blender(path: Path) -> None:
    assert not foreign(imports_of(path)) & BLENDERS_OWN


@pytest.mark.parametrize("path", modules_below("backend"), ids=str)
def test_backend_knows_neither_blender_nor_the_addon(path: Path) -> None:
    names = imports_of(path)
    assert not foreign(names) & BLENDERS_OWN
    assert not {name for name in names if is_below(name, "retake") and not is_below(name, "retake.backend")}


@pytest.mark.parametrize("path", [Path("backend/protocol.py"), Path("backend/errors.py")], ids=str)
def test_both_sides_can_import_what_they_share(path: Path) -> None:
    assert foreign(imports_of(path)) <= {"numpy"}


@pytest.mark.parametrize("path", [*modules_below("addon"), *modules_below("backend")], ids=str)
def test_no_module_reaches_back(path: Path) -> None:
    side = path.parts[0]
    layers = ADDON_LAYERS if side == "addon" else BACKEND_LAYERS
    own = layer_of(".".join(("retake", *path.with_suffix("").parts)), side, layers)
    ours = {name for name in imports_of(path) if is_below(name, f"retake.{side}")}
    if own is not None:  # the process's own modules and registration stand above all layers
        above = {name for name in ours if (layer_of(name, side, layers) or 0) > own}
        outside = {name for name in ours if layer_of(name, side, layers) is None and name.count(".") > 2}
        assert not above | outside


@pytest.mark.parametrize("path", [Path("__init__.py"), *modules_below("addon"), *modules_below("backend")], ids=str)
def test_the_tree_imports_itself_relatively(path: Path) -> None:
    """Inside Blender the package is called bl_ext.<repository>.retake: only relative imports reach it."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    absolute = {name for node in ast.walk(tree) if not getattr(node, "level", 0) for name in _names(node, ())}
    assert not {name.partition(".")[0] for name in absolute} & {"retake", "addon", "backend", "tools"}
