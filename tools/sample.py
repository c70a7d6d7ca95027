# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample recording that ships, spoken by flite: two phrases and a pause, with the times of its phones.

Short, and yet it has what a mouth must show: p b m, f v, open and rounded vowels, and silence. Besides
`backend/assets/sample.flac` (16 kHz mono) this writes `sample.json`: text, seconds and phones as rows
[start s, end s, ARPAbet].
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from .environments import BACKEND, ROOT, rerun, runs_in

PHRASES = ("Maybe we move above the blue moon.", "My father saw five happy puppies.")
VOICE = "slt"
PAUSE_SECONDS = 0.35  # between the phrases, besides the silence that the voice leaves around each
STRETCH = 1.1
ASSETS = ROOT / "backend" / "assets"


def main(arguments: Sequence[str]) -> int:
    """Write the recording and its phone times; re-runs itself in the backend's environment.

    Args:
        arguments: `--out FOLDER`, by default the assets.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(prog="make_sample.py", description="Synthesizes the sample recording that ships.")
    parser.add_argument("--out", type=Path, default=ASSETS, metavar="FOLDER", help="default: backend/assets")
    options = parser.parse_args(arguments)
    if not runs_in(BACKEND):
        return rerun(BACKEND, ROOT / "scripts" / "make_sample.py", arguments)
    try:
        write_sample(options.out)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def write_sample(folder: Path) -> None:
    """Synthesize the phrases and write both files.

    Args:
        folder: Where; made if missing.

    Raises:
        ValueError: flite is missing or failed.
    """
    import numpy as np
    import soundfile

    from ..backend.training.speech import Phone, merge_silences
    from ..backend.training.synthesizers import Voice, synthesize

    blocks, phones, at = [], [], 0.0
    for phrase in PHRASES:
        spoken = synthesize(Voice("flite", VOICE), phrase, STRETCH, 1.0)
        silence = np.zeros(round(PAUSE_SECONDS * spoken.rate) if phrase != PHRASES[-1] else 0, np.float32)
        blocks += [spoken.audio, silence]
        phones += [Phone(at + p.start, at + p.end, p.name) for p in spoken.phones]
        end = at + (len(spoken.audio) + len(silence)) / spoken.rate
        phones.append(Phone(phones[-1].end, end, "sil"))
        at = end
    rows = [[round(p.start, 4), round(p.end, 4), p.name] for p in merge_silences(phones) if p.seconds > 0]
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / "sample.flac", np.concatenate(blocks), spoken.rate, subtype="PCM_16")
    description = {"text": " ".join(PHRASES), "seconds": round(at, 4), "phones": rows}
    (folder / "sample.json").write_text(json.dumps(description, indent=None) + "\n", encoding="utf-8")
