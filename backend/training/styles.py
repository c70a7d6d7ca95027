# SPDX-License-Identifier: GPL-3.0-or-later
"""The named speaking styles of the articulation teacher.

Jaw and lip activation are the two axes of JALI (Edwards et al. 2016); the rest colours the face and the head.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import OptionsError


@dataclass(frozen=True)
class Style:
    """How a performer speaks. Gains multiply the neutral performance; offsets are control weights."""

    name: str
    jaw: float = 1.0  # JALI's jaw activation: opening at vowels
    lip: float = 1.0  # JALI's lip activation: rounding, spreading, teeth
    smear: float = 1.0  # width of coarticulation: above 1 neighbours blend, below 1 every phone is reached
    press: float = 0.18  # lip press during p b m
    smile: float = 0.04  # mouth corners up
    frown: float = 0.0  # mouth corners down
    brow: float = 1.0  # size of brow accents
    brow_raise: float = 0.0  # inner and outer brows up, throughout
    brow_inner: float = 0.0  # inner brows up alone (sorrow), throughout
    brow_down: float = 0.0  # brows down, throughout
    squint: float = 0.02  # lower lids, throughout
    wide: float = 0.0  # eyes widened, throughout
    sneer: float = 0.0  # nose wrinkled while speaking
    lid: float = 0.0  # lids lowered, throughout
    blink_rate: float = 16.0  # a minute
    head: float = 1.0  # size of nods and drift
    pitch: float = 0.0  # rad, head bowed (positive) or raised, throughout
    gaze_down: float = 0.0  # eyes lowered, throughout


STYLES = (
    Style("neutral"),
    Style("crisp", jaw=1.08, lip=1.3, smear=0.75, press=0.35, brow=1.2, brow_raise=0.06, blink_rate=18.0),
    Style(
        "mumbling", jaw=0.5, lip=0.55, smear=1.5, press=0.05, brow=0.4, lid=0.12, head=0.6, pitch=0.03,
        gaze_down=0.12,
    ),
    Style("broad", jaw=1.4, lip=1.35, press=0.25, brow=1.7, brow_raise=0.12, wide=0.08, head=1.6),
    Style("smiling", jaw=1.0, lip=0.9, smile=0.48, squint=0.3, brow=1.1, brow_raise=0.08, head=1.2),
    Style(
        "sad", jaw=0.72, lip=0.75, smear=1.2, smile=0.0, frown=0.36, brow=0.5, brow_inner=0.5, lid=0.15,
        blink_rate=13.0, head=0.6, pitch=0.09, gaze_down=0.22,
    ),
    Style(
        "shouting", jaw=1.85, lip=1.3, press=0.4, smile=0.0, brow=0.9, brow_down=0.5, squint=0.25, sneer=0.3,
        blink_rate=12.0, head=1.7, pitch=-0.05,
    ),
    Style(
        "whispering", jaw=0.68, lip=1.25, smear=0.9, press=0.1, brow=0.8, brow_raise=0.16, squint=0.16,
        blink_rate=13.0, head=0.7, pitch=0.05,
    ),
)  # fmt: skip
STYLE_NAMES = tuple(style.name for style in STYLES)


def style_named(name: str) -> Style:
    """Return the style of a name.

    Raises:
        OptionsError: There is no such style.
    """
    if name not in STYLE_NAMES:
        raise OptionsError(f"There is no style {name!r}.", f"Choose one of {', '.join(STYLE_NAMES)}.")
    return STYLES[STYLE_NAMES.index(name)]
