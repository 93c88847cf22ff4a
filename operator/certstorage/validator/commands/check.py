"""`check`: are both copies the same?"""

from __future__ import annotations

from argparse import Namespace

from certstorage.validator.opening import opened


def run(options: Namespace) -> int:
    """Run it; returns the exit code. The listing is on its way and processes start while the program is loaded."""
    begun = opened(options)
    try:
        if begun.settings.root.is_dir():
            begun.store.begin(begun.settings.prefix)
            if options.sample_rate < 1:
                begun.crew.begin()
        from certstorage.validator.commands.checking import run as check  # noqa: PLC0415 - a third of the start, in which the first page comes

        return check(options, begun)
    finally:
        begun.crew.end()
