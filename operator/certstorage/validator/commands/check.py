"""`check`: are both copies the same?"""

from __future__ import annotations

from argparse import Namespace

from certstorage.validator.digesters import Crew


def run(options: Namespace) -> int:
    """Run it; returns the exit code. Processes start, then the listing is on its way, while the program is loaded."""
    crew = Crew()
    try:
        if options.sample_rate < 1:
            crew.begin()
        from certstorage.validator.opening import opened  # noqa: PLC0415 - the processes start meanwhile

        begun = opened(options, crew)
        if begun.settings.root.is_dir():
            begun.store.begin(begun.settings.prefix)
        from certstorage.validator.commands.checking import run as check  # noqa: PLC0415 - the first page comes meanwhile

        return check(options, begun)
    finally:
        crew.end()
