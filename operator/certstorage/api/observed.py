"""One Observation: all that a decision may look at, gathered in one place. A source that failed is a value in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from certstorage.api.env import EnvVar
from certstorage.api.hold import Hold
from certstorage.api.incidents import IncidentSeen
from certstorage.api.patience import Patience
from certstorage.api.reasons import Reason
from certstorage.api.receipt import Receipt
from certstorage.api.requests import RequestSeen
from certstorage.api.signals import SignalSet


@dataclass(frozen=True, slots=True)
class Problem:
    """Something is not as it must be: the reason, and one line that says what, where and how to mend it."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Client:
    """What the container's own environment and command say of its S3 client, as far as they show it.

    `max_attempts` is AWS_MAX_ATTEMPTS where it is a literal number, `request_timeout_seconds` how long the application
    server lets one request take (gunicorn's or uwsgi's option, in the command or GUNICORN_CMD_ARGS). None where the
    template does not show it: code may say otherwise, and nothing is concluded from silence.
    """

    max_attempts: int | None = None
    request_timeout_seconds: float | None = None
    region: str = ""
    """AWS_REGION or AWS_DEFAULT_REGION, where it is a literal."""


@dataclass(frozen=True, slots=True)
class Target:
    """The Deployment as it was read at the start of the pass.

    `env` maps each variable of the policy, and each that the hold remembers, to its state in the container;
    `template_hash` is the pod-template-hash of the newest ReplicaSet, empty until the controller has made it;
    `owns_fields` says that our field manager still stands in managedFields; `problems` are the preflight's findings
    that hold whatever the signals say.
    """

    uid: str
    resource_version: str
    generation: int
    observed_generation: int
    container: str
    replicas: int
    updated: int
    available: int
    total: int
    template_hash: str
    recreate: bool = False
    paused: bool = False
    stuck: bool = False
    """Progressing is False with ProgressDeadlineExceeded."""
    env: Mapping[str, EnvVar] = field(default_factory=dict)
    hold: Hold | None = None
    hold_problem: Problem | None = None
    owns_fields: bool = False
    problems: tuple[Problem, ...] = ()
    client: Client = Client()

    @property
    def rolled_out(self) -> bool:
        """Every replica is of the current template, available, and no other is left."""
        return (
            self.observed_generation >= self.generation
            and self.updated == self.replicas == self.total
            and self.available == self.replicas
        )


@dataclass(frozen=True, slots=True)
class Pods:
    """The target's Pods by the value of the read flag they really run with; Pods that are going are counted apart.

    `ready` maps a pod-template-hash to its ready Pods. `terminating` are those with a deletionTimestamp that are still
    there: they may write yet.
    """

    local: int = 0
    s3: int = 0
    other: int = 0
    ready: Mapping[str, int] = field(default_factory=dict)
    terminating: int = 0

    @property
    def total(self) -> int:
        """All Pods that are not going."""
        return self.local + self.s3 + self.other


class JobPhase(StrEnum):
    """How far a Job is, read from its conditions by type and status."""

    RUNNING = "Running"
    COMPLETE = "Complete"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class JobSeen:
    """One Job of ours, or one that stands where ours should be (`ours` is False).

    `nonce` is the one in its Pod template, which nobody can change; a receipt is this Job's only if it carries it.
    """

    name: str
    uid: str
    kind: str
    incident: str
    attempt: int
    phase: JobPhase
    created_at: datetime
    ours: bool = True
    finished_at: datetime | None = None
    receipt: Receipt | None = None
    problem: str = ""
    """Why there is no receipt, or why the Pod does not start; one line."""
    stuck: bool = False
    """The Pod cannot start: image, quota or scheduling."""
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class Scaler:
    """Something else that sets the Deployment's replicas: a HorizontalPodAutoscaler or a KEDA ScaledObject."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class ClaimUser:
    """A Pod that mounts the certificates' claim, neither the target's nor a validator's; `owner` is its controller."""

    pod: str
    owner: str = ""


@dataclass(frozen=True, slots=True)
class FireTimes:
    """When a cron schedule fired last and fires next, as of the pass (UTC, evaluated in its own time zone).

    None where there is no schedule, or it never fired within the last year.
    """

    last: datetime | None = None
    next: datetime | None = None


@dataclass(frozen=True, slots=True)
class Schedules:
    """The policy's schedules: when the nightly validation is due, and when a sweep window opens."""

    validation: FireTimes = FireTimes()
    window: FireTimes = FireTimes()


class BusyWith(StrEnum):
    """What is capped across policies."""

    ROLLOUT = "Rollout"
    """A rollout of ours that is not on its way to local reads: a return, log level, timeouts."""
    SWEEP = "Sweep"


@dataclass(frozen=True, slots=True)
class Busy:
    """What another policy is busy with, as far as this operator knows; past its deadline it holds nobody up."""

    policy: str
    what: BusyWith
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Fleet:
    """The other policies of this operator, and how many of them may be busy at once."""

    busy: tuple[Busy, ...] = ()
    most_rollouts: int = 10
    most_sweeps: int = 1


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Other policies, by `namespace/name`, that an older claim or an overlap sets against this one."""

    same_target: str = ""
    """The older policy that cares for the same Deployment; empty when this one may act."""
    same_storage: str = ""
    """A policy with an overlapping endpoint, bucket and prefix."""


@dataclass(frozen=True, slots=True)
class Observation:
    """All that one pass has seen. `token` is a fresh random word that the decision may bind a Job with.

    `requests` are all that name this policy, in any phase; `incidents` all of its own that are not Closed (Closed ones
    may be among them). `scalers` and `claim_users` matter to a sweep alone, and are gathered when one is asked for or
    under way. What could not be read is in `blind`.
    """

    target: Target | Problem
    pods: Pods = Pods()
    signals: SignalSet = field(default_factory=SignalSet)
    jobs: tuple[JobSeen, ...] = ()
    requests: tuple[RequestSeen, ...] = ()
    incidents: tuple[IncidentSeen, ...] = ()
    scalers: tuple[Scaler, ...] = ()
    claim_users: tuple[ClaimUser, ...] = ()
    schedules: Schedules = Schedules()
    fleet: Fleet = Fleet()
    patience: Patience = field(default_factory=Patience)
    neighbours: Neighbours = Neighbours()
    problems: tuple[Problem, ...] = ()
    """Findings outside the target: permissions, the allow-list."""
    blind: tuple[Problem, ...] = ()
    """Sources that refuse to answer (Pods, Jobs, requests): what they would say is missing here, not absent. They never
    hold up the safe side; nothing goes back, and no attempt ends or opens, without them."""
    glance: bool = False
    """Only policy, Deployment and signals were read, to go local as fast as can be: the rest is missing, not absent."""
    deleting: bool = False
    has_finalizer: bool = False
    inputs_hash: str = ""
    """Hash of what a receipt must have been made with: target UID, storage, validator image, thresholds."""
    token: str = ""
