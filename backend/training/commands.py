# SPDX-License-Identifier: GPL-3.0-or-later
"""Sub-commands of the command line that make and judge the default model: `corpus`, `align`, `train`, `evaluate`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import OptionsError
from ..outputs import check_file_target, make_folder, writing


def mount(app: typer.Typer) -> None:
    """Add the commands to the backend's command line."""
    app.command()(corpus)
    app.command()(align)
    app.command()(train)
    judging = typer.Typer(help="Measure a model, each measure beside its baselines.")
    judging.command(name="speech")(evaluate_speech)
    judging.command(name="takes")(evaluate_takes)
    judging.command(name="editing")(evaluate_editing)
    judging.command(name="noise")(evaluate_noise)
    judging.command(name="guidance")(evaluate_guidance)
    judging.callback(invoke_without_command=True)(_show_help)
    app.add_typer(judging, name="evaluate")


def _show_help(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def corpus(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to make, or to go on with.")],
    hours: Annotated[float, typer.Option(help="Hours of speech to reach.")] = 1.2,
    seed: Annotated[int, typer.Option(help="Of the choice of voices, sentences, speeds and pitches.")] = 0,
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Sentences, one a line, instead of those that ship.")
    ] = None,
) -> None:
    """Synthesize speech with phone times: flite, festival and espeak-ng, whichever are installed."""
    from .corpus import SENTENCES, make_corpus

    count = make_corpus(out, hours, seed, text or SENTENCES)
    typer.echo(f"{count} recordings in {out}")


def align(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Recordings with text: x.flac and x.txt, LibriSpeech.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder to make, or to go on with; FOLDER-aligned if left out.")
    ] = None,
    lexicon: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Pronunciations of further words: `word PH ON EMES` a line.")
    ] = None,
) -> None:
    """Find the times of the phones in recordings with text, so that they can be trained on."""
    from .align import align_folder

    target = out or folder.with_name(folder.resolve().name + "-aligned")
    report = align_folder(folder, target, lexicon)
    for word, sounds in report.guessed.items():
        typer.echo(f"not in the dictionary: {word}, taken for {sounds}")
    for name, reason in report.dropped.items():
        typer.echo(f"left out: {name}: {reason}")
    typer.echo(
        f"{report.aligned} recordings, {report.seconds / 60:.1f} minutes in {target}; {len(report.dropped)} left out"
    )


def train(
    speech: Annotated[Path, typer.Option(metavar="DIR", help="Real speech: FLAC files and phones.jsonl.")],
    judge: Annotated[Path, typer.Option(metavar="DIR", help="Speech to choose by; nothing is learned from it.")],
    run: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the run; an existing one is resumed.")],
    corpus: Annotated[Path | None, typer.Option(metavar="DIR", help="Synthetic speech, from `corpus`.")] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(help="features, encoder, takes, face, head or checkpoint; repeatable. All where none is named."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Checkpoint to write instead of the one that ships.")
    ] = None,
    encoder_iterations: Annotated[int | None, typer.Option(help="Of the encoder's training.")] = None,
    face_iterations: Annotated[int | None, typer.Option(help="Of the face's training.")] = None,
    head_iterations: Annotated[int | None, typer.Option(help="Of the head's training.")] = None,
    lead: Annotated[
        float, typer.Option(help="Seconds by which the phone times of SPEECH come too early; pocketsphinx's: 0.006.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(help="Of augmentation, takes and training.")] = 0,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 leaves the choice to torch.")] = 2,
) -> None:
    """Train the default model: features, encoder, takes of the teacher, face, head, checkpoint."""
    import torch

    from ..models import DEFAULT_CHECKPOINT
    from .recipe import STAGES, Recipe, run_recipe
    from .speech_folder import check_seed, read_speech_folder

    chosen = tuple(stage or STAGES)
    for name in chosen:
        if name not in STAGES:
            raise OptionsError(f"There is no stage {name!r}.", f"Choose one of {', '.join(STAGES)}.")
    check_seed(seed)
    for folder in (speech, judge, *([corpus] if corpus else [])):
        read_speech_folder(folder)
    if out:
        check_file_target(out)
    make_folder(run)
    if threads > 0:
        torch.set_num_threads(threads)
    recipe = Recipe(speech, judge, run, corpus, speech_lead=lead, seed=seed, checkpoint=out or DEFAULT_CHECKPOINT)
    counts = {"encoder": encoder_iterations, "face": face_iterations, "head": head_iterations}
    with writing(run):
        run_recipe(recipe.shortened(counts), chosen)


def evaluate_speech(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Recordings with phone times.")],
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures here.")] = None,
    takes: Annotated[int, typer.Option(help="Takes a recording.")] = 4,
    guidance: Annotated[float, typer.Option(help="As of `generate`.")] = 1.0,
    model: Annotated[Path | None, typer.Option(metavar="FILE", help="Another checkpoint.")] = None,
) -> None:
    """Measure the lips on real speech, beside the teacher, another clip and a mouth driven by loudness."""
    from ..evaluation.speech import evaluate_speech as measure
    from ..models import DEFAULT_CHECKPOINT, load_checkpoint
    from ..pipelines.performance import PerformanceOptions

    if json_file:
        check_file_target(json_file)
    options = PerformanceOptions(seeds=tuple(range(takes)), guidance_scale=guidance)
    figures = measure(folder, load_checkpoint(model or DEFAULT_CHECKPOINT), options)
    _write_json(json_file, figures)
    _print_table({"model": figures["model"], **figures["baselines"]})
    for name, spans in figures["doubtful_silences"].items():
        typer.echo(f"labelled silent, but as loud as the speech: {name} at {', '.join(f'{s[0]:.2f} s' for s in spans)}")
    typer.echo(f"rest without these, first take: {figures['rest_without_doubtful']:.3f}")
    for name, value in figures["spread"].items():
        typer.echo(f"spread {name}: {value:.3f}")


def evaluate_takes(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Recordings with phone times.")],
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures here.")] = None,
    takes: Annotated[int, typer.Option(min=2, help="Takes a recording.")] = 4,
    guidance: Annotated[float, typer.Option(help="As of `generate`.")] = 1.0,
    model: Annotated[Path | None, typer.Option(metavar="FILE", help="Another checkpoint.")] = None,
) -> None:
    """Measure how takes differ in lips, brows, blinks and head, beside the teacher's own takes."""
    from ..evaluation.speech import evaluate_takes as measure
    from ..models import DEFAULT_CHECKPOINT, load_checkpoint
    from ..pipelines.performance import PerformanceOptions

    if json_file:
        check_file_target(json_file)
    options = PerformanceOptions(seeds=tuple(range(takes)), guidance_scale=guidance)
    rows = measure(folder, load_checkpoint(model or DEFAULT_CHECKPOINT), options)
    _write_json(json_file, rows)
    _print_table(rows)


def evaluate_editing(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Recordings with phone times.")],
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures here.")] = None,
    takes: Annotated[int, typer.Option(help="Takes a recording.")] = 2,
    guidance: Annotated[float, typer.Option(help="As of `generate`.")] = 1.0,
    model: Annotated[Path | None, typer.Option(metavar="FILE", help="Another checkpoint.")] = None,
) -> None:
    """Measure how keys and kept spans are honoured and how smoothly, beside a cubic spline."""
    from ..evaluation.editing import evaluate_editing as measure
    from ..models import DEFAULT_CHECKPOINT, load_checkpoint
    from ..pipelines.performance import PerformanceOptions

    if json_file:
        check_file_target(json_file)
    options = PerformanceOptions(seeds=tuple(range(takes)), guidance_scale=guidance)
    rows = measure(folder, load_checkpoint(model or DEFAULT_CHECKPOINT), options)
    _write_json(json_file, rows)
    names = next(iter(rows.values()))
    typer.echo(f"{'':38}" + "".join(f"{name:>20}" for name in names))
    for edit, row in rows.items():
        typer.echo(f"{edit:38}" + "".join(f"{value:20.3f}" for value in row.values()))


def evaluate_noise(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Recordings with phone times.")],
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures here.")] = None,
    takes: Annotated[int, typer.Option(help="Takes a recording.")] = 2,
    guidance: Annotated[float, typer.Option(help="As of `generate`.")] = 1.0,
    model: Annotated[Path | None, typer.Option(metavar="FILE", help="Another checkpoint.")] = None,
) -> None:
    """Measure the lips on speech in white noise, 36, 24 and 12 dB under it."""
    from ..evaluation.sweeps import evaluate_noise as measure
    from ..models import DEFAULT_CHECKPOINT, load_checkpoint
    from ..pipelines.performance import PerformanceOptions

    if json_file:
        check_file_target(json_file)
    options = PerformanceOptions(seeds=tuple(range(takes)), guidance_scale=guidance)
    rows = measure(folder, load_checkpoint(model or DEFAULT_CHECKPOINT), options)
    _write_json(json_file, rows)
    _print_table(rows)


def evaluate_guidance(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Recordings with phone times.")],
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures here.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw sync against spread, PNG or SVG.")] = None,
    takes: Annotated[int, typer.Option(min=2, help="Takes a recording.")] = 4,
    model: Annotated[Path | None, typer.Option(metavar="FILE", help="Another checkpoint.")] = None,
) -> None:
    """Measure the lips and the spread of takes over the guidance scale."""
    from ..evaluation.sweeps import evaluate_guidance as measure
    from ..evaluation.sweeps import plot_guidance
    from ..models import DEFAULT_CHECKPOINT, load_checkpoint
    from ..pipelines.performance import PerformanceOptions

    for target in (json_file, plot):
        if target:
            check_file_target(target)
    options = PerformanceOptions(seeds=tuple(range(takes)))
    rows = measure(folder, load_checkpoint(model or DEFAULT_CHECKPOINT), options)
    _write_json(json_file, rows)
    if plot:
        with writing(plot):
            plot_guidance(rows, plot)
    _print_table(rows)


def _write_json(path: Path | None, figures: Mapping[str, Any]) -> None:
    if path:
        with writing(path):
            path.write_text(json.dumps(figures, indent=1), encoding="utf-8")


def _print_table(columns: Mapping[str, Mapping[str, float]]) -> None:
    """Print measures as rows, a column a setting."""
    typer.echo(f"{'':26}" + "".join(f"{name:>13}" for name in columns))
    for measure in next(iter(columns.values())):
        typer.echo(f"{measure:26}" + "".join(f"{column[measure]:13.3f}" for column in columns.values()))
