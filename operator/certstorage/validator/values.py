"""The values of the command line, read and refused in words."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certstorage.validator.sampling import Shard


def _number(text: str, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:g}")
    return number


def share(text: str) -> float:
    """A share between 0 and 1."""
    return _number(text, 0, 1)


def seconds(text: str) -> float:
    """Seconds, or any number that is not negative."""
    return _number(text, 0, 1e9)


def count(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def workers(text: str) -> int:
    """Requests at once, 1 to 256."""
    return int(_number(text, 1, 256))


def shard(text: str) -> Shard:
    """I/N: part I of N, from 0."""
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise argparse.ArgumentTypeError(f"{text!r} is not i/n with i from 0 to n-1")
    return Shard(int(index), int(count))


def moment(text: str) -> datetime:
    """An RFC 3339 time with its zone, not in the future."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an RFC 3339 time") from error
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone; add Z for UTC")
    if moment > datetime.now(UTC) + timedelta(minutes=15):
        raise argparse.ArgumentTypeError(f"{text!r} is in the future")
    return moment


def path(environ: Mapping[str, str], name: str) -> Path | None:
    """The path that a variable names, if it is set."""
    return Path(environ[name]) if environ.get(name) else None
