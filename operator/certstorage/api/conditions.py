"""Conditions as Kubernetes means them (metav1.Condition): facts with a reason and the time they last changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from certstorage.api.reading import Fields, rfc3339

MESSAGE_LIMIT = 1024
"""Characters kept of a message; the API allows 32768, but people read these in a terminal."""


class ConditionType(StrEnum):
    """The conditions of a policy."""

    READY = "Ready"
    ACTION_REQUIRED = "ActionRequired"
    SIGNALS_TRUSTED = "SignalsTrusted"
    DATA_VERIFIED = "DataVerified"


class ConditionStatus(StrEnum):
    """True, False, or not known."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"

    @classmethod
    def of(cls, value: bool) -> ConditionStatus:
        """The status of a known fact."""
        return cls.TRUE if value else cls.FALSE


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition; `last_transition` is when its status last changed (UTC)."""

    type: ConditionType
    status: ConditionStatus
    reason: str
    message: str
    last_transition: datetime
    observed_generation: int

    def to_dict(self) -> dict[str, object]:
        """The condition as metav1.Condition JSON."""
        return {
            "type": self.type.value,
            "status": self.status.value,
            "reason": self.reason,
            "message": self.message[:MESSAGE_LIMIT],
            "lastTransitionTime": rfc3339(self.last_transition),
            "observedGeneration": self.observed_generation,
        }


Conditions = Mapping[ConditionType, Condition]


def set_condition(
    old: Conditions,
    kind: ConditionType,
    status: ConditionStatus,
    reason: str,
    message: str,
    *,
    generation: int,
    now: datetime,
) -> Condition:
    """The condition as of now; its transition time moves only when its status does."""
    before, message = old.get(kind), message[:MESSAGE_LIMIT]
    if before is None or before.status is not status:
        return Condition(kind, status, reason, message, now, generation)
    if (before.reason, before.message, before.observed_generation) == (reason, message, generation):
        return before
    return replace(before, reason=reason, message=message, observed_generation=generation)


def read_conditions(items: Iterable[Fields]) -> dict[ConditionType, Condition]:
    """Read our own conditions of a stored status; those of others are left out."""
    known = set(ConditionType)
    found: dict[ConditionType, Condition] = {}
    for item in items:
        if item.text("type") not in known:
            continue
        since = item.time("lastTransitionTime")
        if since is None:
            continue
        kind = item.choice("type", ConditionType)
        found[kind] = Condition(
            type=kind,
            status=item.choice("status", ConditionStatus),
            reason=item.text("reason", ""),
            message=item.text("message", ""),
            last_transition=since,
            observed_generation=item.number("observedGeneration", 0),
        )
    return found
