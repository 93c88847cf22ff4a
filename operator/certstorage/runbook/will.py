"""What scenarios want of the Deployment, as values that join.

`join` is commutative, associative and idempotent, and the safe value wins, so no order of scenarios and no repetition
changes what is written. `merge` makes the write of what all of them together want.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, IntEnum
from typing import TypeVar

from certstorage.api.hold import DegradationHold, Hold, SweepHold
from certstorage.api.receipt import ReceiptVerdict


class Keep(Enum):
    """Nothing is said about a share of the hold: it stays as it is."""

    KEEP = "Keep"


KEEP = Keep.KEEP

S = TypeVar("S", Hold, DegradationHold, SweepHold)


class Replicas(IntEnum):
    """What is wanted of the replicas; the larger, safer value wins."""

    ANY = 0
    DOWN = 1
    BACK = 2


@dataclass(frozen=True, slots=True)
class Permit:
    """The one key to the way back: a receipt that was judged against the open attempt (invariant 2)."""

    verdict: ReceiptVerdict
    nonce: str
    job_uid: str


@dataclass(frozen=True, slots=True)
class Will:
    """What is wanted of the Deployment, by one scenario or by all; a join-semilattice with `BOTTOM`, nothing, at its
    bottom.

    `local` asks to write the read flag if it is not off; it goes back only with a permit. `claims` are variables with
    values to be in force, `backs` variables that get their former value. `hold` is the outage's share of the hold after
    this pass, without its epoch and captured values, which are merge's; None lets go of it, KEEP says nothing about it;
    `degradation` and `sweep` likewise. `restore_by` is when replicas that go down are back at the latest (UTC).

    Sets join by union, flags by or, `replicas` by the larger, `restore_by` by the earlier time; of two values for one
    share of the hold a share beats None (let go) beats KEEP, and of two shares the one that reads larger.
    """

    local: bool = False
    permits: frozenset[Permit] = frozenset()
    claims: frozenset[tuple[str, str]] = frozenset()
    backs: frozenset[tuple[str, str | None]] = frozenset()
    replicas: Replicas = Replicas.ANY
    restore_by: datetime | None = None
    hold: Hold | Keep | None = KEEP
    degradation: DegradationHold | Keep | None = KEEP
    sweep: SweepHold | Keep | None = KEEP


BOTTOM = Will()
"""What most wants are: they only tell, or remember."""


def join(one: Will, other: Will) -> Will:
    """Both together; the safe value wins wherever they differ."""
    return Will(
        local=one.local or other.local,
        permits=one.permits | other.permits,
        claims=one.claims | other.claims,
        backs=one.backs | other.backs,
        replicas=max(one.replicas, other.replicas),
        restore_by=_earlier(one.restore_by, other.restore_by),
        hold=_share(one.hold, other.hold),
        degradation=_share(one.degradation, other.degradation),
        sweep=_share(one.sweep, other.sweep),
    )


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return one if other is None else other if one is None else min(one, other)


def _share(one: S | Keep | None, other: S | Keep | None) -> S | Keep | None:
    if one is other or other is KEEP:
        return one
    if one is KEEP or one is None:
        return other
    return one if other is None or repr(one) >= repr(other) else other
