# SPDX-License-Identifier: GPL-3.0-or-later
"""The animator's own table: channels on any property of the character, with gain, offset and limits.

A row takes its channel away from the shape keys that were found by name. Rows of one channel show it together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import bpy
import numpy as np

from ...backend.errors import InputError
from ...backend.protocol import CONTROL_NAMES, HEAD_ROTATION
from .. import compat
from ..core.binding import Property
from ..core.poses import label_of
from .rows import COMPONENTS
from .targets import Target, place_in

FORMAT = "retake-table-1"
_LEAST_GAIN = 1e-6
_STEPS = (1e-3, 1e-2, 0.1, 1.0, 10.0)  # by which a driving property is moved, in turn
_BY_HAND = "Add a row by hand."
_SEEN, _MOST = 2e-3, 0.4  # what that must and may do to the driven value


@dataclass(frozen=True)
class Place:
    """A property by what an animator chooses."""

    kind: str
    thing: bpy.types.Object
    name: str = ""
    component: str = "LOC_X"
    path: str = ""
    index: int = 0

    @property
    def label(self) -> str:
        """What an animator calls it."""
        if self.kind == "BONE":
            return f"{self.component.replace('_', ' ').title()} of the bone '{self.name}'"
        return f"'{self.name or self.path}' of '{self.thing.name}'"

    def address(self) -> tuple[bpy.types.ID, str, int]:
        """Owner, data path and index.

        Raises:
            InputError: There is no such property, or it is no number.
        """
        if self.kind == "SHAPE_KEY":
            key = self.thing.data.shape_keys if self.thing.type == "MESH" else None
            if key is None or self.name not in key.key_blocks:
                raise InputError(f"'{self.thing.name}' has no shape key '{self.name}'.", "Choose one in its row.")
            return key, f'key_blocks["{bpy.utils.escape_identifier(self.name)}"].value', 0
        if self.kind == "BONE":
            return self._bone()
        path, index = _split(self.path, self.index)
        try:
            value = self.thing.path_resolve(path)
            number = value if isinstance(value, (int, float)) else value[index]
        except (ValueError, TypeError, IndexError, KeyError):
            number = None
        if not isinstance(number, (int, float)):
            raise InputError(
                f"'{self.thing.name}' has no number at '{self.path}'.",
                "Copy the data path by a right click on the property.",
            )
        if not _can_be_keyed(self.thing, path):
            raise InputError(f"'{self.path}' of '{self.thing.name}' cannot be keyed.", "Choose another property.")
        return self.thing, path, 0 if isinstance(value, (int, float)) else index

    def _bone(self) -> tuple[bpy.types.ID, str, int]:
        bones = self.thing.pose.bones if self.thing.pose is not None else {}
        bone = bones.get(self.name)
        if bone is None:
            raise InputError(f"'{self.thing.name}' has no bone '{self.name}'.", "Choose one in its row.")
        name, index = COMPONENTS[self.component]
        if name == "rotation_euler" and bone.rotation_mode in ("QUATERNION", "AXIS_ANGLE"):
            raise InputError(
                f"The bone '{self.name}' turns by {bone.rotation_mode.replace('_', ' ').lower()}, not by angles.",
                "Choose an Euler mode for it, or another component.",
            )
        return self.thing, bone.path_from_id(name), index


def _split(path: str, index: int) -> tuple[str, int]:
    """A data path without the place in an array at its end, and that place; as given where it has none."""
    stem, bracket, end = path.rpartition("[")
    return (stem, int(end.removesuffix("]"))) if bracket and end.removesuffix("]").isdecimal() else (path, index)


def _can_be_keyed(thing: bpy.types.Object, path: str) -> bool:
    """Whether a property that is a number may be animated; custom ones always may."""
    if path.endswith('"]'):
        return True
    holder, _, name = path.rpartition(".")
    struct = thing.path_resolve(holder) if holder else thing
    known = struct.bl_rna.properties.get(name)
    return known is not None and known.is_animatable


def place_of(row: Any) -> Place:
    """The property that a row names.

    Raises:
        InputError: It names no object.
    """
    if row.thing is None:
        raise InputError(f"The row of {label_of(row.channel)} names no object.", "Choose one, or remove the row.")
    return Place(row.kind, row.thing, row.name, row.component, row.path, row.index)


def target_of(row: Any, number: int) -> Target:
    """The target of a row.

    Args:
        row: The row.
        number: Which one of its channel's rows it is, from 0.

    Raises:
        InputError: It names nothing that can be keyed; the sentence says why.
    """
    owner, path, index = place_of(row).address()
    if not compat.is_editable(owner):
        raise InputError(f"'{row.thing.name}' is linked from another file.", "Override it, or choose something else.")
    if abs(row.gain) < _LEAST_GAIN:
        raise InputError(f"The gain of {label_of(row.channel)} is 0, so that it shows nothing.", "Give it another.")
    low, high = (row.low, row.high) if row.limited else (-np.inf, np.inf)
    curve_id = f"{row.channel} row" + (f" {number + 1}" if number else "")
    return Target(
        curve_id,
        (row.channel,),
        owner,
        path,
        index,
        label_of(row.channel),
        Property((1.0 / row.gain,), row.offset, low, high),
    )


def with_rows(targets: Iterable[Target], rows: Iterable[Any]) -> list[Target]:
    """A head's targets with the animator's rows in place of what was found by name.

    Raises:
        InputError: A row names nothing that can be keyed, or what another one names.
    """
    own: dict[str, list[Target]] = {}
    for row in rows:
        own.setdefault(row.channel, []).append(target_of(row, len(own.get(row.channel, ()))))
    found = [left for target in targets if (left := _without(target, own.keys())) is not None]
    for channel, members in own.items():
        share = 1.0 / len(members)
        found += [_sharing(target, share) for target in members]
        _refuse_twice(channel, members, found)
    order = {name: number for number, name in enumerate((*CONTROL_NAMES, *HEAD_ROTATION))}
    return sorted(found, key=lambda target: order[target.channels[0]])


def _sharing(target: Target, share: float) -> Target:
    """A target that shows a share of its channel: the rows of one channel show it together."""
    return replace(target, shown=replace(target.shown, shows=tuple(share * each for each in target.shown.shows)))


def _refuse_twice(channel: str, members: Sequence[Target], found: Sequence[Target]) -> None:
    """Raise InputError where two rows, or a row and a shape key found by name, are one property."""
    rows = {target.curve_id for target in members}
    for target in members:
        same = [each for each in found if place_in(each) == place_in(target) and each.curve_id != target.curve_id]
        if not same:
            continue
        others = dict.fromkeys(label_of(name) for each in same for name in each.channels)
        named = f"'{target.block.name}'" if target.block is not None else f"{target.data_path} of '{target.owner.name}'"
        if any(each.curve_id in rows for each in same):
            raise InputError(f"Two rows of {label_of(channel)} are on {named}.", "Remove one of them.")
        raise InputError(
            f"{named} is to show {label_of(channel)}, but it shows {' and '.join(others)} already.",
            f"Give {' and '.join(others)} another property in a row of its own, or remove this row.",
        )


def _without(target: Target, channels: Iterable[str]) -> Target | None:
    """A target that leaves some channels to others; None where it shows nothing else."""
    taken = set(channels)
    if not taken & set(target.channels):
        return target
    left = [place for place, name in enumerate(target.channels) if name not in taken]
    shows = tuple(target.shown.shows[place] for place in left)
    if not left or not any(shows):
        return None
    names = tuple(target.channels[place] for place in left)
    return replace(target, channels=names, shown=replace(target.shown, shows=shows))


# What drives a property


def driving(target: Target, steps: int = 8) -> Place:
    """The one property that drives a target, in as many steps at most.

    Raises:
        InputError: It is not driven by one property of an object; the sentence says by what.
    """
    driver = target.driver
    variables = list(driver.driver.variables) if driver is not None else []
    if len(variables) != 1:
        count = len(variables) or "no"
        raise InputError(f"Its driver has {count} variables, and a row stands for one.", _BY_HAND)
    variable, source = variables[0], variables[0].targets[0]
    if not isinstance(source.id, bpy.types.Object):
        named = f"'{source.id.name}'" if source.id is not None else "Its driver's source"
        raise InputError(f"{named} is no object, and a row stands for a property of one.", _BY_HAND)
    place = _place_at(source.id, source.data_path) if variable.type == "SINGLE_PROP" else _bone_of(variable)
    nearer = _at(target, place)
    return driving(nearer, steps - 1) if steps > 1 and nearer.driver is not None else place


def _bone_of(variable: bpy.types.DriverVariable) -> Place:
    """The component of a bone that a driver's variable is."""
    source = variable.targets[0]
    if variable.type != "TRANSFORMS":
        raise InputError(f"It is driven by a measure of '{source.id.name}' that cannot be keyed.", _BY_HAND)
    named = f"'{source.bone_target or source.id.name}'"
    if source.transform_space != "LOCAL_SPACE" or not source.bone_target:
        raise InputError(f"It is driven by how {named} stands in the world, which cannot be keyed.", _BY_HAND)
    if source.transform_type not in COMPONENTS:
        kind = source.transform_type.replace("_", " ").lower()
        raise InputError(f"It is driven by '{kind}' of {named}, which is no component that a row has.", _BY_HAND)
    return Place("BONE", source.id, source.bone_target, source.transform_type)


def _at(target: Target, place: Place) -> Target:
    """A target moved to another property."""
    owner, path, index = place.address()
    return replace(target, owner=owner, data_path=path, index=index)


def _place_at(thing: bpy.types.Object, path: str) -> Place:
    """The property at a driver's data path, its index at the end where it has one."""
    stem, index = _split(path, 0)
    return Place("PROPERTY", thing, path=stem, index=index)


def response(target: Target, place: Place) -> tuple[float, float]:
    """Gain and offset with which a property drives a target, found by moving it a little.

    Returns:
        The property's way for the target's way to 1, and its value where the target is 0.

    Raises:
        InputError: There is no such property, or moving it does not move the target in proportion.
    """
    source = _at(target, place)
    if not compat.is_editable(source.owner):
        raise InputError(f"{place.label} is linked from another file.", "Override it, or add a row by hand.")
    before = source.static

    def at(value: float) -> float:
        source.set_static(value)
        bpy.context.view_layer.update()
        return target.value_in(bpy.context.evaluated_depsgraph_get())

    try:
        rest = at(before)
        for step in (sign * size for size in _STEPS for sign in (1.0, -1.0)):
            once = at(before + step) - rest
            if _SEEN < abs(once) < _MOST and abs(at(before + 2.0 * step) - rest - 2.0 * once) < 0.01 * abs(once):
                return step / once, before - rest * step / once
    finally:
        at(before)
    raise InputError(f"It does not follow {place.label} in proportion.", _BY_HAND)


def add_row(record: Any, channel: str, place: Place, gain: float, offset: float) -> Any:
    """A new row of a head's table."""
    row = record.rows.add()
    row.channel, row.gain, row.offset = channel, gain, offset
    point_at(row, place)
    return row


def point_at(row: Any, place: Place) -> None:
    """Let a row name a property."""
    row.kind, row.thing = place.kind, place.thing
    row.name, row.component, row.path, row.index = place.name, place.component, place.path, place.index


# Presets

_STORED = ("channel", "kind", "name", "component", "path", "index", "gain", "offset", "limited", "low", "high")


def table_to_text(record: Any) -> str:
    """A head's table for a preset: objects by their names."""
    rows = [
        {**{name: getattr(row, name) for name in _STORED}, "object": row.thing.name if row.thing is not None else ""}
        for row in record.rows
    ]
    return json.dumps({"format": FORMAT, "rows": rows}, indent=1)


def read_table_text(text: str) -> list[dict[str, Any]]:
    """Rows of a preset.

    Raises:
        InputError: It is none.
    """
    try:
        stored = json.loads(text)
        rows = stored["rows"] if stored.get("format") == FORMAT else None
        good = isinstance(rows, list) and all(_is_row(row) for row in rows)
    except (ValueError, TypeError, KeyError, AttributeError):
        good = False
    if not good:
        raise InputError("The file is no table of Retake.", "Choose one that Save Table wrote.")
    return list(rows)


def _is_row(row: Any) -> bool:
    kinds = {"index": int, "gain": (int, float), "offset": (int, float), "low": (int, float), "high": (int, float)}
    return (
        isinstance(row, dict)
        and row.get("channel") in CONTROL_NAMES
        and row.get("kind") in ("BONE", "SHAPE_KEY", "PROPERTY")
        and row.get("component") in COMPONENTS
        and all(isinstance(row.get(name), kinds.get(name, (str, bool))) for name in (*_STORED, "object"))
    )


def apply_rows(record: Any, rows: Sequence[dict[str, Any]], character: Sequence[bpy.types.Object]) -> list[str]:
    """Put the rows of a preset in place of a head's.

    Args:
        record: What is stored for the head.
        rows: Of `read_table_text`.
        character: The character's objects, among which the rows' are looked for: by name, else by what they must have.

    Returns:
        Channels whose object was not found; their rows are left out.
    """
    missing = []
    record.rows.clear()
    for stored in rows:
        thing = _found(stored, character)
        if thing is None:
            missing.append(stored["channel"])
            continue
        row = record.rows.add()
        row.thing = thing
        for name in _STORED:
            setattr(row, name, stored[name])
    return missing


def _found(stored: dict[str, Any], character: Sequence[bpy.types.Object]) -> bpy.types.Object | None:
    """The object of a character that a stored row fits: the one of its name first."""
    for thing in sorted(character, key=lambda each: each.name != stored["object"]):
        try:
            Place(stored["kind"], thing, stored["name"], stored["component"], stored["path"], stored["index"]).address()
        except InputError:
            continue
        return thing
    return None
