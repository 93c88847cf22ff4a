"""Whole runs of the commands on copies in memory."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from certstorage.validator import check as checking
from certstorage.validator import recover as recovering
from certstorage.validator.found import Found
from certstorage.validator.guards import Limits
from certstorage.validator.marks import Marks, RunId
from certstorage.validator.reading import Reading
from certstorage.validator.report import Header, Json, build
from certstorage.validator.sampling import WHOLE, Shard, Window
from certstorage.validator.settings import Settings
from certstorage.validator.settle import Care
from certstorage.validator.verdict import Rule, Verdict
from tests.unit.validator.fakes import OWN, PREFIX, Copies

LIMITS = Limits()
NO_LIMITS = Limits(most_extra=10**9, few=10**9)
NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@dataclass
class Ran:
    """A run that came to its end."""

    verdict: Verdict
    found: Found
    report: Json


def check(
    copies: Copies,
    *,
    rate: float = 0.01,
    least: int = 2000,
    epoch: int = 0,
    limits: Limits = NO_LIMITS,
    shard: Shard = WHOLE,
    checkpoint: Path | None = None,
    grows: bool = True,
    min_age: float = 0.0,
    since: datetime | None = None,
) -> Ran:
    """Run a check."""
    found = Found()
    care = Care(5, timedelta(seconds=min_age))
    plan = checking.Plan(Window(rate, epoch), least, Reading(Rule(), care, grows=grows), limits, shard, since)
    with Marks(checkpoint, RunId("run", NOW)) as marks:
        found.resumed = marks.resumed
        verdict = checking.check(copies.context, plan, found, marks)
    sampling: Json = {"rate": rate, "epoch": epoch, "salt": "", "min_sample": least}
    return Ran(verdict, found, report(copies, "check", verdict, found, sampling, shard))


def recover(
    copies: Copies,
    *,
    since: datetime | None = None,
    rate: float = 0.01,
    least: int = 2000,
    limits: Limits = LIMITS,
    sample: bool = True,
    shard: Shard = WHOLE,
    grows: bool = True,
) -> Ran:
    """Run a recovery."""
    found = Found()
    plan = recovering.Plan(
        since=since,
        window=Window(rate) if sample else None,
        least=least,
        reading=Reading(Rule(at_risk_clean=True), Care(5), grows=grows),
        limits=limits,
        probes=1,
        probe_interval_seconds=0,
        own_prefix=OWN,
        quarantine=f"{OWN}quarantine/now/",
        shard=shard,
    )
    verdict = recovering.recover(copies.context, plan, found, Marks(None, RunId("run", NOW)))
    sampling: Json = {"rate": rate, "epoch": 0, "salt": "", "min_sample": least}
    return Ran(verdict, found, report(copies, "recover", verdict, found, sampling, shard))


def report(copies: Copies, command: str, verdict: Verdict, found: Found, sampling: Json, shard: Shard) -> Json:
    """As the program would write it."""
    settings = Settings("bucket", PREFIX, copies.root)
    return build(
        Header(command, NOW, "nonce", "hash", shard), settings, verdict, found, sampling=sampling, finished=NOW
    )
