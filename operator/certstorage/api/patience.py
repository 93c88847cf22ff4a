"""How patient the operator is with signals that are milder than an outage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Patience:
    """Times that hang together with the windows of the rules: the defaults are those of production.

    With other windows (`certstorage.signals.timings`) these change too; nothing else does.
    """

    first_breath: timedelta = timedelta(minutes=2)
    """A new signal may be an outage's beginning for so long: its alert needs 75 s plus scrape and evaluation."""
    linger: timedelta = timedelta(minutes=12)
    """What began before the end of an outage may fire on for so long after it: a ten-minute window and evaluation."""
    cool_down: timedelta = timedelta(minutes=5)
    """A signal must stay clear for so long before its scenario counts as over."""
