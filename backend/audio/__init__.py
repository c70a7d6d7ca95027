# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings to the audio features that condition the networks."""

from __future__ import annotations
