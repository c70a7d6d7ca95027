# SPDX-License-Identifier: GPL-3.0-or-later
"""Panels and preferences: they draw, nothing else."""
