# SPDX-License-Identifier: GPL-3.0-or-later
"""An animator's day at the real window, by clicks and keys alone: from the zip to a saved and reopened scene.

Run by `scripts/test.py --gui VERSION`, which says which Blender it drives. A picture of each step is left in out/gui.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from retake.tests.gui.animator import Animator
from retake.tests.gui.desktop import Desktop

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "backend" / "assets" / "sample.flac"
INSTALLING, GENERATING = 600, 240  # s


@pytest.fixture(name="animator", scope="module")
def _animator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Animator]:
    """At a fresh user's Blender, with the extension's zip and a recording in reach."""
    version = os.environ["RETAKE_GUI_VERSION"]
    folder = tmp_path_factory.mktemp(f"gui{version}")
    launcher, blender = (os.environ.get(name) or None for name in ("RETAKE_GUI_LAUNCHER", "RETAKE_GUI_BLENDER"))
    desktop = Desktop(version, launcher, blender, folder)
    desktop.install()
    build = ("--command", "extension", "build", "--source-dir", str(ROOT), "--output-dir", str(folder))
    desktop.headless(*build)
    (folder / "line.flac").write_bytes(SAMPLE.read_bytes())
    facts = folder / "facts.json"
    desktop.start("--python", str(Path(__file__).with_name("observer.py")), "--", str(facts))
    animator = Animator(desktop, facts, ROOT / "out" / "gui" / version)
    animator.wait(facts.exists, 120, "Blender's window did not open.")
    yield animator
    desktop.stop()


def test_install(animator: Animator) -> None:
    animator.desktop.press("Escape")  # the splash screen
    animator.desktop.click(700, 600)
    zip_file = next(animator.desktop.folder.glob("retake-*.zip"))
    animator.install_zip(zip_file)
    animator.keep_picture("extension")
    animator.go_back()
    animator.open_sidebar()
    animator.press_button("Install Backend")
    box = animator.desktop.bring("Preferences")
    assert animator.takes["no_backend"]
    animator.click("downloads about", box)
    animator.wait(lambda: animator.takes["is_installing"], 30, "Nothing is installed.")
    animator.keep_picture("installing")
    animator.wait(lambda: not animator.takes["is_installing"], INSTALLING, "The installation does not end.")
    assert animator.takes["no_backend"] == ""
    animator.keep_picture("backend")
    animator.go_back()


def test_three_buttons(animator: Animator) -> None:
    animator.desktop.point(500, 500)
    animator.desktop.press("a", "x")
    animator.desktop.press("Return")  # Blender's cube, camera and light
    animator.press_button("Add Head")
    animator.wait(lambda: animator.see()["head"], 30, "There is no head.")
    animator.press_button("Import Audio")
    animator.choose_file(animator.desktop.folder / "line.flac", "Import Audio")
    animator.go_back()
    animator.wait(lambda: animator.takes["audio"], 30, "There is no recording.")
    animator.press_button("New Takes")
    animator.wait(lambda: animator.takes["running"], 30, "Nothing is generated.")
    animator.keep_picture("generating")
    animator.wait(lambda: len(animator.takes["takes"]) == 3, GENERATING, "There are no takes.")
    animator.keep_picture("takes")
    assert animator.see()["keys"] > 1000
    assert not animator.see()["own"]


def test_undo_and_redo(animator: Animator) -> None:
    made = animator.see()
    animator.desktop.point(500, 500)
    animator.desktop.press("ctrl+z")
    animator.wait(lambda: animator.see()["keys"] == 0, 20, "Undo did not take the takes back.")
    assert animator.takes["takes"] == {}
    animator.desktop.press("ctrl+shift+z")
    animator.wait(lambda: animator.see()["face"] == made["face"], 20, "Redo did not bring the takes back.")
    assert animator.see()["turns"] == made["turns"]
    animator.keep_picture("redone")
