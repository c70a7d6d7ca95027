# SPDX-License-Identifier: GPL-3.0-or-later
"""Sub-commands of the command line that judge a model, the teacher and the labels: `evaluate speech|takes|...`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import OptionsError, PackageError
from ..outputs import check_file_target, writing

if TYPE_CHECKING:
    from ..models import Models
    from ..pipelines.performance import PerformanceOptions

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Recordings with phone times.")]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures here.")]
Takes = Annotated[int, typer.Option(min=1, help="Takes a recording.")]
SeveralTakes = Annotated[int, typer.Option(min=2, help="Takes a recording.")]
Guidance = Annotated[float, typer.Option(help="As of `generate`.")]
Plot = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw it, PNG or SVG.")]
Model = Annotated[Path | None, typer.Option(metavar="FILE", help="Another checkpoint.")]


def mount(app: typer.Typer) -> None:
    """Add the commands to the backend's command line."""
    judging = typer.Typer(help="Measure a model, each measure beside its baselines.")
    judging.command()(speech)
    judging.command()(takes)
    judging.command()(editing)
    judging.command()(noise)
    judging.command()(guidance)
    judging.command()(teacher)
    judging.command()(labels)
    judging.callback(invoke_without_command=True)(_show_help)
    app.add_typer(judging, name="evaluate")


def _show_help(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def speech(
    folder: Folder, json_file: Json = None, takes: Takes = 4, guidance: Guidance = 1.0, model: Model = None
) -> None:
    """Measure the lips on real speech, beside the teacher, another clip and a mouth driven by loudness."""
    from .speech import evaluate_speech

    _check_targets(json_file)
    figures = evaluate_speech(folder, _models(model), _options(takes, guidance))
    _write_json(json_file, figures)
    columns = {"model": figures["model"], "trusted": figures["model_without_doubtful"], **figures["baselines"]}
    _print_table({**columns, "share": figures["share"]})
    typer.echo(f"closure of the worst take: {figures['worst_take']['closure']:.3f}")
    for name, group in figures["speakers"].items():
        typer.echo(f"\n{name}, {group['clips']} recordings")
        _print_table({"model": group["model"], **group["baselines"], "share": group["share"]})
    for name, spans in figures["doubtful_silences"].items():
        typer.echo(f"labelled silent, but as loud as the speech: {name} at {', '.join(f'{s[0]:.2f} s' for s in spans)}")
    if figures["doubtful_silences"]:
        typer.echo("`trusted` leaves rest and correlations in these out")
    for name, value in figures["spread"].items():
        typer.echo(f"spread {name}: {value:.3f}")


def takes(
    folder: Folder, json_file: Json = None, takes: SeveralTakes = 4, guidance: Guidance = 1.0, model: Model = None
) -> None:
    """Measure how takes differ in lips, brows, blinks and head, beside the teacher's own takes."""
    from .speech import evaluate_takes

    _check_targets(json_file)
    rows = evaluate_takes(folder, _models(model), _options(takes, guidance))
    _write_json(json_file, rows)
    _print_table(rows)


def editing(
    folder: Folder, json_file: Json = None, takes: Takes = 2, guidance: Guidance = 1.0, model: Model = None
) -> None:
    """Measure how keys and kept spans are honoured, how smoothly, beside a cubic spline, and how far a key carries."""
    from .editing import evaluate_editing
    from .reach import evaluate_reach

    _check_targets(json_file)
    loaded, options = _models(model), _options(takes, guidance)
    rows = evaluate_editing(folder, loaded, options)
    _print_rows(rows)
    _write_json(json_file, {**rows, "reach": {}})
    reach = evaluate_reach(folder, loaded, options)
    _print_rows(reach)
    _write_json(json_file, {**rows, "reach": reach})


def noise(
    folder: Folder,
    json_file: Json = None,
    plot: Plot = None,
    takes: Takes = 2,
    guidance: Guidance = 1.0,
    model: Model = None,
) -> None:
    """Measure the lips on speech in white noise, 36, 24 and 12 dB under it."""
    from .sweeps import evaluate_noise, plot_noise

    _check_targets(json_file, plot)
    _check_plot(plot)
    rows = evaluate_noise(folder, _models(model), _options(takes, guidance))
    _write_json(json_file, rows)
    _print_table(rows)
    if plot:
        with writing(plot):
            plot_noise(rows, plot)


def guidance(
    folder: Folder,
    json_file: Json = None,
    plot: Plot = None,
    takes: SeveralTakes = 4,
    model: Model = None,
) -> None:
    """Measure the lips and the spread of takes over the guidance scale."""
    from .sweeps import evaluate_guidance, plot_guidance

    _check_targets(json_file, plot)
    _check_plot(plot)
    rows = evaluate_guidance(folder, _models(model), _options(takes))
    _write_json(json_file, rows)
    _print_table(rows)
    if plot:
        with writing(plot):
            plot_guidance(rows, plot)


def teacher(folder: Folder, json_file: Json = None, takes: SeveralTakes = 4) -> None:
    """Measure the articulation teacher itself on the phone times of a folder, in each of its styles."""
    from .teacher import evaluate_teacher

    _check_targets(json_file)
    rows = evaluate_teacher(folder, takes)
    _write_json(json_file, rows)
    _print_table(rows)


def labels(folder: Folder, json_file: Json = None) -> None:
    """Measure the teacher on pocketsphinx's times of the same phones: how far two aligners agree."""
    from .labels import evaluate_labels

    _check_targets(json_file)
    rows = evaluate_labels(folder)
    _write_json(json_file, rows)
    if not rows:
        typer.echo("None of the recordings could be aligned.")
        return
    _print_table(rows)


def _check_targets(*paths: Path | None) -> None:
    """Find out before the work whether its results can be written."""
    for path in paths:
        if path:
            check_file_target(path)


def _check_plot(path: Path | None) -> None:
    """Find out before the work whether a plot can be drawn."""
    if path is None:
        return
    if path.suffix.lower() not in (".png", ".svg"):
        raise OptionsError(f"A plot cannot be drawn into '{path.name}'.", "Name a .png or .svg file.")
    if find_spec("matplotlib") is None:
        raise PackageError("Drawing needs the package 'matplotlib'.", "Run `pip install matplotlib`.")


def _models(path: Path | None) -> Models:
    from ..models import DEFAULT_CHECKPOINT, load_checkpoint

    return load_checkpoint(path or DEFAULT_CHECKPOINT)


def _options(takes: int, scale: float = 1.0) -> PerformanceOptions:
    from ..pipelines.performance import PerformanceOptions

    return PerformanceOptions(seeds=tuple(range(takes)), guidance_scale=scale)


def _write_json(path: Path | None, figures: Mapping[str, Any]) -> None:
    if path:
        with writing(path):
            path.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def _print_rows(rows: Mapping[str, Mapping[str, float]]) -> None:
    """Print settings as rows, a column a measure."""
    names = next(iter(rows.values()), {})
    if names:
        _print_table({name: {setting: row[name] for setting, row in rows.items()} for name in names})


def _print_table(columns: Mapping[str, Mapping[str, float]]) -> None:
    """Print measures as rows, a column a setting."""
    widths = {name: max(12, len(name)) + 1 for name in columns}
    first = max(len(measure) for measure in next(iter(columns.values())))
    typer.echo(" " * first + "".join(f"{name:>{width}}" for name, width in widths.items()))
    for measure in next(iter(columns.values())):
        values = "".join(f"{column[measure]:{widths[name]}.3f}" for name, column in columns.items())
        typer.echo(f"{measure:{first}}{values}")
