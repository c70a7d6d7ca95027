# SPDX-License-Identifier: GPL-3.0-or-later
"""Pipelines: one `__call__` each for the face, the head, and the performance of both."""

from __future__ import annotations
