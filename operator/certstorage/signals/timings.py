"""When a rule looks, how far back and for how long: everything about the rules that a demo may scale.

Production has one set, the defaults here. What counts as too many failures is never scaled and stands in `Thresholds`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Final

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(?:\d+(?:ms|s|m|h|d))+")
_PART: Final = re.compile(r"(\d+)(ms|s|m|h|d)")


class TimingsError(ValueError):
    """Timings that cannot be read, or under which the rules could not work; the message names the field."""


def parse_duration(text: str) -> timedelta:
    """Read a Prometheus duration such as `15s` or `1h30m`. Raises TimingsError."""
    if not _DURATION.fullmatch(text):
        raise TimingsError(f"{text!r} is not a Prometheus duration such as 15s or 1h30m")
    return timedelta(seconds=sum(int(count) * _UNITS[unit] for count, unit in _PART.findall(text)))


def promql(duration: timedelta) -> str:
    """Write a duration as PromQL reads it, in the largest unit that divides it."""
    millis = round(duration.total_seconds() * 1000)
    for unit in ("h", "m", "s"):
        size = round(_UNITS[unit] * 1000)
        if millis % size == 0:
            return f"{millis // size}{unit}"
    return f"{millis}ms"


@dataclass(frozen=True, slots=True)
class Timings:
    """Windows and waits of the rules, production defaults.

    The names of the recorded series say `1m`, `2m` and `10m` whatever the windows are: they are identities, so that
    the operator and the dashboard read the same names in a demo.
    """

    interval: timedelta = timedelta(seconds=15)
    """Between two evaluations; the scrape interval must not be longer."""
    outage_window: timedelta = timedelta(minutes=1)
    """`…:1m`: short enough to see a full outage in little more than a minute."""
    outage_for: timedelta = timedelta(seconds=15)
    check_window: timedelta = timedelta(minutes=2)
    """`…:2m`: says that a ten-minute ratio is only the wake of something that is over."""
    window: timedelta = timedelta(minutes=10)
    """`…:10m`: the runbook's window."""
    degraded_for: timedelta = timedelta(minutes=2)
    """Longer than an outage needs to be seen as one, so that its first minute is not taken for a degradation."""
    recovered_window: timedelta = timedelta(minutes=5)
    baseline_window: timedelta = timedelta(hours=1)
    """What the volume of the last minute is compared with."""
    absent_for: timedelta = timedelta(minutes=2)
    stale_after: timedelta = timedelta(minutes=2)
    """An operator that has not evaluated its policies for so long is dead."""
    flag_mismatch_for: timedelta = timedelta(minutes=5)
    blocked_after: timedelta = timedelta(minutes=30)
    min_operations: int = 20
    """Fewer operations in a window make no ratio."""

    def __post_init__(self) -> None:
        """Refuse what could never fire. Raises TimingsError."""
        for spec in fields(self):
            value = getattr(self, spec.name)
            if (isinstance(value, timedelta) and value <= timedelta(0)) or (isinstance(value, int) and value < 1):
                raise TimingsError(f"{_camel(spec.name)} must be more than nothing")
        if self.outage_window < 4 * self.interval:
            raise TimingsError("outageWindow must hold at least four intervals, or no rate can be taken in it")
        if not self.outage_window <= self.check_window <= self.window:
            raise TimingsError("outageWindow, checkWindow and window must not shrink in this order")

    @property
    def warm_up(self) -> timedelta:
        """How long a server's quiet proves nothing after it began to evaluate: an outage needs this long to fire."""
        return self.outage_window + self.outage_for + 2 * self.interval

    @property
    def hang(self) -> timedelta:
        """Requests that take longer than this on average, and never succeed, hang."""
        return self.outage_window / 4

    def evaluations(self, window: timedelta) -> int:
        """Nine tenths of the evaluations in a window: one or two may be missed, no more."""
        return int(window / self.interval * 0.9)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is too much. The runbook's numbers; ratios between 0 and 1.

    Edges, decided here once (the cases named "exact edge" in tests/rules): exactly 5 %, 10 %, 2 %, 20 %, 30 % of
    failures do not fire (`>`); exactly 95 % write success does not fire (`<`); exactly 95 % fallback is an outage
    (`>=`); a mismatch of exactly 0.5 % does not fire, nor does it let reads return (the receipt's rule); exactly 500 ms
    and exactly 10 % free do not fire. Ratios are recorded to a hundredth of a percent, so that an edge is an edge and
    not a rounding.
    """

    outage: float = 0.95
    save_fail: float = 0.05
    save_fail_page: float = 0.20
    fallback: float = 0.10
    fallback_page: float = 0.30
    delete_fail: float = 0.02
    write_success: float = 0.95
    recovered: float = 0.01
    mismatch_percent: float = 0.5
    get_p95_seconds: float = 0.5
    disk_free: float = 0.10
    collapse: float = 0.10
    """Of the completions of the hour before."""


def parse_timings(values: Mapping[str, object]) -> Timings:
    """Read timings written in camelCase, as in the `rules:` part of a values file; what is missing keeps its default.

    Raises TimingsError, with the name, for a name that is not known and a value that cannot be read.
    """
    known = {_camel(spec.name): spec.name for spec in fields(Timings)}
    read: dict[str, timedelta | int] = {}
    for key, value in values.items():
        if key not in known:
            raise TimingsError(f"rules.{key} is not known; known are {', '.join(sorted(known))}")
        if known[key] == "min_operations":
            if not isinstance(value, int) or isinstance(value, bool):
                raise TimingsError(f"rules.{key} must be a whole number")
            read[known[key]] = value
        elif isinstance(value, str):
            try:
                read[known[key]] = parse_duration(value)
            except TimingsError as error:
                raise TimingsError(f"rules.{key}: {error}") from None
        else:
            raise TimingsError(f"rules.{key} must be a duration such as 15s, in quotes if need be")
    return Timings(**read)  # type: ignore[arg-type]


def write_timings(timings: Timings) -> dict[str, str | int]:
    """The inverse of parse_timings: every name, in camelCase, with its value."""
    values = {_camel(spec.name): getattr(timings, spec.name) for spec in fields(Timings)}
    return {key: promql(value) if isinstance(value, timedelta) else value for key, value in values.items()}


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)
