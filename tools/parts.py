# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands whose parts run in different environments: the script starts itself anew for each. Standard library only."""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from ..addon.core.interpreters import InterpreterError
from .environments import BACKEND, ROOT, Environment, EnvironmentMakeError, ensure


def run_part(module: str, options: argparse.Namespace) -> int:
    """Run the function that is called like `options.part` of a module of this package; returns the exit code."""
    return int(getattr(importlib.import_module(f".{module}", __package__), options.part)(options))


def run_parts(script: str, arguments: Sequence[str], parts: Mapping[str, Environment]) -> int:
    """Run the parts of a script in turn, with `--part NAME --work FOLDER` added, until one fails.

    Args:
        script: Its file below `scripts`.
        arguments: Those of the command line.
        parts: The environment of each part; they are made first.

    Returns:
        Exit code.
    """
    try:
        pythons = {part: str(ensure(environment)) for part, environment in parts.items()}
        variables = {**os.environ, "RETAKE_BACKEND_PYTHON": str(ensure(BACKEND)), "PYTHONDONTWRITEBYTECODE": "1"}
    except (EnvironmentMakeError, InterpreterError) as error:
        print(error, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as work:
        for part, python in pythons.items():
            command = [python, str(ROOT / "scripts" / script), *arguments, "--part", part, "--work", work]
            code = subprocess.run(command, env=variables).returncode
            if code:
                return code
    return 0
