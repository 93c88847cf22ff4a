"""What an observer saw: plain values with the times at which they were true. Nothing here was said by the operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

READ_PRIMARY = "CERT_S3_READ_PRIMARY"
DUAL_WRITE = "CERT_S3_DUAL_WRITE"
LOG_LEVEL = "LOG_LEVEL"
CONNECT_TIMEOUT = "CERT_S3_CONNECT_TIMEOUT"
READ_TIMEOUT = "CERT_S3_READ_TIMEOUT"
OUTAGES = frozenset({"CertS3Outage", "CertS3BlackHole"})
"""The alerts that mean an outage by themselves."""

OPERATOR_MANAGER = "certstorage-operator"
OPERATOR = "system:serviceaccount:certstorage-system:certstorage-operator"


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch of the fault proxy, from its own log; `fault` is empty when it lets everything through again."""

    at: datetime
    fault: str


@dataclass(frozen=True, slots=True)
class Write:
    """One accepted write to the Deployment, from the API server's audit log.

    `at` is when the server had answered, `received` when the request came. `resource_version`, `generation`, `env`
    and `hold` are those of the object after the write; `managers` are the field managers that own something in it.
    """

    at: datetime
    received: datetime
    audit_id: str
    verb: str
    user: str
    agent: str
    uid: str
    resource_version: str
    generation: int
    env: Mapping[str, str] = field(default_factory=dict)
    hold: str = ""
    managers: tuple[str, ...] = ()
    replicas: int | None = None

    @property
    def reads(self) -> str:
        """The read flag after the write; empty when there is none."""
        return self.env.get(READ_PRIMARY, "")

    @property
    def by_operator(self) -> bool:
        """Whether the operator's own service account wrote."""
        return self.user == OPERATOR


@dataclass(frozen=True, slots=True)
class JobMade:
    """One Job that somebody created, from the audit log."""

    at: datetime
    user: str
    name: str
    uid: str
    incident: str
    attempt: str
    kind: str = ""
    arguments: tuple[str, ...] = ()
    """What the validator was given."""


@dataclass(frozen=True, slots=True)
class JobDeleted:
    """One Job that somebody deleted, from the audit log."""

    at: datetime
    user: str
    name: str


@dataclass(frozen=True, slots=True)
class Span:
    """A time in which something was so; `end` is None while it lasts."""

    begin: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a series."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Pod:
    """One Pod of the application as the API server has it; `env` is what its container was started with."""

    name: str
    uid: str
    resource_version: str
    template_hash: str
    ready: bool
    going: bool
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def reads(self) -> str:
        """The read flag this Pod runs with; empty when it has none."""
        return self.env.get(READ_PRIMARY, "")


@dataclass(frozen=True, slots=True)
class Pods:
    """All Pods of the application at one time."""

    at: datetime
    pods: tuple[Pod, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """A validator Job that came to its end, with the termination message of its Pod when there is one."""

    name: str
    uid: str
    resource_version: str
    incident: str
    attempt: str
    complete: bool
    finished: datetime
    pod_uid: str = ""
    receipt: Mapping[str, object] = field(default_factory=dict)
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Every key that was written or deleted during the cut, held against the bucket by content.

    `started` and `finished` are when the bucket was listed; the bytes are those of the versions that were listed. Keys
    count in `equal` (same bytes) or `absent` (deleted, and not in the bucket) or are named in `different`.
    """

    started: datetime
    finished: datetime
    equal: int
    absent: int
    different: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fallback:
    """Raw read counters of the Pods of one ReplicaSet, summed since those Pods started."""

    at: datetime
    template_hash: str
    pods: int
    reads: float
    fallbacks: float


@dataclass(frozen=True, slots=True)
class Clients:
    """What the load generator's clients have seen so far."""

    at: datetime
    operations: int
    errors: int
    kinds: Mapping[str, int] = field(default_factory=dict)
    """The errors by their kind."""


@dataclass(frozen=True, slots=True)
class Paper:
    """An incident or a request, as it was when it was first seen in a phase. `kind` is its scenario or its type."""

    at: datetime
    name: str
    kind: str
    phase: str
    spec: Mapping[str, object] = field(default_factory=dict)
    status: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that the story itself did to the world, other than by the fault proxy: to these keys, if to any."""

    at: datetime
    what: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """One message that a receiver got, and what its service would say against it.

    `to` is Slack's channel, PagerDuty's routing key or the webhook's receiver; `action` PagerDuty's, or Alertmanager's
    status.
    """

    at: datetime
    service: str
    to: str
    action: str
    text: str
    status: int = 200
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything seen since `since`, each kind in the order of time.

    `failing` and `recovered` are Prometheus's ratio of failing saves and its recovery series.
    """

    since: datetime
    switches: tuple[Switch, ...] = ()
    writes: tuple[Write, ...] = ()
    jobs_made: tuple[JobMade, ...] = ()
    jobs_deleted: tuple[JobDeleted, ...] = ()
    alert: str = ""
    firing: tuple[Span, ...] = ()
    failing: tuple[Sample, ...] = ()
    recovered: tuple[Sample, ...] = ()
    pods: tuple[Pods, ...] = ()
    jobs: tuple[Job, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    fallback: tuple[Fallback, ...] = ()
    alarms: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
    """When each alert fired, by its name."""
    incidents: tuple[Paper, ...] = ()
    requests: tuple[Paper, ...] = ()
    told: tuple[Told, ...] = ()
    deeds: tuple[Deed, ...] = ()
    clients: tuple[Clients, ...] = ()
