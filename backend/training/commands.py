# SPDX-License-Identifier: GPL-3.0-or-later
"""Sub-commands of the command line that make the default model: `corpus`, `align`, `folds`, `train`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import OptionsError
from ..outputs import check_file_target, make_folder, writing


def mount(app: typer.Typer) -> None:
    """Add the commands to the backend's command line."""
    app.command()(corpus)
    app.command()(align)
    app.command()(folds)
    app.command()(train)


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


def folds(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Recordings with phone times.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to make.")],
    count: Annotated[int, typer.Option(help="Number of folds.")] = 5,
) -> None:
    """Part speech by speaker into folds: DIR/1/train to learn from, DIR/1/held to measure on, and so on."""
    from .folds import make_folds

    for number, speakers in enumerate(make_folds(folder, out, count), 1):
        typer.echo(f"{out / str(number)}: {speakers} speakers held out")


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
