# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders speech: `python scripts/render_speech.py phones FOLDER FILE [--out PNG]`, `... styles [--out FOLDER]`."""

import _start

if __name__ == "__main__":
    _start.run("tools.speech_pictures")
