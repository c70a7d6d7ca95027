# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of the model card, out of what the commands that measure wrote with --json. Standard library only.

Between the lines `<!-- NAME -->` and `<!-- end -->` of the card stands what a table's function makes of NAME.json:
`speech`, `takes`, `editing`, `noise`, `guidance`, `teacher` and `labels` of `python -m backend evaluate ...`, and
`scene` of `scripts/measure_scene.py`; `folds` is of fold_1.json and so on, `evaluate speech` of speakers held out.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .environments import ROOT

Figures = Mapping[str, Any]

_MEASURES = {
    "closure": "closure score",
    "gap_correlation": "lip-gap correlation",
    "control_correlation": "correlation of six lip controls",
    "opening_mm": "opening at open vowels, mm",
    "fv_auc": "f/v AUC",
    "rounding_auc": "rounding AUC",
    "rest": "rest in silence",
    "lag_ms": "lag, ms",
}
_COLUMNS = {
    "model": "model",
    "trusted": "the same, without doubtful silences",
    "teacher_take": "a teacher's take",
    "jittered": "phone times jittered",
    "other_clip": "teacher of another clip",
    "loudness": "loudness alone",
}


def speech(figures: Figures) -> str:
    """Lip measures beside their ceilings and floors, and by speaker."""
    columns = {"model": figures["model"], "trusted": figures["model_without_doubtful"], **figures["baselines"]}
    rows = [[label, *(_number(columns[c][name], name) for c in _COLUMNS)] for name, label in _MEASURES.items()]
    rows.insert(1, ["- its worst take", _number(figures["worst_take"]["closure"]), *[""] * (len(_COLUMNS) - 1)])
    groups = [
        [name, str(group["clips"]), *(_number(group["model"][measure], measure) for measure in _MEASURES)]
        for name, group in figures["speakers"].items()
    ]
    heads = ["speaker or set", "recordings", *_MEASURES.values()]
    return _table(["", *_COLUMNS.values()], rows) + "\n\n" + _table(heads, groups)


def takes(figures: Figures) -> str:
    """Spread, liveliness and published measures, beside the teacher's."""
    return _table(["", *figures], [[m, *(_number(figures[c][m]) for c in figures)] for m in figures["model"]])


def editing(figures: Figures) -> str:
    """The grid of edits, then the reach of single keys."""
    grid = {name: row for name, row in figures.items() if name != "reach"}
    return "\n\n".join(filter(None, (_by_row("edit", grid), _by_row("key on", figures["reach"]))))


def noise(figures: Figures) -> str:
    """Lip measures by level of noise."""
    names = [*_MEASURES, "closure_loss"]
    labels = {**_MEASURES, "closure_loss": "share of the closure score lost"}
    return _table(["", *figures], [[labels[m], *(_number(row[m], m) for row in figures.values())] for m in names])


def guidance(figures: Figures) -> str:
    """Sync and spread by guidance scale."""
    names = ("closure", "gap_correlation", "fv_auc", "spread_lip_gap_mm", "spread_brow", "spread_blink")
    return _table(["guidance", *names], [[scale, *(_number(row[n]) for n in names)] for scale, row in figures.items()])


def folds(figures: Figures) -> str:
    """Lip measures of speakers that a model has not heard, by fold, and the closure score over the teacher's."""
    rows = [
        [fold, str(row["clips"]), _number(row["share"]["closure"])]
        + [_number(row["model"][name], name) for name in _MEASURES]
        for fold, row in sorted(figures.items())
    ]
    return _table(["fold", "recordings", "closure, share of the teacher's", *_MEASURES.values()], rows)


def teacher(figures: Figures) -> str:
    """What the teacher shows, by style."""
    names = ["closure", "opening_mm", "fv_auc", "rounding_auc", "blinks", "neck_sd_deg"]
    names += ["vowel_spread_mm", "brow_spread", "neck_spread_deg"]
    return _table(["style", *names], [[style, *(_number(row[n], n) for n in names)] for style, row in figures.items()])


def labels(figures: Figures) -> str:
    """How far two aligners agree, by set of recordings."""
    names = (*_MEASURES, "clips", "all_clips", "median_ms", "late_ms")
    return _table(["set", *names], [[name, *(_number(row[n], n) for n in names)] for name, row in figures.items()])


def scene(figures: Figures) -> str:
    """What Blender shows: lips on the evaluated mesh, edits on the curves."""
    lips = {name: row for name, row in figures.items() if "mesh_closure" in row}
    edits = {name: row for name, row in figures.items() if name not in lips}
    return "\n\n".join(filter(None, (_by_row("scene", lips), _by_row("edit, 24 fps", edits))))


TABLES: dict[str, Callable[[Figures], str]] = {
    f.__name__: f for f in (speech, folds, takes, editing, noise, guidance, teacher, labels, scene)
}


def _by_row(title: str, rows: Mapping[str, Mapping[str, float]]) -> str:
    names = list(next(iter(rows.values()), {}))
    return (
        ""
        if not rows
        else _table([title, *names], [[name, *(_number(row[n], n) for n in names)] for name, row in rows.items()])
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _number(value: float, measure: str = "") -> str:
    """Two figures that count, or the whole of large ones."""
    if value != value:
        return "-"
    if "error" in measure:
        return f"{value:.1e}"
    if measure in ("lag_ms", "median_ms", "late_ms", "clips", "all_clips") or abs(value) >= 10:
        return f"{value:.0f}"
    return f"{value:.3f}" if abs(value) < 0.095 else f"{value:.2f}"


def renewed(card: str, figures: Mapping[str, Figures]) -> str:
    """The card with the tables of the given figures in their places.

    Raises:
        ValueError: The card has no place for a table, or a figure that its table needs is missing.
    """
    for name, found in figures.items():
        place = re.compile(rf"<!-- {name} -->\n.*?<!-- end -->", re.DOTALL)
        if not place.search(card):
            raise ValueError(f"the card has no place for '{name}'")
        try:
            whole = f"<!-- {name} -->\n{TABLES[name](found)}\n<!-- end -->"
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{name}.json lacks {error}") from error
        card = place.sub(whole.replace("\\", r"\\"), card)
    return card


def main(arguments: Sequence[str]) -> int:
    """Renew the card; returns the exit code."""
    parser = argparse.ArgumentParser(prog="model_card.py", description="Renews the tables of the model card.")
    parser.add_argument("figures", type=Path, help=f"folder with {', '.join(f'{name}.json' for name in TABLES)}")
    parser.add_argument("--card", type=Path, default=ROOT / "docs" / "model-card.md")
    options = parser.parse_args(arguments)
    files = {name: options.figures / f"{name}.json" for name in TABLES if name != "folds"}
    found = {name: path for name, path in files.items() if path.is_file()}
    held = {path.stem.removeprefix("fold_"): path for path in options.figures.glob("fold_*.json")}
    if not found and not held:
        print(f"'{options.figures}' holds none of {', '.join(path.name for path in files.values())}.", file=sys.stderr)
        return 1
    try:
        figures = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in found.items()}
        if held:
            figures["folds"] = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in held.items()}
        card = renewed(options.card.read_text(encoding="utf-8"), figures)
        partial = options.card.with_name(options.card.name + ".part")
        partial.write_text(card, encoding="utf-8", newline="\n")
        partial.replace(options.card)
    except (OSError, ValueError) as error:
        print(f"The card was not renewed: {error}. It is as it was.", file=sys.stderr)
        return 1
    print(f"Renewed {', '.join(figures)}; not measured: {', '.join(sorted(set(files) - set(found))) or 'nothing'}.")
    return 0
