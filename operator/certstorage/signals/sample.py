"""What one poll of a server found, split to workloads by an index. Pure: answers in, a Sample out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from certstorage.signals.answers import FIRING, Point, RulesAnswer, Workload, uncollected
from certstorage.signals.failures import Failure, Trouble
from certstorage.signals.names import ALERT_OF_SIGNAL, RULE_GROUP, WATCHDOG, Fact
from certstorage.signals.queries import ReplicaSet
from certstorage.signals.recording_rules import FACTS

MAX_SKEW = timedelta(seconds=30)
"""Between the server's clock and ours; staleness is judged in intervals of fifteen seconds."""
STALE_INTERVALS = 4
"""A rule that missed so many evaluations is not evaluated any more."""
STALE_AT_LEAST = timedelta(seconds=20)
"""However short the interval is."""

FORGOTTEN = timedelta(days=1)
"""A workload whose series are gone for so long is gone."""

Odd = tuple[Trouble, str]
ValueKey = tuple[str, str]
"""A recorded series and its `op` or `resource`, empty where it has none."""


@dataclass(slots=True)
class Recorded:
    """The recorded series of one workload. `values` leaves out what is perfect, or not recorded."""

    facts: int | None = None
    """A sum of Fact."""
    values: dict[ValueKey, float] = field(default_factory=dict)
    odd: Odd | None = None


@dataclass(slots=True)
class ReadCounters:
    """Summed raw counters of the Pods of one ReplicaSet, as far as they were answered."""

    reads: float | None = None
    fallbacks: float | None = None
    pods: int = 0
    odd: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """All recorded series at one evaluation, by workload. `skew` is the server's clock less ours."""

    recorded: Mapping[Workload, Recorded]
    skew: timedelta


@dataclass(frozen=True, slots=True)
class Sample:
    """One poll of one server. With a `problem` nothing else in it is believed.

    `unresolved` maps (workload, alert) to when an alert was last seen firing that has not since been seen inactive by
    an evaluation past the warm-up: what is only pending again has not resolved.
    """

    server: str
    polled_at: datetime
    problem: Failure | None = None
    rules: RulesAnswer = field(default_factory=lambda: RulesAnswer({}, {}, None))
    series: Series = field(default_factory=lambda: Series({}, timedelta(0)))
    counters: Mapping[tuple[str, str], ReadCounters] = field(default_factory=dict)
    counters_problem: Failure | None = None
    unresolved: Mapping[tuple[Workload, str], datetime] = field(default_factory=dict)

    @property
    def server_time(self) -> datetime:
        """The server's clock at the poll (UTC)."""
        return self.polled_at + self.series.skew

    @property
    def warming_up(self) -> bool:
        """Whether the server began to evaluate so short ago that its quiet proves nothing."""
        watchdog = self.rules.watchdog
        return watchdog is None or watchdog.active_at + watchdog.warm_up > self.server_time

    def counters_of(self, replica_set: ReplicaSet) -> ReadCounters | None:
        """The counters of a ReplicaSet, if they were asked for and answered."""
        return self.counters.get((replica_set.namespace, replica_set.stem))


def failed(server: str, problem: Failure, before: Sample | None, now: datetime) -> Sample:
    """A poll that came to nothing; what has not resolved is still remembered."""
    return Sample(server, now, problem, unresolved=before.unresolved if before is not None else {})


def assembled(server: str, rules: RulesAnswer, series: Series, before: Sample | None, now: datetime) -> Sample:
    """A poll that was answered: believed if rules, watchdog and clock are what they must be."""
    remembered = before.unresolved if before is not None else {}
    sample = Sample(server, now, rules=rules, series=series, unresolved=remembered)
    problem = _problem(sample)
    if problem is not None:
        return failed(server, problem, before, now)
    return Sample(server, now, rules=rules, series=series, unresolved=_unresolved(sample, remembered))


def _problem(sample: Sample) -> Failure | None:
    """The first thing for which nothing the server says can be believed."""
    rules, skew = sample.rules, sample.series.skew
    if abs(skew) > MAX_SKEW:
        text = f"the server's clock is {skew.total_seconds():+.0f} s from the operator's"
        return Failure(Trouble.CLOCK_SKEW, text)
    watchdog = rules.rules.get(WATCHDOG)
    missing = sorted(set(ALERT_OF_SIGNAL.values()) - rules.rules.keys())
    if watchdog is None or len(missing) == len(ALERT_OF_SIGNAL):
        return Failure(Trouble.RULES_MISSING, f"rule group {RULE_GROUP} of deploy/rules is not loaded")
    if watchdog.error:
        return Failure(Trouble.RULES_FAILING, f"alert {WATCHDOG}: {watchdog.error}")
    late = lateness(sample, WATCHDOG)
    if late is not None:
        return Failure(Trouble.RULES_STALE, f"the rules were last evaluated {late.total_seconds():.0f} s ago")
    if rules.watchdog is None:
        return Failure(Trouble.WATCHDOG_SILENT, f"alert {WATCHDOG} must always fire, and does not")
    return None


def lateness(sample: Sample, alert: str) -> timedelta | None:
    """How long ago an alert's rules were last evaluated, if that is too long."""
    rule = sample.rules.rules[alert]
    late = sample.server_time - rule.last_evaluation
    return late if late > max(STALE_INTERVALS * rule.interval, STALE_AT_LEAST) else None


def _unresolved(
    sample: Sample, before: Mapping[tuple[Workload, str], datetime]
) -> dict[tuple[Workload, str], datetime]:
    active = {(workload, one.name) for workload, found in sample.rules.alerts.items() for one in found}
    firing = {
        (workload, one.name): sample.server_time
        for workload, found in sample.rules.alerts.items()
        for one in found
        if one.state == FIRING
    }
    kept = {
        key: last
        for key, last in before.items()
        if key not in firing
        and sample.server_time - last < FORGOTTEN
        and (key in active or not _resolved(sample, key[0], key[1], last))
    }
    return {**kept, **firing}


def _resolved(sample: Sample, workload: Workload, alert: str, last: datetime) -> bool:
    """Whether an inactive alert was evaluated since it fired, by a warm server, with the workload's series there."""
    rule, series = sample.rules.rules.get(alert), sample.series.recorded.get(workload)
    evaluated = rule is not None and not rule.error and rule.last_evaluation > last
    return evaluated and series is not None and series.facts is not None and not sample.warming_up


def recorded(points: Iterable[Point], now: datetime) -> Series | Failure:
    """Split the answer of the one question to workloads. `now` is our clock when it was asked."""
    with uncollected():
        found, clock = _split(points)
    try:
        if clock is None or not math.isfinite(clock):
            raise ValueError
        skew = datetime.fromtimestamp(clock, UTC) - now
    except (ValueError, OverflowError, OSError):
        return Failure(Trouble.MALFORMED, "query: the server's clock is missing from the answer")
    return Series(found, skew)


def _split(points: Iterable[Point]) -> tuple[dict[Workload, Recorded], float | None]:
    """The series by workload, and the server's clock: the one without labels."""
    found: dict[Workload, Recorded] = {}
    clock: float | None = None
    for labels, value in points:
        if not labels:
            clock = value
            continue
        namespace, deployment, name = labels.get("namespace"), labels.get("deployment"), labels.get("__name__")
        if not isinstance(namespace, str) or not isinstance(deployment, str) or not isinstance(name, str):
            continue  # of no workload: nobody's
        one = found.get((namespace, deployment))
        if one is None:
            one = found[namespace, deployment] = Recorded()
        if name == FACTS:
            _facts(one, value)
        else:
            kind = labels.get("op") or labels.get("resource") or ""
            _value(one, (name, kind if isinstance(kind, str) else ""), value)
    return found, clock


def _facts(one: Recorded, value: float) -> None:
    if one.facts is not None:
        one.odd = (Trouble.SEVERAL_SERIES, f"{FACTS} has several series: do two servers' rules meet here?")
    elif not 1 <= value <= sum(Fact) or value != int(value):
        one.odd = (Trouble.ODD_VALUE, f"{FACTS} is {value}")
    else:
        one.facts = int(value)


def _value(one: Recorded, key: ValueKey, value: float) -> None:
    if key in one.values:
        one.odd = (Trouble.SEVERAL_SERIES, f"{key[0]} has several series: do two servers' rules meet here?")
    elif not math.isfinite(value) or value < 0:
        one.odd = (Trouble.ODD_VALUE, f"{key[0]} is {value}")
    else:
        one.values[key] = value


def read_counters(points: Iterable[Point]) -> dict[tuple[str, str], ReadCounters]:
    """Split the answer of the post-flip question by namespace and stem of the Pods' names."""
    found: dict[tuple[str, str], ReadCounters] = {}
    for point in points:
        namespace, stem = point.labels.get("namespace"), point.labels.get("stem")
        if not isinstance(namespace, str) or not isinstance(stem, str):
            continue
        one = found.setdefault((namespace, stem), ReadCounters())
        what, value = point.labels.get("what"), point.value
        if not math.isfinite(value) or value < 0:
            one.odd = True
        elif what == "reads":
            one.odd, one.reads = one.odd or one.reads is not None, value
        elif what == "fallbacks":
            one.odd, one.fallbacks = one.odd or one.fallbacks is not None, value
        elif what == "pods":
            one.odd, one.pods = one.odd or one.pods > 0, int(value)
    return found
