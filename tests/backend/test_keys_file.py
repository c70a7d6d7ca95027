# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retake.backend.errors import GivenValuesError
from retake.backend.keys_file import check_inside, read_keys
from retake.backend.protocol import CHANNEL_NAMES

SMILE = {"time": 1.2, "channel": "mouthSmileLeft", "value": 0.6}
TURN = {"time": 1.2, "channel": "head_rotation", "value": [0.0, 0.3, -0.1]}


def keys_file(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "keys.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_weights_and_rotations(tmp_path: Path) -> None:
    keys = read_keys(keys_file(tmp_path, {"keys": [SMILE, TURN]}))
    rows = [
        (t, CHANNEL_NAMES[c], round(float(v), 6))
        for t, c, v in zip(keys.times, keys.channels, keys.values, strict=True)
    ]
    assert rows == [
        (1.2, "mouthSmileLeft", 0.6),
        (1.2, "head_rotation.x", 0.0),
        (1.2, "head_rotation.y", 0.3),
        (1.2, "head_rotation.z", -0.1),
    ]


@pytest.mark.parametrize("apart", [0.0001, 0.01, 0.02, 0.033])
def test_keys_nearer_than_a_frame_are_refused(tmp_path: Path, apart: float) -> None:
    keys = [SMILE, SMILE | {"time": 1.2 + apart, "value": 0.1}, SMILE | {"time": 0.2}]
    with pytest.raises(GivenValuesError, match=r"mouthSmileLeft at 1\.2 and .* nearer than a frame"):
        read_keys(keys_file(tmp_path, {"keys": keys}))


@pytest.mark.parametrize("rate", [24, 30])
def test_a_key_on_every_frame_is_welcome(tmp_path: Path, rate: int) -> None:
    keys = [SMILE | {"time": round(frame / rate, 4)} for frame in range(40)]
    assert len(read_keys(keys_file(tmp_path, {"keys": keys}))) == 40


def test_a_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    path = keys_file(tmp_path, "\ufeff" + json.dumps({"keys": [SMILE]}))
    assert len(read_keys(path)) == 1


def test_no_keys(tmp_path: Path) -> None:
    assert len(read_keys(keys_file(tmp_path, {"keys": []}))) == 0


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (SMILE | {"channel": "smile"}, "no channel 'smile'"),
        (SMILE | {"channel": "head_rotation.x"}, "no channel 'head_rotation.x'"),
        (SMILE | {"channel": 3}, "no channel 3"),
        (SMILE | {"channel": ["jawOpen"]}, "no channel"),
        (SMILE | {"value": float("nan")}, "nan, which is not a number"),
        (SMILE | {"value": float("inf")}, "not a number"),
        (SMILE | {"value": "0.6"}, "not a number"),
        (SMILE | {"value": None}, "not a number"),
        (SMILE | {"value": True}, "not a number"),
        (SMILE | {"value": 10**400}, "not a number"),
        (SMILE | {"value": 60}, "out of all bounds"),
        (SMILE | {"value": [0.6]}, "one number"),
        (SMILE | {"time": float("nan")}, "not a number of seconds"),
        (SMILE | {"time": "1.2"}, "not a number of seconds"),
        (TURN | {"value": 0.3}, "three numbers"),
        (TURN | {"value": [0.1, 0.2]}, "three numbers"),
        (TURN | {"value": [0.1, 0.2, float("nan")]}, "not a number"),
        ({"time": 1.0, "channel": "jawOpen"}, "Key 1 is not an object"),
        ("jawOpen", "Key 1 is not an object"),
    ],
)
def test_a_bad_key(tmp_path: Path, key: Any, sentence: str) -> None:
    with pytest.raises(GivenValuesError, match=sentence) as caught:
        read_keys(keys_file(tmp_path, {"keys": [key]}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", [SMILE, TURN])
def test_two_values_at_one_time_and_channel(tmp_path: Path, key: dict[str, Any]) -> None:
    with pytest.raises(GivenValuesError, match=f"two keys of {key['channel']} at 1.2 s"):
        read_keys(keys_file(tmp_path, {"keys": [key, key]}))


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"keys": {}}', "[" * 100000, '"keys"'])
def test_no_keys_file(tmp_path: Path, content: str) -> None:
    with pytest.raises(GivenValuesError, match=r"keys\.json"):
        read_keys(keys_file(tmp_path, content))


def test_missing_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(GivenValuesError, match="does not exist"):
        read_keys(tmp_path / "nowhere.json")
    with pytest.raises(GivenValuesError, match="not JSON"):
        read_keys(tmp_path)
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(GivenValuesError, match="not JSON"):
        read_keys(tmp_path / "binary.json")


@pytest.mark.parametrize(("time", "is_inside"), [(0.0, True), (2.0, True), (-0.01, False), (2.01, False)])
def test_times_outside_the_audio(tmp_path: Path, time: float, is_inside: bool) -> None:
    keys = read_keys(keys_file(tmp_path, {"keys": [SMILE | {"time": time}]}))
    if is_inside:
        check_inside(keys, 2.0, "a.wav")
    else:
        with pytest.raises(GivenValuesError, match=r"mouthSmileLeft at .* lies outside a\.wav"):
            check_inside(keys, 2.0, "a.wav")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["jawOpen"]),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["keys", "time", "channel", "value"]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_any_json_is_read_or_refused_in_a_sentence(tmp_path: Path, document: Any) -> None:
    path = keys_file(tmp_path, document)
    refusals = []
    try:
        read_keys(path)
    except GivenValuesError as error:
        refusals.append(str(error))
    assert all("\n" not in refusal for refusal in refusals)
