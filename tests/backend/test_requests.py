# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from retake.backend.errors import OptionsError, RetakeError, RigError
from retake.backend.protocol import CHANNEL_NAMES, CONTROL_NAMES, DEFAULT_SAMPLER, PARTS
from retake.backend.requests import GenerateRequest, parse_generate, parse_rig

GOOD: dict[str, Any] = {
    "audio": "a.wav",
    "rig": "a" * 64,
    "parts": ["mouth", "head"],
    "seeds": [3, 4],
    "range": [0, 2.5],
    "guidance": 1,
    "steps": 10,
    "scheduler": "ddim",
    "style": "neutral",
}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=6,
)
NUMBERS = (npst.boolean_dtypes(), npst.integer_dtypes(), npst.unsigned_integer_dtypes(), npst.floating_dtypes())
ARRAYS = npst.arrays(st.one_of(*NUMBERS), npst.array_shapes(max_side=4))


def test_a_whole_request() -> None:
    keys = {"given_times": np.array([1.0]), "given_channels": np.array([17]), "given_values": np.array([0.5])}
    request = parse_generate(GOOD, keys)
    assert request.options.seeds == (3, 4)
    assert request.options.range_seconds == (0.0, 2.5)
    assert request.options.parts == ("mouth", "head")
    assert request.given.channels.tolist() == [17]
    assert request.speaking == ()
    assert parse_generate(GOOD | {"speaking": [[0, 1.5], [2, 3]]}, keys).speaking == ((0.0, 1.5), (2.0, 3.0))


def test_what_may_be_left_out() -> None:
    request = parse_generate({"audio": "a.wav", "rig": "b", "seeds": [0]}, {})
    assert request.options.range_seconds is None
    assert request.options.parts == tuple(PARTS)
    assert (request.options.scheduler, request.options.num_inference_steps) == (DEFAULT_SAMPLER, None)
    assert len(request.given) == 0


@pytest.mark.parametrize("name", ["audio", "rig", "seeds"])
def test_what_may_not(name: str) -> None:
    with pytest.raises(OptionsError, match=name):
        parse_generate({key: value for key, value in GOOD.items() if key != name}, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("range", [0, 10**400]), ("range", [True, 2]), ("guidance", 10**400), ("guidance", True), ("steps", 2.0)),
        *(("seeds", [1.0]), ("seeds", 3), ("parts", [1]), ("parts", "mouth"), ("audio", None), ("style", 1)),
        *(("speaking", [1, 2]), ("speaking", [[2, 1]]), ("speaking", [[0, 1, 2]]), ("speaking", [[0, "1"]])),
    ],
)
def test_a_member_of_the_wrong_kind(name: str, value: object) -> None:
    with pytest.raises(OptionsError):
        parse_generate(GOOD | {name: value}, {})


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(GOOD)), ANYTHING)
def test_any_member_is_read_or_refused(name: str, value: Any) -> None:
    try:
        assert isinstance(parse_generate(GOOD | {name: value}, {}), GenerateRequest)
    except RetakeError as error:
        assert "Traceback" not in str(error)  # noqa: PT017


@settings(max_examples=200, deadline=None)
@given(ARRAYS, ARRAYS, ARRAYS)
def test_any_given_values_are_laid_out_or_refused(times: np.ndarray, channels: np.ndarray, values: np.ndarray) -> None:
    arrays = {"given_times": times, "given_channels": channels, "given_values": values}
    try:
        given_values = parse_generate(GOOD, arrays).given
    except RetakeError:
        return
    dense, mask = given_values.dense(-30, 100, range(55))
    assert np.isfinite(dense).all()
    assert mask.sum() <= len(given_values)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["v_template", "controls", "J_regressor", "weights"]), ARRAYS))
def test_any_rig_is_refused_unless_it_fits(arrays: dict[str, np.ndarray]) -> None:
    names = {"rig": "a", "channel_names": list(CHANNEL_NAMES), "control_names": list(CONTROL_NAMES)}
    with pytest.raises(RigError):
        parse_rig(names, arrays)
