# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests in real Blender, with a real backend process."""
