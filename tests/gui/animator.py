# SPDX-License-Identifier: GPL-3.0-or-later
"""What an animator does at the window, by clicks and keys, and what the scene then holds."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from .desktop import MAIN, READINGS, SCREEN, Box, Desktop, centre, find_phrase, wait_until

_FOR_THE_MANUAL = {"backend": "preferences.png", "take_3": "window.png", "held": "hold.png", "mixed": "mix.png"}
_SIDEBAR = "VIEW_3D/UI"
_TABS = 28  # pixels, the width of the sidebar's tabs


class Animator:
    """One at a desktop.

    Args:
        desktop: Where they sit.
        facts: File that the observer writes, see `observer.py`.
        pictures: Folder for a picture of every step.
    """

    def __init__(self, desktop: Desktop, facts: Path, pictures: Path) -> None:
        self.desktop, self._facts, self._pictures = desktop, facts, pictures
        self._steps = 0

    def see(self) -> dict[str, Any]:
        """What the scene holds now."""
        time.sleep(0.5)  # the observer looks five times a second
        try:
            facts: dict[str, Any] = json.loads(self._facts.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        assert "error" not in facts, facts
        return facts

    @property
    def takes(self) -> dict[str, Any]:
        """What Retake's panel knows."""
        known: dict[str, Any] = self.see().get("retake", {})
        return known

    def wait(self, what: Callable[[], object], seconds: float, sentence: str) -> None:
        """Wait for something to be so."""
        try:
            wait_until(what, seconds, sentence)
        except AssertionError:
            self.keep_picture("failed")
            raise

    def keep_picture(self, name: str) -> None:
        """Keep a picture of the screen as it is after a step."""
        self._steps += 1
        picture = self.desktop.shot("now")
        self._pictures.mkdir(parents=True, exist_ok=True)
        (self._pictures / f"{self._steps:02d}_{name}.png").write_bytes(picture.read_bytes())
        if name in _FOR_THE_MANUAL and os.environ.get("RETAKE_GUI_PICTURES"):
            kept = Path(os.environ["RETAKE_GUI_PICTURES"]) / _FOR_THE_MANUAL[name]
            with Image.open(picture) as image:  # 256 colours do for a window, at a third of the size
                image.convert("RGB").quantize(256).save(kept, optimize=True)

    def find(self, phrase: str, box: Box) -> Box:
        """Where a phrase stands on the screen.

        Raises:
            AssertionError: It does not, with what was read.
        """
        for reading in range(len(READINGS)):
            lines = self.desktop.read(box, reading=reading)
            found = find_phrase(lines, phrase)
            if found:
                return found[0]
            time.sleep(1.0)
        self.keep_picture("failed")
        read = " | ".join(" ".join(word.text for word in line) for line in lines)
        raise AssertionError(f"'{phrase}' is nowhere in {box}; what was read: {read}")

    def click(self, phrase: str, box: Box) -> None:
        """Click a phrase in a part of the screen."""
        self.desktop.click(*centre(self.find(phrase, box)))

    def go_back(self) -> None:
        """Bring the first window to the front, with the keyboard."""
        self.desktop.bring(MAIN)

    def sidebar(self) -> Box:
        """The 3D View's sidebar without its tabs."""
        left, top, right, bottom = self.see()["regions"][_SIDEBAR]
        return (left, top, right - _TABS, bottom)

    def open_sidebar(self) -> None:
        """Open the sidebar and its tab Retake."""
        if _SIDEBAR not in self.see()["regions"]:
            self.desktop.point(600, 500)
            self.desktop.press("n")
            self.wait(lambda: _SIDEBAR in self.see()["regions"], 10, "The sidebar did not open.")
        _, top, right, bottom = self.see()["regions"][_SIDEBAR]
        strip = (right - _TABS, top, right, bottom)
        tab = find_phrase(self.desktop.read(strip, is_upright=False), "Retake")
        assert tab, "The sidebar has no tab Retake."
        for _ in range(3):  # a file that was just opened shows the tabs alone, and may still be busy
            self.desktop.click(*centre(tab[0]))
            time.sleep(1.5)
            if self.sidebar()[2] - self.sidebar()[0] > 100:
                break
        self.find("Retake", self.sidebar())

    def press_button(self, phrase: str, below: str = "") -> None:
        """Click a button of Retake's panel, scrolling to it where it is not in sight; the first one below another."""
        self.desktop.click(*centre(self.seek(phrase, below)))

    def seek(self, phrase: str, below: str = "") -> Box:
        """Scroll Retake's panel until a phrase is in sight; where it stands.

        Raises:
            AssertionError: The panel does not have it.
        """
        box = self.sidebar()
        for notches in (0, -40, 8, 8, 8, 8):
            if notches:
                self.scroll(notches)
            for reading in range(2):
                lines = self.desktop.read(box, reading=reading)
                found = find_phrase(lines, phrase)
                if below:
                    above = find_phrase(lines, below)
                    found = sorted((one for one in found if above and one[1] > above[0][1]), key=lambda one: one[1])
                if found:
                    return found[0]
        self.keep_picture("failed")
        raise AssertionError(f"The panel has no '{phrase}'.")

    def set_slider(self, name: str, value: float, channel: str) -> None:
        """Type a value into a slider of the panel, again where the window missed it."""
        for _ in range(3):
            x, y = centre(self.seek(name))
            self.desktop.click(x, y, times=2)
            time.sleep(0.5)
            self.desktop.press("ctrl+a")
            self.desktop.type(f"{value:g}")
            self.desktop.press("Return")
            with contextlib.suppress(AssertionError):
                wait_until(lambda: self.see()["values"][channel] == value, 10, f"{channel} is not set.")
                return
        self.keep_picture("failed")
        raise AssertionError(f"{channel} is {self.see()['values'][channel]}, not {value}.")

    def set_number_beside(self, phrase: str, value: int) -> None:
        """Type a number into the field at the right of a button."""
        _, y = centre(self.seek(phrase))
        left, _, right, _ = self.sidebar()
        self.desktop.click(right - (right - left) // 4, y, times=2)
        self.desktop.press("ctrl+a")
        self.desktop.type(str(value))
        self.desktop.press("Return")
        time.sleep(0.3)

    def go_to_frame(self, frame: int) -> None:
        """Step the playhead with the arrow keys."""
        away = frame - int(self.see()["frame"])
        if away:
            self.desktop.point(500, 600)
            key = "Right" if away > 0 else "Left"
            self.desktop.xdotool("key", "--delay", "40", "--repeat", str(abs(away)), key)
        self.wait(lambda: self.see()["frame"] == frame, 20, f"The playhead is not at {frame}.")

    def select_columns(self, *frames: int) -> None:
        """Select the keys at some frames in the Timeline, and no others."""
        for number, frame in enumerate(frames):
            self.go_to_frame(frame)
            left, _, right, bottom = self.see()["regions"]["DOPESHEET_EDITOR/WINDOW"]
            self.desktop.point((left + right) // 2, bottom - 10)
            if number == 0:
                self.desktop.press("alt+a")
            self.desktop.press("ctrl+k")

    def choose_take(self, take: int) -> None:
        """Choose a take from the dropdown."""
        takes = self.seek("Takes", below="Update Take")
        left, _, right, _ = self.sidebar()
        self.desktop.click((left + right) // 2, takes[1] + 36)
        time.sleep(0.5)
        words = [line for line in self.desktop.read((left - 300, 0, right, 880)) if line]
        found = find_phrase(words, f"Take {take},")
        assert found, f"The dropdown has no Take {take}."
        self.desktop.click(*centre(found[0]))

    def undo_and_redo(self, what: str) -> None:
        """Take the last step back and do it again: the curves are as before, bit for bit."""
        before = self.see()

        def differs() -> bool:
            now = self.see()
            return any(now[name] != before[name] for name in ("face", "turns", "own"))

        def is_back() -> bool:
            return not differs()

        self.desktop.point(500, 500)
        self.desktop.press("ctrl+z")
        self.wait(differs, 60, f"Nothing was undone ({what}).")
        self.desktop.point(500, 500)
        self.desktop.press("ctrl+shift+z")
        self.wait(is_back, 60, f"It was not redone ({what}).")
        assert self.takes["comp"] == before["retake"]["comp"]

    def scroll(self, notches: int) -> None:
        """Scroll the sidebar, down where positive."""
        _, _, right, bottom = self.sidebar()
        self.desktop.click(right - 4, bottom - 60, button=5 if notches > 0 else 4, times=abs(notches))

    def choose_file(self, path: Path, confirm: str) -> None:
        """Name a file in the file browser that has opened, and confirm."""
        left, top, right, bottom = self.desktop.bring("File View")
        for x, y, text in ((left + 575, top + 21, f"{path.parent}/"), (left + 500, bottom - 22, path.name)):
            self.desktop.click(x, y)
            self.desktop.press("ctrl+a")
            self.desktop.type(text)
            for _ in range(3):  # on an empty place: closes the completion, then the field
                self.desktop.click(left + 500, bottom - 65)
        self.click(confirm, (right - 240, bottom - 45, right, bottom))

    def install_zip(self, path: Path) -> None:
        """Install the extension from the preferences."""
        self.open_preferences()
        box = self.desktop.bring("Preferences")
        self.click("Get Extensions", box)
        time.sleep(1.0)
        self.click("Allow Online Access", box)
        time.sleep(0.5)
        self.desktop.click(box[2] - 19, box[1] + 18)
        time.sleep(0.5)
        self.click("Install from Disk", (0, 0, *SCREEN))
        self.choose_file(path, "Install from Disk")
        self.wait(lambda: self.takes.get("enabled"), 30, "The extension is not enabled.")

    def open_preferences(self) -> None:
        """Edit > Preferences."""
        self.click("Edit", (0, 0, 300, 27))
        time.sleep(0.5)
        self.click("Preferences", (0, 27, 400, 700))
