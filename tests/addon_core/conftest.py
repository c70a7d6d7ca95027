# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend's own small checkpoint and recording, for the tests that talk to a real process."""

from __future__ import annotations

from retake.tests.backend.conftest import checkpoint, recording

__all__ = ["checkpoint", "recording"]
