# SPDX-License-Identifier: GPL-3.0-or-later
"""The side of Retake that runs inside Blender: bpy and numpy, never torch."""
