"""A policy as the command line sees it: what is stored, read once, words left as they are.

An operator that is newer than this program may know more steps and reasons, so none of them is an enumeration here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from certstorage.api.conditions import ConditionType
from certstorage.cli.doc import Doc
from certstorage.cli.port import Json


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition; `since` is when its status last changed (UTC)."""

    status: str = "Unknown"
    reason: str = ""
    message: str = ""
    since: datetime | None = None

    @property
    def true(self) -> bool:
        """Whether it is known to hold."""
        return self.status == "True"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of people, why in one line, and the command that answers; the command may be missing."""

    reason: str
    message: str
    command: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """The procedure under way."""

    type: str
    step: str
    started_at: datetime | None = None
    since: datetime | None = None
    attempt: int = 0
    failed_returns: int = 0
    last_failure: str = ""
    reverts: int = 0
    reverted_by: str = ""
    deadline: datetime | None = None
    retry_at: datetime | None = None
    restore_by: datetime | None = None
    job: str = ""


@dataclass(frozen=True, slots=True)
class Signal:
    """One graded verdict; `value` as the operator wrote it."""

    name: str
    verdict: str
    value: str = ""
    since: datetime | None = None
    message: str = ""
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Validation:
    """What the last finished validator Job said; `mismatch` and `upper_bound` are percentages as text."""

    verdict: str
    mismatch: str = ""
    upper_bound: str = ""
    sampled: int = 0
    population: int | None = None
    unverified: int = 0
    at_risk_open: int = 0
    finished_at: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Beside:
    """A scenario that runs beside the operation."""

    name: str
    step: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy with its status."""

    namespace: str
    name: str
    uid: str
    mode: str
    target: str
    generation: int
    observed_generation: int
    deleting: bool
    conditions: Mapping[str, Condition]
    desired: str
    template: str
    pods: int | None
    pods_as_desired: int
    reads_since: datetime | None
    operation: Operation | None
    beside: tuple[Beside, ...]
    signals: tuple[Signal, ...]
    validation: Validation | None
    next_validation_at: datetime | None
    incident: str
    blocked_until: datetime | None
    unblock: str
    raw: Json = field(repr=False)

    @property
    def key(self) -> str:
        """Namespace and name, as people write them."""
        return f"{self.namespace}/{self.name}"

    def condition(self, kind: ConditionType) -> Condition:
        """One condition; Unknown when the operator has not written it."""
        return self.conditions.get(kind.value, Condition())

    @property
    def ready(self) -> Condition:
        """Whether reads come from where they should."""
        return self.condition(ConditionType.READY)

    @property
    def seen(self) -> bool:
        """Whether the operator has looked at it at all."""
        return bool(self.conditions)

    @property
    def asked(self) -> Asked | None:
        """What is asked of people now."""
        found = self.condition(ConditionType.ACTION_REQUIRED)
        if not found.true:
            return None
        # The operator's line is `why: command`; a why may itself hold a colon, a command begins with kubectl.
        message, colon, command = found.message.rpartition(": kubectl ")
        if not colon:
            return Asked(found.reason, found.message, self.unblock)
        return Asked(found.reason, message, self.unblock or f"kubectl {command}")


def policy(body: Json) -> Policy:
    """Read a CertStoragePolicy."""
    doc = Doc(body)
    status = doc.at("status")
    return Policy(
        namespace=doc.text("metadata", "namespace"),
        name=doc.text("metadata", "name"),
        uid=doc.text("metadata", "uid"),
        mode=doc.text("spec", "mode"),
        target=doc.text("spec", "targetRef", "name"),
        generation=doc.number("metadata", "generation") or 0,
        observed_generation=status.number("observedGeneration") or 0,
        deleting=bool(doc.text("metadata", "deletionTimestamp")),
        conditions={item.text("type"): _condition(item) for item in status.each("conditions")},
        desired=status.text("reads", "desired"),
        template=status.text("reads", "template"),
        pods=status.number("reads", "pods"),
        pods_as_desired=status.number("reads", "podsAsDesired") or 0,
        reads_since=status.time("reads", "since"),
        operation=_operation(status.at("operation")),
        beside=tuple(
            Beside(item.text("name"), item.text("step"), item.time("since")) for item in status.each("scenarios")
        ),
        signals=tuple(_signal(item) for item in status.each("signals")),
        validation=_validation(status.at("lastValidation")),
        next_validation_at=status.time("nextValidationAt"),
        incident=status.text("incidentName"),
        blocked_until=status.time("blockedUntil"),
        unblock=status.text("unblock"),
        raw=body,
    )


def _condition(doc: Doc) -> Condition:
    return Condition(doc.text("status"), doc.text("reason"), doc.text("message"), doc.time("lastTransitionTime"))


def _operation(doc: Doc) -> Operation | None:
    if not doc.text("step"):
        return None
    return Operation(
        type=doc.text("type"),
        step=doc.text("step"),
        started_at=doc.time("startedAt"),
        since=doc.time("since"),
        attempt=doc.number("attempt") or 0,
        failed_returns=doc.number("failedReturns") or 0,
        last_failure=doc.text("lastFailure"),
        reverts=doc.number("reverts") or 0,
        reverted_by=doc.text("revertedBy"),
        deadline=doc.time("deadline"),
        retry_at=doc.time("retryAt"),
        restore_by=doc.time("restoreBy"),
        job=doc.text("jobName"),
    )


def _signal(doc: Doc) -> Signal:
    return Signal(
        name=doc.text("name"),
        verdict=doc.text("verdict"),
        value=doc.text("value"),
        since=doc.time("since"),
        message=doc.text("message"),
        missing=doc.texts("missing"),
    )


def _validation(doc: Doc) -> Validation | None:
    if not doc.text("verdict"):
        return None
    return Validation(
        verdict=doc.text("verdict"),
        mismatch=doc.text("mismatch"),
        upper_bound=doc.text("upperBound"),
        sampled=doc.number("sampled") or 0,
        population=doc.number("population"),
        unverified=doc.number("unverified") or 0,
        at_risk_open=doc.number("atRiskOpen") or 0,
        finished_at=doc.time("finishedAt"),
        message=doc.text("message"),
    )
