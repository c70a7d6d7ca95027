# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of Live Link Face: what the app writes is read, what is damaged is refused by its row."""

from __future__ import annotations

import contextlib
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retake.addon.core.live_link import read_live_link, timecode, write_live_link
from retake.addon.core.rotations import angles_between
from retake.backend.errors import InputError
from retake.backend.protocol import CONTROL_NAMES

HEADER = (
    "Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft,EyeLookOutLeft,EyeLookUpLeft,EyeSquintLeft,"
    "EyeWideLeft,EyeBlinkRight,EyeLookDownRight,EyeLookInRight,EyeLookOutRight,EyeLookUpRight,EyeSquintRight,"
    "EyeWideRight,JawForward,JawRight,JawLeft,JawOpen,MouthClose,MouthFunnel,MouthPucker,MouthRight,MouthLeft,"
    "MouthSmileLeft,MouthSmileRight,MouthFrownLeft,MouthFrownRight,MouthDimpleLeft,MouthDimpleRight,MouthStretchLeft,"
    "MouthStretchRight,MouthRollLower,MouthRollUpper,MouthShrugLower,MouthShrugUpper,MouthPressLeft,MouthPressRight,"
    "MouthLowerDownLeft,MouthLowerDownRight,MouthUpperUpLeft,MouthUpperUpRight,BrowDownLeft,BrowDownRight,BrowInnerUp,"
    "BrowOuterUpLeft,BrowOuterUpRight,CheekPuff,CheekSquintLeft,CheekSquintRight,NoseSneerLeft,NoseSneerRight,"
    "TongueOut,HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw,RightEyePitch,RightEyeRoll"
)
"""The first line of the app's recordings."""


def row(time: str, jaw: float = 0.0, head: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> str:
    values = dict.fromkeys(HEADER.split(",")[2:], 0.0) | {"JawOpen": jaw}
    values |= dict(zip(("HeadYaw", "HeadPitch", "HeadRoll"), head, strict=True))
    return ",".join((time, "61", *(f"{value:.10f}" for value in values.values())))


def saved(folder: Path, *lines: str, header: str = HEADER) -> Path:
    path = folder / "take.csv"
    path.write_text("\n".join((header, *lines)) + "\n")
    return path


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_live_link(path)
    return str(caught.value)


def test_the_apps_layout_is_read_and_written(tmp_path: Path) -> None:
    path = saved(tmp_path, row("13:13:04:58.652", 0.25, (0.1, 0.2, -0.3)), row("13:13:05:00.652", 0.5))
    take = read_live_link(path)
    assert set(take.controls) == set(CONTROL_NAMES)
    assert take.controls["jawOpen"].tolist() == [0.25, 0.5]
    assert take.seconds == pytest.approx([0.0, 2 / 60])
    assert take.timecode == "13:13:04:58.652"
    assert take.head is not None
    out = tmp_path / "out.csv"
    write_live_link(out, take.seconds, take.controls, take.head, (np.zeros((2, 3)), np.zeros((2, 3))))
    assert out.read_text().splitlines()[0] == HEADER
    assert out.read_text().splitlines()[1].startswith("00:00:00:00.000,61,0.0000000000,")
    again = read_live_link(out)
    assert again.head is not None
    assert angles_between(again.head, take.head).max() < 1e-8
    assert all(np.abs(again.controls[name] - take.controls[name]).max() < 1e-9 for name in CONTROL_NAMES)


def test_older_spellings_and_orders_are_read(tmp_path: Path) -> None:
    path = saved(tmp_path, "00:00:00:00.0,3,.5,.25,7", header="timecode,BlendshapeCount,jawOpen,eyeBlink_R,Mystery")
    take = read_live_link(path)
    assert {name: values[0] for name, values in take.controls.items()} == {"jawOpen": 0.5, "eyeBlinkRight": 0.25}
    assert take.unknown == ("Mystery",)
    assert take.head is None


def test_a_head_that_was_not_tracked_is_none(tmp_path: Path) -> None:
    assert read_live_link(saved(tmp_path, row("00:00:00:00.000", 0.5))).head is None


def test_dropped_frames_are_filled_and_equal_rates_are_exact(tmp_path: Path) -> None:
    values = [0.0, 0.1, 0.35, 0.2, 0.6, 0.55]
    kept = [0, 1, 3, 4, 5]  # the phone dropped frame 2
    take = read_live_link(saved(tmp_path, *(row(f"00:00:00:{n:02d}.000", values[n]) for n in kept)))
    weights, head = take.at(60.0)
    assert head is None
    assert weights["jawOpen"][kept] == pytest.approx([values[n] for n in kept], abs=1e-12)
    assert 0.1 < weights["jawOpen"][2] < 0.2
    assert len(take.at(24.0)[0]["jawOpen"]) == 3  # 5/60 s


@pytest.mark.parametrize("fps", [23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 60.0, 120.0])
def test_what_is_written_at_a_rate_comes_back_at_it(tmp_path: Path, fps: float) -> None:
    rng, count = np.random.default_rng(0), 400
    weights = {name: rng.random(count) for name in CONTROL_NAMES}
    head, still = rng.normal(0.0, 0.3, (count, 3)), np.zeros((count, 3))
    path = tmp_path / "take.csv"
    write_live_link(path, np.arange(count) / fps, weights, head, (still, still))
    take = read_live_link(path)
    back, turned = take.at(fps)
    assert take.frame_count(fps) == count
    assert max(np.abs(back[name] - weights[name]).max() for name in CONTROL_NAMES) < 1e-9
    assert turned is not None
    assert angles_between(turned, head).max() < 1e-8


@pytest.mark.parametrize("count", [3.0, 1.1])
@pytest.mark.parametrize("rate", [24, 25, 30, 60, 120])
def test_what_timecodes_count_to_is_told_by_the_step_over_a_second(tmp_path: Path, rate: int, count: float) -> None:
    frames = [n for n in range(rate // 3, rate // 3 + round(count * rate)) if n % 10 != 7]  # some are dropped
    times = [f"00:00:{n // rate:02d}:{n % rate:02d}.417" for n in frames]
    take = read_live_link(saved(tmp_path, *(row(time) for time in times)))
    assert take.seconds == pytest.approx((np.array(frames) - frames[0]) / rate)


def test_midnight_passes(tmp_path: Path) -> None:
    take = read_live_link(saved(tmp_path, row("23:59:59:59.000"), row("00:00:00:00.000"), row("00:00:00:01.000")))
    assert take.seconds == pytest.approx([0.0, 1 / 60, 2 / 60])


@pytest.mark.parametrize(("second", "text"), [(0.0, "00:00:00:00.000"), (3661.5, "01:01:01:30.000")])
def test_timecodes_are_written_as_the_app_does(second: float, text: str) -> None:
    assert timecode(second) == text
    assert timecode(second + 0.9999999) == timecode(second + 1.0)


CASES = {
    "empty": (b"", "begins with ''"),
    "another csv": (b"frame,x,y\n1,2,3\n", "begins with 'frame'"),
    "no shapes": (b"Timecode,BlendShapeCount,HeadYaw\n00:00:00:00.0,1,0\n", "none of ARKit's"),
    "one timecode": (f"{HEADER}\n{row('00:00:09:00.000')}\n{row('00:00:09:00.000')}".encode(), "All 2 rows"),
    "no rows": (HEADER.encode() + b"\n\n", "holds no frame"),
    "cut off": (f"{HEADER}\n{row('00:00:00:00.000')[:90]}".encode(), "Row 2 of 'x.csv' has 8 values where 63"),
    "a word": (
        f"{HEADER}\n{row('00:00:00:00.000').replace('61,0.0', '61,zero', 1)}".encode(),
        "Row 2.*no weight",
    ),
    "far too large": (f"{HEADER}\n{row('00:00:00:00.000', 1e300)}".encode(), "'10000.*' for jawOpen"),
    "not finite": (f"{HEADER}\n{row('00:00:00:00.000', float('nan'))}".encode(), "'nan' for jawOpen"),
    "infinite": (f"{HEADER}\n{row('00:00:00:00.000', float('inf'))}".encode(), "'inf' for jawOpen"),
    "no timecode": (f"{HEADER}\n{row('half past two')}".encode(), "Row 2.*'half past two'"),
    "backwards": (f"{HEADER}\n{row('00:00:05:00.0')}\n{row('00:00:04:00.0')}".encode(), "Row 3.*before the row"),
    "days long": (f"{HEADER}\n{row('00:00:05:00.0')}\n{row('11:00:04:00.0')}".encode(), "span 11.0 hours"),
    "twice": (b"Timecode,BlendShapeCount,jawOpen,JawOpen\n00:00:00:00.0,2,0,0\n", "'JawOpen' twice"),
    "binary": (bytes(range(256)) * 20, "no text|begins with"),
    "one line": (b"Timecode," + b"a" * 100_000, "Line 1 .* characters"),
    "many columns": (b"Timecode," + b"a," * 1000, "1002 columns"),
    "quote": (b'Timecode,BlendShapeCount,JawOpen\n"00:00', "Row 2 of 'x.csv' has 1 values where 3"),
}


@pytest.mark.parametrize("case", CASES)
def test_damaged_recordings_are_refused_in_a_sentence(tmp_path: Path, case: str) -> None:
    content, words = CASES[case]
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_live_link(path)
    assert len(str(caught.value)) < 250


def test_a_missing_recording_is_named(tmp_path: Path) -> None:
    assert "'gone.csv' cannot be read" in refusal(tmp_path / "gone.csv")
    assert "cannot be read" in refusal(tmp_path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_crashes_the_reader(tmp_path: Path, data: st.DataObject) -> None:
    whole = "\n".join((HEADER, row("00:00:00:00.000", 0.5), row("00:00:00:01.000", 0.6))).encode()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 40)))
    path = tmp_path / "x.csv"
    path.write_bytes(whole[:start] + data.draw(st.binary(max_size=12)) + whole[end:])
    with contextlib.suppress(InputError):
        weights, _ = read_live_link(path).at(30.0)
        assert all(np.isfinite(values).all() for values in weights.values())


def test_memory_is_bounded_by_the_file(tmp_path: Path) -> None:
    path = saved(tmp_path, *(row(f"00:{n // 60:02d}:{n % 60:02d}:00.000", 0.5) for n in range(2000)))
    tracemalloc.start()
    try:
        read_live_link(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * path.stat().st_size
