"""What people are told while it lasts: level-triggered alerts, one for each incident and one for each thing asked.

An incident keeps one identity from begin to end: its severity is its scenario's (`contacts.SEVERITY`). What is worse,
or needs somebody else, is an ask of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from certstorage.api.alerts import Alert
from certstorage.api.conditions import ConditionType
from certstorage.api.hold import Hold, ReadsPhase
from certstorage.api.incidents import OVER
from certstorage.api.policy import Policy
from certstorage.api.scenarios import Scenario
from certstorage.api.status import Status
from certstorage.runbook.contacts import SEVERITY, describe, incident_command
from certstorage.runbook.wants import Ask, Case, Finding

NOTHING_TO_DO = "nothing: the operator goes on by itself"


def alerts(
    policy: Policy,
    before: Status,
    now: datetime,
    *,
    hold: Hold | None,
    finding: Finding,
    asks: Sequence[Ask],
    cases: Iterable[Case],
) -> tuple[Alert, ...]:
    """Everything in force after this pass. `hold` is the hold after it, `finding` the outage's."""
    labels = {
        **policy.spec.alert_labels,
        "namespace": policy.namespace,
        "policy": policy.name,
        "deployment": policy.spec.target.name,
    }
    held = None if hold is None or hold.reads is ReadsPhase.NONE else hold
    found = [_asked(ask, before, now, held, labels) for ask in asks]
    if held is not None:
        swept = held.incident.startswith(f"{policy.name}-sw-")
        scenario = Scenario.SWEEP if swept else Scenario.OUTAGE
        about = "a sweep did not pass" if swept else "S3 outage"
        told = {
            "summary": f"{about}: {policy.namespace}/{policy.name} reads certificates from local disk",
            "description": finding.message,
            "action": _action(asks, ("", held.incident)),
            "command": describe(policy),
        }
        incident = {**labels, "incident": held.incident, "scenario": scenario.label}
        found.append(Alert("CertStorageIncident", SEVERITY[scenario], incident, told, held.since))
    found += _cases(policy, labels, cases, asks, held)
    return tuple(found)


def _cases(
    policy: Policy, labels: dict[str, str], cases: Iterable[Case], asks: Sequence[Ask], held: Hold | None
) -> Iterator[Alert]:
    for case in cases:
        if case.phase in OVER or (held is not None and case.name == held.incident):
            continue
        told = {
            "summary": f"{policy.namespace}/{policy.name}: {case.summary}",
            "description": case.finding.message,
            "action": _action(asks, (case.name,)),
            "command": incident_command(policy, case.name),
        }
        incident = {**labels, "incident": case.name, "scenario": case.scenario.label}
        yield Alert("CertStorageIncident", SEVERITY[case.scenario], incident, told, case.began)


def _action(asks: Sequence[Ask], incidents: tuple[str, ...]) -> str:
    return next((ask.message for ask in asks if ask.incident in incidents), NOTHING_TO_DO)


def _asked(ask: Ask, before: Status, now: datetime, held: Hold | None, labels: dict[str, str]) -> Alert:
    asked = before.conditions.get(ConditionType.ACTION_REQUIRED)
    known = asked.last_transition if asked is not None and asked.reason == ask.reason.value else now
    incident = ask.incident or ("" if held is None or ask.scenario is not None else held.incident)
    named = {
        **labels,
        **({"incident": incident} if incident else {}),
        **({"scenario": ask.scenario.label} if ask.scenario is not None else {}),
        **({"contact": ask.contact} if ask.contact else {}),
        "reason": ask.reason.value,
    }
    told = {"summary": ask.message, "action": ask.message, "command": ask.command}
    return Alert("CertStorageActionRequired", ask.severity, named, told, ask.since or known)
