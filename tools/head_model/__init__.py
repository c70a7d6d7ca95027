# SPDX-License-Identifier: GPL-3.0-or-later
"""The built-in head, modelled by code: sculpt, cage, subdivision, inner parts, controls.

Inside this package lengths are centimetres, Y is up, +Z is front and +X is the character's left; eye level is y = 0 and
the ear canals stand near z = 0. `build.build_head` converts to metres.
"""
