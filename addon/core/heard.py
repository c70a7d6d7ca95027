# SPDX-License-Identifier: GPL-3.0-or-later
"""What the model heard in a recording, kept to be shown beside the keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .timing import Span

MOST = 100_000  # phones of hours of speech; more is not kept


@dataclass(frozen=True)
class Heard:
    """Phones and pauses of a recording.

    Attributes:
        phones: (start s, end s, ARPAbet name) in time.
        pauses: Silences, s.
    """

    phones: tuple[tuple[float, float, str], ...] = ()
    pauses: tuple[Span, ...] = ()

    @classmethod
    def of_message(cls, message: Mapping[str, Any]) -> Heard:
        """What a `generate` result tells; nothing where it tells nothing that makes sense."""
        try:
            phones = tuple(
                (float(start), float(end), str(name)[:4]) for start, end, name in list(message.get("phones", ()))[:MOST]
            )
            pauses = tuple(Span(float(start), float(end)) for start, end in list(message.get("pauses", ()))[:MOST])
        except (TypeError, ValueError):
            return cls()
        return cls(phones, pauses)

    def to_text(self) -> str:
        """As it is kept."""
        return json.dumps({"phones": self.phones, "pauses": [(span.start, span.end) for span in self.pauses]})

    @classmethod
    def from_text(cls, text: str) -> Heard:
        """What was kept; nothing where it is damaged."""
        try:
            return cls.of_message(json.loads(text)) if text else cls()
        except ValueError:
            return cls()
