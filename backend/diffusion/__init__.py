# SPDX-License-Identifier: GPL-3.0-or-later
"""Diffusion: schedules and losses, noise, imputation, guidance and sampling."""

from __future__ import annotations
