"""What a decision says: the desired change as data, what people are told, and when to look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from certstorage.api.alerts import Alert
from certstorage.api.hold import Hold
from certstorage.api.incidents import IncidentWanted
from certstorage.api.requests import Expected, RequestAnswer, RequestWanted
from certstorage.api.status import Status


class JobKind(StrEnum):
    """What a validator Job is for; also the value of its `storage.deltacrown.io/kind` label.

    Which program each runs, with which of the options below: Recovery `recover` (since, probes, sample, shards),
    Validation and Sweep `check` (since, sample, repair, shards), or `recover` where it mends, Repair `repair --apply`
    (source, under, keys, repair), Findings `probe`.
    """

    RECOVERY = "Recovery"
    VALIDATION = "Validation"
    SWEEP = "Sweep"
    REPAIR = "Repair"
    FINDINGS = "Findings"


class RepairMode(StrEnum):
    """What is uploaded again, in the validator's words (`check --repair`, `repair --only`)."""

    REPORT = "report"
    """Nothing: differences are only reported."""
    MISSING = "missing"
    DIFFERENT = "different"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class JobWanted:
    """One validator Job that must exist: create, or adopt the one of this name and nonce. Rates are ratios, times UTC.

    `since` is where the at-risk time begins; with `mends` what S3 missed since then is uploaded, and what is stale
    resolved, before anything is judged, as after an outage. `probes` canary rounds, `probe_interval_seconds` apart,
    come first: more than one when no traffic proves recovery. `expected` is what a person says is no reason to stop a
    recovery. `source` is the report from which is repaired, `under` limits that to keys that begin so, `keys` to these.
    `incident` and `request` are empty where there is none. The report is kept in the bucket, under the validator's own
    prefix; its place is in the receipt.
    """

    kind: JobKind
    name: str
    incident: str = ""
    attempt: int = 1
    nonce: str = ""
    inputs_hash: str = ""
    since: datetime | None = None
    mends: bool = False
    sample_rate: float = 0.01
    min_sample: int = 2000
    max_mismatch: float = 0.005
    timeout_seconds: int = 7200
    probes: int = 1
    probe_interval_seconds: int = 0
    repair: RepairMode = RepairMode.REPORT
    source: str = ""
    under: str = ""
    keys: tuple[str, ...] = ()
    expected: tuple[Expected, ...] = ()
    shards: int = 1
    request: str = ""


@dataclass(frozen=True, slots=True)
class StopJob:
    """One Job of ours to delete, with its Pods; the UID is the precondition."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class TargetPatch:
    """One write to the Deployment: environment, replicas and hold together, or not at all.

    `env` maps a variable to its literal value, None to remove the entry; `hold` is the whole hold after the write,
    None to remove the annotation. `uid` and `resource_version` are its preconditions.
    """

    uid: str
    resource_version: str
    hold: Hold | None
    env: Mapping[str, str | None] = field(default_factory=dict)
    replicas: int | None = None


class EventType(StrEnum):
    """The type of a Kubernetes Event."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class EventWanted:
    """One Event on the policy, at a transition."""

    type: EventType
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Everything that one pass is to do, in the order of the fields, and when to look again (UTC).

    `release` asks to drop our entries from the Deployment's managedFields, the second half of giving back. `requests`
    are filed, `answers` are statuses of requests that are there, `incidents` whole statuses; each is given only when it
    says something new, so that the steady state writes nothing. A decision made without having read Jobs, requests and
    incidents (`Observation.glance`) has none of the three.
    """

    status: Status
    look_again_at: datetime
    patch: TargetPatch | None = None
    release: bool = False
    stop_jobs: tuple[StopJob, ...] = ()
    jobs: tuple[JobWanted, ...] = ()
    requests: tuple[RequestWanted, ...] = ()
    answers: tuple[RequestAnswer, ...] = ()
    incidents: tuple[IncidentWanted, ...] = ()
    finalizer: bool = False
    events: tuple[EventWanted, ...] = ()
    alerts: tuple[Alert, ...] = ()
