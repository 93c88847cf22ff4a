"""`check`: are both copies the same?"""

from __future__ import annotations

from argparse import Namespace

from certstorage.validator.digesters import Crew


def run(options: Namespace) -> int:
    """Run it; returns the exit code. While the program is loaded, its processes start and the listing is on its way."""
    crew = Crew()
    try:
        if options.sample_rate < 1:
            crew.begin()
        return _check(options, crew)
    finally:
        crew.end()


def _check(options: Namespace, crew: Crew) -> int:
    from certstorage.validator.opening import opened  # noqa: PLC0415 - slow to load, as is the rest

    begun = opened(options, crew)
    if begun.settings.root.is_dir():
        begun.store.begin(begun.settings.prefix)
    from certstorage.validator.commands.checking import run as check  # noqa: PLC0415 - see above

    return check(options, begun)
