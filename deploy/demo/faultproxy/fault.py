"""What the proxy does to requests, and how people write it: `pass`, `reset`, `error503`, `blackhole`, `delay=500`, …"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """One way of treating requests."""

    PASS = "pass"
    RESET = "reset"
    """Connections are closed: new ones at once, kept-alive ones at their next request."""
    ERROR_503 = "error503"
    """Every request is answered with S3's SlowDown."""
    DELAY = "delay"
    """Every request waits so many milliseconds, then passes."""
    BLACK_HOLE = "blackhole"
    """Every request is accepted and never answered."""
    PARTIAL = "partial"
    """So many percent of the requests are answered with SlowDown, the others pass."""


_LARGEST = {Mode.DELAY: 600_000, Mode.PARTIAL: 100}


class FaultError(ValueError):
    """No fault is written like this; the message says what is."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A mode and, for `delay` and `partial`, its number (milliseconds, percent)."""

    mode: Mode = Mode.PASS
    number: int = 0

    def __str__(self) -> str:
        """As `parse` reads it."""
        return f"{self.mode}={self.number}" if self.mode in _LARGEST else str(self.mode)


def parse(text: str) -> Fault:
    """Read a fault. Raises FaultError."""
    name, _, number = text.partition("=")
    try:
        mode = Mode(name)
    except ValueError:
        raise FaultError(f"{name!r} is not one of {', '.join(Mode)}") from None
    if mode not in _LARGEST:
        if number:
            raise FaultError(f"{mode} takes no number")
        return Fault(mode)
    if not number.isdecimal() or int(number) > _LARGEST[mode]:
        raise FaultError(f"{mode} takes a number up to {_LARGEST[mode]}: {mode}=<number>")
    return Fault(mode, int(number))
