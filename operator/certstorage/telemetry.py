"""The operator's own metrics. Those about a policy are made at the scrape, so that they go when the policy goes."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from certstorage.api.conditions import ConditionStatus, ConditionType
from certstorage.api.decision import Decision
from certstorage.api.env import FlagState
from certstorage.api.hold import Hold, ReadsPhase
from certstorage.api.incidents import OVER, IncidentPhase
from certstorage.api.observed import JobPhase, Problem
from certstorage.api.policy import Policy
from certstorage.api.status import ReadsFrom, ReadsStatus, Status
from certstorage.cluster.act import Acted
from certstorage.cluster.observe import Snapshot
from certstorage.registry import Key
from certstorage.signals import names

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FLAG_VALUES = {FlagState.TRUE: 1.0, FlagState.FALSE: 0.0}
UNKNOWN_FLAG = -1.0


@dataclass(frozen=True, slots=True)
class PolicyFacts:
    """What the last pass over a policy found, as far as metrics tell it."""

    labels: tuple[str, str, str]
    reads: ReadsStatus | None
    flag: float
    held: bool
    incidents: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """How many that are not closed, by scenario and phase."""
    blocked_reason: str = ""
    blocked_since: float = 0.0
    sweep_deadline: float | None = None
    mismatch_percent: float | None = None
    mismatch_at: float = 0.0


@dataclass(slots=True)
class Memory:
    """What must be counted once although it is seen in every pass."""

    reverts: int = 0
    counted_jobs: set[str] = field(default_factory=set)


class Telemetry:
    """The registry and the counters; `clock` gives Unix seconds."""

    def __init__(self, version: str, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.facts: dict[Key, PolicyFacts] = {}
        """What the last pass over each policy found: what its metrics are made of."""
        self._memory: dict[Key, Memory] = {}
        self.registry = CollectorRegistry()
        self.registry.register(PolicyCollector(self.facts))
        Gauge("certstorage_operator_info", "The operator; 1.", ["version"], registry=self.registry).labels(version).set(
            1
        )
        self.evaluated = Gauge(
            names.METRIC_LAST_EVALUATION, "When the operator last went through its signals.", registry=self.registry
        )
        self.leading = Gauge("certstorage_leading", "1 while this process leads.", registry=self.registry)
        self.queue_depth = Gauge("certstorage_queue_depth", "Policies that wait for a pass.", registry=self.registry)
        self.watch_failures = Counter(
            "certstorage_watch_failures", "Times the watch broke down and began again.", registry=self.registry
        )
        self.passes = Counter(
            "certstorage_passes", "Passes over policies, by how they ended.", ["result"], registry=self.registry
        )
        self.pass_seconds = Histogram(
            "certstorage_pass_seconds",
            "Time of one pass over a policy.",
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
        )
        self.actions = Counter(
            "certstorage_actions",
            "Writes: FlipLocal, FlipBack, Hold, Release, Job, StopJob, Request, Answer, Incident, Cleanup.",
            ["action", "result"],
            registry=self.registry,
        )
        self.verdicts = Counter(
            "certstorage_validator_verdict",
            "Validator Jobs that ended, by verdict.",
            ["verdict"],
            registry=self.registry,
        )
        self.posts = Counter(
            "certstorage_notification_posts", "Posts of all alerts in force.", ["result"], registry=self.registry
        )
        self.reverts = Counter(
            "certstorage_reverts", "Flags of ours that somebody else wrote back.", registry=self.registry
        )

    def evaluation(self) -> None:
        """The signals were gone through."""
        self.evaluated.set(self._clock())

    def told(self, failed: Mapping[str, str]) -> None:
        """The alerts were posted; `failed` names the Alertmanagers that did not take them."""
        self.posts.labels("failed" if failed else "done").inc()

    def acted(self, snapshot: Snapshot, decision: Decision, acted: Acted) -> None:
        """What was written, and what was refused."""
        if acted.patched:
            self.actions.labels(_write(snapshot, decision), "done").inc()
        if acted.released:
            self.actions.labels("Release", "done").inc()
        self.actions.labels("Job", "done").inc(acted.jobs)
        if acted.lesson is not None:
            self.passes.labels("refused").inc()
            self.actions.labels("Job" if acted.lesson.job is not None else _write(snapshot, decision), "refused").inc()
        else:
            self.actions.labels("StopJob", "done").inc(len(decision.stop_jobs))

    def wrote(self, paperwork: Mapping[tuple[str, str], int]) -> None:
        """How many requests and incidents were written or refused."""
        for (action, result), count in paperwork.items():
            self.actions.labels(action, result).inc(count)

    def passed(self, snapshot: Snapshot, decision: Decision) -> None:
        """A pass came to its end, and everything is recorded."""
        key = snapshot.policy.key
        memory = self._memory.setdefault(key, Memory())
        self.passes.labels("done").inc()
        self.facts[key] = _facts(snapshot, decision)
        target = snapshot.seen.target
        hold = None if isinstance(target, Problem) else target.hold
        reverts = hold.reverts if hold is not None else 0
        if reverts > memory.reverts:
            self.reverts.inc(reverts - memory.reverts)
        memory.reverts = reverts
        ended = [job for job in snapshot.seen.jobs if job.ours and job.phase is not JobPhase.RUNNING]
        for job in ended:
            if job.uid not in memory.counted_jobs:
                self.verdicts.labels(job.receipt.verdict.value if job.receipt else "NONE").inc()
        memory.counted_jobs = {job.uid for job in ended}

    def failed(self, key: Key, kind: str) -> None:
        """A pass ended early."""
        self.passes.labels(kind).inc()

    def forget(self, key: Key) -> None:
        """The policy is gone, and its metrics with it."""
        self.facts.pop(key, None)
        self._memory.pop(key, None)

    def text(self) -> bytes:
        """Everything in the text format of Prometheus."""
        return generate_latest(self.registry)


def _write(snapshot: Snapshot, decision: Decision) -> str:
    """What the write to the Deployment was about."""
    env = {} if decision.patch is None else decision.patch.env
    flag = snapshot.policy.spec.env.read_primary
    if flag not in env:
        return "Hold"
    return "FlipLocal" if env[flag] == "false" else "FlipBack"


def _facts(snapshot: Snapshot, decision: Decision) -> PolicyFacts:
    policy, target, status = snapshot.policy, snapshot.seen.target, decision.status
    flag = UNKNOWN_FLAG
    hold = None
    if not isinstance(target, Problem):
        seen = target.env.get(policy.spec.env.read_primary)
        flag = UNKNOWN_FLAG if seen is None else FLAG_VALUES.get(seen.state, UNKNOWN_FLAG)
        hold = target.hold if decision.patch is None else decision.patch.hold
    asked = status.conditions.get(ConditionType.ACTION_REQUIRED)
    blocked = asked is not None and asked.status is ConditionStatus.TRUE
    percent, at = _mismatch(status)
    return PolicyFacts(
        labels=_labels(policy),
        reads=status.reads,
        flag=flag,
        held=hold is not None and hold.reads is not ReadsPhase.NONE,
        incidents=_incidents(snapshot, decision),
        blocked_reason=asked.reason if blocked and asked is not None else "",
        blocked_since=asked.last_transition.timestamp() if blocked and asked is not None else 0.0,
        sweep_deadline=_sweep_deadline(hold),
        mismatch_percent=percent,
        mismatch_at=at,
    )


def _incidents(snapshot: Snapshot, decision: Decision) -> Counts[tuple[str, str]]:
    """The incidents as they stand after this pass."""
    seen = {one.name: one.status for one in snapshot.seen.incidents if one.status is not None}
    seen.update({one.name: one.status for one in decision.incidents})
    every = [(one.scenario.value, one.phase.value) for one in seen.values() if one.phase is not IncidentPhase.CLOSED]
    return Counts(every)


def _labels(policy: Policy) -> tuple[str, str, str]:
    return policy.namespace, policy.name, policy.spec.signals.workload or policy.spec.target.name


def _sweep_deadline(hold: Hold | None) -> float | None:
    """When the replicas that a sweep holds must be back; None while it holds none."""
    if hold is None or hold.replicas is None or hold.restore_by is None:
        return None
    return hold.restore_by.timestamp()


def _mismatch(status: Status) -> tuple[float | None, float]:
    """The mismatch rate of the last validation that counted anything, in percent, and when it ended."""
    last = status.last_validation
    if last is None or not last.sampled:
        return None, 0.0
    return float(last.mismatch.rstrip("%")), last.finished_at.timestamp()


class PolicyCollector(Collector):
    """Makes the metrics about policies at the scrape."""

    def __init__(self, facts: dict[Key, PolicyFacts]) -> None:
        self._facts = facts

    def collect(self) -> Iterable[Metric]:
        """One sample a policy where there is something to say."""
        every = list(self._facts.values())
        local = {ReadsFrom.LOCAL: 0.0, ReadsFrom.S3: 1.0}
        yield _gauge(names.METRIC_POLICY, "1 for each policy in care.", ((f, 1.0) for f in every))
        yield _gauge(
            names.METRIC_READS_LOCAL,
            "1 while the operator holds reads local.",
            ((f, float(f.held)) for f in every),
        )
        yield _gauge(
            "certstorage_incident_active",
            "1 while an incident is open.",
            ((f, float(f.held or any(phase not in OVER for _, phase in f.incidents))) for f in every),
        )
        incidents = GaugeMetricFamily(
            "certstorage_incidents",
            "Incidents that are not closed, by scenario and phase.",
            labels=[*names.POLICY_LABELS, "scenario", "phase"],
        )
        for one in every:
            for (scenario, phase), count in one.incidents.items():
                incidents.add_metric([*one.labels, scenario, phase], count)
        yield incidents
        yield _gauge(
            "certstorage_flag_wanted",
            "The read flag that is wanted: 1 for S3, 0 for local.",
            ((f, local[f.reads.desired]) for f in every if f.reads is not None and f.reads.desired in local),
        )
        yield _gauge(
            "certstorage_flag_actual",
            "The read flag in the template: 1 on, 0 off, -1 neither.",
            ((f, f.flag) for f in every),
        )
        yield _gauge(
            names.METRIC_PODS_NOT_AS_DESIRED,
            "Pods that run with another read flag than is wanted.",
            ((f, float(f.reads.pods - f.reads.pods_as_desired)) for f in every if f.reads is not None),
        )
        blocked = GaugeMetricFamily(
            names.METRIC_BLOCKED_SINCE,
            "Since when something is asked of a person, while it is.",
            labels=[*names.POLICY_LABELS, "reason"],
        )
        for one in every:
            if one.blocked_reason:
                blocked.add_metric([*one.labels, one.blocked_reason], one.blocked_since)
        yield blocked
        yield _gauge(
            names.METRIC_SWEEP_DEADLINE,
            "By when the replicas that a sweep holds must be back, while it holds them.",
            ((f, f.sweep_deadline) for f in every if f.sweep_deadline is not None),
        )
        rated = [(f, f.mismatch_percent) for f in every if f.mismatch_percent is not None]
        yield _gauge(names.METRIC_MISMATCH, "Mismatch rate of the last receipt, in percent.", rated)
        yield _gauge(names.METRIC_MISMATCH_TIME, "When that receipt was made.", ((f, f.mismatch_at) for f, _ in rated))


def _gauge(name: str, text: str, samples: Iterable[tuple[PolicyFacts, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=list(names.POLICY_LABELS))
    for facts, value in samples:
        family.add_metric(list(facts.labels), value)
    return family
