# SPDX-License-Identifier: GPL-3.0-or-later
"""An animator's day at the real window, by clicks and keys alone: from the zip to a saved and reopened scene.

Run by `scripts/test.py --gui VERSION`, which says which Blender it drives. A picture of each step is left in out/gui.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from retake.tests.gui.animator import Animator
from retake.tests.gui.desktop import Desktop, centre

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "backend" / "assets" / "sample.flac"
INSTALLING, GENERATING = 600, 240  # s


@pytest.fixture(name="animator", scope="module")
def _animator() -> Iterator[Animator]:
    """At a fresh user's Blender, with the extension's zip and a recording in reach."""
    version = os.environ["RETAKE_GUI_VERSION"]
    folder = Path(tempfile.mkdtemp(prefix=f"retake-gui-{version}-"))  # pytest's own may go while other tests run
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
    shutil.rmtree(folder, ignore_errors=True)


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
    assert animator.find("Download: about", box)
    animator.click("Install", box)
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
    animator.desktop.point(500, 500)
    animator.desktop.press("KP_1", "KP_Decimal")  # from the front, all of it
    animator.press_button("Import Audio")
    animator.choose_file(animator.desktop.folder / "line.flac", "Import Audio")
    animator.go_back()
    animator.wait(lambda: animator.takes["audio"], 30, "There is no recording.")
    animator.press_button("New Takes")
    animator.wait(lambda: animator.takes["running"], 30, "Nothing is generated.")
    animator.keep_picture("generating")
    animator.wait(lambda: len(animator.takes["takes"]) == 3, GENERATING, "There are no takes.")
    animator.wait(lambda: not animator.takes["running"] and animator.takes["shown"] == 1, 30, "No take plays.")
    animator.keep_picture("takes")
    assert animator.see()["keys"] > 1000
    assert not animator.see()["own"]


def test_undo_and_redo(animator: Animator) -> None:
    animator.undo_and_redo("takes")


def test_hold_a_smile(animator: Animator) -> None:
    animator.go_to_frame(40)
    animator.press_button("Mouth corners")
    for frame in (40, 60):
        animator.go_to_frame(frame)
        animator.set_slider("Mouth Smile", 0.8, "mouthSmileLeft")
        animator.press_button("Key Pose")
        animator.wait(lambda at=frame: at in frames_of(animator, "mouthSmileLeft"), 20, "The smile is not keyed.")
    animator.keep_picture("smile_keyed")
    assert set(animator.see()["own"]) == {smile("Left"), smile("Right")}
    animator.undo_and_redo("smile")
    animator.select_columns(40, 60)
    animator.press_button("Keys")
    animator.press_button("Hold")
    animator.wait(
        lambda: all(key[2] == "MOVING_HOLD" for key in animator.see()["own"][smile("Left")]), 20, "Nothing is held."
    )
    assert set(animator.see()["own"]) == {smile("Left"), smile("Right")}
    animator.keep_picture("held")
    animator.undo_and_redo("hold")


def test_update(animator: Animator) -> None:
    before = animator.see()
    animator.press_button("Update Take")
    animator.wait(lambda: animator.see()["face"] != before["face"], GENERATING, "The take does not follow.")
    animator.wait(lambda: not animator.takes["running"], 30, "It goes on.")
    after = animator.see()
    assert {path: [key[:2] for key in keys] for path, keys in after["own"].items()} == {
        smile(side): [[40.0, 0.8], [60.0, 0.8]] for side in ("Left", "Right")
    }
    animator.undo_and_redo("update")
    animator.go_to_frame(50)
    assert animator.see()["values"]["mouthSmileLeft"] == pytest.approx(0.8, abs=1e-5)
    animator.keep_picture("updated")


def test_step_through_takes(animator: Animator) -> None:
    seen = {animator.see()["face"]}
    for take in (2, 3):
        animator.choose_take(take)
        animator.wait(lambda take=take: animator.takes["shown"] == take, 20, f"Take {take} is not shown.")
        seen.add(animator.see()["face"])
        animator.keep_picture(f"take_{take}")
    assert len(seen) == 3
    animator.undo_and_redo("switch")


def test_mix_the_head_of_another(animator: Animator) -> None:
    before = animator.see()
    animator.press_button("Mix")
    animator.press_button("Head", below="Mix")
    animator.press_button("Take 2")
    animator.wait(lambda: animator.see()["turns"] != before["turns"], 20, "The head does not turn otherwise.")
    assert animator.see()["face"] == before["face"]
    assert ["head", 2] in animator.takes["comp"]
    animator.keep_picture("mixed")
    animator.press_button("Mix")
    animator.undo_and_redo("mix")


def test_finishing(animator: Animator) -> None:
    before = animator.see()
    animator.press_button("Finishing")
    animator.press_button("No Blinks")
    animator.wait(lambda: animator.see()["face"] != before["face"], 30, "It still blinks.")
    animator.undo_and_redo("no_blinks")
    dense = animator.see()["keys"]
    animator.press_button("Sparse Keys")
    animator.wait(lambda: animator.see()["keys"] < dense / 2, 60, "There are as many keys as before.")
    animator.keep_picture("sparse")
    animator.undo_and_redo("sparse")
    animator.press_button("Sparse Keys")
    animator.wait(lambda: animator.see()["keys"] == dense, 60, "The keys are still sparse.")
    assert animator.see()["own"] == before["own"]
    animator.keep_picture("finishing")
    animator.press_button("Finishing")


def test_cancel_half_way(animator: Animator) -> None:
    animator.set_number_beside("New Takes", 16)  # long enough to be cancelled
    before = animator.see()
    begun: set[str] = set()
    for seconds in (1.5, 3.0, 5.0):  # a busy machine has not begun yet when the key comes
        button = animator.seek("New Takes")
        animator.desktop.click_then_press(*centre(button), seconds, "Escape")
        animator.wait(lambda: "ancelled" in animator.takes["sentence"], 90, "Nothing was cancelled.")
        animator.wait(lambda: not animator.takes["running"], 60, "It does not stop.")
        after = animator.see()
        assert after["retake"]["takes"] == before["retake"]["takes"]
        assert (after["face"], after["turns"]) == (before["face"], before["turns"])
        begun = {stage.split()[-1] for stage in set(after["stages"]) - set(before["stages"])} - {"idle"}
        if begun:
            break
    assert begun, "It had not begun."
    animator.keep_picture("cancelled")


def test_save_and_reopen(animator: Animator) -> None:
    before, path = animator.see(), animator.desktop.folder / "shots" / "scene.blend"  # not where the recording lies
    path.parent.mkdir(exist_ok=True)
    animator.desktop.point(500, 500)
    animator.desktop.press("ctrl+s")
    animator.choose_file(path, "Save")
    animator.wait(path.exists, 30, "Nothing was saved.")
    animator.go_back()
    animator.desktop.point(500, 500)
    animator.desktop.press("ctrl+n")
    animator.click("General", (0, 0, 1600, 900))
    animator.wait(lambda: not animator.see()["head"], 30, "No new file.")
    animator.desktop.point(500, 500)
    animator.desktop.press("ctrl+o")
    animator.choose_file(path, "Open")
    animator.go_back()
    animator.wait(lambda: animator.see()["file"] == str(path) and animator.see()["head"], 60, "It was not opened.")
    after = animator.see()
    assert (after["face"], after["turns"]) == (before["face"], before["turns"])
    assert after["retake"]["takes"] == before["retake"]["takes"]
    animator.keep_picture("reopened")
    animator.open_sidebar()
    animator.seek("New Takes")  # the panel is whole
    animator.choose_take(1)
    animator.wait(lambda: animator.see()["face"] != before["face"], 30, "The take does not play.")
    assert animator.takes["shown"] == 1
    animator.keep_picture("switched_again")


def test_a_performance_goes_out_and_comes_in(animator: Animator) -> None:
    path = animator.desktop.folder / "shots" / "take.csv"
    animator.press_button("Performances")
    animator.press_button("Live Link Face", below="Take Out")
    animator.choose_file(path, "Export")
    animator.wait(path.exists, 60, "Nothing was exported.")
    animator.go_back()
    before = animator.see()
    animator.press_button("Live Link Face", below="Bring In")
    animator.choose_file(path, "Import")
    animator.go_back()
    animator.wait(lambda: bakes(animator) > 1000, 60, "Nothing came in.")
    animator.keep_picture("performance")
    animator.undo_and_redo("performance")
    animator.desktop.point(500, 500)
    animator.desktop.press("ctrl+z")
    animator.wait(lambda: animator.see()["face"] == before["face"], 60, "The take is not back.")


def bakes(animator: Animator) -> int:
    """Keys that came in from a file."""
    return sum(key[2] == "JITTER" for keys in animator.see()["own"].values() for key in keys)


def smile(side: str) -> str:
    return f'key_blocks["mouthSmile{side}"].value[0]'


def frames_of(animator: Animator, name: str) -> list[float]:
    """Frames of the animator's keys on a control."""
    return [key[0] for key in animator.see()["own"].get(f'key_blocks["{name}"].value[0]', [])]
