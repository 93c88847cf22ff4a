"""Scenario 3 of the runbook: data inconsistency detected (mismatch rate > 0.5 %).

    a validation fails ──► Reviewing ──single, batch, too few──► Repairing ──► Validating (10 %) ──passes──► over
                               └──random, or repair is a person's──► AwaitingPerson ◄──still fails──┘

The report is read, the pattern named. One object or one batch is uploaded again from local disk, never the other way;
random objects are a case for AWS Support and a page. A sweep is asked for. What still fails pages SRE with everything
the runbook asks to provide. It waits while an outage is held: the way back mends and compares by itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from certstorage.api.decision import JobKind, JobWanted, RepairMode
from certstorage.api.policy import Mode, Repair
from certstorage.api.reasons import Reason
from certstorage.api.receipt import PatternKind
from certstorage.api.requests import RequestPhase, RequestType, RequestWanted, Trigger
from certstorage.api.scenarios import Scenario, Step
from certstorage.api.status import Validation
from certstorage.runbook import causes
from certstorage.runbook.contacts import AWS_SUPPORT
from certstorage.runbook.errands import Errand, Progress, against_mending, bound, follow
from certstorage.runbook.milder import LOOK_AGAIN, findings_job, of_errand, over, recorded
from certstorage.runbook.mismatches import case_of, facts, pattern_of
from certstorage.runbook.recovery import outage_fires
from certstorage.runbook.threads import Thread, opened, stated, thread
from certstorage.runbook.wants import NOTHING, Ask, Context, Finding, Wants

SAMPLE_RATE = 0.10
"""Step 4: "higher sample rate"."""
MOST_VALIDATIONS = 3
CLEAR = frozenset({PatternKind.SINGLE, PatternKind.BATCH, PatternKind.INSUFFICIENT})
"""Patterns whose objects are uploaded again; of two objects nothing more can be told than of one."""

_ROWS = {
    PatternKind.SINGLE: "scenario-3/step-2-single",
    PatternKind.INSUFFICIENT: "scenario-3/step-2-single",
    PatternKind.BATCH: "scenario-3/step-2-batch",
    PatternKind.RANDOM: "scenario-3/step-2-random",
}
_MODES = {Repair.MISSING: RepairMode.MISSING, Repair.ALL: RepairMode.ALL}


def inconsistency(context: Context) -> Wants:
    """What scenario 3 wants now."""
    found, last = thread(context, Scenario.INCONSISTENCY), context.before.last_validation
    if context.reads_held or outage_fires(context.seen.signals):
        return NOTHING if found is None else _waits(context, found)
    if found is None:
        if last is None or last.verdict != "Fail" or last.command == "repair":
            return NOTHING
        if context.policy.spec.mode is Mode.OBSERVE:
            text = f"{last.mismatch} of {last.sampled} objects differ; spec.mode is Observe, so nothing is repaired"
            return Wants(finding=Finding(Reason.MODE_OBSERVE, text), look_again_at=context.now + LOOK_AGAIN)
        # the sweep is asked for once this incident is written down: whoever dies before would ask again by another name
        return _step(context, opened(context, Scenario.INCONSISTENCY), last)
    wants = _step(context, found, last)
    return replace(wants, requests=(*wants.requests, *_sweep_request(context, found)))


def _waits(context: Context, found: Thread) -> Wants:
    step = found.step or Step.REVIEWING
    return Wants(state=stated(context, found, step))


def _sweep_request(context: Context, found: Thread) -> tuple[RequestWanted, ...]:
    """The metric row's action: run integrity sweep. Asked for once an incident; a person approves it."""
    name = f"{found.name}-sweep"
    known = context.before.sweep is not None and context.before.sweep.request == name
    if known or any(one.name == name for one in context.seen.requests):
        return ()
    why = f"the mismatch rate was not below 0.5% ({found.name})"
    return (RequestWanted(name, RequestType.SWEEP, Trigger.MISMATCH, why),)


def _step(context: Context, found: Thread, last: Validation | None) -> Wants:
    began = found.began if found.state is None else found.state.since
    passed = last is not None and last.verdict == "Pass" and last.command != "repair"
    if passed and last is not None and last.finished_at >= found.began.replace(microsecond=0):
        return over(context, found, "scenario-3/step-4", f"a validation passed: {last.mismatch} of {last.sampled}")
    if found.step is Step.VALIDATING:
        return _validate(context, found)
    if found.step is Step.REPAIRING:
        return _repair(context, found, last)
    if found.step is Step.AWAITING_PERSON:
        if any(
            one.kind is RequestType.REPAIR
            and one.status.phase is RequestPhase.DONE
            and one.status.finished_at is not None
            and one.status.finished_at >= began.replace(microsecond=0)
            for one in context.seen.requests
        ):
            return _validate(
                context, replace(found, state=stated(context, found, Step.VALIDATING, attempt=found.attempt + 1))
            )
        return _person(context, found)
    against = _against_repair(context, last)
    return _repair(context, found, last) if against is None else _person(context, found)


def _against_repair(context: Context, last: Validation | None) -> Finding | None:
    """Why the operator does not repair by itself; None when it does."""
    kind, _ = pattern_of(context, last)
    if kind is PatternKind.RANDOM:
        return Finding(Reason.PATTERN_RANDOM, "the objects have nothing in common: potential data corruption in S3")
    against = against_mending(context)
    if against is not None:
        return against
    if last is None or not last.report or kind not in CLEAR:
        return Finding(Reason.REPAIR_BY_PERSON, "there is no report with a clear pattern to repair from")
    return None


def repair_job(context: Context, found: Thread, last: Validation | None) -> JobWanted:
    """Step 3: upload again what the report names; of a batch with a common prefix only that."""
    kind, receipt = pattern_of(context, last)
    batch = kind is PatternKind.BATCH and receipt is not None and receipt.pattern_axis == "prefix"
    spec = context.policy.spec.validation
    wanted = JobWanted(
        kind=JobKind.REPAIR,
        name=f"{found.name}-p1",
        incident=found.name,
        timeout_seconds=spec.timeout_seconds,
        repair=_MODES.get(spec.repair, RepairMode.ALL),
        source="" if last is None else last.report,
        under=f"{receipt.pattern_value}/" if batch and receipt is not None and receipt.pattern_value else "",
    )
    return bound(context, wanted)


def _repair(context: Context, found: Thread, last: Validation | None) -> Wants:
    wanted = repair_job(context, found, last)
    errand = follow(context, wanted, known_uid=found.uid_of(wanted.name))
    if errand.progress.over:
        text = f"repair: {errand.finding.message}"
        wants = _validate(context, replace(found, state=stated(context, found, Step.VALIDATING, attempt=1)), text)
        return replace(wants, stop_jobs=(*errand.stop_jobs, *wants.stop_jobs))
    kind, _ = pattern_of(context, last)
    text = f"{facts(last)}; pattern: {kind}; {errand.finding.message}"
    return _at_work(context, found, Step.REPAIRING, text, "scenario-3/step-3", errand=errand, last=last)


def validation_job(context: Context, found: Thread, attempt: int) -> JobWanted:
    """Step 4: the validator with a 10 % sample."""
    spec = context.policy.spec
    wanted = JobWanted(
        kind=JobKind.VALIDATION,
        name=f"{found.name}-v{attempt}",
        incident=found.name,
        attempt=attempt,
        sample_rate=max(SAMPLE_RATE, spec.validation.sample_rate),
        min_sample=spec.recovery.min_sample,
        max_mismatch=spec.recovery.max_mismatch,
        timeout_seconds=spec.validation.timeout_seconds,
        shards=spec.validation.shards,
    )
    return bound(context, wanted)


def _validate(context: Context, found: Thread, said: str = "") -> Wants:
    attempt = max(1, found.attempt)
    wanted = validation_job(context, found, attempt)
    errand = follow(context, wanted, known_uid=found.uid_of(wanted.name))
    if errand.progress is Progress.PASSED:
        ended = over(context, found, "scenario-3/step-4", f"repaired and proven: {errand.finding.message}")
        return replace(ended, validation=errand.validation)
    if errand.progress is Progress.FAILED or (errand.progress is Progress.INCONCLUSIVE and attempt >= MOST_VALIDATIONS):
        wants = _person(context, found, errand.validation)
        return replace(wants, validation=errand.validation, stop_jobs=errand.stop_jobs)
    if errand.progress is Progress.INCONCLUSIVE:
        again = replace(found, state=stated(context, found, Step.VALIDATING, attempt=attempt + 1))
        wants = _at_work(context, again, Step.VALIDATING, errand.finding.message, "scenario-3/step-4")
        return replace(wants, validation=errand.validation, stop_jobs=errand.stop_jobs)
    text = "; ".join(part for part in (said, errand.finding.message) if part)
    return _at_work(context, found, Step.VALIDATING, text, "scenario-3/step-4", errand=errand)


def _at_work(
    context: Context,
    found: Thread,
    step: Step,
    text: str,
    row: str,
    *,
    errand: Errand | None = None,
    last: Validation | None = None,
) -> Wants:
    finding = Finding(Reason.INCONSISTENT, text)
    job = None if errand is None else errand.job
    name = "" if errand is None or not errand.jobs else errand.jobs[0].name
    return Wants(
        finding=finding,
        look_again_at=context.now + LOOK_AGAIN,
        state=stated(context, found, step, job=job, job_name=name),
        jobs=() if errand is None else errand.jobs,
        cases=(case_of(context, found, finding, row, last),),
    )


def _person(context: Context, found: Thread, last: Validation | None = None) -> Wants:
    """A person decides: AWS Support for random objects, a repair, or what still differs after one."""
    last = last or context.before.last_validation
    against = _against_repair(context, last)
    kind, _ = pattern_of(context, last)
    still = found.attempt > 0
    why = "still not below 0.5 % after the repair" if still else against.message if against is not None else ""
    where = f"; report {last.report}" if last is not None and last.report else ""
    text = f"{facts(last)}: {why}{where}"
    row = "scenario-3/escalation" if still else _ROWS.get(kind, "scenario-3/step-1")
    reason = Reason.STILL_INCONSISTENT if still else against.reason if against is not None else Reason.INCONSISTENT
    finding = Finding(reason, text)
    policy = context.policy
    ask = Ask(
        reason,
        text,
        f"kubectl certstorage request repair {policy.name} -n {policy.namespace}",
        contact=AWS_SUPPORT if kind is PatternKind.RANDOM else "",
        scenario=Scenario.INCONSISTENCY,
        incident=found.name,
        since=found.began,
    )
    errand = _access_log(context, found) if still else None
    receipt = errand.receipt if errand is not None and errand.progress.over else None
    case = case_of(context, found, finding, row, last)
    case = replace(
        case,
        findings=of_errand(errand),
        evidence=(*case.evidence, *(causes.evidence(context, found, receipt) if receipt is not None else ())),
    )
    return Wants(
        finding=finding,
        look_again_at=context.now + timedelta(minutes=1),
        state=stated(context, found, Step.AWAITING_PERSON),
        jobs=() if errand is None else errand.jobs,
        stop_jobs=() if errand is None else errand.stop_jobs,
        cases=(case,),
        asks=(ask,),
    )


def _access_log(context: Context, found: Thread) -> Errand | None:
    """Where S3 keeps its access log, which the escalation must name: a Findings Job tells, once an incident."""
    if recorded(context, found):
        return None
    return follow(context, findings_job(context, found))
