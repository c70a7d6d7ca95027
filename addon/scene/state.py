# SPDX-License-Identifier: GPL-3.0-or-later
"""What Retake keeps in the shot: for every head its takes, its ledger and its recording, in the scene.

The record of a head is found by a pointer to the mesh object, so it survives renaming, saving and undo, and a linked
and overridden head does not lose it. Takes that were deleted, or undone, are remembered by `history`.
"""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import bpy

from ...backend.protocol import PARTS
from ..core.finishing import Finishing
from ..core.ledger import Ledger
from ..core.library import Library
from ..core.storage import ledger_from_bytes, ledger_to_bytes, library_from_bytes, library_to_bytes
from ..core.timing import Span
from .history import RecordKey, key_of, remember
from .rows import RETAKE_PG_left, RETAKE_PG_row


class RETAKE_PG_head(bpy.types.PropertyGroup):
    """Everything that belongs to one head of the shot."""

    head: bpy.props.PointerProperty(
        type=bpy.types.Object, name="Head", description="The mesh that carries the shape keys"
    )
    uid: bpy.props.StringProperty(options={"HIDDEN"})
    audio_path: bpy.props.StringProperty(subtype="FILE_PATH", options={"HIDDEN"})
    audio_frame: bpy.props.FloatProperty(options={"HIDDEN"})
    library: bpy.props.StringProperty(subtype="BYTE_STRING", options={"HIDDEN"})
    ledger: bpy.props.StringProperty(subtype="BYTE_STRING", options={"HIDDEN"})
    notes: bpy.props.StringProperty(options={"HIDDEN"})
    heard: bpy.props.StringProperty(options={"HIDDEN"})
    turned_by: bpy.props.EnumProperty(
        items=(
            ("AUTO", "Neck by Name", "A bone of the armature that is named neck, else one named head"),
            ("BONE", "Bone", "A bone that you choose"),
            ("OBJECT", "Object", "An object that you choose, as it stands now"),
            ("NOTHING", "Nothing", "The head does not turn"),
        ),
        name="Turned By",
        description="What the head's motion is written on",
    )
    turn_bone: bpy.props.StringProperty(name="Bone", description="The bone that turns the head")
    rows: bpy.props.CollectionProperty(type=RETAKE_PG_row)
    row: bpy.props.IntProperty(options={"HIDDEN"})
    left: bpy.props.CollectionProperty(type=RETAKE_PG_left)
    turn_base: bpy.props.FloatVectorProperty(size=4, default=(1.0, 0.0, 0.0, 0.0), options={"HIDDEN"})


def _finishing_property(name: str, description: str, default: float, least: float, most: float, subtype: str) -> str:
    """The annotation of a number of the finishing, as text: see `addon/ui/pose.py`."""
    return (
        f"bpy.props.FloatProperty(name={name!r}, description={description!r}, default={default}, min={least}, "
        f"max={most}, subtype={subtype!r}, precision=2, step=10, options=set(), update=write_anew)"
    )


def write_anew(record: Any, context: Any) -> None:
    """What Blender calls when a number of the finishing changes."""
    refinish(record)


RETAKE_PG_head.__annotations__["lead"] = _finishing_property(
    "Mouth Lead", "Frames by which the mouth comes earlier than it is heard; negative: later", 0.0, -12.0, 12.0, "NONE"
)
RETAKE_PG_head.__annotations__["blinks"] = _finishing_property(
    "Blinks", "Blinks for each one that was generated: 0 none, 1 as generated, 2 twice as many", 1.0, 0.0, 2.0, "FACTOR"
)
RETAKE_PG_head.__annotations__["gaze"] = _finishing_property(
    "Gaze Darts", "How far the eyes dart about; 1 is as generated", 1.0, 0.0, 2.0, "FACTOR"
)
RETAKE_PG_head.__annotations__["sparse"] = (
    "bpy.props.BoolProperty(name='Sparse Keys', options=set(), update=write_anew, description='Fewer generated keys, "
    "easier to edit; off: a key on every frame')"
)
RETAKE_PG_head.__annotations__["tolerance"] = (
    "bpy.props.FloatProperty(name='Tolerance', default=0.2, min=0.02, max=5.0, precision=2, step=5, options=set(), "
    "update=write_anew, description='How far a sparse curve may move any point of the face off the take, mm; "
    "counts while Sparse Keys is on')"
)
for _part in PARTS:
    _label = _part.replace("_", " ")
    RETAKE_PG_head.__annotations__[f"strength_{_part}"] = _finishing_property(
        "Strength", f"How strong the motion of the {_label} is; 1 is as generated", 1.0, 0.0, 2.0, "FACTOR"
    )
    RETAKE_PG_head.__annotations__[f"smoothing_{_part}"] = _finishing_property(
        "Smoothing",
        f"How smooth the motion of the {_label} is made; closed lips stay",
        0.0,
        0.0,
        1.0,
        "FACTOR",
    )

refinishers: list[Callable[[Any], None]] = []  # who writes the takes anew; set by the operators


def note_base(record: Any, context: Any) -> None:
    """An object was chosen to turn the head: it rests as it stands."""
    if record.turn_object is not None:
        record.turn_base = record.turn_object.matrix_basis.to_quaternion()


RETAKE_PG_head.__annotations__["turn_object"] = (
    "bpy.props.PointerProperty(type=bpy.types.Object, name='Object', update=note_base, "
    "description='The object that turns the head, as it stands now')"
)


def refinish(record: Any) -> None:
    """Write the takes of a record anew, as a finishing was changed."""
    for write in refinishers:
        write(record)


def finishing_of(record: Any) -> Finishing:
    """What the animator changes of a record's takes."""
    return Finishing(
        {part: float(getattr(record, f"strength_{part}")) for part in PARTS},
        {part: float(getattr(record, f"smoothing_{part}")) for part in PARTS},
        float(record.lead),
        float(record.blinks),
        float(record.gaze),
        tuple(Span(*span) for span in load_notes(record).quiet),
    )


class RETAKE_PG_scene(bpy.types.PropertyGroup):
    """Retake's records of a scene."""

    heads: bpy.props.CollectionProperty(type=RETAKE_PG_head)


@dataclasses.dataclass
class Notes:
    """What the writer has to remember beside takes and ledger.

    Attributes:
        frozen: Curve id -> handles of the animator's keys that were frozen, to be given back.
        clock: (fps, start_frame) of the last write; None before it.
        made_actions: Roles ("key", "rig") whose action Retake made, with the name it gave.
        shown: Id of the take shown last, 0 for the original.
        previous: Id of the take shown before it, to compare the two.
        stale: Ids of takes whose keys had changed when last looked at.
        locked: (start, end) of spans that the animator locked, s of audio time.
        quiet: (start, end) of spans without blinks, s of audio time.
        extrapolations: Roles whose action extrapolation was changed so that the NLA plays beside our keys, with what
            it was.
        turns: Curve id -> which write it was, counted over all records that drive the curve (see `sharing`).
        owners: Type and name of the datablocks that were written (see `departed`).
    """

    frozen: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    clock: tuple[float, float] | None = None
    made_actions: dict[str, str] = dataclasses.field(default_factory=dict)
    shown: int = 0
    previous: int = 0
    stale: list[int] = dataclasses.field(default_factory=list)
    locked: list[tuple[float, float]] = dataclasses.field(default_factory=list)
    quiet: list[tuple[float, float]] = dataclasses.field(default_factory=list)
    extrapolations: dict[str, str] = dataclasses.field(default_factory=dict)
    turns: dict[str, int] = dataclasses.field(default_factory=dict)
    owners: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    def show(self, take: int) -> None:
        """Note which take is shown now, and which one was before."""
        if take != self.shown:
            self.previous, self.shown = self.shown, take


_decoded: dict[RecordKey, tuple[bytes, Library]] = {}
_ledgers: dict[RecordKey, tuple[bytes, Ledger]] = {}


def record_of(scene: bpy.types.Scene, head: bpy.types.Object) -> RETAKE_PG_head | None:
    """The record of a head, None where it has none yet."""
    return next((record for record in scene.retake.heads if record.head == head), None)


def head_of(scene: bpy.types.Scene, uid: str) -> bpy.types.Object | None:
    """The head of a record, None where either is gone."""
    return next((record.head for record in scene.retake.heads if record.uid == uid), None)


def scene_of(name: str, uid: str) -> bpy.types.Scene | None:
    """The scene that holds a head's record: the one of that name, else (it was renamed) any; None where none does."""
    holding = [scene for scene in bpy.data.scenes if head_of(scene, uid) is not None]
    return next((scene for scene in holding if scene.name == name), holding[0] if holding else None)


def ensure_record(scene: bpy.types.Scene, head: bpy.types.Object) -> RETAKE_PG_head:
    """The record of a head, made where it has none."""
    record = record_of(scene, head)
    if record is None:
        record = scene.retake.heads.add()
        record.head, record.uid = head, uuid.uuid4().hex
    return record


def load_library(record: RETAKE_PG_head) -> Library:
    """Takes and comp of a record.

    Raises:
        StoredTakesError: What is stored is damaged or of a newer Retake.
    """
    data, key = bytes(record.library), key_of(record)
    known = _decoded.get(key)
    if known is None or known[0] != data:
        known = (data, library_from_bytes(data) if data else Library())
        _decoded[key] = known
        remember(record, known[1])
    return known[1]


def save_library(record: RETAKE_PG_head, library: Library, packed: bytes | None = None) -> None:
    """Store takes and comp in a record; `packed` is what `library_to_bytes` made of them, if that is known."""
    data = library_to_bytes(library) if packed is None else packed
    record.library = data
    _decoded[key_of(record)] = (data, library)
    remember(record, library)


@contextmanager
def changing(record: RETAKE_PG_head) -> Iterator[Library]:
    """The library of a record, to be changed: if anything fails, the next reader finds what is stored."""
    try:
        yield load_library(record)
    except BaseException:
        _decoded.pop(key_of(record), None)
        raise


def load_ledger(record: RETAKE_PG_head) -> Ledger:
    """Ledger of a record, frames being those of the actions."""
    data, key = bytes(record.ledger), key_of(record)
    known = _ledgers.get(key)
    if known is None or known[0] != data:
        known = (data, ledger_from_bytes(data) if data else Ledger())
        _ledgers[key] = known
    return Ledger(dict(known[1].curves))


def save_ledger(record: RETAKE_PG_head, ledger: Ledger, packed: bytes | None = None) -> None:
    """Store the ledger of a record; `packed` is what `ledger_to_bytes` made of it, if that is known."""
    data = ledger_to_bytes(ledger) if packed is None else packed
    record.ledger = data
    _ledgers[key_of(record)] = (data, Ledger(dict(ledger.curves)))


def load_notes(record: RETAKE_PG_head) -> Notes:
    """The writer's notes of a record."""
    if not record.notes:
        return Notes()
    stored = json.loads(record.notes)
    clock, locked, owners = stored.pop("clock"), stored.pop("locked"), stored.pop("owners", ())
    return Notes(
        clock=(float(clock[0]), float(clock[1])) if clock else None,
        locked=[(float(start), float(end)) for start, end in locked],
        owners=[(str(kind), str(name)) for kind, name in owners],
        **stored,
    )


def save_notes(record: RETAKE_PG_head, notes: Notes) -> None:
    """Store the writer's notes."""
    record.notes = json.dumps(dataclasses.asdict(notes))


CLASSES = (RETAKE_PG_head, RETAKE_PG_scene)
