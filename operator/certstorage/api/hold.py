"""The hold: what must not be lost, kept on the object it is about, in the same write as the act.

One annotation on the Deployment says who holds it, since when, for which incident, what was there before and how far
the way back has come. Status is derived from it and may be wiped; the hold still tells (design section 1).

Three procedures may hold something, each its own share: the outage holds reads (the fields of `Hold` itself), a
degradation holds log level and timeouts, a sweep holds replicas. Letting go of one leaves the others as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from certstorage.api.reading import Fields, InvalidFieldError, rfc3339_milli

ANNOTATION = "storage.deltacrown.io/hold"
VERSION = 2
"""Written when there is a share that version 1 does not know; what it does know is written, and read, as version 1."""
READABLE = frozenset({1, 2})


class InvalidHoldError(ValueError):
    """The annotation is there but cannot be read; the message says why. Nothing is given back on a guess."""


class ReadsPhase(StrEnum):
    """How far the reads of the held Deployment are on their way."""

    NONE = "None"
    """This hold is not about reads."""
    LOCAL = "Local"
    RETURNING = "Returning"
    """Reads were let back to S3 on a receipt; the check of the new Pods is under way."""


@dataclass(frozen=True, slots=True)
class DegradationHold:
    """Log level and timeouts that were changed for a while (scenario 2, steps 2 and 3). Times are UTC.

    `before` maps a variable to what it was, None where it was absent; `written` to what was written. A variable that
    somebody else took is in neither. `until` is when all is given back at the latest.
    """

    incident: str
    since: datetime
    until: datetime
    before: Mapping[str, str | None] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
    reverts: int = 0
    reverted_by: str = ""


@dataclass(frozen=True, slots=True)
class SweepHold:
    """A sweep that stopped the application; `Hold.replicas` and `Hold.restore_by` belong to it. Times are UTC.

    When `Hold.replicas` is gone from the hold, replicas were given back without this operator (the CronJob that does
    so past `restore_by` takes it and `restoreBy` out, and leaves the rest): the sweep is over, without a verdict.
    `nonce` binds the receipt. `failure` is why replicas are kept down for people (sweep.onFailure: Hold).
    """

    request: str
    request_uid: str
    incident: str
    since: datetime
    nonce: str
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """All the memory of an incident that a crash, a wiped status or another operator must still find.

    `before` maps a variable to its literal value before the first write, None where it was absent. `epoch` counts the
    hold's changes. Without a share of the outage (`reads` is None), `incident` and `since` are those of the first other
    share. `attempt` numbers the recovery Jobs of the incident; `nonce` is set while that attempt is open and
    binds its receipt. `failed_returns` counts what a person is asked about, `retries` drives the back-off, and
    `last_failure` and `failed_at` are why and when the last attempt ended. Times are UTC.
    """

    policy_uid: str
    policy_name: str
    target_uid: str
    incident: str
    since: datetime
    epoch: int = 1
    reads: ReadsPhase = ReadsPhase.NONE
    before: Mapping[str, str | None] = field(default_factory=dict)
    attempt: int = 0
    nonce: str = ""
    retries: int = 0
    failed_returns: int = 0
    last_failure: str = ""
    failed_at: datetime | None = None
    last_firing_at: datetime | None = None
    returned_at: datetime | None = None
    reverts: int = 0
    reverted_by: str = ""
    asserted_at: datetime | None = None
    replicas: int | None = None
    restore_by: datetime | None = None
    degradation: DegradationHold | None = None
    sweep: SweepHold | None = None


def _time(value: datetime | None) -> str | None:
    return None if value is None else rfc3339_milli(value)


def dump(hold: Hold) -> str:
    """The annotation's text: JSON with sorted keys and without what is unset, so that equal holds are equal bytes."""
    fields: dict[str, object] = {
        "v": 1 if hold.degradation is None and hold.sweep is None else VERSION,
        "policy": {"name": hold.policy_name, "uid": hold.policy_uid},
        "target": hold.target_uid,
        "incident": hold.incident,
        "since": _time(hold.since),
        "epoch": hold.epoch,
        "reads": hold.reads.value,
        "before": dict(hold.before),
        "attempt": hold.attempt or None,
        "nonce": hold.nonce or None,
        "retries": hold.retries or None,
        "failedReturns": hold.failed_returns or None,
        "lastFailure": hold.last_failure or None,
        "failedAt": _time(hold.failed_at),
        "lastFiringAt": _time(hold.last_firing_at),
        "returnedAt": _time(hold.returned_at),
        "reverts": hold.reverts or None,
        "revertedBy": hold.reverted_by or None,
        "assertedAt": _time(hold.asserted_at),
        "replicas": hold.replicas,
        "restoreBy": _time(hold.restore_by),
        "degradation": None if hold.degradation is None else _degradation_dict(hold.degradation),
        "sweep": None if hold.sweep is None else _sweep_dict(hold.sweep),
    }
    return json.dumps(_kept(fields), sort_keys=True, separators=(",", ":"))


def _kept(fields: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in fields.items() if value is not None}


def _degradation_dict(share: DegradationHold) -> dict[str, object]:
    return _kept(
        {
            "incident": share.incident,
            "since": _time(share.since),
            "until": _time(share.until),
            "before": dict(share.before),
            "written": dict(share.written),
            "reverts": share.reverts or None,
            "revertedBy": share.reverted_by or None,
        }
    )


def _sweep_dict(share: SweepHold) -> dict[str, object]:
    return _kept(
        {
            "request": share.request,
            "requestUID": share.request_uid,
            "incident": share.incident,
            "since": _time(share.since),
            "nonce": share.nonce,
            "failure": share.failure or None,
        }
    )


def load(text: str) -> Hold:
    """Read the annotation.

    Raises:
        InvalidHoldError: it is not JSON, of another version, or a field is missing or of the wrong kind.
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidHoldError(f"{ANNOTATION}: not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise InvalidHoldError(f"{ANNOTATION}: expected an object, found {type(raw).__name__}")
    if raw.get("v") not in READABLE:
        raise InvalidHoldError(f"{ANNOTATION}: version {raw.get('v')!r} is not 1 or 2")
    try:
        return _parse(Fields(raw, ANNOTATION))
    except InvalidFieldError as error:
        raise InvalidHoldError(str(error)) from error


def _parse(fields: Fields) -> Hold:
    policy = fields.table("policy", required=True)
    return Hold(
        policy_uid=policy.text("uid"),
        policy_name=policy.text("name"),
        target_uid=fields.text("target"),
        incident=fields.text("incident"),
        since=_needed(fields, "since"),
        epoch=fields.number("epoch"),
        reads=fields.choice("reads", ReadsPhase),
        before=_before(fields.table("before", required=True)),
        attempt=fields.number("attempt", 0),
        nonce=fields.text("nonce", ""),
        retries=fields.number("retries", 0),
        failed_returns=fields.number("failedReturns", 0),
        last_failure=fields.text("lastFailure", ""),
        failed_at=fields.time("failedAt"),
        last_firing_at=fields.time("lastFiringAt"),
        returned_at=fields.time("returnedAt"),
        reverts=fields.number("reverts", 0),
        reverted_by=fields.text("revertedBy", ""),
        asserted_at=fields.time("assertedAt"),
        replicas=fields.number("replicas") if fields.has("replicas") else None,
        restore_by=fields.time("restoreBy"),
        degradation=_degradation(fields.table("degradation")) if fields.has("degradation") else None,
        sweep=_sweep(fields.table("sweep")) if fields.has("sweep") else None,
    )


def _needed(fields: Fields, key: str) -> datetime:
    found = fields.time(key)
    if found is None:
        raise InvalidFieldError(f"{fields.path}.{key}: missing")
    return found


def _degradation(fields: Fields) -> DegradationHold:
    return DegradationHold(
        incident=fields.text("incident"),
        since=_needed(fields, "since"),
        until=_needed(fields, "until"),
        before=_before(fields.table("before", required=True)),
        written=fields.texts("written"),
        reverts=fields.number("reverts", 0),
        reverted_by=fields.text("revertedBy", ""),
    )


def _sweep(fields: Fields) -> SweepHold:
    return SweepHold(
        request=fields.text("request"),
        request_uid=fields.text("requestUID"),
        incident=fields.text("incident"),
        since=_needed(fields, "since"),
        nonce=fields.text("nonce"),
        failure=fields.text("failure", ""),
    )


def _before(fields: Fields) -> dict[str, str | None]:
    return {name: fields.text(name) if fields.has(name) else None for name in fields.raw}
