# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place that reads and writes the scene: keys, curves, strips, armatures."""
