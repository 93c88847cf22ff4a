"""From one poll to graded beliefs about one policy. Pure: sample, interest, earlier grades and `now` in, signals out.

A signal is ClearProven only if its alert is inactive, its rule was evaluated since it last fired, the server is past
its warm-up with the watchdog firing, and there was something to judge by. No threshold stands here: rules have them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from certstorage.api.signals import FallbackSample, Signal, SignalName, SignalSet, Verdict
from certstorage.signals.answers import FIRING, AlertSeen, Workload
from certstorage.signals.failures import Failure, Trouble
from certstorage.signals.names import ALERT_OF_SIGNAL, VOLUME_COLLAPSE, Fact
from certstorage.signals.queries import DISK, P95, RATIO_NOW, RATIO_TEN, WRITE_RATIO, ReplicaSet
from certstorage.signals.sample import Recorded, Sample, ValueKey, lateness

MAX_AGE: Final = timedelta(seconds=60)
"""An older poll says nothing about now."""


@dataclass(frozen=True, slots=True)
class Interest:
    """What a policy wants to know: its server, the labels of its workload, and the Pods of its current template."""

    server: str
    workload: Workload
    replica_set: ReplicaSet | None = None


_UNITS: Final[Mapping[SignalName, float | None]] = {
    SignalName.MISMATCH: 0.01,  # exported in percent, as the runbook names it
    SignalName.BLACK_HOLE: None,  # requests in flight: in the summary
    SignalName.METRICS: None,
}
"""What turns an alert's value into the signal's: 1 where it is not named, None where it is no ratio and not shown."""
_LONGEST_SECONDS: Final = 3600.0
_NOTHING: Final = Fact(0)


@dataclass(frozen=True, slots=True)
class _Proof:
    """What a quiet alert is judged by: `enough` proves it, without `traffic` it is idle, else `missing` says why.

    `value` is shown once it is `judged`; where none is recorded then, it is `perfect`.
    """

    traffic: Fact
    enough: Fact
    missing: str
    value: ValueKey | None = None
    judged: Fact = _NOTHING
    perfect: float = 0.0


_WARM_UP: Final = "the end of the server's warm-up"
_NEVER_IDLE: Final = Fact.SCRAPED
_ANSWERED: Final = "an operation that S3 answered within a minute"
_S3_READ: Final = "a read that S3 answered within a minute"
_SAVED: Final = "enough saves within ten minutes"
_READS, _SAVES, _DELETES = (RATIO_TEN, "read"), (RATIO_TEN, "save"), (RATIO_TEN, "delete")
_ANY: Final = Fact.READS | Fact.SAVES
_S3_ANY: Final = Fact.READ_FROM_S3 | Fact.WRITTEN_TO_S3
PROOFS: Final[Mapping[SignalName, _Proof]] = {
    SignalName.OUTAGE: _Proof(_ANY, _S3_ANY, _ANSWERED, (RATIO_NOW, "read"), Fact.READS_JUDGED),
    SignalName.BLACK_HOLE: _Proof(_ANY, _S3_ANY, _ANSWERED),
    SignalName.SAVE_FAIL: _Proof(Fact.SAVES, Fact.SAVES_JUDGED, _SAVED, _SAVES, Fact.SAVES_JUDGED),
    SignalName.DEGRADED: _Proof(Fact.SAVES, Fact.SAVES_JUDGED, _SAVED, _SAVES, Fact.SAVES_JUDGED),
    SignalName.READ_FALLBACK: _Proof(Fact.READS, Fact.READ_FROM_S3, _S3_READ, _READS, Fact.READS_JUDGED),
    SignalName.FALLBACK_ELEVATED: _Proof(Fact.READS, Fact.READ_FROM_S3, _S3_READ, _READS, Fact.READS_JUDGED),
    SignalName.DELETE_FAIL: _Proof(
        Fact.DELETES, Fact.DELETES_JUDGED, "enough deletes within ten minutes", _DELETES, Fact.DELETES_JUDGED
    ),
    SignalName.WRITE_SUCCESS: _Proof(
        Fact.SAVES,
        Fact.WRITES_JUDGED,
        "enough S3 writes within ten minutes",
        (WRITE_RATIO, ""),
        Fact.WRITES_JUDGED,
        1.0,
    ),
    SignalName.MISMATCH: _Proof(_NEVER_IDLE, Fact.VALIDATED, "a validator's receipt"),
    SignalName.METRICS: _Proof(_NEVER_IDLE, Fact.SCRAPED, ""),
}
"""Of the signals that are judged by facts; GetSlow and LocalDisk are by their values, Recovery by a rule of its own."""


def grade(sample: Sample | None, interest: Interest, earlier: SignalSet | None, now: datetime) -> SignalSet:
    """All signals of one policy. `earlier` is what was graded before, for `since`; `now` is UTC."""
    if sample is None:
        return SignalSet()
    problem = sample.problem
    if problem is None and now - sample.polled_at > MAX_AGE:
        late = (now - sample.polled_at).total_seconds()
        problem = Failure(Trouble.POLL_STALE, f"server {sample.server} was last polled {late:.0f} s ago")
    if problem is not None:
        unknown = {name: _unknown(name, problem) for name in SignalName}
        return SignalSet(
            _since(unknown, earlier, now),
            trusted=False,
            reason=problem.reason.value,
            message=problem.message,
            polled_at=sample.polled_at,
        )
    graded = {name: _Grading(sample, interest.workload, name).signal() for name in SignalName}
    blind = graded[SignalName.OUTAGE].verdict is Verdict.UNKNOWN
    told = graded[SignalName.OUTAGE]
    return SignalSet(
        _since(graded, earlier, now),
        fallback=_fallback(sample, interest.replica_set),
        trusted=not blind,
        reason=told.reason if blind else "",
        message=told.message if blind else "",
        polled_at=sample.polled_at,
    )


def _since(signals: Mapping[SignalName, Signal], earlier: SignalSet | None, now: datetime) -> dict[SignalName, Signal]:
    """Each signal with the time its verdict began: kept while the verdict is the same."""
    dated = {}
    for name, signal in signals.items():
        old = earlier.signals.get(name) if earlier is not None else None
        since = old.since if old is not None and old.verdict is signal.verdict else None
        dated[name] = replace(signal, since=since or signal.since or now)
    return dated


def _unknown(name: SignalName, problem: Failure) -> Signal:
    return Signal(name, Verdict.UNKNOWN, reason=problem.reason.value, message=problem.message)


@dataclass(frozen=True, slots=True)
class _Grading:
    """One signal of one workload at one poll."""

    sample: Sample
    workload: Workload
    name: SignalName

    @property
    def recorded(self) -> Recorded:
        return self.sample.series.recorded.get(self.workload) or Recorded()

    def signal(self) -> Signal:
        if self.name is SignalName.RECOVERY:
            return self._recovery()
        alert = ALERT_OF_SIGNAL[self.name]
        active = [one for one in self.sample.rules.alerts.get(self.workload, ()) if one.name == alert]
        unresolved = (self.workload, alert) in self.sample.unresolved
        firing = [one for one in active if one.state == FIRING or unresolved]
        if firing:
            return self._firing(firing)
        problem = self._rule_problem(alert) or self._series_problem()
        if problem is not None:
            return _unknown(self.name, problem)
        missing = self._missing(alert, pending=bool(active), unresolved=unresolved)
        if missing:
            return self._clear(Verdict.CLEAR_UNPROVEN, *missing)
        return self._quiet()

    # --- an alert in force

    def _firing(self, alerts: list[AlertSeen]) -> Signal:
        worst = min(alerts, key=lambda one: (one.state != FIRING, one.severity != "critical"))
        reason = "AlertFiring" if worst.state == FIRING else "AlertPendingAgain"
        text = worst.summary or f"{worst.name} is firing"
        return Signal(self.name, Verdict.FIRING, _in_unit(self.name, worst.value), worst.active_at, reason, text)

    # --- quiet, but is it to be believed?

    def _rule_problem(self, alert: str) -> Failure | None:
        rule = self.sample.rules.rules.get(alert)
        if rule is None:
            return Failure(Trouble.RULES_MISSING, f"alert {alert} of deploy/rules is not loaded")
        if rule.error:
            return Failure(Trouble.RULES_FAILING, f"alert {alert}: {rule.error}")
        late = lateness(self.sample, alert)
        if late is not None:
            return Failure(Trouble.RULES_STALE, f"alert {alert} was last evaluated {late.total_seconds():.0f} s ago")
        return None

    def _series_problem(self) -> Failure | None:
        found = self.sample.series.recorded.get(self.workload)
        if found is not None and found.odd is not None:
            return Failure(*found.odd)
        if found is None or found.facts is None:
            text = f"no certificate metrics of {'/'.join(self.workload)} are recorded: is it scraped?"
            return Failure(Trouble.NO_SERIES, text)
        return None

    def _missing(self, alert: str, *, pending: bool, unresolved: bool) -> list[str]:
        missing = []
        if pending:
            missing.append(f"{alert} is pending")
        if self.sample.warming_up:
            missing.append(_WARM_UP)
        elif unresolved:
            missing.append(f"an evaluation of {alert} since it fired")
        if self.name is SignalName.BLACK_HOLE and self._collapsed():
            missing.append(f"{VOLUME_COLLAPSE} fires: a probe must say whether S3 swallows requests")
        return missing

    def _collapsed(self) -> bool:
        alerts = self.sample.rules.alerts.get(self.workload, ())
        return any(one.name == VOLUME_COLLAPSE and one.state == FIRING for one in alerts)

    # --- quiet, and believed: is it proven?

    def _quiet(self) -> Signal:
        if self.name is SignalName.LOCAL_DISK:
            free = [value for (series, _), value in self.recorded.values.items() if series == DISK]
            return self._measured(min(free, default=None), "the gauges of the certificates' disk")
        if self.name is SignalName.GET_SLOW:
            slow = self._measured(self.recorded.values.get((P95, "")), "enough GETs within ten minutes")
            return slow if slow.value is not None or self._has(Fact.READS) else self._idle()
        proof = PROOFS[self.name]
        value = None
        if proof.value is not None and self._has(proof.judged):
            value = self.recorded.values.get(proof.value, proof.perfect)
        if self._has(proof.enough):
            return self._clear(Verdict.CLEAR_PROVEN, value=value)
        if not self._has(proof.traffic):
            return self._idle()
        return self._clear(Verdict.CLEAR_UNPROVEN, proof.missing, value=value)

    def _measured(self, value: float | None, missing: str) -> Signal:
        if value is None:
            return self._clear(Verdict.CLEAR_UNPROVEN, missing)
        return self._clear(Verdict.CLEAR_PROVEN, value=value)

    def _recovery(self) -> Signal:
        """Saves under dual-write, which the flip does not hide; judged by the rules, only read here."""
        problem = self._series_problem()
        if problem is not None:
            return _unknown(self.name, problem)
        value = self.recorded.values.get((RATIO_NOW, "save"), 0.0 if self._has(Fact.SAVES_JUDGED) else None)
        if self._has(Fact.SAVES_FAILING) and not self._has(Fact.RECOVERED):
            return Signal(self.name, Verdict.FIRING, value, None, "SavesFail", "saves to S3 fail")
        if self.sample.warming_up:
            return self._clear(Verdict.CLEAR_UNPROVEN, _WARM_UP, value=value)
        if self._has(Fact.RECOVERED):
            return self._clear(Verdict.CLEAR_PROVEN, value=value)
        if self._has(Fact.SAVES_JUDGED):
            return self._clear(Verdict.CLEAR_UNPROVEN, "saves below 1 % of failures for five minutes", value=value)
        if self._has(Fact.SAVE_FAILED_LATELY):
            return self._clear(Verdict.CLEAR_UNPROVEN, "ten minutes without a failed save")
        return self._idle()

    def _idle(self) -> Signal:
        """No traffic was counted: only of a workload that was scraped meanwhile does that say that there was none."""
        if self._has(Fact.WATCHED):
            return self._clear(Verdict.IDLE)
        return self._clear(Verdict.CLEAR_UNPROVEN, "a minute of scrapes without a gap")

    def _has(self, facts: Fact) -> bool:
        found = self.recorded.facts
        return found is not None and bool(found & facts)

    def _clear(self, verdict: Verdict, *missing: str, value: float | None = None) -> Signal:
        reason, text = {
            Verdict.CLEAR_PROVEN: ("Clear", "quiet, evaluated, with traffic"),
            Verdict.IDLE: ("NoTraffic", "nothing to judge by: no traffic"),
        }.get(verdict, ("NotProven", "quiet, but not proven: " + "; ".join(missing)))
        return Signal(self.name, verdict, value, None, reason, text, missing)


def _in_unit(name: SignalName, value: float | None) -> float | None:
    """An alert's value as a ratio between 0 and 1, seconds for GetSlow; None when it cannot be one."""
    unit = _UNITS.get(name, 1.0)
    if value is None or unit is None:
        return None
    most = _LONGEST_SECONDS if name is SignalName.GET_SLOW else 1.0
    return value * unit if 0 <= value * unit <= most else None


def _fallback(sample: Sample, replica_set: ReplicaSet | None) -> FallbackSample | None:
    """The raw counters of the policy's own Pods; None where anything about them is odd or missing."""
    found = sample.counters_of(replica_set) if replica_set is not None else None
    if replica_set is None or found is None or found.odd or found.reads is None:
        return None
    # a failure counter may be absent before its first failure, as in the rules
    fallbacks = found.fallbacks or 0.0
    at = sample.server_time.astimezone(UTC)
    return FallbackSample(replica_set.template_hash, found.pods, found.reads, fallbacks, at)
