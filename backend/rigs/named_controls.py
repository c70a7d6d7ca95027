# SPDX-License-Identifier: GPL-3.0-or-later
"""Heads with named controls: shape keys that move vertices linearly, under ARKit's names.

A model of named controls drives any head by the names alone; a head's geometry is what other motion spaces and
measures in millimetres need. It crosses the pipe once and is kept under its hash.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RigError, UnknownRigError
from ..protocol import CHANNEL_NAMES, CONTROL_NAMES

Array = NDArray[np.float32]


@dataclass(frozen=True)
class NamedControlsRig:
    """One head.

    Attributes:
        channel_names: Channels that the head has, names out of `CHANNEL_NAMES`.
        control_names: Names of the rows of `controls`, E of them.
        v_template: (V, 3) m, the neutral mesh.
        controls: (E, V, 3) m, displacement of each control at weight 1.
        J_regressor: (J, V), joints from vertices.
        weights: (V, J), skinning.
    """

    channel_names: tuple[str, ...]
    control_names: tuple[str, ...]
    v_template: Array
    controls: Array
    J_regressor: Array
    weights: Array

    @classmethod
    def of(
        cls, channel_names: Sequence[str], control_names: Sequence[str], arrays: Mapping[str, NDArray[Any]]
    ) -> NamedControlsRig:
        """Build from what crossed the pipe and check it.

        Raises:
            RigError: An array is missing, not finite or of another shape, or no channel is one of the model's.
        """
        names = ("v_template", "controls", "J_regressor", "weights")
        missing = [name for name in names if name not in arrays]
        if missing:
            raise RigError(f"The head lacks the array {missing[0]}.")
        with np.errstate(over="ignore"):  # what overflows is refused as not finite
            rig = cls(tuple(channel_names), tuple(control_names), *(arrays[name].astype(np.float32) for name in names))
        rig._check()
        return rig

    @property
    def channels(self) -> tuple[int, ...]:
        """Indices into `CHANNEL_NAMES` of the channels this head has."""
        return tuple(index for index, name in enumerate(CHANNEL_NAMES) if name in self.channel_names)

    @property
    def missing_controls(self) -> tuple[str, ...]:
        """Controls of the model that this head has not: their motion is lost."""
        return tuple(name for name in CONTROL_NAMES if name not in self.channel_names)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays, bytes."""
        return sum(array.nbytes for array in (self.v_template, self.controls, self.J_regressor, self.weights))

    def _check(self) -> None:
        if not self.channels:
            raise RigError(
                "The head has none of the model's channels.", "Give it shape keys with ARKit's names, such as jawOpen."
            )
        V, E, J = len(self.v_template), len(self.control_names), len(self.J_regressor)
        expected = {"v_template": (V, 3), "controls": (E, V, 3), "J_regressor": (J, V), "weights": (V, J)}
        for name, shape in expected.items():
            array: Array = getattr(self, name)
            if array.shape != shape:
                raise RigError(f"The head's array {name} has shape {array.shape} where {shape} is needed.")
            if not np.isfinite(array).all():
                raise RigError(f"The head's array {name} holds values that are not numbers.")


class RigCache:
    """Registered heads by hash; the one unused for longest makes room."""

    def __init__(self, max_bytes: int = 256 << 20) -> None:
        self._max_bytes = max_bytes
        self._rigs: OrderedDict[str, NamedControlsRig] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rigs)

    def register(self, digest: str, rig: NamedControlsRig) -> None:
        """Keep a head under its hash."""
        self._rigs[digest] = rig
        self._rigs.move_to_end(digest)
        while len(self._rigs) > 1 and sum(one.nbytes for one in self._rigs.values()) > self._max_bytes:
            self._rigs.popitem(last=False)

    def get(self, digest: str) -> NamedControlsRig:
        """Return a registered head.

        Raises:
            UnknownRigError: It was never registered, or has made room for others.
        """
        if digest not in self._rigs:
            raise UnknownRigError("This head is not registered with the backend.", "Register it and ask again.")
        self._rigs.move_to_end(digest)
        return self._rigs[digest]
