# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: the same work without Blender.

Whatever the user got wrong ends with one sentence on stderr and exit code 2, without a traceback and before anything
is written.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .errors import OptionsError, RetakeError
from .protocol import DEFAULT_SAMPLER

if TYPE_CHECKING:
    from .session import Session

app = typer.Typer(
    name="backend",
    help="Retake without Blender: performances of a recording between given keys, in several takes.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_UsageError: type[Exception] = typer.BadParameter.__bases__[0]  # typer gives this base no public name

ModelOption = Annotated[
    Path | None, typer.Option("--model", metavar="FILE", help="Checkpoint to use instead of the one that ships.")
]
DeviceOption = Annotated[str, typer.Option("--device", metavar="auto|cpu|cuda|mps", help="Where the networks compute.")]


@app.command()
def generate(
    audio: Annotated[
        list[Path], typer.Argument(metavar="AUDIO...", help="Recordings: anything soundfile or ffmpeg reads.")
    ],
    out: Annotated[
        Path, typer.Option(metavar="PATH", help="Result file; with several recordings a folder, STEM.npz each.")
    ],
    takes: Annotated[int, typer.Option(help="Number of takes, 1 to 64.")] = 1,
    seed: Annotated[int, typer.Option(help="Seed of the first take; take k has seed + k.")] = 0,
    keys: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help='JSON of given values: {"keys": [{"time": SECONDS, "channel": NAME, "value": WEIGHT}, ...]}; '
            'the channel "head_rotation" takes [x, y, z] in rad.',
        ),
    ] = None,
    guidance: Annotated[
        float,
        typer.Option(help="How closely to follow the audio: 0 not at all, 1 as trained, more amplifies; at most 10."),
    ] = 1.0,
    steps: Annotated[
        int | None, typer.Option(help="Sampling steps, 1 to 500.", show_default="10, 500 with ddpm")
    ] = None,
    style: Annotated[str, typer.Option(metavar="NAME", help="Speaking style; `describe` lists them.")] = "neutral",
    scheduler: Annotated[str, typer.Option(metavar="dpmpp_2m|ddim|ddpm", help="Sampler.")] = DEFAULT_SAMPLER,
    model: ModelOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Perform recordings and write the channels of every take to .npz.

    Members: channels (K, N, 52) float32, channel_names (52,), head_rotation (K, N, 3) in rad, fps, seeds (K,),
    audio_seconds, phone_times (P, 2) and phone_names (P,) as heard, pauses (Q, 2) in s. Frame n stands for audio time
    n / fps; keys between frames are met when frames are read by straight lines, so the keys of a channel stand at
    least a frame apart. A result that is there already is replaced.
    """
    from .commands import Generation, generate_files
    from .pipelines.performance import MAX_TAKES, PerformanceOptions

    if not 1 <= takes <= MAX_TAKES:
        raise OptionsError(f"{takes} takes were asked for; 1 to {MAX_TAKES} are possible at once.")
    options = PerformanceOptions(
        seeds=tuple(range(seed, seed + takes)),
        guidance_scale=guidance,
        num_inference_steps=steps,
        scheduler=scheduler,
        style=style,
    )
    generate_files(Generation(audio, out, keys, options, model, device))


@app.command()
def describe(model: ModelOption = None) -> None:
    """Print the model, its styles, the devices it runs on and its channels as JSON."""
    typer.echo(json.dumps(open_session(model).describe(), indent=2))


@app.command()
def check(model: ModelOption = None, device: DeviceOption = "auto") -> None:
    """Perform ten seconds of silence, to see that all that is needed is there: prints the device and speed as JSON."""
    session = open_session(model, device)
    session.warm_up()
    seconds = session.speed()
    typer.echo(json.dumps({**session.describe(), "seconds_per_second": round(seconds, 4)}))


@app.command()
def serve(model: ModelOption = None, device: DeviceOption = "auto") -> None:
    """Talk to the add-on over stdin and stdout until they close (what Blender starts)."""
    from .pipes import claim_pipes

    pipes = claim_pipes()
    from .server import DEFAULT_CHECKPOINT, Server

    Server(*pipes, model or DEFAULT_CHECKPOINT, device).run()


def open_session(model: Path | None, device: str = "auto") -> Session:
    """Load a model, the default one for None."""
    from .session import Session

    return Session(model, device) if model else Session(device=device)


def run(arguments: Sequence[str]) -> int:
    """Run a command.

    Args:
        arguments: Those after `python -m backend`.

    Returns:
        Exit code: 0, or 2 where the user has to change something.
    """
    _mount_training()
    try:
        code = app(list(arguments) or ["--help"], prog_name="python -m backend", standalone_mode=False)
    except _UsageError as error:
        return _refuse(_usage_sentence(error))
    except RetakeError as error:
        return _refuse(str(error))
    except OSError as error:  # a name too long, a disk that is full, a share that is gone: as a rule a place's fault
        place = error.filename or "A file or folder"
        return _refuse(f"{place} cannot be used: {error.strerror or error}. Choose another place.")
    except (typer.Abort, KeyboardInterrupt):
        return 130
    return code if isinstance(code, int) else 0


def _usage_sentence(error: Exception) -> str:
    """What a usage error says, with the option or argument and, where typer leaves it out, the value."""
    format_message = getattr(error, "format_message", None)
    sentence = str(format_message() if format_message else error)
    details = getattr(error.__cause__, "errors", None)  # of pydantic, which reads the values for typer
    if details is None:
        return sentence
    return sentence.replace("Invalid value for", f"Invalid value {details()[0]['input']!r} for", 1)


def _refuse(sentence: str) -> int:
    print(" ".join(sentence.split()), file=sys.stderr)
    return 2


def _mount_training() -> None:
    """Add the commands that train and judge, where their package is there (the extension's zip may leave it out)."""
    if importlib.util.find_spec(".training.commands", __package__) is None:
        return
    for part in ("training", "evaluation"):
        importlib.import_module(f".{part}.commands", __package__).mount(app)
