"""Scenario 2 of the runbook: partial S3 degradation (5-20 % errors).

    quiet ──Degraded, past its first breath──► Finding ──receipt──► Watching ──clear──► Validating (5 %) ──► over
                                              DEBUG and timeouts are borrowed meanwhile, an hour at most

Dual-write is never touched: local fallback handles errors gracefully. From 20 % on people are paged. An outage goes
before: what is borrowed is given back in the same write as the flip.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from certstorage.api.alerts import Severity
from certstorage.api.decision import EventType, EventWanted, JobKind, JobWanted
from certstorage.api.hold import DegradationHold
from certstorage.api.incidents import IncidentFinding, IncidentPhase
from certstorage.api.policy import Mode, Switch
from certstorage.api.reasons import Reason
from certstorage.api.scenarios import Scenario, Step
from certstorage.api.signals import Signal, SignalName, Verdict
from certstorage.runbook import borrowing, causes
from certstorage.runbook.bands import SAVES, Band, band_of
from certstorage.runbook.borrowing import NO_LOAN, Loan, borrow, debugged_at, give_back, keep
from certstorage.runbook.contacts import SEVERITY, log_query
from certstorage.runbook.errands import Errand, Progress, against_mending, bound, follow
from certstorage.runbook.milder import (
    LOOK_AGAIN,
    cooled_down,
    looked_into,
    of_errand,
    over,
    quiet_since,
    recorded,
    told,
)
from certstorage.runbook.recovery import AT_RISK_MARGIN
from certstorage.runbook.threads import Thread, opened, stated, thread
from certstorage.runbook.wants import NOTHING, Ask, Case, Context, Finding, Wants
from certstorage.runbook.watch import Sight, in_outage, look, looked_again

MOST_VALIDATIONS = 3
"""Inconclusive validations after a degradation before people are asked to look."""
VALIDATION_PAUSE = timedelta(minutes=10)


def degradation(context: Context) -> Wants:
    """What scenario 2 wants now."""
    signal = context.seen.signals[SignalName.DEGRADED]
    share = None if context.hold is None else context.hold.degradation
    found = thread(context, Scenario.DEGRADATION)
    if found is None and share is None and signal.verdict is not Verdict.FIRING:
        return _remember(context)
    sight = look(context, signal)
    if found is None and share is not None:
        found = Thread(Scenario.DEGRADATION, share.incident, share.since)
    if found is None:
        if sight is not Sight.REAL:
            return replace(_remember(context), look_again_at=looked_again(context, signal))
        if context.policy.spec.mode is Mode.OBSERVE:
            text = f"{told(signal)}; spec.mode is Observe, so nothing is done about it"
            return Wants(finding=Finding(Reason.MODE_OBSERVE, text), look_again_at=context.now + LOOK_AGAIN)
        found = opened(context, Scenario.DEGRADATION)
    if sight is Sight.IGNORED or in_outage(context):
        return _became_outage(context, found, share)
    quiet = quiet_since(context, found, signal, sight)
    if found.step is Step.VALIDATING or (quiet is not None and context.now >= quiet + context.seen.patience.cool_down):
        return _validate(context, found, share, sight)
    return _goes_on(context, found, share, signal)


def _remember(context: Context) -> Wants:
    """Between degradations only the time of the last verbose logging is kept, for a day."""
    at, state = debugged_at(context), context.before.scenario(Scenario.DEGRADATION)
    if at is None or state is None or context.now >= at + borrowing.DEBUG_PAUSE:
        return NOTHING
    if state.step is Step.DONE:
        return Wants(state=state)
    return Wants(state=replace(state, step=Step.DONE, job_name="", job_uid="", retry_at=None, marks={"debugAt": at}))


def _became_outage(context: Context, found: Thread, share: DegradationHold | None) -> Wants:
    ended = over(context, found, "scenario-1/symptoms", "it became an outage, which goes on as an incident of its own")
    return _with_loan(_forgetting(context, found, ended), NO_LOAN if share is None else give_back(context, share))


def _forgetting(context: Context, found: Thread, wants: Wants) -> Wants:
    at = found.mark("debugAt")
    if at is None:
        return wants
    return replace(wants, state=stated(context, found, Step.DONE, marks={"debugAt": at, "quietSince": None}))


def _with_loan(wants: Wants, loan: Loan) -> Wants:
    events = wants.events
    if loan.foreign and loan.finding is not None:
        events = (*events, EventWanted(EventType.WARNING, loan.finding.reason.value, loan.finding.message))
    return replace(wants, will=loan.will, events=events)


def _goes_on(context: Context, found: Thread, share: DegradationHold | None, signal: Signal) -> Wants:
    """Immediate actions 1 to 4 and the analysis of the cause."""
    errand = looked_into(context, found)
    known = (causes.retry_bound(context), *of_errand(errand))
    loan, row = _loan(context, found, share, (*known, *recorded(context, found)))
    borrowed = loan.env is not None and share is None
    severe = band_of(signal, SAVES) if signal.verdict is Verdict.FIRING else Band.PARTIAL
    text = f"{told(signal)}; dual-write stays on"
    parts = [text, "" if loan.finding is None else loan.finding.message]
    parts += [f"{one.name}: {one.message}" for one in causes.bad((*known, *recorded(context, found)))][:3]
    at_work = errand is not None and not errand.progress.over
    parts.append(errand.finding.message if errand is not None and at_work else "")
    line = "; ".join(dict.fromkeys(part for part in parts if part))
    refused = loan.finding
    until = share.until if share is not None else None if refused is None else refused.until
    finding = Finding(Reason.DEGRADED, line, until=until)
    receipt = errand.receipt if errand is not None and errand.progress.over else None
    quiet = quiet_since(context, found, signal, look(context, signal))
    state = stated(
        context,
        found,
        Step.FINDING if at_work else Step.WATCHING,
        deadline=None if share is None else share.until,
        job=errand.job if errand is not None and at_work else None,
        marks={
            "quietSince": quiet,
            "debugAt": context.now if borrowed else debugged_at(context),
        },
    )
    wants = Wants(
        finding=finding,
        look_again_at=cooled_down(context, quiet),
        state=state,
        jobs=() if errand is None else errand.jobs,
        stop_jobs=() if errand is None else errand.stop_jobs,
        cases=(
            Case(
                name=found.name,
                scenario=Scenario.DEGRADATION,
                severity=Severity.CRITICAL if severe >= Band.SEVERE else SEVERITY[Scenario.DEGRADATION],
                phase=IncidentPhase.OPEN,
                summary=line,
                began=found.began,
                started_at=signal.since,
                finding=finding if refused is None else replace(finding, reason=refused.reason),
                row=row,
                findings=known,
                evidence=causes.evidence(context, found, receipt),
                report="" if receipt is None else receipt.report,
            ),
        ),
        asks=_pages(context, found, severe, text),
    )
    return _with_loan(wants, loan)


def _loan(
    context: Context, found: Thread, share: DegradationHold | None, findings: tuple[IncidentFinding, ...]
) -> tuple[Loan, str]:
    """What becomes of log level and timeouts, and the runbook's row that this is."""
    if share is None:
        loan = borrow(context, found, findings)
        return loan, "scenario-2/step-2" if loan.env is not None else "scenario-2/step-4"
    spec = context.policy.spec
    if context.now >= share.until or spec.mode is not Mode.ENFORCE or spec.degradation.debug_logging is Switch.DISABLED:
        return give_back(context, share), "scenario-2/post-1"
    return keep(context, share, findings), "scenario-2/step-2"


def _pages(context: Context, found: Thread, severe: Band, text: str) -> tuple[Ask, ...]:
    if severe < Band.SEVERE:
        return ()
    what = (
        "nearly all saves to S3 fail, reads are fine" if severe is Band.DOWN else "more than 20 % of saves to S3 fail"
    )
    command = log_query(context.policy, found.began)
    return (
        Ask(
            Reason.DEGRADED,
            f"{what}: {text}",
            command,
            scenario=Scenario.DEGRADATION,
            incident=found.name,
            since=found.began,
        ),
    )


def validation_job(context: Context, found: Thread, attempt: int) -> JobWanted:
    """Post-recovery: the backfill validator with a 5 % sample, and all that changed since shortly before it began.

    Why those differ is known, the saves failed: they are mended first, and what differs then is an inconsistency.
    """
    spec = context.policy.spec
    wanted = JobWanted(
        kind=JobKind.VALIDATION,
        name=f"{found.name}-v{attempt}",
        incident=found.name,
        attempt=attempt,
        since=found.began - AT_RISK_MARGIN,
        mends=against_mending(context) is None,
        sample_rate=spec.degradation.sample_rate,
        min_sample=spec.recovery.min_sample,
        max_mismatch=spec.recovery.max_mismatch,
        timeout_seconds=spec.validation.timeout_seconds,
        shards=spec.validation.shards,
    )
    return bound(context, wanted)


def _validate(context: Context, found: Thread, share: DegradationHold | None, sight: Sight) -> Wants:
    """Post-recovery: revert verbose logging, run the backfill validator."""
    loan = NO_LOAN if share is None else give_back(context, share)
    if sight is Sight.REAL:
        # what is compared now may be from before: once it is over, another Job compares
        state = stated(context, found, Step.WATCHING, attempt=max(1, found.attempt) + 1)
        return _goes_on(context, replace(found, state=state), share, context.seen.signals[SignalName.DEGRADED])
    retry_at = None if found.state is None else found.state.retry_at
    attempt = max(1, found.attempt) + (retry_at is not None and context.now >= retry_at)
    if retry_at is not None and context.now < retry_at:
        finding = Finding(Reason.BACKING_OFF, "the validation after the degradation is tried again", until=retry_at)
        return _with_loan(_validating(context, found, finding, attempt, retry_at=retry_at), loan)
    wanted = validation_job(context, found, attempt)
    errand = follow(context, wanted, known_uid=found.uid_of(wanted.name))
    if errand.progress in (Progress.PASSED, Progress.FAILED):
        passed = errand.progress is Progress.PASSED
        text = "S3 is well again, and the validation passed" if passed else (
            f"S3 is well again, but copies differ, which goes on as an inconsistency: {errand.finding.message}"
        )  # fmt: skip
        ended = _forgetting(context, found, over(context, found, "scenario-2/post-2", text))
        return _with_loan(replace(ended, validation=errand.validation), loan)
    if errand.progress is Progress.INCONCLUSIVE:
        if attempt >= MOST_VALIDATIONS:
            text = f"S3 is well again, but {attempt} validations could not tell: the nightly one will"
            ended = _forgetting(context, found, over(context, found, "scenario-2/post-2", text))
            return _with_loan(replace(ended, validation=errand.validation, stop_jobs=errand.stop_jobs), loan)
        again = context.now + VALIDATION_PAUSE
        wants = _validating(context, found, errand.finding, attempt, retry_at=again)
        return _with_loan(replace(wants, validation=errand.validation, stop_jobs=errand.stop_jobs), loan)
    return _with_loan(_validating(context, found, errand.finding, attempt, errand=errand), loan)


def _validating(
    context: Context,
    found: Thread,
    finding: Finding,
    attempt: int,
    *,
    errand: Errand | None = None,
    retry_at: datetime | None = None,
) -> Wants:
    job = None if errand is None else errand.job
    told_now = Finding(finding.reason, f"S3 is well again; {finding.message}", until=finding.until)
    return Wants(
        finding=told_now,
        look_again_at=context.now + LOOK_AGAIN,
        state=stated(
            context, found, Step.VALIDATING, attempt=attempt, retry_at=retry_at, job=job, marks={"quietSince": None}
        ),
        jobs=() if errand is None else errand.jobs,
        cases=(
            Case(
                name=found.name,
                scenario=Scenario.DEGRADATION,
                severity=SEVERITY[Scenario.DEGRADATION],
                phase=IncidentPhase.RECOVERING,
                summary=told_now.message,
                began=found.began,
                finding=told_now,
                row="scenario-2/post-2",
            ),
        ),
    )
