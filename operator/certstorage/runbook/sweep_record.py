"""What is told of a sweep: its incident, the ticket's text, and the page to SRE and the engineering lead."""

from __future__ import annotations

from datetime import datetime

from certstorage.api.alerts import Severity
from certstorage.api.hold import SweepHold
from certstorage.api.incidents import Evidence, IncidentPhase, MismatchSeen
from certstorage.api.reasons import Reason
from certstorage.api.scenarios import Scenario
from certstorage.runbook.contacts import ENGINEERING_LEAD, SEVERITY, incident_command
from certstorage.runbook.errands import Errand
from certstorage.runbook.wants import Ask, Case, Context, Finding


def case_of(
    share: SweepHold,
    finding: Finding,
    row: str,
    phase: IncidentPhase,
    *,
    severity: Severity | None = None,
    errand: Errand | None = None,
    text: str = "",
) -> Case:
    """What the incident's record is to say of this pass."""
    receipt = None if errand is None else errand.receipt
    evidence: tuple[Evidence, ...] = ()
    if receipt is not None:
        evidence = (Evidence(receipt.finished_at, "Receipt", "sweep", receipt.message, receipt.report),)
    return Case(
        name=share.incident,
        scenario=Scenario.SWEEP,
        severity=severity or SEVERITY[Scenario.SWEEP],
        phase=phase,
        summary=finding.message,
        began=share.since,
        finding=finding,
        row=row,
        evidence=evidence,
        mismatches=() if receipt is None else tuple(MismatchSeen(key, "differs") for key in receipt.examples),
        report="" if receipt is None else receipt.report,
        ticket_text=text,
    )


def ticket(context: Context, share: SweepHold, finding: Finding, errand: Errand | None) -> str:
    """Step 5: the text of the incident ticket, with the mismatches that the receipt has."""
    policy, receipt = context.policy, None if errand is None else errand.receipt
    keys = () if receipt is None else receipt.examples
    lines = (
        f"Integrity sweep of {policy.namespace}/{policy.name} did not pass ({finding.reason})",
        f"Bucket {policy.spec.storage.bucket}, prefix {policy.spec.storage.prefix}; sweep {share.incident}",
        f"What was found: {finding.message}",
        f"Report: {receipt.report if receipt is not None and receipt.report else 'none'}",
        *(f"Differs: {key}" for key in keys),
        "State: replicas are given back, reads are local, dual-write is on. Reads return by themselves once a recovery"
        " Job has mended and proven S3.",
    )
    return "\n".join(lines)


def page(context: Context, incident: str, reason: Reason, text: str, since: datetime) -> Ask:
    """Step 5: page SRE and the engineering lead; the label of the scenario routes to both."""
    command = incident_command(context.policy, incident)
    return Ask(reason, text, command, contact=ENGINEERING_LEAD, scenario=Scenario.SWEEP, incident=incident, since=since)
