"""The hold: what must not be lost, kept on the object it is about, in the same write as the act.

One annotation on the Deployment says who holds it, since when, for which incident, what was there before and how far
the way back has come. Status is derived from it and may be wiped; the hold still tells (design section 1).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from certstorage.api.reading import Fields, InvalidFieldError, rfc3339_milli

ANNOTATION = "storage.deltacrown.io/hold"
VERSION = 1


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
class Hold:
    """All the memory of an incident that a crash, a wiped status or another operator must still find.

    `before` maps a variable to its literal value before the first write, None where it was absent. `epoch` counts the
    hold's changes. `attempt` numbers the recovery Jobs of the incident; `nonce` is set while that attempt is open and
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


def _time(value: datetime | None) -> str | None:
    return None if value is None else rfc3339_milli(value)


def dump(hold: Hold) -> str:
    """The annotation's text: JSON with sorted keys and without what is unset, so that equal holds are equal bytes."""
    fields: dict[str, object] = {
        "v": VERSION,
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
    }
    kept = {key: value for key, value in fields.items() if value is not None}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"))


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
    if raw.get("v") != VERSION:
        raise InvalidHoldError(f"{ANNOTATION}: version {raw.get('v')!r} is not {VERSION}")
    try:
        return _parse(Fields(raw, ANNOTATION))
    except InvalidFieldError as error:
        raise InvalidHoldError(str(error)) from error


def _parse(fields: Fields) -> Hold:
    policy = fields.table("policy", required=True)
    since = fields.time("since")
    if since is None:
        raise InvalidFieldError(f"{fields.path}.since: missing")
    return Hold(
        policy_uid=policy.text("uid"),
        policy_name=policy.text("name"),
        target_uid=fields.text("target"),
        incident=fields.text("incident"),
        since=since,
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
    )


def _before(fields: Fields) -> dict[str, str | None]:
    return {name: fields.text(name) if fields.has(name) else None for name in fields.raw}
