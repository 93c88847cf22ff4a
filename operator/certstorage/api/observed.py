"""One Observation: all that a decision may look at, gathered in one place. A source that failed is a value in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from certstorage.api.env import EnvVar
from certstorage.api.hold import Hold
from certstorage.api.reasons import Reason
from certstorage.api.receipt import Receipt
from certstorage.api.signals import SignalSet


@dataclass(frozen=True, slots=True)
class Problem:
    """Something is not as it must be: the reason, and one line that says what, where and how to mend it."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Target:
    """The Deployment as it was read at the start of the pass.

    `env` maps each variable of the policy to its state in the container; `template_hash` is the pod-template-hash of
    the newest ReplicaSet, empty until the controller has made it; `owns_fields` says that our field manager still
    stands in managedFields; `problems` are the preflight's findings that hold whatever the signals say.
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
    """The target's Pods by the value of the read flag they really run with; Pods that are going are not counted.

    `ready` maps a pod-template-hash to its ready Pods.
    """

    local: int = 0
    s3: int = 0
    other: int = 0
    ready: Mapping[str, int] = field(default_factory=dict)

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
    """One Job of ours, or one that stands where ours should be (`ours` is False)."""

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


class RequestType(StrEnum):
    """What a person or a trigger may ask for."""

    SWEEP = "Sweep"
    VALIDATION = "Validation"
    REPAIR = "Repair"
    RETURN = "Return"


@dataclass(frozen=True, slots=True)
class RequestSeen:
    """One open CertStorageRequest that names this policy."""

    name: str
    uid: str
    kind: RequestType
    created_at: datetime
    by: str = ""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Other policies, by `namespace/name`, that an older claim or an overlap sets against this one."""

    same_target: str = ""
    """The older policy that cares for the same Deployment; empty when this one may act."""
    same_storage: str = ""
    """A policy with an overlapping endpoint, bucket and prefix."""


@dataclass(frozen=True, slots=True)
class Observation:
    """All that one pass has seen. `token` is a fresh random word that the decision may bind a Job with."""

    target: Target | Problem
    pods: Pods = Pods()
    signals: SignalSet = field(default_factory=SignalSet)
    jobs: tuple[JobSeen, ...] = ()
    requests: tuple[RequestSeen, ...] = ()
    neighbours: Neighbours = Neighbours()
    problems: tuple[Problem, ...] = ()
    """Findings outside the target: permissions, the allow-list."""
    blind: tuple[Problem, ...] = ()
    """Sources that refuse to answer (Pods, Jobs, requests): what they would say is missing here, not absent. They never
    hold up the safe side; nothing goes back, and no attempt ends or opens, without them."""
    deleting: bool = False
    has_finalizer: bool = False
    inputs_hash: str = ""
    """Hash of what a receipt must have been made with: target UID, storage, validator image, thresholds."""
    token: str = ""
