# SPDX-License-Identifier: GPL-3.0-or-later
"""First steps of every script: refuse other Pythons in one sentence, then make the tree importable as `retake`.

Old interpreters must be able to read this file and the scripts themselves, to be told what is wrong: no annotations,
no f-strings, nothing newer than Python 2.7. Only the standard library is used.
"""

import os
import sys

if sys.version_info[:2] not in ((3, 11), (3, 13)):
    sys.exit("Retake's scripts run on Python 3.11 or 3.13, but this is Python %d.%d." % sys.version_info[:2])

import importlib
import importlib.util

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def register_package():
    """Make the root of the checkout, whatever its folder is called, the package `retake`; once a process."""
    if "retake" in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(
        "retake",
        os.path.join(ROOT, "__init__.py"),
        submodule_search_locations=[ROOT],
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["retake"] = module
    spec.loader.exec_module(module)


def run(name):
    """Run `main(arguments)` of the module `retake.NAME` and end with its exit code."""
    register_package()
    sys.exit(importlib.import_module("retake." + name).main(sys.argv[1:]))
