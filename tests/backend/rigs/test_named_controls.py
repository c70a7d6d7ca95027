# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from retake.backend.errors import RigError, UnknownRigError
from retake.backend.protocol import CHANNEL_NAMES, CONTROL_NAMES
from retake.backend.rigs import NamedControlsRig, RigCache


def arrays(V: int = 20, E: int = 52, J: int = 5) -> dict[str, np.ndarray]:
    return {
        "v_template": np.zeros((V, 3)),
        "controls": np.zeros((E, V, 3)),
        "J_regressor": np.zeros((J, V)),
        "weights": np.zeros((V, J)),
    }


def rig(channel_names: tuple[str, ...] = CHANNEL_NAMES, **changed: Any) -> NamedControlsRig:
    return NamedControlsRig.of(channel_names, CONTROL_NAMES, arrays() | changed)


def test_a_whole_head() -> None:
    whole = rig()
    assert whole.controls.shape == (52, 20, 3)
    assert whole.controls.dtype == np.float32
    assert whole.channels == tuple(range(55))
    assert whole.missing_controls == ()


def test_a_head_with_some_channels() -> None:
    some = rig(("head_rotation.x", "jawOpen", "my own key"))
    assert [CHANNEL_NAMES[index] for index in some.channels] == ["jawOpen", "head_rotation.x"]
    assert len(some.missing_controls) == 51


def test_a_head_without_shape_keys() -> None:
    with pytest.raises(RigError, match="none of the model's channels"):
        rig(())


@pytest.mark.parametrize(
    ("name", "array", "sentence"),
    [
        ("controls", np.zeros((52, 19, 3)), r"controls has shape \(52, 19, 3\) where \(52, 20, 3\)"),
        ("weights", np.zeros((20, 4)), r"weights has shape \(20, 4\) where \(20, 5\)"),
        ("v_template", np.full((20, 3), np.nan), "v_template holds values that are not numbers"),
    ],
)
def test_arrays_that_do_not_fit(name: str, array: np.ndarray, sentence: str) -> None:
    with pytest.raises(RigError, match=sentence):
        rig(CHANNEL_NAMES, **{name: array})


def test_a_missing_array() -> None:
    with pytest.raises(RigError, match="lacks the array weights"):
        NamedControlsRig.of(CHANNEL_NAMES, CONTROL_NAMES, {k: v for k, v in arrays().items() if k != "weights"})


def test_cache_gives_back_what_was_registered() -> None:
    cache, one = RigCache(), rig()
    cache.register("one", one)
    assert cache.get("one") is one
    with pytest.raises(UnknownRigError):
        cache.get("two")


def test_cache_drops_the_one_unused_for_longest() -> None:
    cache = RigCache(max_bytes=2 * rig().nbytes)
    cache.register("one", rig())
    cache.register("two", rig())
    cache.get("one")
    cache.register("three", rig())
    assert len(cache) == 2
    cache.get("one")
    with pytest.raises(UnknownRigError):
        cache.get("two")


def test_a_head_larger_than_the_cache_is_kept_while_it_is_the_last() -> None:
    cache = RigCache(max_bytes=1)
    cache.register("one", rig())
    assert len(cache) == 1
