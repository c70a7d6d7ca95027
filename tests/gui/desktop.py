# SPDX-License-Identifier: GPL-3.0-or-later
"""A Blender with its window, and hands to work it: pictures of the screen, the pointer, the keyboard.

What can be clicked is found by reading the screen (tesseract), as a person finds it. Either a launcher brings Blender
and its screen (verbs `install`, `run`, `headless`, `shot`, `exec`, each with a version), or a Blender of this computer
is used, with xdotool and ImageMagick on the present display.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytesseract
from PIL import Image, ImageChops, ImageFilter, ImageOps

SCREEN = (1600, 900)
MAIN = "Blender [0-9]"  # in the title of the first window
_SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"
Box = tuple[int, int, int, int]  # left, top, right, bottom
READINGS = ((4, 11), (4, 6), (3, 11))  # tried in turn: enlargement, and tesseract's page segmentation
_BACKGROUND = 15  # pixels; wider than a letter's strokes: buttons and panels are taken away, letters stay
os.environ.setdefault("OMP_THREAD_LIMIT", "1")  # tesseract's threads gain nothing and wait for each other
_ALIKE = 0.75  # of two words, one of which was read


@dataclass(frozen=True)
class Word:
    """A word on the screen."""

    text: str
    box: Box


class Desktop:
    """One Blender version's screen.

    Args:
        version: E.g. "5.2".
        launcher: Command that brings that Blender; None where `blender` is a program of this computer.
        blender: That program.
        folder: Where pictures and settings go.
    """

    def __init__(self, version: str, launcher: str | None, blender: str | None, folder: Path) -> None:
        self.version, self.folder = version, folder
        self._launcher, self._blender = launcher, blender
        self._process: subprocess.Popen[bytes] | None = None

    def install(self) -> None:
        """Bring the Blender, if a launcher has to."""
        if self._launcher:
            self._call("install", timeout=1800)

    def headless(self, *arguments: str) -> str:
        """Run Blender without its window."""
        if self._launcher:
            return self._call("headless", "--", *arguments)
        return _output([str(self._blender), *arguments], 300, self._environment())

    def start(self, *arguments: str) -> None:
        """Open the window."""
        command = ["--window-geometry", "0", "0", *map(str, SCREEN), *arguments]
        if self._launcher:  # its Blender runs on its own root's Python, which other Pythons on the PATH would hide
            self._call("run", "--", "--version")  # brings the screen
            command = [self._launcher, "exec", self.version, "--", "env", f"PATH={_SYSTEM}", "blender", *command]
        else:
            command = [str(self._blender), *command]
        with (self.folder / "blender.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=self._environment())

    @property
    def is_running(self) -> bool:
        """Whether the window is there."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End Blender, if it did not end by itself."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def press(self, *keys: str) -> None:
        """Press keys, by xdotool's names, e.g. "ctrl+z"."""
        self.xdotool("key", "--delay", "60", *keys)

    def type(self, text: str) -> None:
        """Type a text."""
        self.xdotool("type", "--delay", "15", text)

    def click(self, x: int, y: int, button: int = 1, times: int = 1) -> None:
        """Click a place."""
        self.xdotool(*_towards(x, y), "click", "--repeat", str(times), "--delay", "80", str(button), "sleep", "0.3")

    def click_then_press(self, x: int, y: int, seconds: float, key: str) -> None:
        """Click a place and, some time later, press a key."""
        self.xdotool(*_towards(x, y), "click", "1", "sleep", f"{seconds:g}", "mousemove", "500", "500", "key", key)

    def point(self, x: int, y: int) -> None:
        """Bring the pointer somewhere."""
        self.xdotool(*_towards(x, y))

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Press at one place, release at another."""
        middle = ((start[0] + end[0]) // 2, (start[1] + end[1]) // 2)
        moves = [word for x, y in (middle, end, end) for word in ("mousemove", str(x), str(y), "sleep", "0.2")]
        self.xdotool(*_towards(*start), "mousedown", "1", "sleep", "0.2", *moves, "mouseup", "1", "sleep", "0.3")

    def xdotool(self, *arguments: str) -> str:
        """Run xdotool on Blender's screen."""
        if self._launcher:
            return self._call("exec", "--", "xdotool", *arguments)
        return _output(["xdotool", *arguments], 60, self._environment())

    def shot(self, name: str) -> Path:
        """Take a picture of the screen."""
        path = self.folder / f"{name}.png"
        if self._launcher:
            self._call("shot", str(path))
        else:
            _output(["import", "-window", "root", str(path)], 60, self._environment())
        return path

    def read(self, box: Box, is_upright: bool = True, reading: int = 0) -> list[list[Word]]:
        """Lines of words in a part of the screen, by one of `READINGS`.

        Not upright are those that go down, as on the sidebar's tabs.
        """
        with Image.open(self.shot("now")) as image:
            return read_words(image.convert("L"), box, is_upright, reading)

    def bring(self, name: str, x: int = 100, y: int = 20) -> Box:
        """Move a window onto the screen and give it the keyboard, as a window manager does; its place."""
        wait_until(lambda: self._windows(name), 20, f"No window '{name}' opened.")
        window = self._windows(name)[-1]
        if name == MAIN:
            self.xdotool("windowraise", window, "windowfocus", window, "sleep", "0.5")
            return (0, 0, *SCREEN)
        self.xdotool("windowmove", window, str(x), str(y), "windowraise", window, "windowfocus", window, "sleep", "0.8")
        shape = self.xdotool("getwindowgeometry", "--shell", window)
        width, height = (int(re.findall(rf"{side}=(\d+)", shape)[0]) for side in ("WIDTH", "HEIGHT"))
        return (x, y, x + width, y + height)

    def _windows(self, name: str) -> list[str]:
        try:
            return self.xdotool("search", "--name", name).split()
        except RuntimeError:  # what xdotool says where there is none
            return []

    def _call(self, verb: str, *arguments: str, timeout: float = 300) -> str:
        return _output([str(self._launcher), verb, self.version, *arguments], timeout, self._environment())

    def _environment(self) -> dict[str, str]:
        """A fresh user's Blender, and what its package installer needs to trust this computer's network."""
        variables = {**os.environ, "BLENDER_USER_RESOURCES": str(self.folder / "user")}
        variables |= {"XDG_DATA_HOME": str(self.folder / "data")}
        variables.pop("RETAKE_BACKEND_PYTHON", None)
        variables.pop("PYTHONPATH", None)
        certificates = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
        if self._launcher and certificates.is_file():  # its Blender may have another root, without this computer's
            kept = self.folder / "certificates.crt"
            if not kept.is_file():
                shutil.copy(certificates, kept)
            variables |= dict.fromkeys(("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), str(kept))
        return variables


def read_words(image: Image.Image, box: Box, is_upright: bool = True, reading: int = 0) -> list[list[Word]]:
    """Lines of words in a part of a grey picture."""
    enlarged, segmentation = READINGS[reading]
    part = image.crop(box) if is_upright else image.crop(box).rotate(90, expand=True)
    background = part.filter(ImageFilter.MedianFilter(_BACKGROUND))
    letters = ImageOps.invert(ImageChops.difference(part, background).point(lambda value: min(255, 1.6 * value)))
    letters = letters.resize((part.width * enlarged, part.height * enlarged), Image.Resampling.LANCZOS)
    found = pytesseract.image_to_data(letters, config=f"--psm {segmentation}", output_type=pytesseract.Output.DICT)
    lines: list[list[Word]] = []
    for number, text in enumerate(found["text"]):
        if not text.strip():
            continue
        names = ("left", "top", "width", "height")
        left, top, width, height = (found[name][number] // enlarged for name in names)
        if is_upright:
            place = (box[0] + left, box[1] + top, box[0] + left + width, box[1] + top + height)
        else:
            place = (box[2] - top - height, box[1] + left, box[2] - top, box[1] + left + width)
        word = Word(text.strip(), place)
        line = next((line for line in lines if abs(_middle(line[-1].box) - _middle(word.box)) < 6), None)
        if line is None:
            lines.append([word])
        else:
            line.append(word)
    return [sorted(line, key=lambda word: word.box[0]) for line in lines]


def find_phrase(lines: Sequence[Sequence[Word]], phrase: str) -> list[Box]:
    """Where a phrase stands, best first; a letter may be misread."""
    wanted = [_plain(word) for word in phrase.split()]
    found: list[tuple[float, Box]] = []
    for line in lines:
        for start in range(len(line) - len(wanted) + 1):
            words = line[start : start + len(wanted)]
            ratios = [_likeness(_plain(word.text), want) for word, want in zip(words, wanted, strict=True)]
            gaps = [after.box[0] - before.box[2] for before, after in pairwise(words)]
            if min(ratios) >= _ALIKE and max(gaps, default=0) < 16:
                boxes = [word.box for word in words]
                box = (boxes[0][0], min(b[1] for b in boxes), boxes[-1][2], max(b[3] for b in boxes))
                found.append((sum(ratios) / len(ratios), box))
    return [box for _, box in sorted(found, key=lambda item: -item[0])]


def centre(box: Box) -> tuple[int, int]:
    """The middle of a box."""
    return (box[0] + box[2]) // 2, (box[1] + box[3]) // 2


def wait_until(what: object, seconds: float, sentence: str) -> None:
    """Wait until a function of no arguments returns something true.

    Raises:
        AssertionError: It did not in time.
    """
    assert callable(what)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return
        time.sleep(0.5)
    raise AssertionError(f"{sentence} (waited {seconds:g} s)")


def _towards(x: int, y: int) -> list[str]:
    """Words for xdotool that bring the pointer somewhere by way of a place beside it: Blender notices moves only."""
    return ["mousemove", str(x - 7), str(y - 3), "sleep", "0.1", "mousemove", str(x), str(y), "sleep", "0.2"]


def _middle(box: Box) -> float:
    return (box[1] + box[3]) / 2


def _plain(word: str) -> str:
    return re.sub(r"[^a-z0-9]", "", word.lower())


def _likeness(one: str, other: str) -> float:
    if one == other:
        return 1.0
    if len(other) < 6:  # too short to be misread and still be told apart
        return 0.0
    return difflib.SequenceMatcher(None, one, other).ratio()


def _output(command: Sequence[str], timeout: float, environment: dict[str, str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout
