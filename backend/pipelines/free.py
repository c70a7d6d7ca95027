# SPDX-License-Identifier: GPL-3.0-or-later
"""Remembers motion that was sampled without given values, so that a changed key costs one sampling and not two.

What a key may change is blended out of a motion that knows no key (`settling.influence`); that motion depends on the
recording, the seeds and the options alone. Entries are whole batches: a batch of other windows or takes may differ in
its last bits, and the same request has to give the same bits whatever came before it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_MAX_BYTES = 48 << 20

Motion = NDArray[np.float32]


class FreeMotions:
    """The batches used last, (B, N, C) each, of one network; any thread may ask."""

    def __init__(self) -> None:
        self._entries: OrderedDict[tuple[int, Hashable], tuple[Tensor, Motion]] = OrderedDict()
        self._lock = threading.Lock()  # of the entries; not held while sampling

    def get(self, features: Tensor, batch: Hashable, sample: Callable[[], Motion]) -> tuple[Motion, bool]:
        """Motion of a batch, sampled unless it is known.

        Args:
            features: Audio features of the recording; the same object stands for the same recording.
            batch: Everything else that the motion depends on.
            sample: Samples it.

        Returns:
            The motion, not to be written to, and whether it was known.
        """
        key = (id(features), batch)
        with self._lock:
            known = self._entries.get(key)
        motion = sample() if known is None else known[1]
        with self._lock:
            self._entries[key] = (features, motion)  # holding the features keeps their id from being given to others
            self._entries.move_to_end(key)
            while len(self._entries) > 1 and sum(entry[1].nbytes for entry in self._entries.values()) > _MAX_BYTES:
                self._entries.popitem(last=False)
        return motion, known is not None
