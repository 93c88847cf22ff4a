"""What a decision says: the desired change as data, what people are told, and when to look again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from certstorage.api.alerts import Alert
from certstorage.api.hold import Hold
from certstorage.api.status import Status


class JobKind(StrEnum):
    """What a validator Job is for; also the value of its `storage.deltacrown.io/kind` label."""

    RECOVERY = "Recovery"


@dataclass(frozen=True, slots=True)
class JobWanted:
    """One validator Job that must exist. `since` is where the at-risk time begins (UTC); rates are ratios.

    `probes` canary rounds, `probe_interval_seconds` apart, come first: more than one when no traffic proves recovery.
    """

    kind: JobKind
    name: str
    incident: str
    attempt: int
    nonce: str
    inputs_hash: str
    since: datetime
    sample_rate: float
    min_sample: int
    max_mismatch: float
    timeout_seconds: int
    probes: int = 1
    probe_interval_seconds: int = 0


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

    `release` asks to drop our entries from the Deployment's managedFields, the second half of giving back.
    """

    status: Status
    look_again_at: datetime
    patch: TargetPatch | None = None
    release: bool = False
    stop_jobs: tuple[StopJob, ...] = ()
    jobs: tuple[JobWanted, ...] = ()
    finalizer: bool = False
    events: tuple[EventWanted, ...] = ()
    alerts: tuple[Alert, ...] = ()
