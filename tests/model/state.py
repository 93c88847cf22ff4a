"""The abstract cluster: one Deployment, its Pods, one policy, Jobs and requests, as plain immutable values.

Time moves in ticks of five minutes; every timer of the runbook is scaled to one or two ticks, so that each is seen on
both of its sides (`COARSE`). Every step also takes one second, which keeps the order of what happens within a
tick.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from math import ceil
from types import MappingProxyType
from typing import NamedTuple

from certstorage.api.decision import JobWanted, StopJob, TargetPatch
from certstorage.api.env import EnvVar, FlagState
from certstorage.api.hold import Hold, load
from certstorage.api.incidents import IncidentSeen, IncidentWanted
from certstorage.api.observed import JobSeen
from certstorage.api.policy import Approval, Mode, Policy, parse
from certstorage.api.requests import RequestAnswer, RequestSeen, RequestWanted
from certstorage.api.status import Status

START = datetime(2026, 11, 23, 3, 10, tzinfo=UTC)
TICK = timedelta(minutes=5)
SECOND = timedelta(seconds=1)
CHECK_SECONDS = 300
NEVER_SECONDS = 10**9
READ, DUAL, LEVEL = "CERT_S3_READ_PRIMARY", "CERT_S3_DUAL_WRITE", "LOG_LEVEL"
CONNECT, TIMEOUT = "CERT_S3_CONNECT_TIMEOUT", "CERT_S3_READ_TIMEOUT"
AUTOMATIC = {"approval": "Automatic", "window": {"schedule": "0 2 * * 6", "durationSeconds": 14_400}}
ME, HELM, ARGO = "certstorage-operator", "helm", "argocd"
REPLICAS = 3
ON, OFF = EnvVar.literal("true", HELM), EnvVar.literal("false", HELM)


class Timing(NamedTuple):
    """How long the timers of a world are, and how often a counter is told apart.

    From `retries` failures on the back-off waits its longest.
    """

    hold_seconds: int
    backoff_cap: timedelta
    receipt_max_age: timedelta
    reassert: timedelta
    max_attempts: int
    retries: int
    sweep_seconds: int = 600
    """sweep.maxDurationSeconds, after which replicas are back."""
    borrowed_seconds: int = 300
    """degradation.maxDurationSeconds."""
    job_seconds: int = 300
    """validation.timeoutSeconds."""
    sweep_after: int = NEVER_SECONDS
    """Seconds of an outage after which a sweep is asked for."""
    told: bool = True
    """Whether incidents have objects; False is a cluster without that kind."""
    sweep_holds: bool = False
    """sweep.onFailure: Hold."""
    automatic_sweeps: bool = False
    """sweep.approval: Automatic, within a window."""
    long_timeouts: bool = False
    """degradation.longTimeouts: WhenLatencySuspected."""
    ttl_seconds: int = 600
    """How long a request may wait."""

    @property
    def sweeps_after_outages(self) -> bool:
        """Whether an outage may be long enough to ask for a sweep."""
        return self.sweep_after < NEVER_SECONDS

    def ticks(self, timer: str) -> int:
        """A timer by its short name, in whole ticks."""
        return _ticks(self, timer)


@cache
def _ticks(timing: Timing, timer: str) -> int:
    longest = 2 * timing.reassert.total_seconds()
    lasted = timing.sweep_after + TICK.total_seconds() if timing.sweeps_after_outages else 0.0
    seconds = {
        "since": max(timing.hold_seconds, lasted),
        "hold": timing.hold_seconds,
        "check": CHECK_SECONDS,
        "backoff": timing.backoff_cap.total_seconds(),
        "receipt": timing.receipt_max_age.total_seconds(),
        "reassert": timing.reassert.total_seconds(),
        "job": max(timing.job_seconds, timing.hold_seconds, timing.reassert.total_seconds()),
        "lasted": lasted + longest if timing.sweeps_after_outages else 0,
        "ttl": timing.ttl_seconds,
    }
    return ceil(seconds.get(timer, longest) / TICK.total_seconds())


COARSE = Timing(300, TICK, TICK, TICK, 1, 1)
"""Every timer is one tick: both of its sides, and no order between two of them."""
REAL = Timing(
    600, timedelta(hours=4), timedelta(minutes=30), timedelta(minutes=10), 3, 16, 7200, 3600, 7200, ttl_seconds=86_400
)
"""The runbook's own."""


@cache
def policy(mode: Mode, approval: Approval, uid: int, timing: Timing) -> Policy:
    """The policy as the API server would return it, with timers of whole ticks."""
    recovery = {
        "holdSeconds": timing.hold_seconds,
        "fallbackCheckSeconds": CHECK_SECONDS,
        "maxAttempts": timing.max_attempts,
        "approval": approval,
    }
    return parse(
        {
            "metadata": {"namespace": "production", "name": "certificates", "uid": f"policy-{uid}", "generation": 1},
            "spec": {
                "targetRef": {"name": "deltacrown"},
                "storage": {"bucket": "deltacrown-certificates"},
                "mode": mode,
                "recovery": recovery,
                "validation": {"timeoutSeconds": timing.job_seconds},
                "degradation": {
                    "maxDurationSeconds": timing.borrowed_seconds,
                    "longTimeouts": "WhenLatencySuspected" if timing.long_timeouts else "Never",
                },
                "env": {"connectTimeout": CONNECT, "readTimeout": TIMEOUT},
                "sweep": {
                    **(AUTOMATIC if timing.automatic_sweeps else {}),
                    "quarterly": "Never",
                    "maxDurationSeconds": timing.sweep_seconds,
                    "afterOutageSeconds": timing.sweep_after,
                    "onFailure": "Hold" if timing.sweep_holds else "ServeLocal",
                },
            },
        }
    )


GARBLED = "{"
"""An annotation that cannot be read."""


@lru_cache(maxsize=4096)
def hold_of(text: str | None) -> Hold | None:
    """The annotation as the shell reads it; nothing where it cannot be read."""
    return None if text is None or text == GARBLED else load(text)


class Job(NamedTuple):
    """A Job: what the operator sees of it, the nonce in its Pod template, and whether its PASS is the truth."""

    seen: JobSeen
    nonce: str
    honest: bool = False
    s3_failed_since: bool = False
    """A pass has seen S3 fail after this Job was made (what invariant 2 is about)."""


class Papers(NamedTuple):
    """What a decision writes of requests and incidents."""

    requests: tuple[RequestWanted, ...] = ()
    answers: tuple[RequestAnswer, ...] = ()
    incidents: tuple[IncidentWanted, ...] = ()


class Act(NamedTuple):
    """One call of the shell that changes something."""

    kind: str
    what: TargetPatch | StopJob | JobWanted | Status | Papers | None = None


class Program(NamedTuple):
    """What an operator that has decided still has to do, and on which versions its preconditions stand."""

    acts: tuple[Act, ...]
    rv: int
    policy_rv: int
    papers_rv: int
    failed: frozenset[str] = frozenset()
    """UIDs of the Jobs that were there when this operator saw S3 fail."""


class State(NamedTuple):
    """Everything there is. `uid` is 0 while there is no Deployment, `policy_uid` while there is no policy.

    `taken` is what the operator found under the read flag when it first wrote it: what it owes to the owner.
    """

    now: datetime = START
    uid: int = 1
    rv: int = 1
    env: Mapping[str, EnvVar] = MappingProxyType({READ: ON, DUAL: ON})
    replicas: int = REPLICAS
    hold: str | None = None
    owns: bool = False
    generation: int = 1
    rolled: bool = True
    stuck: bool = False
    pods: FlagState = FlagState.TRUE
    """What the Pods run with that are not of the template yet."""
    policy_uid: int = 1
    policy_rv: int = 1
    mode: Mode = Mode.ENFORCE
    approval: Approval = Approval.AUTOMATIC
    deleting: bool = False
    finalizer: bool = False
    status: Status = Status()
    jobs: tuple[Job, ...] = ()
    requests: tuple[RequestSeen, ...] = ()
    incidents: tuple[IncidentSeen, ...] = ()
    papers_rv: int = 1
    """Counts writes of requests and incidents: each has its own resourceVersion, which this stands for."""
    terminating: bool = False
    """Pods of before a scaling to 0 are still there."""
    programs: tuple[Program, ...] = ()
    taken: str | None = None
    asks: int = 0
    """Sweeps that people have asked for: one a history."""
    level: str | None = None
    """The log level as others wrote it last: what the operator owes to them."""
    timing: Timing = COARSE
    uids: int = 1
    """How many objects were made: the next one's UID."""

    @property
    def policy(self) -> Policy:
        """The stored policy."""
        return policy(self.mode, self.approval, self.policy_uid, self.timing)

    @property
    def held(self) -> Hold | None:
        """The hold, if it is the policy's and about this Deployment."""
        hold = hold_of(self.hold)
        ours = (
            hold is not None and hold.policy_uid == f"policy-{self.policy_uid}" and hold.target_uid == self.target_uid
        )
        return hold if ours else None

    @property
    def target_uid(self) -> str:
        """The Deployment's UID as text."""
        return f"deployment-{self.uid}"

    def reads(self) -> FlagState:
        """The template's read flag."""
        return self.env[READ].state if READ in self.env else FlagState.ABSENT
