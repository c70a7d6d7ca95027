# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures, one function each: what a number of a report or model card means is written at the function."""
