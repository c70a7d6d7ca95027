# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the Blender that is watched: writes down what the scene holds, again and again, and does nothing else.

`blender --python observer.py -- FILE`: FILE is replaced every fifth of a second where something changed.
"""

import hashlib
import json
import sys
from pathlib import Path

import bpy

OUT = Path(sys.argv[sys.argv.index("--") + 1])
_last = [""]
_stages = []  # every change of what the backend does


def regions():
    """Rectangles of what can be seen: {"VIEW_3D/UI": [left, top, right, bottom], ...} of the first window."""
    window = bpy.context.window_manager.windows[0]
    found = {}
    for area in window.screen.areas:
        for region in area.regions:
            top = window.height - region.y - region.height
            box = [region.x, top, region.x + region.width, top + region.height]
            if region.width > 1 and region.height > 1:
                found[f"{area.type}/{region.type}"] = box
    return found


def curves_of(owner):
    """{path[index]: [[frame, value, type, interpolation], ...]} of a datablock's action."""
    data = owner.animation_data if owner is not None else None
    if data is None or data.action is None:
        return {}
    curves = data.action.fcurves if not hasattr(data, "action_slot") else []
    if hasattr(data, "action_slot") and data.action_slot is not None:
        for layer in data.action.layers:
            for strip in layer.strips:
                bag = strip.channelbag(data.action_slot)
                curves = bag.fcurves if bag else curves
    return {
        f"{curve.data_path}[{curve.array_index}]": [
            [round(key.co[0], 4), round(key.co[1], 6), key.type, key.interpolation] for key in curve.keyframe_points
        ]
        for curve in curves
    }


def takes_of(context):
    """What the panel of the takes tells, and what goes on."""
    package = next((name for name in sys.modules if name.endswith(".retake.addon.operators.session")), None)
    if package is None:
        return {"enabled": False}
    root = package.removesuffix(".addon.operators.session")
    session = sys.modules[package].session
    backend, common, generate = (
        sys.modules[f"{root}.addon.operators.{name}"] for name in ("backend", "common", "generate")
    )
    record = common.record_in(context)
    library = common.library_in(context) if record is not None else None
    shown, stale = generate.shown_and_stale(context) if library is not None else (0, set())
    return {
        "enabled": True,
        "no_backend": common.why_no_backend() or "",
        "is_installing": backend.is_installing(),
        "running": len(session.running),
        "stage": (session.running[0].progress.stage if session.running and session.running[0].progress else ""),
        "sentence": session.sentence,
        "audio": record.audio_path if record is not None else "",
        "takes": {str(take.id): take.name for take in library.takes.values()} if library else {},
        "comp": [[entry.part, entry.take] for entry in library.comp] if library else [],
        "shown": shown,
        "stale": sorted(stale),
    }


def facts():
    """Everything a test may ask about."""
    context = bpy.context
    known = takes_of(context)
    stage = (known.get("stage") or "starting") if known.get("running") else "idle"
    if not _stages or _stages[-1].split()[-1] != stage:
        _stages.append(f"{len(_stages)} {stage}")
    head = next((obj for obj in context.scene.objects if obj.type == "MESH" and obj.data.shape_keys), None)
    rig = next((obj for obj in context.scene.objects if obj.type == "ARMATURE"), None)
    face = curves_of(head.data.shape_keys) if head else {}
    turns = curves_of(rig)
    return {
        "version": bpy.app.version_string,
        "file": bpy.data.filepath,
        "frame": context.scene.frame_current,
        "windows": len(context.window_manager.windows),
        "regions": regions(),
        "retake": known,
        "head": head.name if head else "",
        "stages": [*_stages],
        "keys": sum(map(len, face.values())) + sum(map(len, turns.values())),
        "own": {
            path: [key for key in keys if key[2] != "GENERATED"]
            for path, keys in {**face, **turns}.items()
            if any(key[2] != "GENERATED" for key in keys)
        },
        "face": hashlib.sha256(json.dumps(face, sort_keys=True).encode()).hexdigest(),
        "turns": hashlib.sha256(json.dumps(turns, sort_keys=True).encode()).hexdigest(),
        "values": {key.name: round(key.value, 6) for key in (head.data.shape_keys.key_blocks if head else [])},
    }


def observe():
    """Write down what changed."""
    try:
        text = json.dumps(facts(), sort_keys=True)
    except Exception as error:
        text = json.dumps({"error": repr(error)})
    if text != _last[0]:
        _last[0] = text
        part = OUT.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        part.replace(OUT)
    return 0.2


bpy.app.timers.register(observe, first_interval=0.5, persistent=True)
