"""What an outage leaves behind: its record, its memory, and the end of incidents that nothing holds any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from certstorage.api.alerts import Severity
from certstorage.api.env import FlagState
from certstorage.api.hold import Hold, ReadsPhase
from certstorage.api.incidents import OVER, Evidence, IncidentPhase, IncidentSeen
from certstorage.api.observed import Observation
from certstorage.api.reasons import Reason
from certstorage.api.scenarios import Scenario, ScenarioState, Step
from certstorage.api.signals import Verdict
from certstorage.api.status import Status
from certstorage.runbook.contacts import AWS_STATUS_PAGE, aws_case, log_query
from certstorage.runbook.held import read_flag
from certstorage.runbook.recovery import FAILING, outage_fires
from certstorage.runbook.sweep_record import page
from certstorage.runbook.wants import NOTHING, Ask, Case, Context, Finding, Wants
from certstorage.runbook.will import Keep

REMEMBERED = timedelta(hours=24)
"""How long the end of an outage is remembered: for a sweep to be asked for, and for alerts that linger."""

SAME_INCIDENT = timedelta(minutes=30)
"""An outage that begins within this time after the last one's end is the same incident, and its back-off goes on."""

_STEPS: Mapping[Step, tuple[str, IncidentPhase]] = {
    Step.GOING_LOCAL: ("scenario-1/step-2", IncidentPhase.OPEN),
    Step.WAITING_FOR_S3: ("scenario-1/post-1", IncidentPhase.MITIGATED),
    Step.HOLDING: ("scenario-1/post-1", IncidentPhase.MITIGATED),
    Step.AWAITING_APPROVAL: ("scenario-1/post-3", IncidentPhase.MITIGATED),
    Step.BACKING_OFF: ("scenario-1/post-1", IncidentPhase.MITIGATED),
    Step.VALIDATING: ("scenario-1/post-2", IncidentPhase.RECOVERING),
    Step.RETURNING: ("scenario-1/post-3", IncidentPhase.RECOVERING),
    Step.CHECKING: ("scenario-1/post-4", IncidentPhase.RECOVERING),
}


def record_of(context: Context, wants: Wants) -> Wants:
    """The outage's record and its memory, which go with its wants."""
    hold = context.hold if isinstance(wants.will.hold, Keep) else wants.will.hold
    if hold is not None and hold.reads is not ReadsPhase.NONE:
        others = any(one.name != hold.incident for one in context.seen.incidents)
        gone = _orphans(context, hold.incident) if others else ()
        return Wants(cases=(_going_on(context, hold, wants), *gone), asks=_swept(context, hold))
    if context.hold is not None and context.hold.reads is not ReadsPhase.NONE and hold is None:
        return Wants(cases=(_over(context, context.hold, wants.finding),), state=_ended(context, context.hold))
    quiet = context.hold_problem is None and not outage_fires(context.seen.signals)
    orphans = _orphans(context) if context.seen.incidents and quiet else ()
    state = context.before.scenario(Scenario.OUTAGE)
    if state is not None and context.now >= state.marks.get("endedAt", state.since) + REMEMBERED:
        state = None
    return Wants(cases=orphans, state=state) if orphans or state is not None else NOTHING


def _swept(context: Context, hold: Hold) -> tuple[Ask, ...]:
    """Reads that a failed sweep left local page its people for as long as they are."""
    if not of_sweep(context, hold):
        return ()
    text = f"the sweep {hold.incident} did not pass: reads are local until a recovery Job has proven S3"
    return (page(context, hold.incident, Reason.SWEEP_NOT_PASSED, text, hold.since),)


def _ended(context: Context, hold: Hold) -> ScenarioState:
    return ScenarioState(
        name=Scenario.OUTAGE,
        step=Step.DONE,
        started_at=hold.since,
        since=context.now,
        attempt=hold.attempt,
        marks={"endedAt": context.now},
    )


def same_incident(context: Context, hold: Hold) -> Hold:
    """The hold of an outage that begins: a new incident, or the last one going on with its attempts and back-off."""
    state, name = context.before.scenario(Scenario.OUTAGE), context.before.incident
    ended = None if state is None else state.marks.get("endedAt")
    if state is None or ended is None or not name or context.now >= ended + SAME_INCIDENT:
        return hold
    return replace(
        hold,
        incident=name,
        attempt=state.attempt,
        retries=state.attempt,
        failed_at=ended,
        last_failure=Reason.OUTAGE_AGAIN.value,
    )


def of_sweep(context: Context, hold: Hold) -> bool:
    """Whether these reads were left local by a sweep that did not pass."""
    return hold.incident.startswith(f"{context.policy.name}-sw-")


def _going_on(context: Context, hold: Hold, wants: Wants) -> Case:
    step = Step.GOING_LOCAL if wants.operation is None else wants.operation.step
    row, phase = _STEPS.get(step, ("", IncidentPhase.OPEN))
    if step is Step.GOING_LOCAL and context.seen.pods.total and context.seen.pods.local == context.seen.pods.total:
        phase = IncidentPhase.MITIGATED
    finding = wants.finding or Finding(Reason.OUTAGE_READS_LOCAL, "reads are local")
    firing = [signal for name in FAILING if (signal := context.seen.signals[name]).verdict is Verdict.FIRING]
    since = min((signal.since for signal in firing if signal.since is not None), default=None)
    operation = wants.operation
    return Case(
        name=hold.incident,
        scenario=Scenario.SWEEP if of_sweep(context, hold) else Scenario.OUTAGE,
        severity=Severity.CRITICAL,
        phase=phase,
        summary=finding.message,
        began=hold.since,
        started_at=since,
        finding=finding,
        row=row,
        evidence=tuple(
            Evidence(context.now, "Signal", signal.name.value, signal.message or "fires") for signal in firing
        )
        + _receipt(wants),
        report="" if wants.validation is None else wants.validation.report,
        ticket_text=_ticket(context, hold) if not context.reads_held else "",
        plan=wants.plan,
        plan_hash="" if operation is None else operation.plan_hash,
        actor=hold.reverted_by if finding.reason is Reason.FOREIGN_WRITER else "",
    )


def _receipt(wants: Wants) -> tuple[Evidence, ...]:
    found = wants.validation
    if found is None:
        return ()
    return (Evidence(found.finished_at, "Receipt", found.job_name, found.message or found.verdict, found.report),)


def _ticket(context: Context, hold: Hold) -> str:
    """For AWS Support: step 1 of the runbook asks to look at the status page, which has no interface."""
    case = aws_case(
        context,
        subject=f"S3 requests of {context.policy.namespace}/{context.policy.spec.target.name} fail",
        since=hold.since,
        seen="reads fall back to local disk, or requests hang",
        done="reads were made local, dual-write stays on",
    )
    logs = log_query(context.policy, hold.since)
    return f"{case}\nStatus page, for a person to look at: {AWS_STATUS_PAGE}\nLog of that time: {logs}"


def _over(context: Context, hold: Hold, finding: Finding | None) -> Case:
    said = finding or Finding(Reason.RETURNED, "nothing is held any more")
    return Case(
        name=hold.incident,
        scenario=Scenario.SWEEP if of_sweep(context, hold) else Scenario.OUTAGE,
        severity=Severity.CRITICAL,
        phase=IncidentPhase.RESOLVED,
        summary=said.message,
        began=hold.since,
        finding=said,
        row="scenario-1/post-4",
    )


def _orphans(context: Context, *held: str) -> tuple[Case, ...]:
    """Incidents of an outage or a sweep that are open though nothing is held for them.

    The last pass ended before it told, or the Deployment that carried the hold was replaced by another.
    """
    sweep = None if context.hold is None else context.hold.sweep
    kept = {*held, *(() if sweep is None else (sweep.incident,))}
    text = "nothing is held for it any more"
    return tuple(
        Case(
            name=one.name,
            scenario=one.status.scenario,
            severity=one.status.severity,
            phase=IncidentPhase.RESOLVED,
            summary=text,
            began=one.status.detected_at,
            finding=Finding(Reason.SCENARIO_OVER, text),
        )
        for one in context.seen.incidents
        if one.status is not None
        and one.status.scenario in (Scenario.OUTAGE, Scenario.SWEEP)
        and one.status.phase not in OVER
        and one.name not in kept
    )


def going_on_unseen(seen: Observation, before: Status, finding: Finding) -> tuple[Case, ...]:
    """The incidents that go on while the Deployment cannot be read: they are told of, and not taken for resolved."""
    known = {
        one.name: (one.status.scenario, one.status.detected_at)
        for one in seen.incidents
        if one.status is not None and one.status.phase not in OVER
    }
    if before.operation is not None and before.incident:
        known.setdefault(before.incident, (before.operation.type, before.operation.started_at))
    return tuple(
        Case(
            name=name,
            scenario=scenario,
            severity=Severity.CRITICAL,
            phase=IncidentPhase.OPEN,
            summary=finding.message,
            began=began,
            finding=finding,
        )
        for name, (scenario, began) in known.items()
    )


def stays_local(context: Context) -> bool:
    """Whether the policy's end leaves reads local that it holds so: on the way back they are on S3 already."""
    return context.reads_held and read_flag(context) is FlagState.FALSE


def left_behind(context: Context) -> tuple[Case, ...]:
    """The open incidents of a policy that is deleted: nobody goes on with them, and each says so."""
    held = context.hold.incident if context.hold is not None and stays_local(context) else ""
    told = []
    for one in context.seen.incidents:
        if one.status is None or one.status.phase in OVER:
            continue
        local = one.name == held or (not held and one.status.phase is IncidentPhase.MITIGATED and _is_about_reads(one))
        text = "the policy was deleted: " + (
            "reads stay local until a person brings them back" if local else "what was held is given back"
        )
        told.append(
            Case(
                name=one.name,
                scenario=one.status.scenario,
                severity=one.status.severity,
                phase=IncidentPhase.MITIGATED if local else IncidentPhase.RESOLVED,
                summary=text,
                began=one.status.detected_at,
                finding=Finding(Reason.POLICY_DELETED, text),
            )
        )
    return tuple(told)


def _is_about_reads(one: IncidentSeen) -> bool:
    """Whether the hold of this incident was let go in an earlier pass of the same deletion, with reads left local."""
    return (
        one.status is not None
        and bool(one.status.timeline)
        and (one.status.timeline[-1].event == Reason.POLICY_DELETED.value)
    )
