# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from retake.backend import cli
from retake.backend.protocol import CONTROL_NAMES

from .conftest import run_backend, speech_like

KEYS = {
    "keys": [
        {"time": 1.0, "channel": "mouthSmileLeft", "value": 0.6},
        {"time": 2.345, "channel": "jawOpen", "value": 0.4},
        {"time": 3.0, "channel": "head_rotation", "value": [0.0, 0.3, 0.0]},
    ]
}


SPEECH_ROW = '{"file": "a_1.flac", "seconds": 1.0, "phones": []}\n'


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(KEYS))
    return path


@pytest.fixture
def run(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs a command in this process: exit code, stdout, stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = cli.run([*arguments, "--model", str(checkpoint)])
        return code, *capsys.readouterr()

    return call


def load(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as result:
        return dict(result)


def test_generate_in_a_process_of_its_own(checkpoint: Path, recording: Path, keys: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.npz"
    done = run_backend(
        *("generate", str(recording), "--takes", "3", "--seed", "5", "--out", str(out)),
        *("--keys", str(keys), "--steps", "4", "--model", str(checkpoint)),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    result = load(out)
    assert result["channels"].shape == (3, 150, 52)
    assert result["channels"].dtype == np.float32
    assert result["head_rotation"].shape == (3, 150, 3)
    assert result["channel_names"].tolist() == list(CONTROL_NAMES)
    assert result["seeds"].tolist() == [5, 6, 7]
    assert (int(result["fps"]), float(result["audio_seconds"])) == (30, 5.0)
    assert result["phone_times"].shape == (len(result["phone_names"]), 2)
    assert (result["phone_times"][0, 0], result["phone_times"][-1, 1]) == (0.0, 5.0)
    assert result["pauses"].shape[1] == 2
    np.testing.assert_allclose(result["channels"][:, 30, CONTROL_NAMES.index("mouthSmileLeft")], 0.6, atol=1e-6)
    np.testing.assert_allclose(result["head_rotation"][:, 90], [[0.0, 0.3, 0.0]] * 3, atol=1e-6)
    for track in result["channels"][:, :, CONTROL_NAMES.index("jawOpen")]:
        assert np.interp(2.345 * 30, np.arange(150), track) == pytest.approx(0.4, abs=1e-5)


def test_same_command_same_bytes(run: Any, recording: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert run("generate", str(recording), "--takes", "2", "--steps", "3", "--out", str(tmp_path / name))[0] == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_take_k_has_seed_plus_k(run: Any, recording: Path, tmp_path: Path) -> None:
    run("generate", str(recording), "--takes", "3", "--steps", "3", "--out", str(tmp_path / "three.npz"))
    run("generate", str(recording), "--seed", "2", "--steps", "3", "--out", str(tmp_path / "one.npz"))
    three, one = load(tmp_path / "three.npz"), load(tmp_path / "one.npz")
    np.testing.assert_allclose(one["channels"][0], three["channels"][2], atol=1e-4)


def test_several_recordings(run: Any, tmp_path: Path) -> None:
    for name, seconds in (("a", 1.0), ("b", 1.55)):
        soundfile.write(tmp_path / f"{name}.wav", speech_like(seconds), 16000)
    arguments = [str(tmp_path / "a.wav"), str(tmp_path / "b.wav"), "--steps", "2", "--out", str(tmp_path / "out")]
    for _ in range(2):  # the folder may exist
        assert run("generate", *arguments) == (0, "", "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.npz", "b.npz"]
    assert load(tmp_path / "out" / "a.npz")["channels"].shape == (1, 30, 52)
    assert load(tmp_path / "out" / "b.npz")["channels"].shape == (1, 47, 52)


def test_one_bad_recording_fails_before_anything_is_written(run: Any, recording: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    samples = speech_like(1.0)
    samples[-1] = np.nan
    soundfile.write(bad, samples, 16000, subtype="FLOAT")
    code, stdout, stderr = run("generate", str(recording), str(bad), "--out", str(tmp_path / "out"))
    assert (code, stdout) == (2, "")
    assert "bad.wav" in stderr
    assert not (tmp_path / "out").exists()


def test_equal_stems_are_refused(run: Any, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "FIVE.wav"
    shutil.copy(recording, twin)
    code, _, stderr = run("generate", str(recording), str(twin), "--out", str(tmp_path / "out"))
    assert code == 2
    assert "FIVE" in stderr or "five" in stderr
    assert not (tmp_path / "out").exists()


def wrong_calls(tmp_path: Path, recording: Path) -> dict[str, list[str]]:
    text, empty, zero, folder = (tmp_path / name for name in ("text.wav", "empty.wav", "zero.wav", "folder"))
    text.write_text("no audio\n")
    empty.touch()
    soundfile.write(zero, np.zeros(0), 16000)
    folder.mkdir()
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps({"keys": [{"time": 5.01, "channel": "jawOpen", "value": 0.5}]}))
    nan = tmp_path / "nan.json"
    nan.write_text('{"keys": [{"time": 1, "channel": "jawOpen", "value": NaN}]}')
    good = str(recording)
    return {
        "missing": [str(tmp_path / "nowhere.wav")],
        "text": [str(text)],
        "empty": [str(empty)],
        "zero length": [str(zero)],
        "folder": [str(folder)],
        "takes 0": [good, "--takes", "0"],
        "takes many": [good, "--takes", "1000000000"],
        "takes no number": [good, "--takes", "two"],
        "seed": [good, "--seed", "-1"],
        "seed large": [good, "--seed", str(2**63)],
        "guidance": [good, "--guidance", "nan"],
        "steps": [good, "--steps", "0"],
        "style": [good, "--style", "loud"],
        "scheduler": [good, "--scheduler", "euler"],
        "keys missing": [good, "--keys", str(tmp_path / "nowhere.json")],
        "keys outside": [good, "--keys", str(outside)],
        "keys NaN": [good, "--keys", str(nan)],
        "unknown option": [good, "--takez", "4"],
        "no recording": [],
    }


WRONG = (
    *("missing", "text", "empty", "zero length", "folder", "takes 0", "takes many", "takes no number", "seed"),
    *("seed large", "guidance", "steps", "style", "scheduler", "keys missing", "keys outside", "keys NaN"),
    *("unknown option", "no recording"),
)


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_sentence(run: Any, recording: Path, tmp_path: Path, case: str) -> None:
    arguments = wrong_calls(tmp_path, recording)[case]
    code, stdout, stderr = run("generate", *arguments, "--out", str(tmp_path / "r.npz"))
    assert (code, stdout) == (2, "")
    assert len(stderr.strip().splitlines()) == 1
    assert len(stderr) > 15
    assert "Traceback" not in stderr
    assert not list(tmp_path.glob("r.npz*"))


def test_wrong_input_in_a_process_of_its_own(tmp_path: Path, checkpoint: Path) -> None:
    done = run_backend("generate", "nowhere.wav", "--out", "r.npz", "--model", str(checkpoint), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "The recording nowhere.wav does not exist. Check the path.\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("length", [0, 7, 1000, 30000])
def test_a_checkpoint_cut_short(
    checkpoint: Path, recording: Path, tmp_path: Path, length: int, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(checkpoint.read_bytes()[:length])
    code = cli.run(["generate", str(recording), "--out", str(tmp_path / "r.npz"), "--model", str(cut)])
    stderr = capsys.readouterr().err
    assert code == 2
    assert "cut.safetensors" in stderr
    assert len(stderr.strip().splitlines()) == 1
    assert not (tmp_path / "r.npz").exists()


def test_out_that_is_a_folder_or_nowhere(run: Any, recording: Path, tmp_path: Path) -> None:
    for out in (tmp_path, tmp_path / "nowhere" / "r.npz"):
        code, _, stderr = run("generate", str(recording), "--out", str(out))
        assert code == 2
        assert "--out" in stderr
    assert list(tmp_path.iterdir()) == []


def test_describe(run: Any) -> None:
    code, stdout, stderr = run("describe")
    assert (code, stderr) == (0, "")
    described = json.loads(stdout)
    assert described["model"] == "random"
    assert described["styles"] == ["neutral", "calm"]
    assert described["devices"] == ["cpu"]


@pytest.mark.parametrize("command", [[], ["generate"], ["describe"], ["serve"]])
def test_help_is_complete(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*command, "--help"]) == 0
    text = capsys.readouterr().out
    assert "Usage: python -m backend" in text
    if command == ["generate"]:
        for option in ("takes", "seed", "out", "keys", "guidance", "steps", "style", "scheduler", "model"):
            assert f"--{option}" in text
    if not command:
        for name in ("generate", "describe", "serve", "corpus", "train"):
            assert name in text


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 0
    assert "generate" in capsys.readouterr().out


def test_unknown_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["juggle"]) == 2
    assert "juggle" in capsys.readouterr().err


def test_inputs_and_foreign_files_survive(run: Any, recording: Path, keys: Path, tmp_path: Path) -> None:
    audio, notes = tmp_path / "a.wav", tmp_path / "notes.txt"
    shutil.copy(recording, audio)
    notes.write_text("mine")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for out in (audio, keys, notes):
        code, stdout, stderr = run("generate", str(audio), "--keys", str(keys), "--steps", "2", "--out", str(out))
        assert (code, stdout) == (2, "")
        assert stderr.count("\n") == 1
        assert str(out) in stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["generate", "x.wav", "--out", "y", "--takes", "two"], ["'--takes'", "'two'"]),
        (["generate", "x.wav", "--out", "y", "--guidance", "="], ["'--guidance'", "'='"]),
        (["corpus", "--out", "y", "--hours", "many"], ["'--hours'", "'many'"]),
        (["generate", "x.wav"], ["option '--out'"]),
        (["generate", "--out", "y"], ["argument 'AUDIO...'"]),
        (["generate", "x.wav", "--out"], ["'--out'"]),
        (["generate", "x.wav", "--takez", "2"], ["--takez"]),
        (["describe", "more"], ["more"]),
    ],
)
def test_usage_errors_name_option_and_value(
    arguments: list[str], named: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == 2
    stdout, stderr = capsys.readouterr()
    assert (stdout, stderr.count("\n")) == ("", 1)
    assert not [name for name in named if name not in stderr]


def test_evaluate_alone_shows_its_help_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["evaluate"]) == 0
    stdout, stderr = capsys.readouterr()
    assert stderr == ""
    assert "\nCommands:\n  speech" in stdout


def test_places_that_cannot_be_written_are_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    indices = {
        "good": SPEECH_ROW,
        "empty": "",
        "cut": SPEECH_ROW + SPEECH_ROW[:20],
        "unnumbered": SPEECH_ROW.replace("a_1", "a"),
        "endless": SPEECH_ROW.replace("1.0", "NaN"),
    }
    folders = {name: tmp_path / name for name in indices}
    for name, folder in folders.items():
        folder.mkdir()
        (folder / "phones.jsonl").write_text(indices[name])
    text, run = tmp_path / "text", str(tmp_path / "run")
    text.mkdir()
    (text / "phones.jsonl").write_bytes(b"\xff\xfe")
    good, new = str(folders["good"]), str(tmp_path / "new")
    for arguments, named in (
        (["train", "--speech", good, "--judge", good, "--run", run, "--seed", "-1"], "-1"),
        (["train", "--speech", str(folders["empty"]), "--judge", good, "--run", run], "empty"),
        (["train", "--speech", good, "--judge", str(folders["endless"]), "--run", run], "Line 1"),
        (["evaluate", "speech", str(folders["empty"])], "empty"),
        (["evaluate", "speech", str(text)], "phones.jsonl"),
        (["corpus", "--out", new, "--hours", "inf"], "inf"),
        (["corpus", "--out", new, "--hours", "nan"], "nan"),
        (["corpus", "--out", new, "--seed", "-1"], "-1"),
        (["corpus", "--out", str(folders["cut"])], "Line 2"),
        (["corpus", "--out", str(folders["unnumbered"])], "Line 1"),
        (["corpus", "--out", str(text)], "phones.jsonl"),
    ):
        assert cli.run(arguments) == 2, arguments
        stdout, stderr = capsys.readouterr()
        assert (stdout, stderr.count("\n")) == ("", 1)
        assert named in stderr
    assert not {"run", "new"} & {path.name for path in tmp_path.iterdir()}


def test_names_too_long_are_one_sentence(recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    endless = str(tmp_path / ("x" * 300))
    for arguments in (
        ["generate", str(recording), "--out", endless],
        ["generate", str(recording), str(recording), "--out", endless],
        ["generate", endless, "--out", str(tmp_path / "r.npz")],
        ["generate", str(recording), "--keys", endless, "--out", str(tmp_path / "r.npz")],
        ["generate", str(recording), "--model", endless, "--out", str(tmp_path / "r.npz")],
        ["describe", "--model", endless],
        ["corpus", "--out", endless],
        ["evaluate", "speech", endless],
        ["evaluate", "speech", str(tmp_path), "--json", endless],
    ):
        assert cli.run(arguments) == 2, arguments
        stdout, stderr = capsys.readouterr()
        assert (stdout, stderr.count("\n")) == ("", 1)
    assert list(tmp_path.iterdir()) == []
