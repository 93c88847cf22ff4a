"""The decision: what was seen and remembered, and the time, give what is to be done and said. No I/O, no clock.

Every scenario of the runbook looks at the same `Context`; what they want is joined into one write. A new scenario is
one file and one line in `SCENARIOS`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from certstorage.api.decision import Decision, TargetPatch
from certstorage.api.env import EnvVar, FlagState
from certstorage.api.hold import Hold
from certstorage.api.incidents import Entry, IncidentWanted
from certstorage.api.observed import Observation, Problem, Target
from certstorage.api.policy import Mode, Policy
from certstorage.api.reasons import Reason
from certstorage.api.requests import RequestAnswer, RequestPhase, RequestWanted
from certstorage.api.scenarios import Scenario
from certstorage.api.status import ReadsFrom, Status, SweepStatus
from certstorage.runbook import attempt, gates
from certstorage.runbook.aftermath import going_on_unseen, left_behind, record_of, stays_local
from certstorage.runbook.alerts import alerts
from certstorage.runbook.asked import approvals, returns
from certstorage.runbook.degradation import degradation
from certstorage.runbook.deletes import deletes
from certstorage.runbook.disk import disk
from certstorage.runbook.held import read_flag
from certstorage.runbook.incident import new_entries, records
from certstorage.runbook.inconsistency import inconsistency
from certstorage.runbook.merge import let_go, merge
from certstorage.runbook.outage import outage
from certstorage.runbook.read_fallback import read_fallback
from certstorage.runbook.report import Report, ended
from certstorage.runbook.routine import requested, routine
from certstorage.runbook.sweep_request import sweep
from certstorage.runbook.triggers import triggers
from certstorage.runbook.wants import NOTHING, Ask, Case, Context, Finding, Wants
from certstorage.runbook.writes import writes

LOOK_AGAIN = timedelta(seconds=30)
"""How soon a Deployment that is not there, or cannot be read, is looked for again."""

SCENARIOS: tuple[Callable[[Context], Wants], ...] = (
    sweep,
    degradation,
    inconsistency,
    read_fallback,
    deletes,
    writes,
    disk,
    routine,
    returns,
)
"""Beside the outage, which goes before them all."""

ANSWERING: tuple[Callable[[Context], Wants], ...] = (sweep, returns)
"""What a policy still does whose Deployment an older one cares for: it answers those who ask."""


def decide(policy: Policy, seen: Observation, before: Status, now: datetime) -> Decision:
    """What to do about one policy now.

    `seen` is the world as this pass read it, `before` the status that was stored, `now` the time in UTC. Deciding
    again on the result of acting asks for nothing more. Nothing is raised for whatever was seen.
    """
    if isinstance(seen.target, Problem):
        return _without_target(policy, seen, before, now, seen.target)
    hold, problem = _own_hold(policy, seen.target)
    context = Context(policy, seen, seen.target, hold, problem, before, now)
    if seen.deleting:
        return _deleting(context)
    wants = _all(context)
    patch = merge(context, wants)
    after = hold if patch is None else patch.hold
    return _decision(context, wants, patch, after, keep=after is not None)


def _all(context: Context) -> list[Wants]:
    """What every scenario wants, in the order in which they speak. A glance asks the outage alone."""
    first = outage(context)
    if context.seen.glance:
        return [first]
    found = [first]
    record = record_of(context, first)
    if record is not NOTHING:
        found.append(record)
    second = bool(context.seen.neighbours.same_target) and context.hold is None
    for scenario in ANSWERING if second else SCENARIOS:
        wants = scenario(context)
        if wants is not NOTHING:
            found.append(wants)
    if context.seen.requests:
        found += requested(context)
        found.append(approvals(context, _plans(found)))
    return found


def _plans(wants: list[Wants]) -> dict[str, str]:
    """The hash of each plan that this pass made, by the name of its request or incident."""
    plans = {answer.name: answer.status.plan_hash for one in wants for answer in one.answers}
    plans |= {case.name: case.plan_hash for one in wants for case in one.cases}
    return {name: digest for name, digest in plans.items() if digest}


def _own_hold(policy: Policy, target: Target) -> tuple[Hold | None, Problem | None]:
    """The hold if it is ours and about this Deployment, or why the one that is there is not."""
    hold = target.hold
    if hold is None:
        return None, target.hold_problem
    if hold.policy_uid != policy.uid:
        text = f"the hold on the Deployment belongs to policy {hold.policy_name} of another UID"
        return None, Problem(Reason.HOLD_FOREIGN, f"{text}: remove the annotation if that policy is gone")
    if hold.target_uid != target.uid:
        text = "the hold on the Deployment was copied from another Deployment: remove the annotation"
        return None, Problem(Reason.HOLD_FOREIGN, text)
    return hold, None


def _without_target(policy: Policy, seen: Observation, before: Status, now: datetime, problem: Problem) -> Decision:
    """No Deployment to care for: what was held is gone with it, or cannot be seen now."""
    gone = problem.reason is Reason.TARGET_MISSING
    wants = Wants(
        finding=Finding(problem.reason, problem.message),
        desired=before.reads.desired if before.reads is not None else ReadsFrom.UNKNOWN,
        operation=None if gone else attempt.unseen(seen, before, now),
        asks=(Ask(problem.reason, problem.message),),
    )
    kept = () if gone else tuple(Wants(state=state) for state in before.scenarios)
    about = (policy, seen, before, now)
    report = Report.of(about, (wants, *kept), hold=None, template=ReadsFrom.UNKNOWN, sweep=before.sweep)
    return Decision(
        status=report.status(),
        look_again_at=now + LOOK_AGAIN,
        finalizer=seen.has_finalizer and not gone,
        events=report.events(()),
        alerts=alerts(
            policy,
            before,
            now,
            hold=None,
            finding=report.finding,
            asks=report.asks,
            cases=() if gone else going_on_unseen(seen, before, report.finding),
        ),
    )


def _deleting(context: Context) -> Decision:
    """The policy goes: replicas, log level and timeouts are given back, reads stay as they are, a person is told."""
    patch = let_go(context)
    held = stays_local(context)
    text = "the policy was deleted while reads were held local: they stay local until a person brings them back"
    asks = (Ask(Reason.POLICY_DELETED, text, gates.set_env_command(context, "true")),) if held else ()
    idle = "the policy is being deleted; " + ("nothing is held" if patch is None else "what it holds is given back")
    wants = Wants(
        finding=Finding(Reason.POLICY_DELETED, text if held else idle),
        desired=ReadsFrom.LOCAL if read_flag(context) is FlagState.FALSE else ReadsFrom.S3,
        look_again_at=context.now + timedelta(seconds=1),
        asks=asks,
        cases=left_behind(context),
    )
    return _decision(context, [wants], patch, None, keep=patch is not None)


def _decision(
    context: Context, wants: list[Wants], patch: TargetPatch | None, hold: Hold | None, *, keep: bool
) -> Decision:
    """The decision as data. The finalizer stays until both halves of giving back are done."""
    observing = context.policy.spec.mode is Mode.OBSERVE and not context.seen.deleting
    release = patch is None and hold is None and context.target.owns_fields and not observing
    cases = tuple(case for one in wants for case in one.cases)
    told, entries = _told(context, cases, patch)
    sweep_status, filed = _filed(context, wants)
    report = Report.of(context, wants, hold=hold, template=_template(context, patch), sweep=sweep_status)
    answers = _answers(context, wants)
    looks = [one.look_again_at for one in wants if one.look_again_at is not None]
    # nothing wakes a policy after its own writes, and a scenario may wait for the end of a request
    if release or any(one.status.phase is RequestPhase.DONE for one in answers):
        looks.append(context.now + timedelta(seconds=1))
    return Decision(
        status=report.status(),
        look_again_at=_look(context, looks),
        patch=patch,
        release=release,
        stop_jobs=tuple(stop for one in wants for stop in one.stop_jobs),
        jobs=tuple(job for one in wants for job in one.jobs),
        requests=filed,
        answers=answers,
        incidents=told,
        finalizer=keep or (context.target.owns_fields and context.seen.has_finalizer),
        events=report.events(entries),
        alerts=alerts(
            context.policy,
            context.before,
            context.now,
            hold=hold,
            finding=wants[0].finding or report.finding,
            asks=report.asks,
            cases=cases,
        ),
    )


def _told(
    context: Context, cases: tuple[Case, ...], patch: TargetPatch | None
) -> tuple[tuple[IncidentWanted, ...], tuple[Entry, ...]]:
    """The incidents that say something new, and their new entries; nothing while they cannot be read."""
    if context.seen.glance or context.seen.blind or not (cases or context.seen.incidents):
        return (), ()
    told = records(context, cases, wrote=patch is not None)
    outages = {one.name for one in cases if one.scenario is Scenario.OUTAGE}
    return told, tuple(entry for one in told if one.name not in outages for entry in new_entries(context, one))


def _filed(context: Context, wants: list[Wants]) -> tuple[SweepStatus | None, tuple[RequestWanted, ...]]:
    """The sweeps that are asked for; nothing while it cannot be seen what was asked for already."""
    if context.seen.glance or context.seen.blind or context.seen.deleting:
        return context.before.sweep, ()
    status = next((one.sweep_status for one in wants if one.sweep_status is not None), None)
    wanted = tuple(request for one in wants for request in one.requests)
    return triggers(context, status, ended(wants), wanted)


def _answers(context: Context, wants: list[Wants]) -> tuple[RequestAnswer, ...]:
    if context.seen.glance or context.seen.blind:
        return ()
    return tuple(answer for one in wants for answer in one.answers)


def _look(context: Context, looks: list[datetime]) -> datetime:
    """The earliest time that anybody wants, and never a time that has passed."""
    first = min(looks)
    return first if first > context.now else context.now + timedelta(milliseconds=1)


def _template(context: Context, patch: TargetPatch | None) -> ReadsFrom:
    """Where the template reads from once the pass's write is in."""
    name = context.policy.spec.env.read_primary
    written = {} if patch is None else patch.env
    state = EnvVar.literal(written[name]).state if name in written else read_flag(context)
    if state is FlagState.FALSE:
        return ReadsFrom.LOCAL
    return ReadsFrom.S3 if state is FlagState.TRUE else ReadsFrom.UNKNOWN
