# SPDX-License-Identifier: GPL-3.0-or-later
"""The library of a shot: its takes, the comp, Take 0 (design.md, "Takes")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from ...backend.errors import InputError
from .channels import channels_of
from .finishing import Finishing
from .given import Given
from .request import RequestValues
from .result import read_result
from .splice import splice
from .takes import ORIGINAL, CompEntry, GivenSet, OriginalCurve, Settings, Take
from .timing import AudioClock, Span


@dataclass
class Library:
    """Takes, comp and Take 0 of one shot.

    Attributes:
        takes: Id -> take, without Take 0.
        comp: What plays, in the order of assignment: a later entry lies over an earlier one and fades in inside its
            own span, so that nothing outside changes.
        original: Curve id -> the curve before the first write.
        next_id: Id of the next take.
        deleted: Takes that can still be recovered; not saved with the file.
        finishing: What the animator changes of all takes; the scene keeps it, not the library's bytes.
    """

    takes: dict[int, Take] = field(default_factory=dict)
    comp: list[CompEntry] = field(default_factory=list)
    original: dict[str, OriginalCurve] = field(default_factory=dict)
    next_id: int = 1
    deleted: dict[int, Take] = field(default_factory=dict)
    finishing: Finishing = field(default_factory=Finishing)

    def remember_original(self, curve_id: str, curve: OriginalCurve) -> None:
        """Store a curve for Take 0; only the first time counts, so call it before every write."""
        self.original.setdefault(curve_id, curve)

    def take(self, take: int) -> Take:
        """A take by its id.

        Raises:
            InputError: There is no such take.
        """
        if take not in self.takes:
            known = ", ".join(str(number) for number in self.takes) or "none yet"
            raise InputError(f"There is no take {take}.", f"The takes are: {known}.")
        return self.takes[take]

    def add_result(
        self,
        message: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        parts: Sequence[str],
        span: Span,
        given: RequestValues,
        settings: Settings,
    ) -> list[int]:
        """New Takes: append one take a seed of a `generate` result.

        Args:
            message: The result's message.
            arrays: Its arrays; channels (K, N, C).
            parts: Parts that were generated.
            span: The range that was generated, s.
            given: What was sent.
            settings: How.

        Returns:
            Ids of the new takes, in the order of the seeds. The comp is not changed: call `show`.

        Raises:
            ShapeError: Message and arrays do not fit together, or a value is not finite.
        """
        result = read_result(message, arrays, parts, span, given)
        given_set = GivenSet.of_request(given, result.channel_names, span)
        ids = list(range(self.next_id, self.next_id + len(result.seeds)))
        for number, seed, values in zip(ids, result.seeds, result.values, strict=True):
            self.takes[number] = Take(
                number,
                f"Take {number}",
                seed,
                tuple(parts),
                span,
                result.start_frame,
                result.channel_names,
                values,
                settings,
                given_set,
            )
        self.next_id += len(ids)
        return ids

    def update_result(
        self,
        ids: Sequence[int],
        message: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        parts: Sequence[str],
        span: Span,
        given: RequestValues,
        settings: Settings | None = None,
    ) -> None:
        """Update Take: put a result with the same seeds into existing takes, the rest of each staying as it is.

        Args:
            ids: Takes, in the order of the result's seeds.
            message: The result's message.
            arrays: Its arrays.
            parts: Parts that were generated; one the take lacks is added where the range covers the whole take.
            span: The range that was generated, s.
            given: What was sent.
            settings: How; a take that is renewed as a whole remembers it.

        Raises:
            InputError: A take is pinned, unknown, does not touch the range or lacks a part, or its seed is not the
                result's.
            ShapeError: Message and arrays do not fit together, or a value is not finite.
        """
        result = read_result(message, arrays, parts, span, given)
        old = [self.take(number) for number in ids]
        for take in old:
            self._check_update(take, parts, span)
        if [take.seed for take in old] != list(result.seeds):
            raise InputError(f"The result has the seeds {list(result.seeds)}, not those of the takes {list(ids)}.")
        fresh = GivenSet.of_request(given, result.channel_names, span)
        for take, values in zip(old, result.values, strict=True):
            renewed = splice(take, result.channel_names, tuple(parts), span, result.start_frame, values, fresh)
            if settings is not None and _covers(span, take.span) and set(take.parts) <= set(parts):
                renewed = replace(renewed, settings=settings)
            self.takes[take.id] = renewed

    def show(self, take: int, parts: Sequence[str] | None = None, span: Span | None = None) -> None:
        """Let a take play in its parts and range (or in some of it): an entry of the comp a part.

        Args:
            take: Its id; for ORIGINAL parts and span are required.
            parts: Parts that play it; those the take has if None.
            span: Seconds; the take's range if None.

        Raises:
            InputError: There is no such take, or it does not cover the parts or the span.
        """
        if take == ORIGINAL:
            if parts is None or span is None:
                raise InputError("The original needs parts and a range to be shown in.")
        else:
            shown = self.take(take)
            parts, span = parts or shown.parts, span or shown.span
            self._check_covers(shown, parts, span)
        channels_of(parts)
        for part in parts:
            self.comp = [entry for entry in self.comp if entry.part != part or not _covers(span, entry.span)]
            self.comp.append(CompEntry(part, span, take))

    def shown(self, part: str, second: float) -> int | None:
        """Id of the take that plays a part at a time, None where nothing of ours does."""
        playing = [entry.take for entry in self.comp if entry.part == part and entry.span.contains(second, 1e-6)]
        return playing[-1] if playing else None

    def rename(self, take: int, name: str) -> None:
        """Give a take another name.

        Raises:
            InputError: There is no such take, or the name is empty.
        """
        if not name.strip():
            raise InputError("A take needs a name.", "Type at least one letter.")
        self.takes[take] = replace(self.take(take), name=name.strip())

    def annotate(self, take: int, note: str) -> None:
        """Write a note beside a take."""
        self.takes[take] = replace(self.take(take), note=note.strip())

    def playing(self, take: int) -> list[CompEntry]:
        """Where a take plays: its entries of the comp, in the order of assignment."""
        return [entry for entry in self.comp if entry.take == take]

    def pin(self, take: int, pinned: bool = True) -> None:
        """Protect a take from deletion and from Update Take, or release it."""
        self.takes[take] = replace(self.take(take), pinned=pinned)

    def delete(self, take: int) -> None:
        """Remove a take; it can be recovered until Blender closes.

        Raises:
            InputError: It is pinned, plays in the comp, or does not exist; the sentence says which.
        """
        gone = self.take(take)
        if gone.pinned:
            raise InputError(f"{gone.name} is pinned.", "Unpin it first.")
        playing = sorted({entry.part for entry in self.comp if entry.take == take})
        if playing:
            raise InputError(f"{gone.name} is shown ({', '.join(playing)}).", "Show another take first.")
        self.deleted[take] = self.takes.pop(take)

    def recover(self, take: int) -> None:
        """Bring a deleted take back under its id.

        Raises:
            InputError: There is no such take among the deleted ones.
        """
        if take not in self.deleted:
            raise InputError(f"There is no deleted take {take}.", "Takes can be recovered until Blender closes.")
        self.takes[take] = self.deleted.pop(take)
        self.takes = dict(sorted(self.takes.items()))

    def stale_takes(
        self,
        given: Given,
        clock: AudioClock,
        recording: str,
        seconds: float,
        speaking: tuple[tuple[float, float], ...] | None = None,
    ) -> list[int]:
        """Ids of the takes that were made with other keys or for another recording; cheap enough for a switch.

        Args:
            given: What is given now.
            clock: Audio time to scene frames.
            recording: File name of the recording.
            seconds: Its length.
            speaking: Seconds of it in which the head speaks; None where that is not known.
        """
        now = GivenSet.of_given(given, clock)
        other = self.made_for_other(recording, seconds)
        if speaking is not None:
            other += [take for take in self.takes.values() if take.settings.speaking != speaking]
        return [take.id for take in self.takes.values() if take in other or not now.within(take).equals(take.given)]

    def made_for_other(self, recording: str, seconds: float) -> list[Take]:
        """Takes that remember to have been made for another recording."""
        return [take for take in self.takes.values() if not take.settings.is_for(recording, seconds)]

    def stale(self, take: int, given: Given, clock: AudioClock) -> bool:
        """Whether keys of the take's parts in its range changed since it was made."""
        return not GivenSet.of_given(given, clock).within(self.take(take)).equals(self.take(take).given)

    def _check_covers(self, take: Take, parts: Sequence[str], span: Span) -> None:
        lacking = [part for part in parts if part not in take.parts]
        if lacking:
            raise InputError(f"{take.name} has no {lacking[0]}.", f"It performs {', '.join(take.parts)}.")
        if not _covers(take.span, span):
            raise InputError(
                f"{take.name} spans {take.span.start:.2f} to {take.span.end:.2f} s, not {span.start:.2f} to "
                f"{span.end:.2f} s.",
                "Choose a range within it.",
            )

    def _check_update(self, take: Take, parts: Sequence[str], span: Span) -> None:
        if take.pinned:
            raise InputError(f"{take.name} is pinned.", "Unpin it, or make new takes.")
        lacking = [part for part in parts if part not in take.parts]
        if lacking and not _covers(span, take.span):
            raise InputError(f"{take.name} has no {lacking[0]}.", "Update its whole range, or make new takes.")
        where = f"the range from {span.start:.2f} to {span.end:.2f} s"
        touch = "Choose a range that touches it, or make new takes."
        if take.span.end < span.start:
            raise InputError(f"{take.name} ends before {where}, at {take.span.end:.2f} s.", touch)
        if take.span.start > span.end:
            raise InputError(f"{take.name} starts after {where}, at {take.span.start:.2f} s.", touch)


def _covers(outer: Span, inner: Span) -> bool:
    return outer.start <= inner.start + 1e-6 and outer.end >= inner.end - 1e-6
