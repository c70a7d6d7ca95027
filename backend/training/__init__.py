# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the default model: corpus, articulation teacher, features, encoder, denoisers."""

from __future__ import annotations
