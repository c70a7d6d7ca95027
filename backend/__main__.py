# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m backend`: the command line; on pipes, without arguments but `--device`, the server of the add-on.

`python -m backend serve` is the server too. Either claims the pipes before anything heavy is imported, so that a
library's print cannot break the protocol.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Run the server or a command and return the exit code."""
    arguments = sys.argv[1:]
    is_piped = sys.stdin is not None and not sys.stdin.isatty()
    is_device = len(arguments) == 2 and arguments[0] == "--device"
    if is_piped and (not arguments or is_device):
        from .pipes import claim_pipes

        pipes = claim_pipes()
        from .server import DEFAULT_CHECKPOINT, Server

        return Server(*pipes, DEFAULT_CHECKPOINT, arguments[1] if is_device else "auto").run()
    from .cli import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
