# SPDX-License-Identifier: GPL-3.0-or-later
"""Every take that a record ever held since Blender started, so that deleted and undone ones can be recovered.

A record is known by its scene's session_uid, which saving, renaming and undo keep, and by its own uid: the copy of a
scene has the same uid, but a history of its own. Opening a file makes new session_uids; a record takes over the history
of the one with its uid that was last open from the same file, so that Revert loses nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import bpy
from bpy.app.handlers import persistent

from ..core.library import Library
from ..core.takes import Take

Version = tuple[int, int, bytes]
"""Id and seed of a take, digest of its values."""

RecordKey = tuple[int, str]
"""Session uid of the scene, uid of the record."""


@dataclass
class History:
    """What a record held.

    Attributes:
        seen: Every take, oldest first.
        before: What an update put in the place of which take.
        replaced: Takes that updates replaced: they are not lost.
        file: Path and scene name under which the record was closed, None while it is open.
    """

    seen: dict[Version, Take] = field(default_factory=dict)
    before: dict[Version, Version] = field(default_factory=dict)
    replaced: set[Version] = field(default_factory=set)
    file: tuple[str, str] | None = None


_histories: dict[RecordKey, History] = {}


def key_of(record: Any) -> RecordKey:
    """What tells a record from all others of this Blender, copies included."""
    return record.id_data.session_uid, record.uid


def remember(record: Any, library: Library) -> None:
    """Keep the takes that a record holds now, and which of them updates replaced."""
    history = _history(record)
    present = {_version(take): take for take in library.takes.values()}
    history.seen.update(present)
    history.replaced.difference_update(present)
    for version in present:
        old = history.before.get(version)
        while old is not None and old not in present and old not in history.replaced:
            history.replaced.add(old)
            old = history.before.get(old)


def note_replaced(record: Any, old: list[Take], new: list[Take]) -> None:
    """Remember that an update put some takes in the place of others, so that these are not lost takes."""
    before = _history(record).before
    before.update({_version(later): _version(take) for take, later in zip(old, new, strict=True)})


def lost_takes(record: Any, library: Library) -> list[Take]:
    """Takes that were deleted or undone in a record since Blender started, oldest first; not what updates replaced."""
    history, present = _history(record), {_version(take)[1:] for take in library.takes.values()}
    lost = {version[1:]: take for version, take in history.seen.items() if version not in history.replaced}
    return [take for version, take in lost.items() if version not in present]


@persistent
def close_histories(*_: object) -> None:
    """Before another file is opened: note from which file and scene the open records are."""
    for scene in bpy.data.scenes:
        for record in scene.retake.heads:
            history = _histories.get(key_of(record))
            if history is not None:
                history.file = bpy.data.filepath, scene.name


def _history(record: Any) -> History:
    """History of a record, taken over from the last time its file was open."""
    key = key_of(record)
    if key not in _histories:
        earlier = _earlier(record)
        _histories[key] = _histories.pop(earlier) if earlier is not None else History()
        _histories[key].file = None
    return _histories[key]


def _earlier(record: Any) -> RecordKey | None:
    """The record as it was closed last: from this file, and from a scene of this name or of one that is gone."""
    path, open_scenes = bpy.data.filepath, {scene.session_uid: scene.name for scene in bpy.data.scenes}
    others = set(open_scenes.values()) - {record.id_data.name}
    closed = [
        (history.file[1] == record.id_data.name, key)
        for key, history in _histories.items()
        if key[1] == record.uid and key[0] not in open_scenes and path
        if history.file is not None and history.file[0] == path and history.file[1] not in others
    ]
    latest = sorted(closed, key=lambda found: found[0])[-1:]
    return latest[0][1] if latest else None


def _version(take: Take) -> Version:
    return take.id, take.seed, hashlib.sha1(take.values.tobytes(), usedforsecurity=False).digest()
