# SPDX-License-Identifier: GPL-3.0-or-later
"""Code behind the scripts that is not part of the product: environments, checks, demo, bench, head modelling."""
