"""What is told of copies that differ (scenario 3): the pattern, the incident's record, the case for AWS Support."""

from __future__ import annotations

from certstorage.api.incidents import Evidence, IncidentPhase, MismatchSeen
from certstorage.api.observed import JobSeen
from certstorage.api.receipt import PatternKind, Receipt
from certstorage.api.scenarios import Scenario
from certstorage.api.signals import SignalName, Verdict
from certstorage.api.status import Validation
from certstorage.runbook.contacts import SEVERITY, aws_case, log_query
from certstorage.runbook.threads import Thread
from certstorage.runbook.wants import Case, Context, Finding


def pattern_of(context: Context, last: Validation | None) -> tuple[PatternKind, Receipt | None]:
    """The pattern of the last validation, with the receipt of its Job while that is still there."""
    if last is None:
        return PatternKind.NONE, None
    job: JobSeen | None = next((one for one in context.seen.jobs if one.uid == last.job_uid), None)
    kind = PatternKind(last.pattern) if last.pattern in set(PatternKind) else PatternKind.NONE
    return kind, None if job is None else job.receipt


def facts(last: Validation | None) -> str:
    """What the last validation found, in one line."""
    if last is None:
        return "copies differ"
    differ = "1 object differs" if last.mismatches == 1 else f"{last.mismatches} objects differ"
    return f"{differ} ({last.mismatch}, {last.sampled} compared)"


def case_of(context: Context, found: Thread, finding: Finding, row: str, last: Validation | None) -> Case:
    """What the incident's record is to say of this pass."""
    kind, receipt = pattern_of(context, last)
    signal = context.seen.signals[SignalName.MISMATCH]
    evidence: tuple[Evidence, ...] = ()
    if last is not None:
        evidence = (
            Evidence(last.finished_at, "Receipt", f"validation, pattern {kind}", last.message, last.report),
            Evidence(found.began, "LogQuery", "application log", "log of the timeframe",
                     log_query(context.policy, last.started_at or found.began)),
        )  # fmt: skip
    return Case(
        name=found.name,
        scenario=Scenario.INCONSISTENCY,
        severity=SEVERITY[Scenario.INCONSISTENCY],
        phase=IncidentPhase.OPEN,
        summary=finding.message,
        began=found.began,
        started_at=signal.since if signal.verdict is Verdict.FIRING else None,
        finding=finding,
        row=row,
        evidence=evidence,
        mismatches=() if receipt is None else tuple(MismatchSeen(key, "differs") for key in receipt.examples),
        report="" if last is None else last.report,
        ticket_text=_aws(context, found, last) if kind is PatternKind.RANDOM else "",
    )


def _aws(context: Context, found: Thread, last: Validation | None) -> str:
    return aws_case(
        context,
        subject="objects read back from S3 differ from what was written",
        since=found.began,
        seen=f"{facts(last)}; they have neither prefix, time nor size in common",
        done="compared local copies with the bucket by their bytes; nothing was overwritten",
    )
