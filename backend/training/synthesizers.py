# SPDX-License-Identifier: GPL-3.0-or-later
"""Speech synthesizers that tell the times of their phones: flite, festival and espeak-ng (Debian packages).

Each synthesizer is a program or a library on the user's machine; a missing one is left out by `installed_voices`.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from ..models.phones import SILENCE, phone_name
from .foreign import festival_segments, heard_phones, nearest_sounds
from .speech import Phone, read_phones

_FLITE_VOICES = ("slt", "rms", "awb", "kal16")
_FESTIVAL_VOICES = ("kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts")
_READER = "kal_diphone"  # tells the foreign voices what to say
_FOREIGN_VOICES = ("lp_diphone", "pc_diphone", "suo_fi_lj_diphone", "hy_fi_mv_diphone", "czech_ph")
_ESPEAK_VOICES = ("gmw/en-US", "gmw/en", "gmw/en-GB-scotland", "gmw/en-GB-x-rp")
_TIMEOUT = 60.0  # s a sentence


@dataclass(frozen=True)
class Voice:
    """A voice of a synthesizer."""

    engine: str  # flite, festival, foreign (a festival voice of another language, speaking English) or espeak
    name: str
    weight: float = 1.0  # how often the corpus uses it


@dataclass(frozen=True)
class Utterance:
    """A synthesized sentence: audio (S,) at `rate`, and its phones, covering it."""

    audio: NDArray[np.float32]
    rate: int
    phones: list[Phone] = field(default_factory=list)


def installed_voices() -> list[Voice]:
    """Voices of the synthesizers that this machine has."""
    voices = []
    if shutil.which("flite"):
        voices += [Voice("flite", name) for name in _FLITE_VOICES]
    if shutil.which("festival"):
        voices += [Voice("festival", name) for name in _FESTIVAL_VOICES if _has_festival(name)]
        if _has_festival(_READER):
            voices += [Voice("foreign", name, weight=0.4) for name in _FOREIGN_VOICES if _has_festival(name)]
    if ctypes.util.find_library("espeak-ng"):
        voices += [Voice("espeak", name, weight=0.25) for name in _ESPEAK_VOICES]
    return voices


def guessed_phones(word: str) -> list[str]:
    """Phones of a word by flite's letter-to-sound rules; none where flite is not installed or says nothing."""
    if not shutil.which("flite"):
        return []
    try:
        told = _run(["flite", "-voice", "slt", "-ps", "-t", word, "-o", "none"]).split()
        return [name for label in told if (name := phone_name(label)) != SILENCE]
    except (subprocess.SubprocessError, OSError, ValueError):
        return []


def synthesize(voice: Voice, text: str, stretch: float, pitch: float) -> Utterance:
    """Speak a sentence.

    Args:
        voice: One of `installed_voices`.
        text: English.
        stretch: Duration factor, about 0.8 to 1.3.
        pitch: Factor on the voice's pitch where the engine has one, about 0.8 to 1.25.

    Raises:
        ValueError: The synthesizer failed or told times that make no sense; the message says which.
    """
    engines = {"flite": _flite, "festival": _festival, "foreign": _foreign, "espeak": _espeak}
    try:
        return engines[voice.engine](voice.name, text, stretch, pitch)
    except (subprocess.SubprocessError, OSError, RuntimeError, IndexError) as error:
        raise ValueError(f"{voice.engine} could not speak with its voice {voice.name}: {error}.") from error


def _flite(name: str, text: str, stretch: float, pitch: float) -> Utterance:
    """Run flite; `-psdur` prints phone:end pairs."""
    base = {"slt": 190, "rms": 100, "awb": 120, "kal16": 105}[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        settings = ["--setf", f"duration_stretch={stretch:.3f}", "--setf", f"int_f0_target_mean={base * pitch:.1f}"]
        output = _run(["flite", "-voice", name, "-psdur", *settings, "-t", text, "-o", str(path)])
        pairs = [item.rsplit(":", 1) for item in output.split() if ":" in item]
        return _utterance(path, [(label, float(end)) for label, end in pairs])


def _festival(name: str, text: str, stretch: float, pitch: float) -> Utterance:
    """Run festival; its segment file has lines of end time, colour and phone. Pitch stays the voice's own."""
    with tempfile.TemporaryDirectory() as folder:
        sentence = f"(Parameter.set 'Duration_Stretch {stretch:.3f})\n(set! u (SynthText {json.dumps(text)}))"
        path, ends = _run_festival(Path(folder), name, sentence)
        return _utterance(path, ends)


def _run_festival(folder: Path, name: str, sentence: str) -> tuple[Path, list[tuple[str, float]]]:
    """Let a voice speak the utterance `u` of a script; returns the audio and each segment's (label, end)."""
    path, labels, script = (folder / file for file in ("speech.wav", "speech.lab", "speak.scm"))
    script.write_text(
        f"(voice_{name})\n{sentence}\n"
        f"(utt.save.segs u {json.dumps(str(labels))})\n(utt.save.wave u {json.dumps(str(path))} 'riff)\n",
        encoding="ascii",
    )
    _run(["festival", "--batch", str(script)])
    rows = [line.split() for line in labels.read_text(encoding="latin-1").splitlines()]
    return path, [(row[2], float(row[0])) for row in rows if len(row) == 3]


@cache
def _has_festival(name: str) -> bool:
    """Whether festival has a voice."""
    try:
        listed = _run(["festival", "--batch", "(print (voice.list))"])
    except (subprocess.SubprocessError, OSError):
        return False
    return name in re.findall(r"[\w-]+", listed)


def _foreign(name: str, text: str, stretch: float, pitch: float) -> Utterance:
    """Let a festival voice of another language speak what an English one reads, see `foreign`."""
    with tempfile.TemporaryDirectory() as folder:
        _, read = _run_festival(Path(folder), _READER, f"(set! u (SynthText {json.dumps(text)}))")
    sounds = nearest_sounds(name, read, stretch)
    with tempfile.TemporaryDirectory() as folder:
        segments = festival_segments(name, sounds, pitch)
        path, told = _run_festival(Path(folder), name, f"(set! u (utt.synth (Utterance Segments ({segments}))))")
        if len(told) != len(sounds):
            raise ValueError(f"The voice {name} spoke {len(told)} of {len(sounds)} sounds.")
        return _utterance(path, heard_phones(sounds, [end for _, end in told]))


def _run(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=True).stdout


def _utterance(path: Path, ends: Sequence[tuple[str, float]]) -> Utterance:
    """Read the audio and turn (label, end) pairs into phones that cover it."""
    audio, rate = soundfile.read(path, dtype="float32")
    seconds = len(audio) / rate
    if not ends or abs(ends[-1][1] - seconds) > 0.3:
        raise ValueError(f"The phones of {path.name} end at another time than its audio.")
    starts = [0.0, *(end for _, end in ends[:-1])]
    rows = [(start, end, label) for start, (label, end) in zip(starts, ends, strict=True)]
    return Utterance(audio, rate, read_phones(rows, seconds))


# espeak-ng ---------------------------------------------------------------------------------------------------

_AUDIO_OUTPUT_RETRIEVAL, _PHONEME_EVENTS, _EVENT_END, _EVENT_PHONEME = 1, 1, 0, 7
_CHARS_UTF8, _RATE, _PITCH = 1, 1, 3
_STOPS = frozenset(["p", "b", "t", "d", "k", "g", "ch", "jh"])
_ESPEAK = {
    "i:": "iy", "i": "iy", "I": "ih", "I2": "ih", "I#": "ih", "E": "eh", "E#": "eh", "a": "ae", "a#": "ah", "aa": "ae",
    "A:": "aa", "A@": "aa", "0": "aa", "0#": "aa", "O:": "ao", "O": "ao", "O@": "ao", "o@": "ao", "O2": "ao", "V": "ah",
    "@": "ah", "@2": "ah", "@5": "ah", "@L": "ah", "3": "er", "3:": "er", "@-": "ah", "IR": "er", "VR": "er", "U": "uh",
    "u:": "uw", "u": "uw", "eI": "ey", "e": "ey", "e:": "ey", "aI": "ay", "aI2": "ay", "aI@": "ay", "aI3": "ay",
    "aU": "aw", "aU@": "aw", "OI": "oy", "oU": "ow", "o": "ow", "o:": "ow", "i@": "iy", "i@3": "iy", "e@": "eh",
    "U@": "uh",
    "p": "p", "b": "b", "t": "t", "d": "d", "k": "k", "g": "g", "tS": "ch", "dZ": "jh", "f": "f", "v": "v", "T": "th",
    "D": "dh", "s": "s", "z": "z", "S": "sh", "Z": "zh", "h": "hh", "m": "m", "n": "n", "N": "ng", "l": "l", "r": "r",
    "r-": "r", "w": "w", "j": "y", "t#": "d", "t2": "t", "d#": "d", "z#": "z", "*": "d", "?": "sil", "n-": "n",
    "m-": "m", "R": "r", "x": "k", "_": "sil", "_:": "sil", "_!": "sil", "_|": "sil", "": "sil", "l#": "l", "L": "l",
}  # fmt: skip


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    """espeak_EVENT of espeak-ng's speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def _espeak(name: str, text: str, stretch: float, pitch: float) -> Utterance:
    """Speak through libespeak-ng, whose phoneme events tell where phones begin."""
    library = ctypes.CDLL(ctypes.util.find_library("espeak-ng"))
    rate = library.espeak_Initialize(_AUDIO_OUTPUT_RETRIEVAL + 1, 0, None, _PHONEME_EVENTS)
    if rate <= 0:
        raise RuntimeError("libespeak-ng did not start")
    blocks: list[NDArray[np.float32]] = []
    onsets: list[tuple[float, str]] = []

    def receive(wave: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        if wave and count:
            blocks.append(np.ctypeslib.as_array(wave, shape=(count,)).astype(np.float32) / 32768.0)
        index = 0
        while events[index].type != _EVENT_END:
            if events[index].type == _EVENT_PHONEME:
                onsets.append((events[index].audio_position / 1000.0, events[index].id.string.decode()))
            index += 1
        return 0

    callback = _Callback(receive)
    library.espeak_SetSynthCallback(callback)
    library.espeak_SetVoiceByName(name.encode())
    library.espeak_SetParameter(_RATE, int(165 / stretch), 0)
    library.espeak_SetParameter(_PITCH, int(50 * pitch), 0)
    encoded = text.encode()
    library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, _CHARS_UTF8, None, None)
    library.espeak_Synchronize()
    audio = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    return Utterance(audio, rate, _espeak_phones(onsets, len(audio) / rate))


def _espeak_phones(onsets: Sequence[tuple[float, str]], seconds: float) -> list[Phone]:
    """Phones from espeak's onsets; a stop's event fires at the burst, so its closure is taken from the phone before."""
    names = [_ESPEAK.get(label.strip("'\",;%= ")) for _, label in onsets]
    if None in names:
        raise RuntimeError(f"unknown phoneme {onsets[names.index(None)][1]!r}")
    starts = [time for time, _ in onsets]
    for index, name in enumerate(names):
        if name in _STOPS and index:
            starts[index] -= min(0.055, 0.6 * (starts[index] - starts[index - 1]))
    ends = [*starts[1:], seconds]
    return read_phones([(*row,) for row in zip(starts, ends, names, strict=True)], seconds)
