"""`CertStorageIncident` as JSON: read from the API server, and written for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TypeVar

from certstorage.api.alerts import Severity
from certstorage.api.incidents import (
    MOST_ENTRIES,
    MOST_EVIDENCE,
    MOST_FINDINGS,
    MOST_MISMATCHES,
    ChecklistItem,
    DataLost,
    Entry,
    Evidence,
    IncidentFinding,
    IncidentPhase,
    IncidentSeen,
    IncidentStatus,
    Item,
    MismatchSeen,
    Notes,
    PostMortem,
    Who,
)
from certstorage.api.policy import Policy
from certstorage.api.reading import Fields, InvalidFieldError, rfc3339
from certstorage.api.scenarios import Scenario

T = TypeVar("T")

LINE = 1024
TICKET = 8192


def read_incident(body: Mapping[str, object]) -> IncidentSeen:
    """Read a CertStorageIncident object; a status that cannot be read counts as none.

    Raises:
        InvalidFieldError: metadata or spec is not as the schema has it.
    """
    whole = Fields(body, "incident")
    metadata, spec = whole.table("metadata"), whole.table("spec")
    items = {item.value: item for item in Item}
    return IncidentSeen(
        name=metadata.text("name"),
        uid=metadata.text("uid"),
        generation=metadata.number("generation", 1),
        notes=Notes(
            root_cause=spec.text("rootCause", ""),
            mitigation=spec.text("mitigation", ""),
            notes=spec.text("notes", ""),
            ticket=spec.text("ticket", ""),
            post_mortem_url=spec.text("postMortemURL", ""),
            data_lost=spec.flag("dataLost") if spec.has("dataLost") else None,
            checklist=frozenset(items[word] for word in spec.words("checklist") if word in items),
        ),
        status=_readable(whole.table("status")),
    )


def _readable(status: Fields) -> IncidentStatus | None:
    try:
        return _status(status)
    except InvalidFieldError:
        return None


def _status(status: Fields) -> IncidentStatus | None:
    detected = status.time("detectedAt")
    if detected is None:
        return None
    post_mortem = status.table("postMortem")
    return IncidentStatus(
        scenario=status.choice("scenario", Scenario),
        severity=status.choice("severity", Severity),
        phase=status.choice("phase", IncidentPhase),
        summary=status.text("summary", ""),
        detected_at=detected,
        started_at=status.time("startedAt"),
        mitigated_at=status.time("mitigatedAt"),
        recovered_at=status.time("recoveredAt"),
        resolved_at=status.time("resolvedAt"),
        closed_at=status.time("closedAt"),
        downtime_seconds=status.number("downtimeSeconds") if status.has("downtimeSeconds") else None,
        data_lost=status.choice("dataLost", DataLost, DataLost.UNKNOWN),
        post_mortem=post_mortem.choice("state", PostMortem, PostMortem.NOT_DUE),
        post_mortem_reason=post_mortem.text("reason", ""),
        plan=status.words("plan"),
        plan_hash=status.text("planHash", ""),
        timeline=_all(status.tables("timeline"), _entry),
        evidence=_all(status.tables("evidence"), _evidence),
        findings=_all(status.tables("findings"), _finding),
        mismatches=_all(status.tables("mismatches"), lambda one: MismatchSeen(one.text("key"), one.text("reason", ""))),
        report=status.text("report", ""),
        ticket_text=status.text("ticketText", ""),
        checklist=_all(status.tables("checklist"), _item),
        observed_generation=status.number("observedGeneration", 0),
    )


def _all(tables: list[Fields], read: Callable[[Fields], T]) -> tuple[T, ...]:
    return tuple(read(one) for one in tables)


def _time(fields: Fields, key: str) -> datetime:
    found = fields.time(key)
    if found is None:
        raise InvalidFieldError(f"{fields.path}.{key}: missing")
    return found


def _entry(one: Fields) -> Entry:
    return Entry(
        at=_time(one, "at"),
        event=one.text("event", ""),
        message=one.text("message", ""),
        step=one.text("step", ""),
        actor=one.text("actor", ""),
        resource_version=one.text("resourceVersion", ""),
    )


def _evidence(one: Fields) -> Evidence:
    return Evidence(
        at=_time(one, "at"),
        kind=one.text("kind", ""),
        name=one.text("name", ""),
        value=one.text("value", ""),
        reference=one.text("reference", ""),
    )


def _finding(one: Fields) -> IncidentFinding:
    return IncidentFinding(one.text("name"), one.text("verdict", ""), one.text("message", ""), one.text("mend", ""))


def _item(one: Fields) -> ChecklistItem:
    return ChecklistItem(
        item=one.choice("item", Item),
        text=one.text("text", ""),
        done=one.flag("done"),
        by=one.choice("by", Who, Who.NOBODY),
        at=one.time("at"),
        message=one.text("message", ""),
    )


def to_dict(status: IncidentStatus, policy: Policy, target_uid: str) -> dict[str, object]:
    """The status as JSON for the API server, without deliveries and conditions; what is unset is left away."""
    times = {
        "startedAt": status.started_at,
        "detectedAt": status.detected_at,
        "mitigatedAt": status.mitigated_at,
        "recoveredAt": status.recovered_at,
        "resolvedAt": status.resolved_at,
        "closedAt": status.closed_at,
    }
    return {
        **_kept(
            {
                "observedGeneration": status.observed_generation,
                "policyName": policy.name,
                "policyUID": policy.uid,
                "targetName": policy.spec.target.name,
                "targetUID": target_uid,
                "scenario": status.scenario.value,
                "severity": status.severity.value,
                "phase": status.phase.value,
                "summary": status.summary[:LINE],
                **{key: None if value is None else rfc3339(value) for key, value in times.items()},
                "downtimeSeconds": status.downtime_seconds,
                "dataLost": status.data_lost.value,
                "plan": [line[:512] for line in status.plan],
                "planHash": status.plan_hash,
                "timeline": [_entry_dict(one) for one in status.timeline[:MOST_ENTRIES]],
                "evidence": [_evidence_dict(one) for one in status.evidence[:MOST_EVIDENCE]],
                "findings": [_finding_dict(one) for one in status.findings[:MOST_FINDINGS]],
                "mismatches": [
                    _kept({"key": one.key[:LINE], "reason": one.reason[:128]})
                    for one in status.mismatches[:MOST_MISMATCHES]
                ],
                "report": status.report[:LINE],
                "ticketText": status.ticket_text[:TICKET],
                "checklist": [_item_dict(one) for one in status.checklist],
            }
        ),
        "postMortem": _kept({"state": status.post_mortem.value, "reason": status.post_mortem_reason[:512]}),
        "openItems": status.open_items,
    }


def _kept(fields: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in fields.items() if value not in (None, "", [])}


def _entry_dict(one: Entry) -> dict[str, object]:
    return _kept(
        {
            "at": rfc3339(one.at),
            "event": one.event[:128],
            "step": one.step[:256],
            "message": one.message[:LINE],
            "actor": one.actor[:253],
            "resourceVersion": one.resource_version,
        }
    )


def _evidence_dict(one: Evidence) -> dict[str, object]:
    return _kept(
        {
            "at": rfc3339(one.at),
            "kind": one.kind[:63],
            "name": one.name[:253],
            "value": one.value[:LINE],
            "reference": one.reference[:LINE],
        }
    )


def _finding_dict(one: IncidentFinding) -> dict[str, object]:
    return _kept(
        {"name": one.name[:128], "verdict": one.verdict, "message": one.message[:LINE], "mend": one.mend[:LINE]}
    )


def _item_dict(one: ChecklistItem) -> dict[str, object]:
    return {
        **_kept(
            {
                "item": one.item.value,
                "text": one.text,
                "by": one.by.value,
                "at": None if one.at is None else rfc3339(one.at),
                "message": one.message[:512],
            }
        ),
        "done": one.done,
    }
