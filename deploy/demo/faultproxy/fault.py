"""What the proxy does to requests, and how people write it.

`reset`, `delay=500`              every request
`put:failing=12,get:delay=700`    by operation; the operations that are not named pass
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Op(StrEnum):
    """What a request wants of S3."""

    GET = "get"
    """An object, or what is known of it (HEAD)."""
    PUT = "put"
    DELETE = "delete"
    LIST = "list"


class Mode(StrEnum):
    """One way of treating requests."""

    PASS = "pass"
    RESET = "reset"
    """Connections are closed: new ones at once, kept-alive ones at their next request."""
    ERROR_503 = "error503"
    """Every request is answered with S3's SlowDown."""
    DENIED = "denied"
    """Every request is answered with S3's AccessDenied, which no client tries again."""
    DELAY = "delay"
    """Every request waits so many milliseconds, then passes."""
    BLACK_HOLE = "blackhole"
    """Every request is accepted and never answered."""
    PARTIAL = "partial"
    """So many percent of the requests, drawn by chance, are answered with SlowDown, the others pass."""
    FAILING = "failing"
    """Exactly so many percent of the operations fail, each with all its attempts, evenly spread; the others pass."""
    LOST = "lost"
    """The same, but S3 does what was asked, and only its answer is lost: both copies stay equal."""


_LARGEST = {Mode.DELAY: 600_000, Mode.PARTIAL: 100, Mode.FAILING: 100, Mode.LOST: 100}


class FaultError(ValueError):
    """No fault is written like this; the message says what is."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """A mode and, for `delay` and those that have a share, its number (milliseconds, percent)."""

    mode: Mode = Mode.PASS
    number: int = 0

    def __str__(self) -> str:
        """As people write it."""
        return f"{self.mode}={self.number}" if self.mode in _LARGEST else str(self.mode)


@dataclass(frozen=True, slots=True)
class Fault:
    """How the requests of each operation are treated; those that are not named pass."""

    of: Mapping[Op, Treatment] = field(default_factory=dict)

    @classmethod
    def everywhere(cls, treatment: Treatment) -> Fault:
        """The same for every operation."""
        return cls(dict.fromkeys(Op, treatment))

    def treatment(self, op: Op) -> Treatment:
        """What requests of this operation meet."""
        return self.of.get(op, Treatment())

    @property
    def whole(self) -> Treatment | None:
        """The treatment that every operation meets; None when they differ."""
        treatments = {self.treatment(op) for op in Op}
        return treatments.pop() if len(treatments) == 1 else None

    def __str__(self) -> str:
        """As `parse` reads it."""
        if self.whole is not None:
            return str(self.whole)
        return ",".join(f"{op}:{treated}" for op in Op if (treated := self.treatment(op)).mode is not Mode.PASS)


def parse(text: str) -> Fault:
    """Read a fault. Raises FaultError."""
    if ":" not in text:
        return Fault.everywhere(_treatment(text))
    found: dict[Op, Treatment] = {}
    for part in text.split(","):
        name, _, treatment = part.partition(":")
        try:
            op = Op(name)
        except ValueError:
            raise FaultError(f"{name!r} is not one of {', '.join(Op)}") from None
        if op in found:
            raise FaultError(f"{op} is named twice")
        found[op] = _treatment(treatment)
    return Fault(found)


def _treatment(text: str) -> Treatment:
    name, _, number = text.partition("=")
    try:
        mode = Mode(name)
    except ValueError:
        raise FaultError(f"{name!r} is not one of {', '.join(Mode)}") from None
    if mode not in _LARGEST:
        if number:
            raise FaultError(f"{mode} takes no number")
        return Treatment(mode)
    if not number.isdecimal() or int(number) > _LARGEST[mode]:
        raise FaultError(f"{mode} takes a number up to {_LARGEST[mode]}: {mode}=<number>")
    return Treatment(mode, int(number))
