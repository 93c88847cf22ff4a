"""The program: `s3-backfill-validator`, and the runbook's `scripts/s3_backfill_validator.py`.

A command is loaded when it is run: what the others need takes a while.
"""

from __future__ import annotations

import gc
import os
import sys
from argparse import Namespace
from collections.abc import Callable
from importlib import import_module

from certstorage.validator.options import PROGRAM, USAGE, parse
from certstorage.validator.settings import UsageError

_CRASHED = 2
"""Python's own exit code for a crash is 1, and a crash is no FAIL: it is INCONCLUSIVE."""
_GARBAGE = 50_000
"""Objects that are made before Python looks for rings of them: a census makes rows by the million, and no rings."""


def main() -> None:
    """Run the command line and exit.

    Python's tidying up is left out: it takes 10 ms, and a request that hangs in a thread could hold it up.
    """
    code = run(sys.argv[1:])
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run a command line; returns the exit code.

    Raises:
        SystemExit: it is no command line, or asks for help.
    """
    gc.set_threshold(_GARBAGE)
    options = parse(arguments)
    try:
        code = _command(options.command)(options)
        sys.stdout.flush()
    except UsageError as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        code = USAGE
    except Exception:  # noqa: BLE001 - see _CRASHED
        sys.__excepthook__(*sys.exc_info())
        code = _CRASHED
    sys.stderr.flush()
    return code


def _command(name: str) -> Callable[[Namespace], int]:
    module = import_module(f"certstorage.validator.commands.{name}")
    run: Callable[[Namespace], int] = module.run
    return run


if __name__ == "__main__":
    main()
