"""What several commands make of their options."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from certstorage.validator.context import Context
from certstorage.validator.facts import Outcome
from certstorage.validator.found import Found
from certstorage.validator.opening import Opened, opened
from certstorage.validator.outcome import BUCKET
from certstorage.validator.reading import Reading
from certstorage.validator.report import Json, utc
from certstorage.validator.sampling import WHOLE, Shard, Window
from certstorage.validator.session import Session, Told
from certstorage.validator.settings import UsageError

if TYPE_CHECKING:
    from certstorage.validator.gather import Gathering

UPLOADS = {
    "report": frozenset[Outcome](),
    "missing": frozenset({Outcome.MISSING}),
    "different": frozenset({Outcome.DIFFERENT}),
    "all": frozenset({Outcome.MISSING, Outcome.DIFFERENT}),
}
"""What is uploaded again, by the word that asks for it."""


def session(options: Namespace, now_opened: Opened | None = None) -> Session:
    """The run that the options describe."""
    told = Told(options.output, options.termination_message, getattr(options, "checkpoint", None))
    shard: Shard = getattr(options, "shard", WHOLE)
    return Session(options.command, now_opened or opened(options), told, shard)


def window(options: Namespace, started: datetime) -> Window:
    """Which keys are read; by default another window every day."""
    epoch = options.epoch
    return Window(options.sample_rate, int(started.timestamp() // 86400) if epoch is None else epoch)


def sampling(window: Window, least: int, since: datetime | None) -> Json:
    """What draws the same sample again, for the report."""
    drawn: Json = {"rate": window.rate, "epoch": window.epoch, "salt": window.salt, "min_sample": least}
    return {**drawn, "since": told(since)}


def told(moment: datetime | None) -> str | None:
    """A moment as reports have it."""
    return utc(moment) if moment else None


def gathering(
    options: Namespace, reading: Reading, rest: Callable[[Context, Found], Iterator[str]]
) -> Gathering | None:
    """How this shard finds its like in the bucket, if it is one and shall.

    Raises:
        UsageError: there is nothing by which they would find each other.
    """
    if options.shard.parts == 1 or options.output != BUCKET:
        return None
    if not os.environ.get("CERT_RECEIPT_NONCE"):
        raise UsageError(
            "--shard with --output bucket needs CERT_RECEIPT_NONCE: by it the shards of a run find each other"
        )
    from certstorage.validator.gather import Gathering  # noqa: PLC0415 - slow to load, for shards only

    return Gathering(reading, rest)
